"""Signed requests that must be refused, as data: the requirement, a name, and how to spoil a good one.

Each is tried on an order that the good credential can cancel, so that a refusal can have no other reason.
"""

from __future__ import annotations

import secrets

from conformance.record import Auth
from conformance.suite.jwt_flaws import jwt_flaw, spoiled_jwt
from conformance.suite.signature_flaws import SIGNATURE_FLAWS
from conformance.suite.tampering import (
    KeyFlaw,
    change_key,
    key_as_token,
    key_in_query,
    set_fields,
    stamp,
    swap_case_or_flip,
)
from conformance.target.credentials import Credential
from conformance.target.signing import ApiKeyAuth
from conformance.target.venue import Venue

_MINUTE, _DAY = 60_000, 86_400_000  # ms
_TIME = "cancel.key.timestamp."

KEY_FLAWS = (
    *SIGNATURE_FLAWS,
    KeyFlaw(_TIME + "missing", "no timestamp", "unset TIMESTAMP; sign", before=set_fields(timestamp=None)),
    KeyFlaw(
        _TIME + "missing",
        "no timestamp, another parameter",
        "unset TIMESTAMP; sign",
        before=set_fields(timestamp=None),
        query="note=1",
    ),
    KeyFlaw(
        _TIME + "stale",
        "a minute old",
        "TIMESTAMP=$((TIMESTAMP - 60000)); sign",
        before=stamp(lambda t: str(t - _MINUTE)),
    ),
    KeyFlaw(
        _TIME + "stale",
        "twenty seconds old, recvWindow",
        "TIMESTAMP=$((TIMESTAMP - 20000)); sign",
        before=stamp(lambda t: str(t - 20_000)),
        query="recvWindow=60000",
    ),
    KeyFlaw(
        _TIME + "stale",
        "a day old",
        "TIMESTAMP=$((TIMESTAMP - 86400000)); sign",
        before=stamp(lambda t: str(t - _DAY)),
    ),
    KeyFlaw(
        _TIME + "stale",
        "a year old",
        "TIMESTAMP=$((TIMESTAMP - 365 * 86400000)); sign",
        before=stamp(lambda t: str(t - 365 * _DAY)),
    ),
    KeyFlaw(
        _TIME + "stale",
        "as old as 32 bits count",
        "TIMESTAMP=$((TIMESTAMP - 4294967296)); sign",
        before=stamp(lambda t: str(t - 2**32)),
    ),
    KeyFlaw(_TIME + "stale", "zero", "TIMESTAMP=0; sign", before=set_fields(timestamp="0")),
    KeyFlaw(
        _TIME + "ahead",
        "a minute ahead",
        "TIMESTAMP=$((TIMESTAMP + 60000)); sign",
        before=stamp(lambda t: str(t + _MINUTE)),
    ),
    KeyFlaw(
        _TIME + "ahead",
        "twenty seconds ahead, recvWindow",
        "TIMESTAMP=$((TIMESTAMP + 20000)); sign",
        before=stamp(lambda t: str(t + 20_000)),
        query="recvWindow=60000",
        in_quick=False,
    ),
    KeyFlaw(
        _TIME + "ahead",
        "a day ahead",
        "TIMESTAMP=$((TIMESTAMP + 86400000)); sign",
        before=stamp(lambda t: str(t + _DAY)),
    ),
    KeyFlaw(
        _TIME + "ahead",
        "a year ahead",
        "TIMESTAMP=$((TIMESTAMP + 365 * 86400000)); sign",
        before=stamp(lambda t: str(t + 365 * _DAY)),
    ),
    KeyFlaw(
        _TIME + "ahead",
        "Unix microseconds",
        "TIMESTAMP=${TIMESTAMP}000; sign",
        before=stamp(lambda t: f"{t}000"),
    ),
    KeyFlaw(
        _TIME + "seconds",
        "Unix seconds",
        "TIMESTAMP=$((TIMESTAMP / 1000)); sign",
        before=stamp(lambda t: str(t // 1000)),
    ),
    KeyFlaw(_TIME + "not-a-number", "text", "TIMESTAMP=now; sign", before=set_fields(timestamp="now")),
    KeyFlaw(_TIME + "not-a-number", "empty", "TIMESTAMP=; sign", before=set_fields(timestamp="")),
    KeyFlaw(
        _TIME + "not-a-number",
        "Infinity",
        "TIMESTAMP=Infinity; sign",
        before=set_fields(timestamp="Infinity"),
        in_quick=False,
    ),
    KeyFlaw(_TIME + "not-a-number", "NaN", "TIMESTAMP=NaN; sign", before=set_fields(timestamp="NaN")),
    KeyFlaw(_TIME + "not-a-number", "negative", "TIMESTAMP=-$TIMESTAMP; sign", before=stamp(lambda t: str(-t))),
    KeyFlaw(
        _TIME + "not-a-number",
        "beyond 64 bits",
        "TIMESTAMP=999999999999999999999999999999; sign",
        before=set_fields(timestamp="9" * 30),
    ),
    KeyFlaw(
        _TIME + "not-a-number",
        "wraps at 64 bits",
        "TIMESTAMP=18446$((744073709551616 + TIMESTAMP)); sign",
        before=stamp(lambda t: str(t + 2**64)),
    ),
    KeyFlaw(
        "cancel.key.unknown",
        "random key",
        "KEY=$(openssl rand -hex 16); sign",
        before=change_key(lambda k: secrets.token_hex(16)),
    ),
    KeyFlaw(
        "cancel.key.unknown",
        "key cut short",
        "KEY=${KEY:0:$((${#KEY} > 1 ? ${#KEY} / 2 : 1))}; sign",
        before=change_key(lambda k: k[: max(1, len(k) // 2)]),
    ),
    KeyFlaw("cancel.key.unknown", "key and a digit", "KEY=${KEY}0; sign", before=change_key(lambda k: k + "0")),
    KeyFlaw(
        "cancel.key.unknown",
        "key, a comma and more",
        "KEY=${KEY},x; sign",
        before=change_key(lambda k: k + ",x"),
        in_quick=False,
    ),
    KeyFlaw(
        "cancel.key.unknown",
        "key in another case",
        'KEY=$(other_case "$KEY"); sign',
        before=change_key(swap_case_or_flip),
    ),
    KeyFlaw("cancel.key.unknown", "empty key", "KEY=; sign", before=set_fields(key="")),
    KeyFlaw("cancel.key.absent", "no key", "unset KEY; sign", before=set_fields(key=None)),
    KeyFlaw(
        "cancel.key.absent",
        "key in the query",
        "QUERY=$QUERY=$KEY; unset KEY; sign",
        before=key_in_query,
        query="X-MBX-APIKEY",
    ),
    KeyFlaw(
        "cancel.key.absent",
        "apiKey in the query",
        "QUERY=$QUERY=$KEY; unset KEY; sign",
        before=key_in_query,
        query="apiKey",
    ),
    KeyFlaw(
        "cancel.key.absent",
        "key as a bearer token",
        'unset TIMESTAMP; HEADER=Authorization KEY="Bearer $KEY"; sign; unset SIGNATURE',
        before=key_as_token,
        after=set_fields(signature=None),
    ),
    KeyFlaw(
        "cancel.key.unsigned-legacy",
        "X-API-Key, unsigned",
        "unset TIMESTAMP; HEADER=X-API-Key; sign; unset SIGNATURE",
        before=set_fields(timestamp=None, key_header="X-API-Key"),
        after=set_fields(signature=None),
    ),
)


def key_flaw(name: str) -> KeyFlaw:
    """The (first) flaw of that name."""
    return next(flaw for flaw in KEY_FLAWS if flaw.name == name)


def spoiled_key(venue: Venue, flaw: KeyFlaw, name: str = "owner", at_ms: int | None = None) -> Credential:
    """The API key of an account with this flaw; raises NotExercised without, Undecidable if it cannot be used.

    Signed for now, or for `at_ms` (Unix ms).

    A key that the target refuses when it is used rightly is tried too: to take a spoiled one would be wrong anyhow.
    """
    account, other = venue.credentials.offered(name, "api_key"), None
    if flaw.needs_other:
        venue.credential(name, "api_key")  # a refused one may have been mixed up with the other's
        other = venue.account("counterparty" if name == "owner" else "owner")
        venue.credential(other.name, "api_key")
    now_ms = venue.clock.stamp_ms if at_ms is None else lambda: at_ms
    signer = ApiKeyAuth(account, now_ms, other=other, before=flaw.before, after=flaw.after)
    return Credential(Auth(name, "api_key", flaw.requirement, how=flaw.name), signer)


def wrongly_signed(venue: Venue, scheme: str) -> Credential:
    """The owner's credential of this scheme, with one wrong character in its signature. Raises as `spoiled_key`."""
    if scheme == "jwt":
        return spoiled_jwt(venue, jwt_flaw("another letter"))
    return spoiled_key(venue, key_flaw("first digit"))
