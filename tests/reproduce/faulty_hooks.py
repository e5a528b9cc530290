"""Faults for the embedded reference, a few lines each: hooks that a server is started with."""

from __future__ import annotations

from typing import Any

from conformance.reference.auth import Incoming
from conformance.reference.errors import OrderNotFound
from conformance.reference.faults.gateway import who_does_not_say_what_it_accepts_is_refused as accept_is_required
from conformance.reference.orders import Order
from conformance.reference.reference import Reference

__all__ = [
    "accept_is_required",
    "filled_shows_zero",
    "first_half_is_enough",
    "only_the_timestamp_is_signed",
    "repeat_says_gone",
]


def first_half_is_enough(reference: Reference) -> None:
    """A signature passes when it begins like the right one."""

    def match(given: bytes, expected: bytes) -> bool:
        return len(given) > 7 and (expected.startswith(given) or given == expected)

    setattr(reference.auth, "signatures_match", match)  # noqa: B010


def only_the_timestamp_is_signed(reference: Reference) -> None:
    """Added parameters are not covered by the signature: only the timestamp is."""

    def payload(request: Incoming) -> bytes:
        segments = [s for s in request.query.split(b"&") if s.startswith(b"timestamp=")]
        return b"&".join(segments[:1]) + request.body

    setattr(reference.auth, "payload_to_sign", payload)  # noqa: B010


def filled_shows_zero(reference: Reference) -> None:
    """What filled is forgotten in the answer to a cancel."""
    render = reference.orders.render

    def forget(order: Order) -> dict[str, Any]:
        shown = render(order)
        return {**shown, "filled_qty": "0"} if shown["status"] == "canceled" else shown

    setattr(reference.orders, "render", forget)  # noqa: B010


def repeat_says_gone(reference: Reference) -> None:
    """An order that has ended is answered with 409."""

    class Gone(OrderNotFound):
        status = 409

    cancel = reference.exchange.cancel

    async def again(account: str, order_id: str) -> Order:
        try:
            return await cancel(account, order_id)
        except OrderNotFound as error:
            if reference.exchange.find_order(order_id) is not None:
                raise Gone from error
            raise

    setattr(reference.exchange, "cancel", again)  # noqa: B010
