"""Hooks for the reference exchange: faults that only generated requests or sequences meet, and an access log."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from conformance.reference.reference import Reference


def _crash_when(reference: Reference, odd: Any) -> None:
    order_id = reference.api.order_id

    def crashing(request: Any) -> str:
        if request.method == "DELETE" and odd(request):
            raise RuntimeError("unexpected")
        return order_id(request)

    reference.api.order_id = crashing  # type: ignore[method-assign]


def crash_on_byte_in_query(reference: Reference) -> None:
    """One byte in a query value ends in a 500."""
    _crash_when(reference, lambda request: b"%1B" in request.scope["query_string"].upper())


def crash_on_byte_in_id(reference: Reference) -> None:
    """One byte in the id ends in a 500."""
    _crash_when(reference, lambda request: b"\x7f" in reference.api.raw_id(request))


def crash_on_header(reference: Reference) -> None:
    """A header that nobody documents ends in a 500 when it holds a quote."""
    _crash_when(reference, lambda request: '"' in request.headers.get("x-request-id", ""))


def forget_after_the_hundredth(reference: Reference) -> None:
    """From the hundred and first order on, a canceled order shows no fills."""
    canceled, place, placed = reference.api.canceled, reference.exchange.place, Counter[str]()

    async def counting(*arguments: Any) -> Any:
        placed["orders"] += 1
        return await place(*arguments)

    def forgetful(order: Any) -> dict[str, Any]:
        shown = canceled(order)
        return {**shown, "filled_qty": "0", "avg_fill_price": "0"} if placed["orders"] > 100 else shown

    reference.exchange.place = counting  # type: ignore[method-assign]
    reference.api.canceled = forgetful  # type: ignore[method-assign]


def cancel_a_neighbour(reference: Reference) -> None:
    """Where three own orders rest at one price, a cancel takes a second one with it."""
    for engine in reference.exchange.engines.values():
        matching, cancel_order = engine.matching, engine.matching.cancel_order

        def greedy(order: Any, matching: Any = matching, cancel_order: Any = cancel_order) -> Any:
            at_price = [
                other
                for other in matching.live.values()
                if (other.account, other.side, other.price) == (order.account, order.side, order.price)
            ]
            if len(at_price) >= 3:
                cancel_order(next(other for other in at_price if other is not order))
            return cancel_order(order)

        setattr(matching, "cancel_order", greedy)  # noqa: B010


def wrong_average_after_the_sixth_fill(reference: Reference) -> None:
    """An order with more than six fills shows a wrong average price when it is canceled."""
    fills, canceled = Counter[str](), reference.api.canceled
    for engine in reference.exchange.engines.values():
        apply_fill = engine.matching.apply_fill

        def counting(order: Any, *arguments: Any, apply_fill: Any = apply_fill) -> Any:
            fills[order.id] += 1
            return apply_fill(order, *arguments)

        setattr(engine.matching, "apply_fill", counting)  # noqa: B010

    def wrong(order: Any) -> dict[str, Any]:
        shown = canceled(order)
        return {**shown, "avg_fill_price": "0.4"} if fills[order.id] > 6 else shown

    reference.api.canceled = wrong  # type: ignore[method-assign]


def log_requests(reference: Reference) -> None:
    """Write the method and raw target of every request to the file that FUZZ_ACCESS_LOG names."""
    app, path = reference.app, os.environ["FUZZ_ACCESS_LOG"]

    async def logging(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            with open(path, "a", encoding="latin-1") as file:
                raw = (scope["raw_path"] + b"?" + scope["query_string"]).decode("latin-1")
                file.write(f"{scope['method']} {raw}\n")
        await app(scope, receive, send)

    setattr(reference, "app", logging)  # noqa: B010


def unavailable_now_and_then(reference: Reference) -> None:
    """Every fifth cancel is answered with a 503 of the way, and changes nothing."""
    app, seen = reference.app, Counter[str]()

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] == "DELETE":
            seen["cancels"] += 1
            if seen["cancels"] % 5 == 0:
                await send({"type": "http.response.start", "status": 503, "headers": []})
                await send({"type": "http.response.body", "body": b"busy"})
                return
        await app(scope, receive, send)

    setattr(reference, "app", failing)  # noqa: B010
