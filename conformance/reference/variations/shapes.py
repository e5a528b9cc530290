"""Other spellings of the same answers: decimals, extra fields and headers, lists, ids."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..faults.tools import wrap
from ..reference import Reference
from . import variation


@variation(decimal_style="normalised")
def no_trailing_zeros(ref: Reference) -> None:
    """Amounts carry no trailing zeros."""


@variation()
def eight_decimals(ref: Reference) -> None:
    """All amounts but a missing average have eight decimals at least."""

    def padded(original: Any, order: Any) -> Any:
        text = original(order)
        if text in (None, "0"):
            return text
        return (
            format(Decimal(text).quantize(Decimal("0.00000001")), "f") if len(text.partition(".")[2]) < 8 else text
        )

    for name in ("price", "quantity", "filled_qty", "avg_fill_price"):
        wrap(ref.orders, name, padded)
    wrap(ref.orders, "filled_qty", lambda original, order: original(order) if order.filled_qty else "0.00000000")


@variation(average_digits=8)
def average_of_eight_digits(ref: Reference) -> None:
    """The average price is rounded to eight digits, half to even."""


@variation(average_digits=5)
def average_of_few_digits(ref: Reference) -> None:
    """The average price is rounded to one digit more than the tick has."""


@variation(
    extra_fields={
        **{"client_order_id": None, "remaining_qty": "1", "fees": [], "post_only": False, "version": 3},
        **{"market": {"id": 7}, "user": "you", "stop_price": None},
    }
)
def extra_fields(ref: Reference) -> None:
    """Orders have fields that no page names, of all types."""


@variation()
def extra_headers(ref: Reference) -> None:
    """Answers carry request ids, rate limits, security headers and cookies."""

    async def handle(original: Any, request: Request, names: Any) -> Response:
        answer: Response = await original(request, names)
        answer.headers.update(
            {
                "x-request-id": str(uuid.uuid4()),
                "x-ratelimit-remaining": "99",
                "strict-transport-security": "max-age=31536000",
                "server": "nginx/1.27",
                "set-cookie": "lb=a1; Path=/; HttpOnly",
                "x-response-time": "1ms",
                "cache-control": "no-store",
            }
        )
        return answer

    wrap(ref.app, "handle", handle)


@variation()
def json_with_a_charset(ref: Reference) -> None:
    """JSON is labelled with a charset, and is printed with blanks and line feeds."""

    async def handle(original: Any, request: Request, names: Any) -> Response:
        answer: Response = await original(request, names)
        if answer.headers.get("content-type") == "application/json":
            answer.headers["content-type"] = "application/json; charset=utf-8"
        return answer

    wrap(ref.app, "handle", handle)
    wrap(ref.responder, "encode", lambda original, value: json.dumps(value, indent=2, sort_keys=True).encode())


@variation()
def problem_details(ref: Reference) -> None:
    """Refusals carry further fields beside the error, and are labelled application/problem+json."""

    async def handle(original: Any, request: Request, names: Any) -> Response:
        answer: Response = await original(request, names)
        if answer.status_code < 400 or not answer.body:
            return answer
        body = {**json.loads(bytes(answer.body)), "title": "refused", "status": answer.status_code, "detail": None}
        return Response(json.dumps(body), answer.status_code, media_type="application/problem+json")

    wrap(ref.app, "handle", handle)


@variation()
def lists_in_objects(ref: Reference) -> None:
    """Lists of orders, trades and markets come inside an object."""

    def encode(original: Any, value: Any) -> bytes:
        encoded: bytes = original({"data": value, "next": None} if isinstance(value, list) else value)
        return encoded

    wrap(ref.responder, "encode", encode)


@variation()
def trade_lists_of_fifty(ref: Reference) -> None:
    """The own trades list fifty rows at most."""
    wrap(ref.exchange, "trades", lambda original, *args: original(*args[:-1], min(args[-1], 50)))


@variation(unauthorized_body='{"error":"UNAUTHORIZED"}')
def unauthorized_with_a_body(ref: Reference) -> None:
    """A 401 carries a JSON error."""


@variation(unauthorized_body="<html><body>401 Authorization Required</body></html>")
def unauthorized_with_a_page(ref: Reference) -> None:
    """A 401 carries a page, as a gateway writes it."""


@variation()
def time_ordered_ids(ref: Reference) -> None:
    """Order ids are UUIDs of version 7, which begin alike when they are made in the same moment."""

    def new_order_id(original: Any) -> str:
        milliseconds = time.time_ns() // 1_000_000
        value = milliseconds << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
        return str(uuid.UUID(int=value))

    wrap(ref.ids, "new_order_id", new_order_id)


@variation()
def numbered_ids(ref: Reference) -> None:
    """Order ids are UUIDs that count up, so that neighbours are other orders, and lie far apart in time."""
    start = secrets.randbits(48)
    count = iter(range(10**9))
    wrap(
        ref.ids,
        "new_order_id",
        lambda original: str(uuid.UUID(int=start << 80 | 4 << 76 | 2 << 62 | next(count) * 977)),
    )


@variation()
def ids_shown_in_upper_case(ref: Reference) -> None:
    """Ids are answered in upper case, and are taken in either case."""
    wrap(ref.orders, "id", lambda original, order: original(order).upper())
