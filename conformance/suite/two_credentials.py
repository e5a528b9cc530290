"""Requests with two credentials, as data: which one counts is left open, and neither may act for the other's user.

One is another user's and good, the other names the owner and proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import httpx

from conformance.record import Auth
from conformance.suite.jwt_flaws import jwt_flaw
from conformance.target.credentials import Credential
from conformance.target.settings import Account
from conformance.target.signing import KEY_HEADER, ApiKeyAuth, BesideAuth
from conformance.target.venue import Venue

GOOD_TOKEN = "beside a good token of the same user"
GOOD_TOKEN_IN_BASH = 'sign; BESIDE="Authorization: Bearer $(secret "${WHO}_JWT")"'


@dataclass(frozen=True)
class Pair:
    """A good credential of the caller by `scheme`, and what names the `other` user beside it; `bash` makes both."""

    name: str
    scheme: str
    other: str
    bash: str
    make: Callable[[httpx.Auth, Account], httpx.Auth]


_FORGED = jwt_flaw("another letter")
_FORGE = f'JWT=$(secret "${{OTHER}}_JWT"); {_FORGED.bash}'
_OTHER_KEY = '$(secret "${OTHER}_API_KEY")'


def _key(*, front: bool = False) -> Callable[[httpx.Auth, Account], httpx.Auth]:
    return lambda good, other: BesideAuth(good, KEY_HEADER, other.api_key or "", front=front)


def _token(*, front: bool = False) -> Callable[[httpx.Auth, Account], httpx.Auth]:
    return lambda good, other: BesideAuth(good, "Authorization", _FORGED.forge(other) or "", front=front)


PAIRS = (
    Pair(
        "beside a forged token of the other user",
        "api_key",
        "jwt",
        f'sign; {_FORGE}; BESIDE="Authorization: $AUTH"',
        _token(),
    ),
    Pair(
        "beside the other user's key, unsigned",
        "jwt",
        "api_key",
        f'BESIDE="{KEY_HEADER}: {_OTHER_KEY}"',
        _key(),
    ),
    Pair(
        "in front of the other user's key",
        "api_key",
        "api_key",
        f'sign; BESIDE="$HEADER: {_OTHER_KEY}"',
        _key(),
    ),
    Pair(
        "behind the other user's key",
        "api_key",
        "api_key",
        f'sign; BESIDE="$HEADER: $KEY"; KEY={_OTHER_KEY}',
        _key(front=True),
    ),
    Pair(
        "in front of a forged token of the other user",
        "jwt",
        "jwt",
        f'GOOD=$AUTH; {_FORGE}; BESIDE="Authorization: $AUTH"; AUTH=$GOOD',
        _token(),
    ),
    Pair(
        "behind a forged token of the other user",
        "jwt",
        "jwt",
        f'BESIDE="Authorization: $AUTH"; {_FORGE}',
        _token(front=True),
    ),
)


def in_bash(auth: Auth) -> str | None:
    """The bash that makes both credentials, None if it is one only."""
    if auth.how == GOOD_TOKEN:
        return GOOD_TOKEN_IN_BASH
    return next((pair.bash for pair in PAIRS if (pair.scheme, pair.name) == (auth.scheme, auth.how)), None)


def two_users(venue: Venue, pair: Pair) -> Credential:
    """The counterparty's credential with the owner's beside it; raises as `Venue.credential`."""
    venue.credential("owner", pair.other)
    good = venue.credential("counterparty", pair.scheme)
    assert good.signer is not None
    auth = Auth("counterparty", pair.scheme, either=True, how=pair.name)
    return Credential(auth, pair.make(good.signer, venue.account("owner")))


def both_of_one(venue: Venue) -> Credential:
    """The owner's good API key and good token in one request; raises as `Venue.credential`."""
    for scheme in ("jwt", "api_key"):
        venue.credential("owner", scheme)
    owner = venue.account("owner")
    signer = BesideAuth(ApiKeyAuth(owner, venue.clock.stamp_ms), "Authorization", f"Bearer {owner.jwt}")
    return Credential(Auth("owner", "api_key", either=True, how=GOOD_TOKEN), signer)
