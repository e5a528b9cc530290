"""Credentials on requests, right and deliberately wrong, as httpx auth flows.

The scheme is the Cancel Order page's: header `X-MBX-APIKEY`; query `timestamp` (Unix ms) and `signature`, which is
the lower-case hex HMAC-SHA256, under the secret, of the query string without the signature, then the raw body
(General Info). The signature is made over the bytes that go on the wire, at the moment they go.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import httpx
import jwt

from conformance.target.settings import Account

KEY_HEADER = "X-MBX-APIKEY"


def sign(secret: str, payload: bytes, algorithm: str = "sha256") -> str:
    """The lower-case hex HMAC of `payload` under `secret`."""
    return hmac.new(secret.encode(), payload, algorithm).hexdigest()


@dataclass
class Draft:
    """A signed request in the making. A tamper changes it before or after the signature is made.

    `query` is the raw query string without timestamp and signature; `sent_query` (None: as signed) replaces what
    goes on the wire in front of the signature. `method` and `path` are sent and not signed.
    """

    query: str
    timestamp: str | None
    key: str | None
    secret: str
    body: bytes
    method: str = ""
    path: bytes = b""
    other: Account | None = None
    key_header: str = KEY_HEADER
    signature: str | None = None
    sent_query: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def signed_query(self) -> str:
        """The query string that the signature covers."""
        stamp = [] if self.timestamp is None else [f"timestamp={self.timestamp}"]
        return "&".join([*([self.query] if self.query else []), *stamp])

    @property
    def payload(self) -> bytes:
        """What is signed: the query string without the signature, then the raw body."""
        return self.signed_query.encode("latin-1", "replace") + self.body

    @property
    def wire_query(self) -> str:
        """The query string that is sent."""
        query = self.signed_query if self.sent_query is None else self.sent_query
        if self.signature is None:
            return query
        return f"{query}&signature={self.signature}" if query else f"signature={self.signature}"


Tamper = Callable[[Draft], None]


def raw_target(request: httpx.Request) -> bytes:
    """The request target as it will be sent: the one that was set byte by byte, or the URL's."""
    target = request.extensions.get("target")
    return bytes(target) if target is not None else request.url.raw_path


class ApiKeyAuth(httpx.Auth):
    """Signs each request afresh. `now_ms` is the target's time in Unix ms.

    `before` and `after` tamper with the draft before and after the signature is made.
    """

    requires_request_body = True

    def __init__(
        self,
        account: Account,
        now_ms: Callable[[], int],
        *,
        other: Account | None = None,
        before: Tamper | None = None,
        after: Tamper | None = None,
    ) -> None:
        self._account, self._now_ms, self._other = account, now_ms, other
        self._before, self._after = before, after

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Put key, timestamp and signature on the request."""
        path, _, query = raw_target(request).partition(b"?")
        draft = Draft(
            query=query.decode("latin-1"),
            timestamp=str(self._now_ms()),
            key=self._account.api_key,
            secret=self._account.api_secret or "",
            body=request.content,
            method=request.method,
            path=path,
            other=self._other,
        )
        if self._before is not None:
            self._before(draft)
        draft.signature = sign(draft.secret, draft.payload)
        if self._after is not None:
            self._after(draft)
        wire = draft.wire_query.encode("latin-1", "replace")
        target = path + b"?" + wire if wire else path
        request.extensions = {**request.extensions, "target": target, "signed": draft.payload}
        if draft.key is not None:
            request.headers[draft.key_header] = draft.key
        request.headers.update(draft.headers)
        yield request


class JwtAuth(httpx.Auth):
    """Sends this Authorization header, or none. `name` is how its name is spelled."""

    def __init__(self, header: str | None, name: str = "Authorization") -> None:
        self._header, self._name = header, name

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Put the Authorization header on the request."""
        if self._header is not None:
            request.headers[self._name] = self._header
        yield request


class BesideAuth(httpx.Auth):
    """Sends one more header line beside a credential, behind or in `front`, be it that another has its name."""

    requires_request_body = True

    def __init__(self, signer: httpx.Auth, name: str, value: str, *, front: bool = False) -> None:
        self._signer, self._line, self._front = signer, (name.encode(), value.encode()), front

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Put the credential on the request, and the line."""
        request = next(self._signer.auth_flow(request))
        lines = request.headers.raw
        request.headers = httpx.Headers([self._line, *lines] if self._front else [*lines, self._line])
        yield request


def decode_segment(segment: str) -> bytes:
    """The bytes of a base64url segment of a JWT."""
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


@lru_cache(8)
def claims_of(token: str | None) -> Mapping[str, Any] | None:
    """What a JWT says of itself, signature and dates unchecked; None if it is none."""
    try:
        return MappingProxyType(jwt.decode(token or "", options={"verify_signature": False}))
    except jwt.PyJWTError:
        return None


def expiry_of(token: str) -> float | None:
    """When (Unix s) a JWT expires by its own claim, None if it does not say."""
    at = (claims_of(token) or {}).get("exp")
    return float(at) if isinstance(at, (int, float)) else None


def encode_segment(data: bytes | dict[str, object]) -> str:
    """A base64url segment of a JWT, without padding."""
    if isinstance(data, dict):
        data = json.dumps(data, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def digest(payload: bytes, algorithm: str = "sha256") -> str:
    """A plain digest without any secret, in lower-case hex."""
    return hashlib.new(algorithm, payload).hexdigest()
