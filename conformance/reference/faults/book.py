"""Faults of the chapter Effects: what a cancel does to the rest of the book, as others find it who trade there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ..errors import Forbidden, OrderNotFound, OrderRefused
from ..orders import Order, Side, Trade
from ..reference import Reference
from .effects import at_price, stay_in_book
from .registry import fault
from .tools import after_cancel, engines, own_live, refuse_when, wrap


@fault("cancel.effects.own-orders", "cancel.effects.foreign-orders")
def price_level_is_dropped(ref: Reference) -> None:
    """A cancel drops its whole price level: the other orders there stay live, and nothing fills against them."""

    def remove_from_book(original: Any, order: Order) -> None:
        for other in at_price(ref, order):
            original(other)

    wrap(engines(ref), "remove_from_book", remove_from_book)


@fault("cancel.effects.off-book", "cancel.effects.own-orders")
def oldest_own_order_at_the_price_is_taken_off(ref: Reference) -> None:
    """A cancel takes the caller's oldest order of its price off the book, in place of the one that it names."""
    stay_in_book(ref, lambda order: True)
    matching = engines(ref)[0]
    after_cancel(
        ref,
        lambda order: matching.book.remove(
            next((other for other in at_price(ref, order) if other.account == order.account), order)
        ),
    )


@fault("cancel.effects.own-orders", "cancel.effects.foreign-orders")
def last_order_takes_the_place(ref: Reference) -> None:
    """The last order of the price takes the canceled one's place in the queue."""

    def remove_from_book(original: Any, order: Order) -> None:
        queue = at_price(ref, order)
        place = queue.index(order)
        queue[place] = queue[-1]
        queue.pop()
        for other in at_price(ref, order):
            original(other)
        for other in queue:
            engines(ref)[0].book.add(other)

    wrap(engines(ref), "remove_from_book", remove_from_book)


@fault("cancel.effects.off-book")
def best_price_outlives_its_order(ref: Reference) -> None:
    """After the only order of a price is canceled, a post-only order that would have met it is refused."""
    left: dict[Side, Decimal | None] = {"buy": None, "sell": None}

    def note(order: Order) -> None:
        if not at_price(ref, order):
            left[order.side] = order.price

    def check_post_only(original: Any, order: Order, matches: Any) -> None:
        original(order, matches)
        best = left["sell" if order.side == "buy" else "buy"]
        if order.tif != "post_only" or best is None or order.price is None:
            return
        if order.price >= best if order.side == "buy" else order.price <= best:
            raise OrderRefused("POST_ONLY_REJECT")

    def accept(original: Any, order: Order, *, rests: bool) -> None:
        left[order.side] = None
        original(order, rests=rests)

    after_cancel(ref, note)
    wrap(engines(ref), "check_post_only", check_post_only)
    wrap(engines(ref), "accept", accept)


@fault("cancel.effects.off-book")
def last_canceled_order_is_still_an_own_one(ref: Reference) -> None:
    """An order of the caller that would have met the last canceled one is refused as a self-trade."""
    last: dict[str, Order] = {}
    after_cancel(ref, lambda order: last.update({order.account: order}))

    def check_self_trade(original: Any, order: Order, matches: Any) -> None:
        original(order, matches)
        ghost = last.get(order.account)
        if ghost is not None and ghost.side != order.side and engines(ref)[0].crosses(order, ghost):
            raise OrderRefused("SELF_TRADE")

    wrap(engines(ref), "check_self_trade", check_self_trade)


@fault("cancel.effects.foreign-orders")
def taker_of_its_fills_ends_as_canceled(ref: Reference) -> None:
    """The cancel of a partially filled order turns the filled order that it traded with into a canceled one."""
    takers: dict[str, Order] = {}

    def fill(original: Any, taker: Order, maker: Order, quantity: Decimal) -> Trade:
        takers[maker.id] = taker
        trade: Trade = original(taker, maker, quantity)
        return trade

    def spoil(order: Order) -> None:
        taker = takers.get(order.id)
        if taker is not None and taker.status == "filled":
            taker.status = "canceled"
            engines(ref)[0].store.update_order(taker)

    wrap(engines(ref), "fill", fill)
    after_cancel(ref, spoil)


@fault("cancel.success.open")
def only_the_latest_ten_orders_are_found(ref: Reference) -> None:
    """Of a caller's live orders the latest ten can be canceled; the others are answered with 404."""
    refuse_when(ref, lambda order: order not in own_live(ref, order.account)[-10:], OrderNotFound)


@fault("cancel.success.open")
def first_order_of_the_price_says_whose_it_is(ref: Reference) -> None:
    """Behind another user's order of the same price an own one is forbidden."""
    refuse_when(ref, lambda order: at_price(ref, order)[0].account != order.account, Forbidden)
