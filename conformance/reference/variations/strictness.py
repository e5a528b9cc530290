"""More that every page leaves open: what is refused beyond the page, in which order, what stands beside it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import BadRequest, OrderNotFound, Unauthorized
from ..faults.tools import engines, find, is_cancel, wrap
from ..orders import Order
from ..reference import Reference
from . import variation
from .network import between, close

_DOCUMENTED = (b"timestamp", b"signature")
_NOBODY = "ffffffff-ffff-4fff-8fff-ffffffffff00"
_PADDED = 8  # digits


def _has_unknown(request: Request) -> bool:
    """Whether a cancel has a query parameter that no page names."""
    pairs = request.scope["query_string"].split(b"&")
    return is_cancel(request) and any(pair.partition(b"=")[0] not in _DOCUMENTED for pair in pairs if pair)


@variation()
def ids_in_upper_case_only(ref: Reference) -> None:
    """Ids are given out in upper case, and are found only as they were given out."""
    wrap(ref.orders, "id", lambda original, order: original(order).upper())
    wrap(
        ref.api,
        "canonical_id",
        lambda original, raw: raw.decode().lower() if raw == raw.upper() else _NOBODY,
    )


@variation(average_digits=5)
def short_averages_are_padded(ref: Reference) -> None:
    """The average is rounded to five digits and written, like all amounts, with eight."""

    def padded(original: Any, order: Order) -> str | None:
        text: str | None = original(order)
        if text in (None, "0"):
            return text
        whole, _, digits = str(text).partition(".")
        return f"{whole}.{digits:0<{_PADDED}}"

    for name in ("price", "quantity", "filled_qty", "avg_fill_price"):
        wrap(ref.orders, name, padded)


@variation()
def unknown_parameters_are_refused(ref: Reference) -> None:
    """A query parameter that no page names is refused with 400, after credentials were looked at."""

    async def cancel_order(original: Any, request: Request) -> Any:
        await ref.api.caller(request)
        if _has_unknown(request):
            raise BadRequest("unknown parameter")
        return await original(request)

    wrap(ref.api, "cancel_order", cancel_order)


@variation()
def unknown_parameters_are_refused_first(ref: Reference) -> None:
    """A query parameter that no page names is refused with 400, before credentials are looked at."""

    async def handle(original: Any, request: Request, names: Any) -> Response:
        if _has_unknown(request):
            return ref.responder.error(400, "unknown parameter")
        answer: Response = await original(request, names)
        return answer

    wrap(ref.app, "handle", handle)


@variation()
def buys_lock_the_fee(ref: Reference) -> None:
    """A buy locks the taker's fee as well, a post-only one the maker's; the end of the order releases it."""

    def lock_amount(original: Any, order: Order) -> Decimal:
        amount: Decimal = original(order)
        parts = 10 if order.tif == "post_only" else 20
        return amount * (10_000 + parts) / 10_000 if order.side == "buy" else amount

    wrap([engine.funds for engine in engines(ref)], "lock_amount", lock_amount)


@variation(base_path="/app/spot/api")
def refusals_repeat_the_path(ref: Reference) -> None:
    """Refusals tell the path of the request and the status; the API lives under /app/spot/api."""

    async def handle(original: Any, request: Request, names: Any) -> Response:
        answer: Response = await original(request, names)
        if answer.status_code < 400 or not answer.body:
            return answer
        body = {**json.loads(bytes(answer.body)), "path": request.scope["path"], "status": answer.status_code}
        return Response(json.dumps(body), answer.status_code, media_type="application/json")

    wrap(ref.app, "handle", handle)


@variation()
def ended_orders_not_found_without_credentials(ref: Reference) -> None:
    """An order that does not exist, or has ended, gets 404 before credentials are looked at."""

    async def cancel_order(original: Any, request: Request) -> Any:
        order = find(ref, ref.api.order_id(request))
        if order is None or not order.live:
            raise OrderNotFound
        return await original(request)

    wrap(ref.api, "cancel_order", cancel_order)


@variation()
def lists_show_ten_orders(ref: Reference) -> None:
    """The list of open orders shows the newest ten."""
    wrap(ref.exchange, "open_orders", lambda original, *asked: original(*asked)[::-1][:10])


@variation()
def other_methods_are_cut_off(ref: Reference) -> None:
    """A method that no page documents for an order's path ends in a closed connection."""

    class Cut:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if "/spot/orders/" in scope["path"] and scope["method"] not in ("GET", "DELETE"):
                close(receive)
                return
            await self.app(scope, receive, send)

    between(ref, Cut)


@variation()
def signatures_are_good_once(ref: Reference) -> None:
    """A signed query is accepted once for each method and path."""
    seen = set[Any]()

    async def caller(original: Any, request: Request) -> str:
        account: str = await original(request)
        query = request.scope["query_string"]
        if b"signature=" in query:
            signed = request.method, request.scope["path"], query
            if signed in seen:
                raise Unauthorized("replayed")
            seen.add(signed)
        return account

    wrap(ref.api, "caller", caller)
