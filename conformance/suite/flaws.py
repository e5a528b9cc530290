"""Credentials that must be refused, as data: the requirement, a name, and how to spoil a good one.

Each is tried on an order that the good credential can cancel, so that a refusal can have no other reason.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from conformance.record import Auth
from conformance.target.signing import (
    ApiKeyAuth,
    Draft,
    JwtAuth,
    Tamper,
    decode_segment,
    digest,
    encode_segment,
    sign,
)
from conformance.target.trouble import NotExercised
from conformance.target.venue import Credential, Venue

_MINUTE, _DAY = 60_000, 86_400_000  # ms


@dataclass(frozen=True)
class KeyFlaw:
    """A spoiled signed request. `query` is sent (and signed) in front of the timestamp."""

    requirement: str
    name: str
    before: Tamper | None = None
    after: Tamper | None = None
    query: str = ""
    needs_other: bool = False


@dataclass(frozen=True)
class JwtFlaw:
    """A spoiled bearer token: `forge` makes the whole Authorization header from the good token."""

    requirement: str
    name: str
    forge: Callable[[str], str | None]


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


def _swap_case_or_flip(text: str) -> str:
    swapped = text.swapcase()
    return swapped if swapped != text else _flip(0)(text)


def _later(draft: Draft) -> str:
    return str(int(draft.timestamp or 0) + 1)


_SIG = "cancel.key.signature."
_TIME = "cancel.key.timestamp."

KEY_FLAWS = (
    KeyFlaw(_SIG + "missing", "no signature", after=_set(signature=None)),
    KeyFlaw(_SIG + "missing", "only the key", before=_stamp(lambda t: None), after=_set(signature=None)),
    KeyFlaw(_SIG + "empty", "empty signature", after=_set(signature="")),
    KeyFlaw(_SIG + "truncated", "one digit short", after=_signature(lambda s: s[:-1])),
    KeyFlaw(_SIG + "truncated", "first half", after=_signature(lambda s: s[:32])),
    KeyFlaw(_SIG + "truncated", "first digits", after=_signature(lambda s: s[:8])),
    KeyFlaw(_SIG + "altered", "first digit", after=_signature(_flip(0))),
    KeyFlaw(_SIG + "altered", "middle digit", after=_signature(_flip(33))),
    KeyFlaw(_SIG + "altered", "last digit", after=_signature(_flip(-1))),
    KeyFlaw(_SIG + "altered", "all zeros", after=_set(signature="0" * 64)),
    KeyFlaw(_SIG + "altered", "reversed", after=_signature(lambda s: s[::-1])),
    KeyFlaw(_SIG + "extended", "one digit more", after=_signature(lambda s: s + "0")),
    KeyFlaw(_SIG + "extended", "twice", after=_signature(lambda s: s + s)),
    KeyFlaw(_SIG + "wrong-secret", "random secret", before=lambda d: setattr(d, "secret", secrets.token_hex(32))),
    KeyFlaw(_SIG + "wrong-secret", "empty secret", before=_set(secret="")),
    KeyFlaw(_SIG + "wrong-secret", "the key as secret", before=lambda d: setattr(d, "secret", d.key)),
    KeyFlaw(
        _SIG + "wrong-secret",
        "secret in another case",
        before=lambda d: setattr(d, "secret", _swap_case_or_flip(d.secret)),
    ),
    KeyFlaw(_SIG + "other-user", "the other user's secret", before=_other_secret, needs_other=True),
    KeyFlaw(_SIG + "other-user", "the other user's key", before=_other_key, needs_other=True),
    KeyFlaw(_SIG + "other-algorithm", "HMAC-SHA1", after=_resign(lambda d: sign(d.secret, d.payload, "sha1"))),
    KeyFlaw(_SIG + "other-algorithm", "HMAC-SHA512", after=_resign(lambda d: sign(d.secret, d.payload, "sha512"))),
    KeyFlaw(_SIG + "other-algorithm", "HMAC-MD5", after=_resign(lambda d: sign(d.secret, d.payload, "md5"))),
    KeyFlaw(_SIG + "other-algorithm", "plain SHA-256", after=_resign(lambda d: digest(d.payload))),
    KeyFlaw(
        _SIG + "other-algorithm",
        "SHA-256 of secret and payload",
        after=_resign(lambda d: digest(d.secret.encode() + d.payload)),
    ),
    KeyFlaw(_SIG + "covers-added", "behind", after=_send(lambda d: f"{d.signed_query}&note=1")),
    KeyFlaw(_SIG + "covers-added", "in front", after=_send(lambda d: f"note=1&{d.signed_query}")),
    KeyFlaw(_SIG + "covers-added", "behind the signature", after=_signature(lambda s: s + "&note=1")),
    KeyFlaw(_SIG + "covers-added", "recvWindow", after=_send(lambda d: f"{d.signed_query}&recvWindow=60000")),
    KeyFlaw(
        _SIG + "covers-removed", "parameter", after=_send(lambda d: f"timestamp={d.timestamp}"), query="note=1"
    ),
    KeyFlaw(
        _SIG + "covers-removed", "value", after=_send(lambda d: f"note=&timestamp={d.timestamp}"), query="note=1"
    ),
    KeyFlaw(
        _SIG + "covers-order", "swapped", after=_send(lambda d: f"b=2&a=1&timestamp={d.timestamp}"), query="a=1&b=2"
    ),
    KeyFlaw(
        _SIG + "covers-order", "timestamp first", after=_send(lambda d: f"timestamp={d.timestamp}&a=1"), query="a=1"
    ),
    KeyFlaw(_SIG + "covers-timestamp", "exchanged", after=_send(lambda d: f"timestamp={_later(d)}")),
    KeyFlaw(
        _SIG + "covers-timestamp",
        "second behind",
        after=_send(lambda d: f"timestamp={d.timestamp}&timestamp={_later(d)}"),
    ),
    KeyFlaw(
        _SIG + "covers-timestamp",
        "second in front",
        after=_send(lambda d: f"timestamp={_later(d)}&timestamp={d.timestamp}"),
    ),
    KeyFlaw(_TIME + "missing", "no timestamp", before=_set(timestamp=None)),
    KeyFlaw(_TIME + "missing", "no timestamp, another parameter", before=_set(timestamp=None), query="note=1"),
    KeyFlaw(_TIME + "stale", "a minute old", before=_stamp(lambda t: str(t - _MINUTE))),
    KeyFlaw(_TIME + "stale", "a day old", before=_stamp(lambda t: str(t - _DAY))),
    KeyFlaw(_TIME + "stale", "a year old", before=_stamp(lambda t: str(t - 365 * _DAY))),
    KeyFlaw(_TIME + "stale", "zero", before=_set(timestamp="0")),
    KeyFlaw(_TIME + "ahead", "a minute ahead", before=_stamp(lambda t: str(t + _MINUTE))),
    KeyFlaw(_TIME + "ahead", "a day ahead", before=_stamp(lambda t: str(t + _DAY))),
    KeyFlaw(_TIME + "ahead", "a year ahead", before=_stamp(lambda t: str(t + 365 * _DAY))),
    KeyFlaw(_TIME + "seconds", "Unix seconds", before=_stamp(lambda t: str(t // 1000))),
    KeyFlaw(_TIME + "not-a-number", "text", before=_set(timestamp="now")),
    KeyFlaw(_TIME + "not-a-number", "empty", before=_set(timestamp="")),
    KeyFlaw(_TIME + "not-a-number", "NaN", before=_set(timestamp="NaN")),
    KeyFlaw(_TIME + "not-a-number", "negative", before=_stamp(lambda t: str(-t))),
    KeyFlaw(_TIME + "not-a-number", "beyond 64 bits", before=_set(timestamp="9" * 30)),
    KeyFlaw(_TIME + "not-a-number", "wraps at 64 bits", before=_stamp(lambda t: str(t + 2**64))),
    KeyFlaw("cancel.key.unknown", "random key", before=_key(lambda k: secrets.token_hex(16))),
    KeyFlaw("cancel.key.unknown", "key cut short", before=_key(lambda k: k[: max(1, len(k) // 2)])),
    KeyFlaw("cancel.key.unknown", "key in another case", before=_key(_swap_case_or_flip)),
    KeyFlaw("cancel.key.unknown", "empty key", before=_set(key="")),
    KeyFlaw("cancel.key.absent", "no key", before=_set(key=None)),
    KeyFlaw("cancel.key.absent", "key in the query", before=_key_elsewhere, query="X-MBX-APIKEY"),
    KeyFlaw("cancel.key.absent", "apiKey in the query", before=_key_elsewhere, query="apiKey"),
    KeyFlaw(
        "cancel.key.unsigned-legacy",
        "X-API-Key, unsigned",
        before=_set(timestamp=None, key_header="X-API-Key"),
        after=_set(signature=None),
    ),
)


def _parts(token: str) -> tuple[str, str, str]:
    header, payload, signature = [*token.split("."), "", ""][:3]
    return header, payload, signature


def _altered_payload(token: str) -> str:
    import json

    header, payload, signature = _parts(token)
    try:
        claims = json.loads(decode_segment(payload))
        claims["exp"] = int(claims.get("exp", 4102444800)) + 86400
        payload = encode_segment(claims)
    except (ValueError, TypeError, AttributeError):
        payload = encode_segment(b'{"sub":"owner","exp":4102444800}')
    return f"Bearer {header}.{payload}.{signature}"


def _unsigned(algorithm: str, *, keep: bool = False) -> Callable[[str], str]:
    def forge(token: str) -> str:
        _, payload, signature = _parts(token)
        header = encode_segment({"alg": algorithm, "typ": "JWT"})
        return f"Bearer {header}.{payload}.{signature if keep else ''}"

    return forge


def _guessed(secret: str) -> Callable[[str], str]:
    def forge(token: str) -> str:
        import hashlib
        import hmac

        _, payload, _ = _parts(token)
        header = encode_segment({"alg": "HS256", "typ": "JWT"})
        mac = hmac.new(secret.encode(), f"{header}.{payload}".encode(), hashlib.sha256).digest()
        return f"Bearer {header}.{payload}.{encode_segment(mac)}"

    return forge


def _signature_part(change: Callable[[str], str]) -> Callable[[str], str]:
    def forge(token: str) -> str:
        header, payload, signature = _parts(token)
        return f"Bearer {header}.{payload}.{change(signature)}"

    return forge


def _other_letter(text: str) -> str:
    middle = len(text) // 2
    return text[:middle] + ("A" if text[middle : middle + 1] != "A" else "B") + text[middle + 1 :]


_JWT = "cancel.jwt."

JWT_FLAWS = (
    JwtFlaw(_JWT + "missing", "no credentials", lambda t: None),
    JwtFlaw(_JWT + "garbage", "a word", lambda t: "Bearer token"),
    JwtFlaw(_JWT + "garbage", "three words", lambda t: "Bearer a.b.c"),
    JwtFlaw(_JWT + "garbage", "nothing", lambda t: "Bearer"),
    JwtFlaw(_JWT + "altered-payload", "later expiry", _altered_payload),
    JwtFlaw(_JWT + "altered-signature", "another letter", _signature_part(_other_letter)),
    JwtFlaw(_JWT + "altered-signature", "first half", _signature_part(lambda s: s[: len(s) // 2])),
    JwtFlaw(_JWT + "altered-signature", "signed with no secret", _guessed("")),
    JwtFlaw(_JWT + "altered-signature", "signed with a guessed secret", _guessed("secret")),
    JwtFlaw(_JWT + "stripped-signature", "empty", _signature_part(lambda s: "")),
    JwtFlaw(_JWT + "stripped-signature", "no third part", lambda t: "Bearer " + ".".join(_parts(t)[:2])),
    JwtFlaw(_JWT + "alg-none", "none", _unsigned("none")),
    JwtFlaw(_JWT + "alg-none", "None", _unsigned("None")),
    JwtFlaw(_JWT + "alg-none", "none, signature kept", _unsigned("none", keep=True)),
    JwtFlaw(_JWT + "other-scheme", "Basic", lambda t: f"Basic {t}"),
    JwtFlaw(_JWT + "other-scheme", "Token", lambda t: f"Token {t}"),
    JwtFlaw(_JWT + "other-scheme", "no scheme", lambda t: t),
)


def spoiled_key(venue: Venue, flaw: KeyFlaw, name: str = "owner") -> Credential:
    """The API key of an account with this flaw; raises NotExercised if the target gave none."""
    account = venue.account(name)
    if "api_key" not in account.schemes:
        raise NotExercised(f"the {name} account has no api_key")
    other = None
    if flaw.needs_other:
        other = venue.account("counterparty" if name == "owner" else "owner")
        if "api_key" not in other.schemes:
            raise NotExercised(f"the {other.name} account has no api_key")
    signer = ApiKeyAuth(account, venue.clock.now_ms, other=other, before=flaw.before, after=flaw.after)
    return Credential(Auth(name, "api_key", flaw.requirement, how=flaw.name), signer)


def spoiled_jwt(venue: Venue, flaw: JwtFlaw, name: str = "owner") -> Credential:
    """The JWT of an account with this flaw; raises NotExercised if the target gave none."""
    token = venue.account(name).jwt
    if token is None and flaw.requirement != "cancel.jwt.missing":
        raise NotExercised(f"the {name} account has no jwt")
    return Credential(Auth(name, "jwt", flaw.requirement, how=flaw.name), JwtAuth(token or "", forge=flaw.forge))
