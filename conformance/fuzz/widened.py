"""The cancel operation with what no page names added to it, so that a generator has something to fill in."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

PLACES_OF_AN_ID = ("id", "orderId")
_TEXT = {"type": "string"}


def _parameter(place: str, name: str, schema: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "required": False, "schema": dict(schema), **more}


def widened(document: Mapping[str, Any], *, body: bool) -> dict[str, Any]:
    """A copy of the OpenAPI document in which Cancel Order takes optional undocumented things.

    Free query parameters, some of a known name, headers, a cookie and, if asked for, a body. A server may ignore
    all of these.
    """
    wide = copy.deepcopy(dict(document))
    operation = wide["paths"]["/spot/orders/{id}"]["delete"]
    free = {"type": "object", "additionalProperties": _TEXT, "maxProperties": 4}
    operation["parameters"] = [
        _parameter("query", "more", free, style="form", explode=True),
        _parameter("query", "note", _TEXT),
        _parameter("query", "limit", {"type": "integer", "minimum": 0, "maximum": 500}),
        *(_parameter("query", name, _TEXT) for name in PLACES_OF_AN_ID),
        _parameter("header", "X-Request-Id", _TEXT),
        _parameter("header", "X-Client-Order-Id", {"type": "string", "maxLength": 64}),
        _parameter("cookie", "session", _TEXT),
    ]
    if not body:
        return wide
    order = {"type": "object", "properties": {"id": _TEXT, "symbol": _TEXT}, "maxProperties": 4}
    content = {"application/json": {"schema": order}, "text/plain": {"schema": _TEXT}}
    operation["requestBody"] = {"required": False, "content": content}
    return wide
