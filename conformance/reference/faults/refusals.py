"""Faults of the chapter Refusals change nothing: the answer is right, and something happened all the same."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from copy import copy
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..orders import Order
from ..reference import Reference
from .money import give, rest_of
from .registry import fault
from .tools import all_trades, by_key, cancel_aside, find, is_cancel, named, own_live, wrap

_LATER_S = 1.0


def despite(ref: Reference, status: int, act: Callable[[Request, Order | None], object]) -> None:
    """Call ``act(request, the order that it names)`` when a cancel is refused with ``status``."""

    async def handle(original: Any, request: Request, names: Any) -> Response:
        answer: Response = await original(request, names)
        if is_cancel(request) and answer.status_code == status:
            act(request, named(ref, request))
        return answer

    wrap(ref.app, "handle", handle)


def drop(ref: Reference, order: Order | None) -> None:
    """Cancel an order if it is live."""
    if order is not None and order.live:
        cancel_aside(ref, [order])


def drop_later(ref: Reference, order: Order | None) -> None:
    """Cancel an order in a second, if it is live then."""
    asyncio.get_running_loop().call_later(_LATER_S, drop, ref, order)


def _to_the_end(ref: Reference, order: Order | None) -> None:
    """Give a live order the last place of its price."""
    if order is not None and order.live:
        book = ref.exchange.engine_of(order.symbol).matching.book
        book.remove(order)
        book.add(order)


def touch(ref: Reference, order: Order | None) -> None:
    """Change an order's updated_at, and store that."""
    if order is not None:
        order.updated_at += 1
        ref.exchange.engine_of(order.symbol).matching.commit(order)


def despite_a_known_key(ref: Reference, act: Callable[[Reference, Order | None], object]) -> None:
    """Call ``act(ref, the order that it names)`` when a cancel by a known key is refused with 401."""

    def by_known_key(request: Request, order: Order | None) -> None:
        if request.headers.get("x-mbx-apikey", "").encode() in ref.auth.accounts_by_key:
            act(ref, order)

    despite(ref, 401, by_known_key)


@fault("cancel.refusals.unauthorized")
def unauthorized_cancels_are_carried_out(ref: Reference) -> None:
    """A cancel with bad credentials is answered with 401 and carried out."""
    despite(ref, 401, lambda request, order: drop(ref, order))


@fault("cancel.refusals.unauthorized")
def unauthorized_cancels_by_key_are_carried_out(ref: Reference) -> None:
    """A cancel with a bad signature of a known key is answered with 401 and carried out."""
    despite_a_known_key(ref, drop)


@fault("cancel.refusals.unauthorized")
def expired_tokens_are_refused_too_late(ref: Reference) -> None:
    """A cancel with an expired JWT is answered with 401 and carried out."""

    def act(request: Request, order: Order | None) -> None:
        try:
            ref.auth.decode_jwt(request.headers.get("authorization", "").removeprefix("Bearer "))
        except Exception:
            return
        drop(ref, order)

    despite(ref, 401, act)


@fault("cancel.refusals.forbidden")
def forbidden_cancels_are_carried_out(ref: Reference) -> None:
    """A cancel of another user's order is answered with 403 and carried out."""
    despite(ref, 403, lambda request, order: drop(ref, order))


@fault("cancel.refusals.forbidden")
def forbidden_cancels_of_partially_filled_are_carried_out(ref: Reference) -> None:
    """A cancel of another user's partially filled order is answered with 403 and carried out."""
    despite(ref, 403, lambda request, order: drop(ref, order) if order and order.filled_qty else None)


@fault("cancel.refusals.forbidden")
def forbidden_cancels_change_the_order(ref: Reference) -> None:
    """A cancel of another user's order, refused with 403, makes that order larger by a lot."""

    def grow(request: Request, order: Order | None) -> None:
        if order is not None and order.live and order.quantity is not None:
            order.quantity += ref.settings.market.lot_size

    despite(ref, 403, grow)


@fault("cancel.refusals.not-found")
def second_cancel_changes_the_first(ref: Reference) -> None:
    """A second cancel is answered with 404 and moves updated_at."""
    despite(ref, 404, lambda request, order: touch(ref, order))


@fault("cancel.refusals.not-found")
def cancel_of_a_filled_order_makes_it_canceled(ref: Reference) -> None:
    """A cancel of a filled order is answered with 404 and turns it into a canceled one."""

    def turn(request: Request, order: Order | None) -> None:
        if order is not None and order.status == "filled":
            order.status = "canceled"
            ref.exchange.engine_of(order.symbol).matching.commit(order)

    despite(ref, 404, turn)


@fault("cancel.refusals.not-found")
def unknown_ids_cancel_the_last_order(ref: Reference) -> None:
    """A cancel of an unknown id is answered with 404 and cancels the caller's youngest order."""
    despite(ref, 404, lambda request, order: youngest(ref, request) if order is None else None)


@fault("cancel.refusals.invalid-id")
def invalid_ids_cancel_the_last_order(ref: Reference) -> None:
    """A cancel of an id that is no UUID is answered with 400 and cancels the caller's youngest order."""
    despite(ref, 400, lambda request, order: youngest(ref, request))


@fault("cancel.refusals.invalid-id")
def invalid_ids_cancel_what_they_contain(ref: Reference) -> None:
    """An id with something in front or behind is answered with 400, and the order in it is canceled."""

    def act(request: Request, order: Order | None) -> None:
        raw = request.path_params["id"]
        for start in range(max(0, len(raw) - 35)):
            drop(ref, find(ref, raw[start : start + 36]))

    despite(ref, 400, act)


def youngest(ref: Reference, request: Request) -> None:
    """Cancel the youngest live order of whoever the request is from."""
    account = "owner"
    if by_key(request):
        account = ref.auth.accounts_by_key.get(request.headers["x-mbx-apikey"].encode(), "owner")
    cancel_aside(ref, own_live(ref, account)[-1:])


@fault("cancel.refusals.forbidden")
def forbidden_cancels_free_the_funds(ref: Reference) -> None:
    """A cancel of another user's order is answered with 403 and frees the owner's funds; the order rests on."""
    despite(ref, 403, lambda request, order: give(ref, order, rest_of(order)) if order and order.live else None)


@fault("cancel.refusals.unauthorized")
def unauthorized_cancels_free_the_funds(ref: Reference) -> None:
    """A cancel with bad credentials is answered with 401 and frees the owner's funds; the order rests on."""
    despite(ref, 401, lambda request, order: give(ref, order, rest_of(order)) if order and order.live else None)


@fault("cancel.refusals.forbidden")
def forbidden_cancels_cost_the_place(ref: Reference) -> None:
    """A cancel of another user's order is answered with 403 and sends the order to the end of its price."""
    despite(ref, 403, lambda request, order: _to_the_end(ref, order))


@fault("cancel.refusals.unauthorized")
def unauthorized_cancels_cost_the_place(ref: Reference) -> None:
    """A cancel with bad credentials is answered with 401 and sends the order to the end of its price."""
    despite(ref, 401, lambda request, order: _to_the_end(ref, order))


@fault("cancel.refusals.forbidden")
def forbidden_cancels_suspend_the_order(ref: Reference) -> None:
    """A cancel of another user's order is answered with 403; the order stays live and fills no more."""

    def act(request: Request, order: Order | None) -> None:
        if order is not None and order.live:
            ref.exchange.engine_of(order.symbol).matching.book.remove(order)

    despite(ref, 403, act)


@fault("cancel.refusals.forbidden")
def forbidden_cancels_move_the_time(ref: Reference) -> None:
    """A cancel of another user's order is answered with 403 and moves its updated_at to now."""

    def act(request: Request, order: Order | None) -> None:
        if order is not None and order.live:
            order.updated_at = ref.clock.now_s()

    despite(ref, 403, act)


@fault("cancel.refusals.forbidden")
def forbidden_cancels_pay_the_caller(ref: Reference) -> None:
    """A cancel of another user's order is answered with 403 and credits the caller with its funds."""

    def act(request: Request, order: Order | None) -> None:
        if order is not None and order.live:
            caller = "counterparty" if order.account == "owner" else "owner"
            shown = copy(order)
            shown.account = caller
            give(ref, shown, rest_of(order))

    despite(ref, 403, act)


@fault("cancel.refusals.forbidden")
def forbidden_orders_are_listed_for_the_caller(ref: Reference) -> None:
    """Who tried to cancel another user's order finds it among the own open orders."""
    tried: dict[str, Order] = {}
    despite(ref, 403, lambda request, order: tried.update({order.id: order}) if order else None)

    def open_orders(original: Any, account: str, symbol: str | None) -> list[Order]:
        found: list[Order] = original(account, symbol)
        return found + [order for order in tried.values() if order.live and order.account != account]

    wrap(ref.exchange, "open_orders", open_orders)


@fault("cancel.refusals.not-found")
def second_cancel_takes_the_next_order(ref: Reference) -> None:
    """A second cancel is answered with 404 and cancels the caller's oldest order of the same price."""

    def act(request: Request, order: Order | None) -> None:
        if order is not None and order.status == "canceled":
            same = [o for o in own_live(ref, order.account) if (o.price, o.side) == (order.price, order.side)]
            cancel_aside(ref, same[:1])

    despite(ref, 404, act)


@fault("cancel.refusals.forbidden")
def the_third_forbidden_cancel_is_carried_out(ref: Reference) -> None:
    """The third cancel of another user's order is answered with 403 like the others, and carried out."""
    tries: Counter[str] = Counter()

    def act(request: Request, order: Order | None) -> None:
        if order is not None:
            tries[order.id] += 1
            if tries[order.id] == 3:
                drop(ref, order)

    despite(ref, 403, act)


@fault("cancel.refusals.forbidden")
def forbidden_cancels_are_carried_out_later(ref: Reference) -> None:
    """A cancel of another user's order is answered with 403, and the order is canceled a second later."""
    despite(ref, 403, lambda request, order: drop_later(ref, order))


@fault("cancel.refusals.unauthorized")
def badly_signed_cancels_are_carried_out_later(ref: Reference) -> None:
    """A cancel with a bad signature of a known key is answered with 401, and carried out a second later."""
    despite_a_known_key(ref, drop_later)


def _traded_with(ref: Reference, order: Order) -> set[str]:
    """The ids of the orders on the other side of an order's fills."""
    trades = [trade for account in ref.auth.accounts_by_key.values() for trade in all_trades(ref, account)]
    own = {trade.trade_id for trade in trades if trade.order_id == order.id}
    return {trade.order_id for trade in trades if trade.trade_id in own} - {order.id}


@fault("cancel.refusals.not-found")
def cancel_of_a_filled_order_ends_what_it_met(ref: Reference) -> None:
    """A cancel of a filled order is answered with 404 and cancels the rest of the order that it traded with."""

    def act(request: Request, order: Order | None) -> None:
        for met in _traded_with(ref, order) if order is not None and order.status == "filled" else ():
            drop(ref, ref.exchange.find_order(met))

    despite(ref, 404, act)


@fault("cancel.effects.fills-kept")
def cancel_of_a_filled_order_hides_its_fills(ref: Reference) -> None:
    """A cancel of a filled order is answered with 404, and its fills are not listed any more."""
    hidden = set[str]()
    despite(ref, 404, lambda request, order: hidden.add(order.id) if order is not None else None)
    wrap(
        ref.exchange,
        "trades",
        lambda original, *where: [trade for trade in original(*where) if trade.order_id not in hidden],
    )
