"""The accounts of the exchange and their secrets.

Where the secrets come from, first match wins: the environment variable ``SPOT_REFERENCE_SECRETS`` (JSON as
``Secrets.to_json`` writes it), else what an earlier start stored in the database file, else fresh random
ones, which are then stored there. So a restart on the same file keeps every key valid, and a temporary file
never does.
"""

from __future__ import annotations

import json
import os
import secrets as random_secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import jwt

SECRETS_VARIABLE = "SPOT_REFERENCE_SECRETS"
ACCOUNT_NAMES = ("owner", "counterparty")
FEE_ACCOUNT = "fees"


@dataclass(frozen=True)
class ApiKey:
    """An API key: the public part sent in a header, and the secret that signs."""

    key: str
    secret: str


@dataclass(frozen=True)
class Secrets:
    """The key that signs JWTs, and one API key for each account."""

    jwt_key: str
    api_keys: Mapping[str, ApiKey]

    @classmethod
    def random(cls) -> Self:
        """Return fresh secrets from the system's randomness."""
        keys = {n: ApiKey(random_secrets.token_hex(16), random_secrets.token_hex(32)) for n in ACCOUNT_NAMES}
        return cls(random_secrets.token_hex(32), keys)

    @classmethod
    def from_environment(cls) -> Self | None:
        """Return the secrets given in the environment, or None. Raises ValueError when they are malformed."""
        text = os.environ.get(SECRETS_VARIABLE)
        return cls.from_json(text) if text else None

    def to_json(self) -> str:
        """Return JSON text that ``from_json`` takes back."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote. Raises ValueError when it is something else."""
        try:
            raw = json.loads(text)
            keys = {name: ApiKey(**raw["api_keys"][name]) for name in ACCOUNT_NAMES}
            return cls(str(raw["jwt_key"]), keys)
        except (KeyError, TypeError) as error:
            raise ValueError(f"secrets are malformed: {error!r}") from error


def issue_jwt(secrets: Secrets, account: str, *, issued_s: int, lifetime_s: int) -> str:
    """Return an HS256 token for ``account``.

    Times in Unix seconds. A negative lifetime gives an expired one.
    """
    claims = {"sub": account, "iat": issued_s, "exp": issued_s + lifetime_s}
    return jwt.encode(claims, secrets.jwt_key, algorithm="HS256")


def credentials(secrets: Secrets, *, now_s: int, lifetime_s: int) -> dict[str, dict[str, Any]]:
    """Return, by account, its ``jwt``, an ``expired_jwt``, its ``api_key`` and ``api_secret``."""
    return {
        name: {
            "jwt": issue_jwt(secrets, name, issued_s=now_s, lifetime_s=lifetime_s),
            # An hour past, so that no leeway for clock skew can let it in.
            "expired_jwt": issue_jwt(secrets, name, issued_s=now_s - 7200, lifetime_s=3600),
            "api_key": api_key.key,
            "api_secret": api_key.secret,
        }
        for name, api_key in secrets.api_keys.items()
    }
