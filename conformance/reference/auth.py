"""Who is calling: a JWT, or an API key with a signed query.

The scheme follows the Cancel Order page's samples and the General info page: the signature is HMAC-SHA256
over the raw query string without ``signature``, followed by the raw body, in lower-case hex. The window of
±5000 ms and the empty 401 are the Errors page's. Each rule is one small method.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import jwt

from .accounts import Secrets
from .clock import Clock
from .errors import Unauthorized

Param = tuple[bytes, bytes]
MAX_TIMESTAMP_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Incoming:
    """The parts of a request that credentials can sit in, as raw bytes; header names are lower case."""

    headers: Sequence[tuple[bytes, bytes]]
    query: bytes
    body: bytes


class Authenticator:
    """Turns a request into the name of its account, or raises ``Unauthorized``."""

    def __init__(self, secrets: Secrets, clock: Clock, window_ms: int = 5000) -> None:
        self.secrets = secrets
        self.clock = clock
        self.window_ms = window_ms
        self.accounts_by_key = {pair.key.encode(): name for name, pair in secrets.api_keys.items()}

    def authenticate(self, request: Incoming) -> str:
        """Return the account of the caller.

        When an ``Authorization`` header and an API key are both sent, the JWT alone decides. No page says
        which does, so another exchange may differ here and still keep the contract.
        """
        authorization = self.header(request, b"authorization")
        if authorization is not None:
            return self.authenticate_jwt(authorization)
        api_key = self.header(request, b"x-mbx-apikey")
        if api_key is not None:
            return self.authenticate_api_key(api_key, request)
        raise Unauthorized("no credentials")

    def header(self, request: Incoming, name: bytes) -> bytes | None:
        """Return the value of a header, None when it is absent; twice is ambiguous and refused."""
        values = [value for key, value in request.headers if key == name]
        if len(values) > 1:
            raise Unauthorized("doubled header")
        return values[0] if values else None

    # JWT

    def authenticate_jwt(self, authorization: bytes) -> str:
        """Return the account that an ``Authorization`` header proves."""
        claims = self.decode_jwt(self.bearer_token(authorization))
        self.check_expiry(claims)
        self.check_not_before(claims)
        return self.account_of(claims)

    def bearer_token(self, authorization: bytes) -> str:
        """Return the token of ``Bearer <token>``; the scheme's case is free (RFC 9110, section 11.1)."""
        parts = authorization.split()
        if len(parts) != 2 or parts[0].lower() != b"bearer":
            raise Unauthorized("not a bearer token")
        return parts[1].decode("latin-1")

    def allowed_algorithms(self) -> list[str]:
        """Return the JWT algorithms taken: HS256 alone, never ``none`` or what the token asks for."""
        return ["HS256"]

    def decode_jwt(self, token: str) -> dict[str, Any]:
        """Return the claims of a token whose signature is good.

        Its times are checked apart, on our own clock.
        """
        options: Any = {
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
            "require": ["exp", "sub"],
        }
        try:
            return jwt.decode(token, self.secrets.jwt_key, algorithms=self.allowed_algorithms(), options=options)
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise Unauthorized("bad token") from error

    def check_expiry(self, claims: dict[str, Any]) -> None:
        """Refuse a token at or after its ``exp`` (RFC 7519, section 4.1.4)."""
        exp = claims["exp"]
        if isinstance(exp, bool) or not isinstance(exp, int | float) or not exp * 1000 > self.clock.now_ms():
            raise Unauthorized("expired token")

    def check_not_before(self, claims: dict[str, Any]) -> None:
        """Refuse a token before its ``nbf``, if it has one (RFC 7519, section 4.1.5)."""
        nbf = claims.get("nbf", 0)
        if isinstance(nbf, bool) or not isinstance(nbf, int | float) or nbf * 1000 > self.clock.now_ms():
            raise Unauthorized("token not valid yet")

    def account_of(self, claims: dict[str, Any]) -> str:
        """Return the account that a token's ``sub`` names, if there is one."""
        account = claims["sub"]
        if not isinstance(account, str) or account not in self.secrets.api_keys:
            raise Unauthorized("unknown account")
        return account

    # API key

    def authenticate_api_key(self, api_key: bytes, request: Incoming) -> str:
        """Return the account of an API key whose signature and timestamp are good."""
        account = self.account_of_key(api_key)
        params = self.query_params(self.raw_query(request))
        self.check_timestamp(self.parse_timestamp(self.single(params, b"timestamp")))
        given = self.single(params, b"signature")
        expected = self.sign(self.secret_of(account), self.payload_to_sign(request))
        if not self.signatures_match(given, expected):
            raise Unauthorized("wrong signature")
        return account

    def account_of_key(self, api_key: bytes) -> str:
        """Return the account that owns an API key."""
        account = self.accounts_by_key.get(api_key)
        if account is None:
            raise Unauthorized("unknown key")
        return account

    def secret_of(self, account: str) -> str:
        """Return the secret that an account signs with."""
        return self.secrets.api_keys[account].secret

    def raw_query(self, request: Incoming) -> bytes:
        """Return the query string as it was sent, still encoded."""
        return request.query

    def query_params(self, query: bytes) -> list[Param]:
        """Split a query into (decoded name, raw segment) pairs.

        The segments joined by ``&`` are the query.
        """
        return [(unquote_to_bytes(s.partition(b"=")[0]), s) for s in query.split(b"&")]

    def single(self, params: Iterable[Param], name: bytes) -> bytes:
        """Return the raw value of a parameter that must be there exactly once."""
        found = [segment for key, segment in params if key == name]
        if len(found) != 1:
            raise Unauthorized(f"{len(found)} times {name!r}")
        return found[0].partition(b"=")[2]

    def parse_timestamp(self, raw: bytes) -> int:
        """Return a timestamp in Unix ms; plain decimal digits only."""
        if not (raw.isdigit() and len(raw) <= MAX_TIMESTAMP_DIGITS):
            raise Unauthorized("malformed timestamp")
        return int(raw)

    def check_timestamp(self, timestamp_ms: int) -> None:
        """Refuse a timestamp further than the window from now, on either side."""
        if abs(self.clock.now_ms() - timestamp_ms) > self.window_ms:
            raise Unauthorized("timestamp outside the window")

    def payload_to_sign(self, request: Incoming) -> bytes:
        """Return the signed bytes: the raw query with the signature taken out, then the raw body."""
        params = self.query_params(self.raw_query(request))
        return b"&".join(segment for name, segment in params if name != b"signature") + self.signed_body(request)

    def signed_body(self, request: Incoming) -> bytes:
        """Return the part of the body that the signature covers: all of it."""
        return request.body

    def sign(self, secret: str, payload: bytes) -> bytes:
        """Return the lower-case hex HMAC-SHA256 of a payload."""
        return hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest().encode()

    def signatures_match(self, given: bytes, expected: bytes) -> bool:
        """Compare two signatures in a time that does not depend on where they differ."""
        return hmac.compare_digest(given, expected)
