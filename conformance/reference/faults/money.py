"""Faults of the chapter Effects: what a cancel does to the funds behind the order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ..errors import OrderNotFound
from ..orders import Order
from ..reference import Reference
from .registry import fault
from .tools import after_cancel, canceled, engines, find, wrap


def keep_lock(ref: Reference, when: Callable[[Order], bool], share: Decimal = Decimal(1)) -> None:
    """Keep a share of the funds locked when an order for which ``when`` is true is canceled."""

    def cancel_order(original: Any, order: Order) -> Order:
        if when(order):
            order.locked -= order.locked * share
        canceled: Order = original(order)
        return canceled

    wrap(engines(ref), "cancel_order", cancel_order)


def give(ref: Reference, order: Order, amount: Decimal) -> None:
    """Credit an order's account with funds from nowhere, in the token that the order spends."""
    matching = ref.exchange.engine_of(order.symbol).matching
    matching.balances.credit(order.account, matching.funds.lock_token(order), amount)


def rest_of(order: Order) -> Decimal:
    """Return what the rest of an order locks."""
    rest = (order.quantity or Decimal(0)) - order.filled_qty
    return rest * (order.price or Decimal(0)) if order.side == "buy" else rest


@fault("cancel.effects.lock-released")
def funds_stay_locked(ref: Reference) -> None:
    """The funds of a canceled order stay locked."""
    keep_lock(ref, lambda order: True)


@fault("cancel.effects.lock-released")
def funds_of_sells_stay_locked(ref: Reference) -> None:
    """The funds of a canceled sell order stay locked."""
    keep_lock(ref, lambda order: order.side == "sell")


@fault("cancel.effects.lock-released")
def funds_of_partially_filled_orders_stay_locked(ref: Reference) -> None:
    """The funds of a canceled order that had fills stay locked."""
    keep_lock(ref, lambda order: order.filled_qty > 0)


@fault("cancel.effects.lock-released")
def cancel_costs_a_fee(ref: Reference) -> None:
    """A tenth of a per cent of the funds of a canceled buy order is not given back."""
    keep_lock(ref, lambda order: order.side == "buy", Decimal("0.001"))


@fault("cancel.effects.lock-released")
def dear_buys_release_their_quantity(ref: Reference) -> None:
    """The cancel of a buy at a price above 1 gives back as much of the quote token as it has of the base."""

    def cancel_order(original: Any, order: Order) -> Order:
        if order.side == "buy" and order.price is not None and order.price > 1:
            order.locked /= order.price
        canceled: Order = original(order)
        return canceled

    wrap(engines(ref), "cancel_order", cancel_order)


@fault("cancel.effects.lock-released-once")
def funds_are_released_twice(ref: Reference) -> None:
    """A cancel gives back twice what the order had locked."""
    after_cancel(ref, lambda order: give(ref, order, rest_of(order)))


def release_again(ref: Reference, when: Callable[[Order], bool] = lambda order: True) -> None:
    """Let a cancel of an order that was canceled, which is refused, give its funds back once more."""

    async def cancel(original: Any, account: str, order_id: str) -> Any:
        order = find(ref, order_id)
        if order is not None and order.account == account and canceled(order) and when(order):
            give(ref, order, rest_of(order))
        return await original(account, order_id)

    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.effects.lock-released-once")
def second_cancel_releases_again(ref: Reference) -> None:
    """A second cancel is answered with 404 and gives the funds back again."""
    release_again(ref)


@fault("cancel.effects.lock-released-once")
def whole_lock_is_released_after_fills(ref: Reference) -> None:
    """The cancel of an order that had fills gives back the funds of its whole quantity."""
    after_cancel(
        ref,
        lambda o: give(ref, o, o.filled_quote if o.side == "buy" else o.filled_qty) if o.filled_qty else None,
    )


@fault("cancel.effects.lock-released")
def refund_is_at_the_average_price(ref: Reference) -> None:
    """The rest of a buy order is refunded at the average price of its fills, not at its own."""

    def cancel_order(original: Any, order: Order) -> Order:
        if order.side == "buy" and order.filled_qty and order.price is not None:
            rest = (order.quantity or order.filled_qty) - order.filled_qty
            units = rest * order.filled_quote * 10**8 // order.filled_qty  # a quotient may have no end
            order.locked -= rest * order.price - units / 10**8
        canceled: Order = original(order)
        return canceled

    wrap(engines(ref), "cancel_order", cancel_order)


@fault("cancel.effects.lock-released-once")
def improvement_is_paid_twice(ref: Reference) -> None:
    """The cancel of a buy that had fills below its price pays again what these saved."""

    def pay(order: Order) -> None:
        if order.side == "buy" and order.filled_qty and order.price is not None:
            give(ref, order, order.filled_qty * order.price - order.filled_quote)

    after_cancel(ref, pay)


@fault("cancel.effects.lock-released-once")
def proceeds_of_sells_are_taken_back(ref: Reference) -> None:
    """The cancel of a sell that had fills takes back what these have brought."""

    def take_back(order: Order) -> None:
        if order.side == "sell" and order.filled_qty:
            matching = ref.exchange.engine_of(order.symbol).matching
            token = matching.funds.lock_token(replace(order, side="buy"))
            matching.balances.credit(order.account, token, -order.filled_quote)

    after_cancel(ref, take_back)


@fault("cancel.effects.lock-released-once")
def refund_knows_one_fill_only(ref: Reference) -> None:
    """After several fills the cancel gives back what all but the first of them had used as well."""
    fills: dict[str, list[Decimal]] = {}

    def fill(original: Any, taker: Order, maker: Order, quantity: Decimal) -> Any:
        fills.setdefault(maker.id, []).append(quantity)
        return original(taker, maker, quantity)

    def too_much(order: Order) -> None:
        used = sum(fills.get(order.id, [])[1:], Decimal(0))
        give(ref, order, used * (order.price or 0) if order.side == "buy" else used)

    wrap(engines(ref), "fill", fill)
    after_cancel(ref, too_much)


@fault("cancel.effects.lock-released-once")
def cancel_of_a_filled_order_is_refunded(ref: Reference) -> None:
    """The cancel of a filled order is answered with 404 and gives back the funds that it had spent."""

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        order = find(ref, order_id)
        if order is not None and order.account == account and order.status == "filled":
            give(ref, order, order.filled_quote if order.side == "buy" else order.filled_qty)
        canceled: Order = await original(account, order_id)
        return canceled

    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.effects.lock-released-once")
def cancels_at_the_same_time_release_twice(ref: Reference) -> None:
    """Of two cancels of an order at the same time the one that gets 404 releases its funds again."""
    under_way: dict[str, int] = {}

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        under_way[order_id] = under_way.get(order_id, 0) + 1
        try:
            canceled: Order = await original(account, order_id)
        except OrderNotFound:
            order = find(ref, order_id)
            if under_way[order_id] > 1 and order is not None and order.account == account:
                give(ref, order, rest_of(order))
            raise
        finally:
            await asyncio.sleep(0.002)
            under_way[order_id] -= 1
        return canceled

    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.effects.lock-released-once")
def cancels_of_buys_credit_the_base_too(ref: Reference) -> None:
    """The cancel of a buy without fills credits its quantity of the base token as well."""

    def credit(order: Order) -> None:
        if order.side == "buy" and not order.filled_qty:
            give(ref, replace(order, side="sell"), order.quantity or Decimal(0))

    after_cancel(ref, credit)
