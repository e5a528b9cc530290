"""The shapes of answers: JSON, errors, and the empty 401."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from .errors import ApiError, Unauthorized
from .settings import Settings

# json.dumps would make an encoder at each call.
ENCODER = json.JSONEncoder(separators=(",", ":"))


class Responder:
    """Makes every answer of the exchange."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def json(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> Response:
        """Return a JSON answer."""
        return Response(self.encode(value), status, headers, media_type="application/json")

    def encode(self, value: Any) -> bytes:
        """Return a value as JSON bytes."""
        return ENCODER.encode(value).encode()

    def refusal(self, refusal: ApiError) -> Response:
        """Return the answer to a refused request."""
        if isinstance(refusal, Unauthorized):
            return self.unauthorized()
        return self.error(self.status_of(refusal), self.error_of(refusal))

    def status_of(self, refusal: ApiError) -> int:
        """Return the HTTP status of a refusal."""
        return refusal.status

    def error_of(self, refusal: ApiError) -> str:
        """Return the error string of a refusal."""
        return refusal.error

    def error(self, status: int, error: str, headers: Mapping[str, str] | None = None) -> Response:
        """Return ``{"error": "<STRING>"}`` (Errors page)."""
        return self.json(status, {"error": error}, headers)

    def unauthorized(self) -> Response:
        """Return a 401: empty, so of no content type (Errors page), with a challenge (RFC 9110, 15.5.2)."""
        challenge = {"www-authenticate": "Bearer"}
        if self.settings.unauthorized_body is not None:
            return Response(self.settings.unauthorized_body, 401, challenge, media_type="application/json")
        return Response(None, 401, challenge)
