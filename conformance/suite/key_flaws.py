"""Signed requests that must be refused, as data: the requirement, a name, and how to spoil a good one.

Each is tried on an order that the good credential can cancel, so that a refusal can have no other reason.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from conformance.record import Auth
from conformance.target.signing import ApiKeyAuth, Draft, Tamper, digest, sign
from conformance.target.venue import Credential, Venue

_MINUTE, _DAY = 60_000, 86_400_000  # ms


@dataclass(frozen=True)
class KeyFlaw:
    """A spoiled signed request. `query` is sent (and signed) in front of the timestamp.

    `bash` does the same to $QUERY $TIMESTAMP $KEY $SECRET $HEADER, calls `sign`, and changes $SENT and $SIGNATURE.
    """

    requirement: str
    name: str
    bash: str
    before: Tamper | None = None
    after: Tamper | None = None
    query: str = ""
    needs_other: bool = False


def _set(**values: object) -> Tamper:
    def tamper(draft: Draft) -> None:
        for name, value in values.items():
            setattr(draft, name, value)

    return tamper


def _signature(change: Callable[[str], str]) -> Tamper:
    def tamper(draft: Draft) -> None:
        draft.signature = change(draft.signature or "")

    return tamper


def _resign(make: Callable[[Draft], str]) -> Tamper:
    def tamper(draft: Draft) -> None:
        draft.signature = make(draft)

    return tamper


def _send(change: Callable[[Draft], str]) -> Tamper:
    def tamper(draft: Draft) -> None:
        draft.sent_query = change(draft)

    return tamper


def _stamp(change: Callable[[int], str | None]) -> Tamper:
    def tamper(draft: Draft) -> None:
        draft.timestamp = change(int(draft.timestamp or 0))

    return tamper


def _other_secret(draft: Draft) -> None:
    assert draft.other is not None
    draft.secret = draft.other.api_secret or ""


def _other_key(draft: Draft) -> None:
    assert draft.other is not None
    draft.key = draft.other.api_key


def _key(change: Callable[[str], str]) -> Tamper:
    def tamper(draft: Draft) -> None:
        draft.key = change(draft.key or "")

    return tamper


def _key_elsewhere(draft: Draft) -> None:
    draft.query, draft.key = f"{draft.query}={draft.key}", None


def _flip(index: int) -> Callable[[str], str]:
    def flip(text: str) -> str:
        digits = list(text)
        digits[index] = "0" if digits[index] != "0" else "1"
        return "".join(digits)

    return flip


def _cased(text: str, first: Callable[[str], str], second: Callable[[str], str]) -> str:
    """`text` in the first case, or in the second if it is in the first already, or else with another digit."""
    return next((t for t in (first(text), second(text)) if t != text), _flip(0)(text))


def _swap_case_or_flip(text: str) -> str:
    swapped = text.swapcase()
    return swapped if swapped != text else _flip(0)(text)


def _later(draft: Draft) -> str:
    return str(int(draft.timestamp or 0) + 1)


_SIG = "cancel.key.signature."
_TIME = "cancel.key.timestamp."

KEY_FLAWS = (
    KeyFlaw(_SIG + "missing", "no signature", "sign; unset SIGNATURE", after=_set(signature=None)),
    KeyFlaw(
        _SIG + "missing",
        "only the key",
        "unset TIMESTAMP; sign; unset SIGNATURE",
        before=_stamp(lambda t: None),
        after=_set(signature=None),
    ),
    KeyFlaw(_SIG + "empty", "empty signature", "sign; SIGNATURE=", after=_set(signature="")),
    KeyFlaw(
        _SIG + "truncated", "one digit short", "sign; SIGNATURE=${SIGNATURE%?}", after=_signature(lambda s: s[:-1])
    ),
    KeyFlaw(
        _SIG + "truncated", "first half", "sign; SIGNATURE=${SIGNATURE:0:32}", after=_signature(lambda s: s[:32])
    ),
    KeyFlaw(
        _SIG + "truncated", "first digits", "sign; SIGNATURE=${SIGNATURE:0:8}", after=_signature(lambda s: s[:8])
    ),
    KeyFlaw(_SIG + "altered", "first digit", 'sign; SIGNATURE=$(flip 0 "$SIGNATURE")', after=_signature(_flip(0))),
    KeyFlaw(
        _SIG + "altered", "middle digit", 'sign; SIGNATURE=$(flip 33 "$SIGNATURE")', after=_signature(_flip(33))
    ),
    KeyFlaw(_SIG + "altered", "last digit", 'sign; SIGNATURE=$(flip 63 "$SIGNATURE")', after=_signature(_flip(-1))),
    KeyFlaw(_SIG + "altered", "all zeros", "sign; SIGNATURE=$(printf %064d 0)", after=_set(signature="0" * 64)),
    KeyFlaw(
        _SIG + "altered", "reversed", 'sign; SIGNATURE=$(reverse "$SIGNATURE")', after=_signature(lambda s: s[::-1])
    ),
    KeyFlaw(
        _SIG + "extended", "one digit more", "sign; SIGNATURE=${SIGNATURE}0", after=_signature(lambda s: s + "0")
    ),
    KeyFlaw(_SIG + "extended", "twice", "sign; SIGNATURE=$SIGNATURE$SIGNATURE", after=_signature(lambda s: s + s)),
    KeyFlaw(
        _SIG + "wrong-secret",
        "random secret",
        "SECRET=$(openssl rand -hex 32); sign",
        before=lambda d: setattr(d, "secret", secrets.token_hex(32)),
    ),
    KeyFlaw(_SIG + "wrong-secret", "empty secret", "SECRET=; sign", before=_set(secret="")),
    KeyFlaw(
        _SIG + "wrong-secret",
        "the key as secret",
        "SECRET=$KEY; sign",
        before=lambda d: setattr(d, "secret", d.key),
    ),
    KeyFlaw(
        _SIG + "wrong-secret",
        "secret in another case",
        'SECRET=$(other_case "$SECRET"); sign',
        before=lambda d: setattr(d, "secret", _swap_case_or_flip(d.secret)),
    ),
    KeyFlaw(
        _SIG + "wrong-secret",
        "secret in lower case",
        'SECRET=$(cased "$SECRET" lower upper); sign',
        before=lambda d: setattr(d, "secret", _cased(d.secret, str.lower, str.upper)),
    ),
    KeyFlaw(
        _SIG + "wrong-secret",
        "secret in upper case",
        'SECRET=$(cased "$SECRET" upper lower); sign',
        before=lambda d: setattr(d, "secret", _cased(d.secret, str.upper, str.lower)),
    ),
    KeyFlaw(
        _SIG + "other-user",
        "the other user's secret",
        'SECRET=$(secret "${OTHER}_API_SECRET"); sign',
        before=_other_secret,
        needs_other=True,
    ),
    KeyFlaw(
        _SIG + "other-user",
        "the other user's key",
        'KEY=$(secret "${OTHER}_API_KEY"); sign',
        before=_other_key,
        needs_other=True,
    ),
    KeyFlaw(
        _SIG + "other-algorithm",
        "HMAC-SHA1",
        'sign; SIGNATURE=$(hmac sha1 "$SECRET" "$SENT$BODY")',
        after=_resign(lambda d: sign(d.secret, d.payload, "sha1")),
    ),
    KeyFlaw(
        _SIG + "other-algorithm",
        "HMAC-SHA512",
        'sign; SIGNATURE=$(hmac sha512 "$SECRET" "$SENT$BODY")',
        after=_resign(lambda d: sign(d.secret, d.payload, "sha512")),
    ),
    KeyFlaw(
        _SIG + "other-algorithm",
        "HMAC-MD5",
        'sign; SIGNATURE=$(hmac md5 "$SECRET" "$SENT$BODY")',
        after=_resign(lambda d: sign(d.secret, d.payload, "md5")),
    ),
    KeyFlaw(
        _SIG + "other-algorithm",
        "plain SHA-256",
        'sign; SIGNATURE=$(sha256 "$SENT$BODY")',
        after=_resign(lambda d: digest(d.payload)),
    ),
    KeyFlaw(
        _SIG + "other-algorithm",
        "SHA-256 of secret and payload",
        'sign; SIGNATURE=$(sha256 "$SECRET$SENT$BODY")',
        after=_resign(lambda d: digest(d.secret.encode() + d.payload)),
    ),
    KeyFlaw(
        _SIG + "covers-added",
        "behind",
        'sign; SENT="$SENT&note=1"',
        after=_send(lambda d: f"{d.signed_query}&note=1"),
    ),
    KeyFlaw(
        _SIG + "covers-added",
        "in front",
        'sign; SENT="note=1&$SENT"',
        after=_send(lambda d: f"note=1&{d.signed_query}"),
    ),
    KeyFlaw(
        _SIG + "covers-added",
        "behind the signature",
        'sign; SIGNATURE="$SIGNATURE&note=1"',
        after=_signature(lambda s: s + "&note=1"),
    ),
    KeyFlaw(
        _SIG + "covers-added",
        "recvWindow",
        'sign; SENT="$SENT&recvWindow=60000"',
        after=_send(lambda d: f"{d.signed_query}&recvWindow=60000"),
    ),
    KeyFlaw(
        _SIG + "covers-removed",
        "parameter",
        "sign; SENT=timestamp=$TIMESTAMP",
        after=_send(lambda d: f"timestamp={d.timestamp}"),
        query="note=1",
    ),
    KeyFlaw(
        _SIG + "covers-removed",
        "value",
        'sign; SENT="note=&timestamp=$TIMESTAMP"',
        after=_send(lambda d: f"note=&timestamp={d.timestamp}"),
        query="note=1",
    ),
    KeyFlaw(
        _SIG + "covers-order",
        "swapped",
        'sign; SENT="b=2&a=1&timestamp=$TIMESTAMP"',
        after=_send(lambda d: f"b=2&a=1&timestamp={d.timestamp}"),
        query="a=1&b=2",
    ),
    KeyFlaw(
        _SIG + "covers-order",
        "timestamp first",
        'sign; SENT="timestamp=$TIMESTAMP&a=1"',
        after=_send(lambda d: f"timestamp={d.timestamp}&a=1"),
        query="a=1",
    ),
    KeyFlaw(
        _SIG + "covers-timestamp",
        "nothing is signed",
        'sign; SIGNATURE=$(hmac sha256 "$SECRET" "")',
        after=_resign(lambda d: sign(d.secret, b"")),
    ),
    KeyFlaw(
        _SIG + "covers-timestamp",
        "the bare number is signed",
        'sign; SIGNATURE=$(hmac sha256 "$SECRET" "$TIMESTAMP")',
        after=_resign(lambda d: sign(d.secret, (d.timestamp or "").encode())),
    ),
    KeyFlaw(
        _SIG + "covers-timestamp",
        "exchanged",
        "sign; SENT=timestamp=$((TIMESTAMP + 1))",
        after=_send(lambda d: f"timestamp={_later(d)}"),
    ),
    KeyFlaw(
        _SIG + "covers-timestamp",
        "second behind",
        'sign; SENT="$SENT&timestamp=$((TIMESTAMP + 1))"',
        after=_send(lambda d: f"timestamp={d.timestamp}&timestamp={_later(d)}"),
    ),
    KeyFlaw(
        _SIG + "covers-timestamp",
        "second in front",
        'sign; SENT="timestamp=$((TIMESTAMP + 1))&$SENT"',
        after=_send(lambda d: f"timestamp={_later(d)}&timestamp={d.timestamp}"),
    ),
    KeyFlaw(_TIME + "missing", "no timestamp", "unset TIMESTAMP; sign", before=_set(timestamp=None)),
    KeyFlaw(
        _TIME + "missing",
        "no timestamp, another parameter",
        "unset TIMESTAMP; sign",
        before=_set(timestamp=None),
        query="note=1",
    ),
    KeyFlaw(
        _TIME + "stale",
        "a minute old",
        "TIMESTAMP=$((TIMESTAMP - 60000)); sign",
        before=_stamp(lambda t: str(t - _MINUTE)),
    ),
    KeyFlaw(
        _TIME + "stale",
        "a minute old, recvWindow",
        "TIMESTAMP=$((TIMESTAMP - 60000)); sign",
        before=_stamp(lambda t: str(t - _MINUTE)),
        query="recvWindow=120000",
    ),
    KeyFlaw(
        _TIME + "stale",
        "a day old",
        "TIMESTAMP=$((TIMESTAMP - 86400000)); sign",
        before=_stamp(lambda t: str(t - _DAY)),
    ),
    KeyFlaw(
        _TIME + "stale",
        "a year old",
        "TIMESTAMP=$((TIMESTAMP - 365 * 86400000)); sign",
        before=_stamp(lambda t: str(t - 365 * _DAY)),
    ),
    KeyFlaw(_TIME + "stale", "zero", "TIMESTAMP=0; sign", before=_set(timestamp="0")),
    KeyFlaw(
        _TIME + "ahead",
        "a minute ahead",
        "TIMESTAMP=$((TIMESTAMP + 60000)); sign",
        before=_stamp(lambda t: str(t + _MINUTE)),
    ),
    KeyFlaw(
        _TIME + "ahead",
        "a day ahead",
        "TIMESTAMP=$((TIMESTAMP + 86400000)); sign",
        before=_stamp(lambda t: str(t + _DAY)),
    ),
    KeyFlaw(
        _TIME + "ahead",
        "a year ahead",
        "TIMESTAMP=$((TIMESTAMP + 365 * 86400000)); sign",
        before=_stamp(lambda t: str(t + 365 * _DAY)),
    ),
    KeyFlaw(
        _TIME + "seconds",
        "Unix seconds",
        "TIMESTAMP=$((TIMESTAMP / 1000)); sign",
        before=_stamp(lambda t: str(t // 1000)),
    ),
    KeyFlaw(_TIME + "not-a-number", "text", "TIMESTAMP=now; sign", before=_set(timestamp="now")),
    KeyFlaw(_TIME + "not-a-number", "empty", "TIMESTAMP=; sign", before=_set(timestamp="")),
    KeyFlaw(_TIME + "not-a-number", "NaN", "TIMESTAMP=NaN; sign", before=_set(timestamp="NaN")),
    KeyFlaw(_TIME + "not-a-number", "negative", "TIMESTAMP=-$TIMESTAMP; sign", before=_stamp(lambda t: str(-t))),
    KeyFlaw(
        _TIME + "not-a-number",
        "beyond 64 bits",
        "TIMESTAMP=999999999999999999999999999999; sign",
        before=_set(timestamp="9" * 30),
    ),
    KeyFlaw(
        _TIME + "not-a-number",
        "wraps at 64 bits",
        "TIMESTAMP=18446$((744073709551616 + TIMESTAMP)); sign",
        before=_stamp(lambda t: str(t + 2**64)),
    ),
    KeyFlaw(
        "cancel.key.unknown",
        "random key",
        "KEY=$(openssl rand -hex 16); sign",
        before=_key(lambda k: secrets.token_hex(16)),
    ),
    KeyFlaw(
        "cancel.key.unknown",
        "key cut short",
        "KEY=${KEY:0:$((${#KEY} > 1 ? ${#KEY} / 2 : 1))}; sign",
        before=_key(lambda k: k[: max(1, len(k) // 2)]),
    ),
    KeyFlaw(
        "cancel.key.unknown",
        "key in another case",
        'KEY=$(other_case "$KEY"); sign',
        before=_key(_swap_case_or_flip),
    ),
    KeyFlaw("cancel.key.unknown", "empty key", "KEY=; sign", before=_set(key="")),
    KeyFlaw("cancel.key.absent", "no key", "unset KEY; sign", before=_set(key=None)),
    KeyFlaw(
        "cancel.key.absent",
        "key in the query",
        "QUERY=$QUERY=$KEY; unset KEY; sign",
        before=_key_elsewhere,
        query="X-MBX-APIKEY",
    ),
    KeyFlaw(
        "cancel.key.absent",
        "apiKey in the query",
        "QUERY=$QUERY=$KEY; unset KEY; sign",
        before=_key_elsewhere,
        query="apiKey",
    ),
    KeyFlaw(
        "cancel.key.unsigned-legacy",
        "X-API-Key, unsigned",
        "unset TIMESTAMP; HEADER=X-API-Key; sign; unset SIGNATURE",
        before=_set(timestamp=None, key_header="X-API-Key"),
        after=_set(signature=None),
    ),
)


def spoiled_key(venue: Venue, flaw: KeyFlaw, name: str = "owner") -> Credential:
    """The API key of an account with this flaw; raises NotExercised without, Undecidable if it cannot be used."""
    venue.credential(name, "api_key")
    account, other = venue.account(name), None
    if flaw.needs_other:
        other = venue.account("counterparty" if name == "owner" else "owner")
        venue.credential(other.name, "api_key")
    signer = ApiKeyAuth(account, venue.clock.now_ms, other=other, before=flaw.before, after=flaw.after)
    return Credential(Auth(name, "api_key", flaw.requirement, how=flaw.name), signer)
