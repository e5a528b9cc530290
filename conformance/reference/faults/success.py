"""Faults of the chapter Success: orders that cannot be canceled, and credentials that cannot cancel."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..auth import Incoming
from ..errors import BadRequest, Forbidden, OrderNotFound, Unauthorized
from ..orders import NewOrder, Order
from ..reference import Reference
from .effects import stay_in_book
from .registry import fault
from .tools import (
    after_cancel,
    by_key,
    engines,
    every,
    is_cancel,
    keep_fills,
    named,
    on_answer,
    refuse_when,
    remember_request,
    wrap,
)


@fault("cancel.success.open")
def open_orders_not_found(ref: Reference) -> None:
    """An own open order without fills is answered with 404, as if it did not exist."""
    refuse_when(ref, lambda order: order.status == "open", OrderNotFound)


@fault("cancel.success.open")
def sell_orders_not_found(ref: Reference) -> None:
    """Only buy orders can be canceled; an own open sell order is answered with 404."""
    refuse_when(ref, lambda order: order.side == "sell", OrderNotFound)


@fault("cancel.success.open")
def post_only_orders_not_found(ref: Reference) -> None:
    """Post-only orders cannot be canceled."""
    refuse_when(ref, lambda order: order.tif == "post_only", OrderNotFound)


@fault("cancel.success.open")
def every_fifteenth_order_not_found(ref: Reference) -> None:
    """One own live order in fifteen is answered with 404, and stays."""
    due = every(15)
    refuse_when(ref, lambda order: due(), OrderNotFound)


@fault("cancel.success.open")
def orders_older_than_two_seconds_not_found(ref: Reference) -> None:
    """An order can be canceled in its first two seconds only."""
    refuse_when(ref, lambda order: ref.clock.now_s() - order.created_at > 2, OrderNotFound)


@fault("cancel.success.open", "cancel.answers.status")
def canceled_with_202(ref: Reference) -> None:
    """A cancel is carried out and answered with 202 instead of 200."""
    on_answer(
        ref, lambda _, answer: Response(answer.body, 202, media_type="application/json") if ok(answer) else None
    )


@fault("cancel.success.open", "cancel.answers.status")
def canceled_with_204(ref: Reference) -> None:
    """A cancel is carried out and answered with 204, without the order."""
    on_answer(ref, lambda _, answer: Response(None, 204) if ok(answer) else None)


@fault("cancel.success.open", "cancel.answers.parity", "cancel.success.by-api-key")
def key_cannot_cancel_what_a_token_placed(ref: Reference) -> None:
    """An order that was placed with a JWT cannot be canceled with the API key of the same account."""
    current = remember_request(ref)
    by_token: set[str] = set()

    def make_order(original: Any, account: str, new: NewOrder) -> Order:
        order: Order = original(account, new)
        by_token.add(order.id)
        return order

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        if by_key(current()) and order_id in by_token:
            raise OrderNotFound
        order: Order = await original(account, order_id)
        return order

    async def place(original: Any, account: str, new: NewOrder) -> Any:
        key = by_key(current())
        order, fills = await original(account, new)
        if key:
            by_token.discard(order.id)
        return order, fills

    wrap(engines(ref), "make_order", make_order)
    wrap(ref.exchange, "cancel", cancel)
    wrap(ref.exchange, "place", place)


@fault("cancel.success.partially-filled")
def partially_filled_orders_not_found(ref: Reference) -> None:
    """An own partially filled order is answered with 404, as if it were filled."""
    refuse_when(ref, lambda order: order.filled_qty > 0, OrderNotFound)


@fault("cancel.success.partially-filled")
def partially_filled_orders_refused(ref: Reference) -> None:
    """An own partially filled order is refused with a 400 that no page knows."""
    refuse_when(ref, lambda order: order.filled_qty > 0, lambda: BadRequest("ORDER_PARTIALLY_FILLED"))


@fault("cancel.success.partially-filled")
def orders_with_two_fills_not_found(ref: Reference) -> None:
    """An order with more than one fill can no longer be canceled."""
    fills = keep_fills(ref)
    refuse_when(ref, lambda order: len(fills[order.id]) > 1, OrderNotFound)


@fault("cancel.success.partially-filled")
def orders_mostly_filled_not_found(ref: Reference) -> None:
    """An order of which more than half has filled can no longer be canceled."""
    refuse_when(ref, lambda order: order.filled_qty * 2 > (order.quantity or 0), OrderNotFound)


@fault("cancel.success.partially-filled")
def partially_filled_sells_forbidden(ref: Reference) -> None:
    """An own partially filled sell order is answered with 403."""
    refuse_when(ref, lambda order: order.filled_qty > 0 and order.side == "sell", Forbidden)


@fault("cancel.success.by-jwt")
def tokens_cannot_cancel(ref: Reference) -> None:
    """A valid JWT can place and query but gets 401 on a cancel."""
    refuse_credential(ref, lambda request: not by_key(request))


@fault("cancel.success.by-jwt")
def every_twentieth_token_refused(ref: Reference) -> None:
    """One valid JWT in twenty gets 401 on a cancel."""
    due = every(20)
    refuse_credential(ref, lambda request: not by_key(request) and due())


@fault("cancel.success.by-api-key")
def keys_cannot_cancel(ref: Reference) -> None:
    """A well-signed request can query but gets 401 on a cancel."""
    refuse_credential(ref, by_key)


@fault("cancel.success.by-api-key")
def signatures_with_a_leading_zero_refused(ref: Reference) -> None:
    """A good signature that begins with the digit 0 is refused, as if it had been printed without it."""

    def signatures_match(original: Any, given: bytes, expected: bytes) -> bool:
        return bool(original(given, expected)) and not given.startswith(b"0")

    wrap(ref.auth, "signatures_match", signatures_match)


@fault("cancel.success.by-api-key")
def every_twentieth_key_refused(ref: Reference) -> None:
    """One well-signed cancel in twenty gets 401."""
    due = every(20)
    refuse_credential(ref, lambda request: by_key(request) and due())


@fault("cancel.answers.parity", "cancel.errors.forbidden", "cancel.errors.forbidden.partially-filled")
def keys_find_foreign_orders_missing(ref: Reference) -> None:
    """Another user's order is 403 to a JWT and 404 to an API key."""
    on_answer(
        ref,
        lambda request, answer: (
            ref.responder.error(404, "ORDER_NOT_FOUND") if answer.status_code == 403 and by_key(request) else None
        ),
    )


@fault("cancel.answers.parity", "cancel.errors.not-found.unknown")
def keys_get_400_for_unknown_orders(ref: Reference) -> None:
    """An unknown order is 404 to a JWT and 400 to an API key."""

    def change(request: Request, answer: Response) -> Response | None:
        unknown = answer.status_code == 404 and named(ref, request) is None
        return ref.responder.error(400, "invalid id") if unknown and by_key(request) else None

    on_answer(ref, change)


@fault("cancel.answers.parity", "cancel.errors.not-found.canceled")
def tokens_can_cancel_twice(ref: Reference) -> None:
    """The second cancel of an order is 404 with an API key and 200 with a JWT."""
    current = remember_request(ref)
    last: dict[str, Order] = {}
    after_cancel(ref, lambda order: last.update({order.id: order}))

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        done = last.get(order_id)
        if done is not None and done.account == account and not by_key(current()):
            return done
        order: Order = await original(account, order_id)
        return order

    wrap(ref.exchange, "cancel", cancel)


def ok(answer: Response) -> bool:
    """Whether an answer is a 200."""
    return answer.status_code == 200


def refuse_credential(ref: Reference, when: Any) -> None:
    """Refuse good credentials of a cancel with 401 when ``when(request)`` is true."""
    current = remember_request(ref)

    def authenticate(original: Any, incoming: Incoming) -> str:
        account: str = original(incoming)
        if is_cancel(current()) and when(current()):
            raise Unauthorized("refused")
        return account

    wrap(ref.auth, "authenticate", authenticate)


@fault("cancel.success.open")
def refused_self_trade_reserves_the_order(ref: Reference) -> None:
    """An order that its owner would have met, and was refused to, is answered with 404."""
    reserved: set[str] = set()

    def check_self_trade(original: Any, order: Order, matches: Any) -> None:
        reserved.update(maker.id for maker, _ in matches if maker.account == order.account)
        original(order, matches)

    wrap(engines(ref), "check_self_trade", check_self_trade)
    refuse_when(ref, lambda order: order.id in reserved, OrderNotFound)


@fault("cancel.success.open")
def orders_older_than_five_seconds_not_found(ref: Reference) -> None:
    """An order can be canceled as long as it is in a cache that keeps orders for five seconds."""
    refuse_when(ref, lambda order: ref.clock.now_s() - order.created_at >= 5, OrderNotFound)


@fault("cancel.success.open")
def refused_post_only_order_reserves_what_it_met(ref: Reference) -> None:
    """An order that a refused post-only order would have met is answered with 404."""
    reserved: set[str] = set()

    def check_post_only(original: Any, order: Order, matches: Any) -> None:
        if order.tif == "post_only":
            reserved.update(maker.id for maker, _ in matches)
        original(order, matches)

    wrap(engines(ref), "check_post_only", check_post_only)
    refuse_when(ref, lambda order: order.id in reserved, OrderNotFound)


@fault("cancel.effects.off-book")
def orders_canceled_in_upper_case_stay_in_the_book(ref: Reference) -> None:
    """An order that is canceled by its id in upper case still fills."""
    current = remember_request(ref)
    named_so: set[str] = set()

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        if current().path_params["id"] != order_id:
            named_so.add(order_id)
        canceled: Order = await original(account, order_id)
        return canceled

    wrap(ref.exchange, "cancel", cancel)
    stay_in_book(ref, lambda order: order.id in named_so)
