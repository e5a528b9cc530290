"""Faults of the chapter Effects: what a cancel does to the rest of the book, as others find it who trade there."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ..errors import Forbidden, OrderNotFound, OrderRefused
from ..orders import NewOrder, Order, Side, Trade
from ..reference import Reference
from .effects import at_price, stay_in_book
from .registry import fault
from .tools import after_cancel, cancel_aside, canceled, engines, instead_of_dead, own_live, refuse_when, wrap


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


def outlive(ref: Reference, when: Callable[[Order], bool]) -> None:
    """Refuse post-only orders that would have met the only order of a price, after one like this was canceled."""
    left: dict[Side, Decimal | None] = {"buy": None, "sell": None}

    def note(order: Order) -> None:
        if when(order) and not at_price(ref, order):
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
def best_price_outlives_its_order(ref: Reference) -> None:
    """After the only order of a price is canceled, a post-only order that would have met it is refused."""
    outlive(ref, lambda order: True)


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


def lose_placed(ref: Reference, when: Callable[[Order], bool]) -> None:
    """Keep live orders for which ``when`` is true out of the book when they are placed."""

    def place(original: Any, account: str, new: NewOrder) -> Any:
        placed, fills = original(account, new)
        order = engines(ref)[0].live.get(placed.id)
        if order is not None and when(order):
            engines(ref)[0].book.remove(order)
        return placed, fills

    wrap(engines(ref), "place", place)


@fault("cancel.effects.own-orders")
def next_order_of_the_price_is_lost(ref: Reference) -> None:
    """After a cancel the next order at its price, of that side, is live and never fills."""
    lost: set[tuple[Side, Decimal | None]] = set()
    after_cancel(ref, lambda order: lost.add((order.side, order.price)))

    def is_next(order: Order) -> bool:
        due = (order.side, order.price) in lost
        lost.discard((order.side, order.price))
        return due

    lose_placed(ref, is_next)


@fault("cancel.effects.own-orders")
def status_of_other_orders_is_reset(ref: Reference) -> None:
    """A cancel turns the caller's other partially filled orders into open ones."""

    def reset(order: Order) -> None:
        for other in own_live(ref, order.account):
            other.status = "open"

    after_cancel(ref, reset)


@fault("cancel.effects.own-orders")
def times_of_other_orders_move(ref: Reference) -> None:
    """A cancel moves updated_at of the caller's other live orders."""

    def touch(order: Order) -> None:
        for other in own_live(ref, order.account):
            other.updated_at = ref.clock.now_s()

    after_cancel(ref, touch)


@fault("cancel.effects.own-orders")
def next_post_only_order_is_born_filled(ref: Reference) -> None:
    """After the cancel of a partially filled order the next post-only one shows its fills when it is placed."""
    last: list[Order] = []
    after_cancel(ref, lambda order: last.append(copy(order)) if order.filled_qty else None)

    def place(original: Any, account: str, new: NewOrder) -> Any:
        placed, fills = original(account, new)
        if last and placed.tif == "post_only":
            canceled = last.pop()
            placed.filled_qty, placed.filled_quote = canceled.filled_qty, canceled.filled_quote
        return placed, fills

    wrap(engines(ref), "place", place)


def change_trades(ref: Reference, change: Callable[[Trade, Order], Trade]) -> None:
    """Let the own trades show those of canceled orders otherwise."""

    def trades(original: Any, *arguments: Any) -> list[Trade]:
        rows: list[Trade] = original(*arguments)
        pairs = [(row, ref.exchange.find_order(row.order_id)) for row in rows]
        return [change(row, order) if order is not None and canceled(order) else row for row, order in pairs]

    wrap(ref.exchange, "trades", trades)


@fault("cancel.effects.fills-kept")
def fees_of_canceled_orders_are_forgotten(ref: Reference) -> None:
    """The own trades show no fee for the fills of a canceled order."""
    change_trades(ref, lambda trade, order: replace(trade, fee=Decimal(0)))


@fault("cancel.effects.fills-kept")
def fills_of_canceled_orders_get_its_time(ref: Reference) -> None:
    """The own trades show the fills of a canceled order at the time of the cancel."""
    change_trades(ref, lambda trade, order: replace(trade, ts=order.updated_at))


@fault("cancel.effects.off-book")
def orders_behind_the_best_price_stay_in_the_book(ref: Reference) -> None:
    """A canceled order whose price is not the best of its side still fills, once it is its turn."""
    stay_in_book(ref, lambda order: next(iter(engines(ref)[0].book.sides[order.side].by_priority())) is not order)


@fault("cancel.effects.off-book")
def prices_that_end_in_zero_stay_in_the_book(ref: Reference) -> None:
    """A canceled order whose price was sent with a zero at its end still fills."""
    stay_in_book(ref, lambda order: order.price is not None and format(order.price, "f").endswith("0"))


@fault("cancel.effects.off-book")
def orders_far_back_in_a_queue_stay_in_the_book(ref: Reference) -> None:
    """A canceled order behind eight others of its price still fills."""
    stay_in_book(ref, lambda order: order not in at_price(ref, order)[:8])


@fault("cancel.effects.own-orders", "cancel.effects.foreign-orders")
def last_order_of_a_side_takes_the_other_side_along(ref: Reference) -> None:
    """When the last order of a side is canceled, the orders of the other side stay live, and nothing fills them."""

    def drop(order: Order) -> None:
        sides = engines(ref)[0].book.sides
        if not len(sides[order.side]):
            for other in list(sides["sell" if order.side == "buy" else "buy"].by_priority()):
                engines(ref)[0].book.remove(other)

    after_cancel(ref, drop)


@fault("cancel.effects.own-orders", "cancel.effects.foreign-orders")
def price_level_loses_the_whole_order(ref: Reference) -> None:
    """The sum of a price is lowered by all of a canceled order, filled or not; where it is 0, nothing fills."""
    missing: dict[tuple[Side, Decimal | None], Decimal] = {}

    def remove_from_book(original: Any, order: Order) -> None:
        level = (order.side, order.price)
        missing[level] = missing.get(level, Decimal(0)) + order.filled_qty
        original(order)

    def plan(original: Any, order: Order) -> Any:
        def is_there(maker: Order) -> bool:
            left = sum((other.remaining for other in at_price(ref, maker)), Decimal(0))
            return left > missing.get((maker.side, maker.price), Decimal(0))

        return [(maker, part) for maker, part in original(order) if is_there(maker)]

    wrap(engines(ref), "remove_from_book", remove_from_book)
    wrap(engines(ref), "plan", plan)


@fault("cancel.effects.off-book")
def market_orders_meet_canceled_orders(ref: Reference) -> None:
    """Market orders match against the book as it was before the last cancel."""
    last: list[Order] = []
    stay_in_book(ref, lambda order: True)

    def forget(order: Order) -> None:
        for other in last:
            engines(ref)[0].book.remove(other)
        last[:] = [order]

    def plan(original: Any, order: Order) -> Any:
        return [(maker, part) for maker, part in original(order) if maker.live or order.type == "market"]

    after_cancel(ref, forget)
    wrap(engines(ref), "plan", plan)


@fault("cancel.effects.fills-kept", "cancel.effects.off-book")
def fills_are_booked_under_the_canceled_order(ref: Reference) -> None:
    """What fills at a canceled order's price is listed among the own trades as a fill of that order."""
    last: dict[tuple[str, Side, Decimal | None], str] = {}
    after_cancel(ref, lambda order: last.update({(order.account, order.side, order.price): order.id}))

    def tagged(trade: Trade) -> Trade:
        order = ref.exchange.find_order(trade.order_id)
        canceled_id = last.get((order.account, order.side, order.price)) if order is not None else None
        return replace(trade, order_id=canceled_id) if canceled_id is not None else trade

    wrap(ref.exchange, "trades", lambda original, *arguments: [tagged(trade) for trade in original(*arguments)])


@fault("cancel.effects.own-orders")
def orders_of_its_price_are_listed_as_canceled(ref: Reference) -> None:
    """The open orders show the others at the canceled order's price as canceled."""
    prices: set[tuple[str, Decimal | None]] = set()
    after_cancel(ref, lambda order: prices.add((order.account, order.price)))

    def open_orders(original: Any, account: str, symbol: str | None) -> list[Order]:
        orders: list[Order] = []
        for order in original(account, symbol):
            shown = copy(order)
            if (account, order.price) in prices:
                shown.status = "canceled"
            orders.append(shown)
        return orders

    wrap(ref.exchange, "open_orders", open_orders)


@fault("cancel.effects.own-orders")
def cancel_sorts_its_price_level_by_size(ref: Reference) -> None:
    """After a cancel the orders of its price fill by size, the largest first."""

    def by_size(order: Order) -> None:
        book, queue = ref.exchange.engine_of(order.symbol).matching.book, at_price(ref, order)
        for other in queue:
            book.remove(other)
        for other in sorted(queue, key=lambda one: -(one.quantity or Decimal(0))):
            book.add(other)

    after_cancel(ref, by_size)


@fault("cancel.refusals.not-found", "cancel.effects.own-orders")
def second_cancels_take_the_last_order_of_the_side(ref: Reference) -> None:
    """A cancel of a canceled order takes the one of its side that is last in turn out of the book, and no more."""

    def take(order: Order) -> None:
        book = ref.exchange.engine_of(order.symbol).matching.book
        for last in list(book.sides[order.side].by_priority())[-1:]:
            book.remove(last)
        raise OrderNotFound

    instead_of_dead(ref, canceled, take)


@fault("cancel.effects.off-book")
def prices_sent_without_zeros_stay_in_the_book(ref: Reference) -> None:
    """A canceled order whose price was sent with fewer digits than the tick's still fills."""
    digits = len("0.0001")
    stay_in_book(ref, lambda order: order.price is not None and len(format(order.price % 1, "f")) < digits)


@fault("cancel.effects.own-orders")
def next_price_is_lost_in_a_crowded_book(ref: Reference) -> None:
    """When a side has more than 32 prices, a cancel that empties one takes the next off the book."""

    def remove_from_book(original: Any, order: Order) -> None:
        book = engines(ref)[0].book
        side = book.sides[order.side]
        prices = list(side.prices)
        original(order)
        if len(prices) <= 32 or order.price in side.levels or order.price not in prices:
            return
        following = prices.index(order.price) + (1 if side.best == "lowest" else -1)
        if 0 <= following < len(prices):
            for other in list(side.levels[prices[following]].values()):
                book.remove(other)

    wrap(engines(ref), "remove_from_book", remove_from_book)


@fault("cancel.effects.foreign-orders", "cancel.effects.own-orders")
def foreign_newcomers_take_the_place(ref: Reference) -> None:
    """After a cancel the next order that another user places at its price takes its place in the queue."""
    holes: dict[tuple[Side, Decimal | None], tuple[list[str], str]] = {}

    def remove_from_book(original: Any, order: Order) -> None:
        queue = at_price(ref, order)
        if order in queue:
            behind = [other.id for other in queue[queue.index(order) + 1 :]]
            holes[order.side, order.price] = behind, order.account
        original(order)

    def accept(original: Any, order: Order, *, rests: bool) -> None:
        original(order, rests=rests)
        behind, account = holes.pop((order.side, order.price), ([], order.account)) if rests else ([], "")
        if rests and account != order.account:
            book = engines(ref)[0].book
            for other in [other for other in at_price(ref, order) if other.id in behind]:
                book.remove(other)
                book.add(other)

    wrap(engines(ref), "remove_from_book", remove_from_book)
    wrap(engines(ref), "accept", accept)


@fault("cancel.refusals.not-found")
def second_cancels_unbook_what_came_since(ref: Reference) -> None:
    """A second cancel of an order takes the order that was placed next off the book, which stays live."""
    free: list[str] = []
    heirs: dict[str, Order] = {}

    def accept(original: Any, order: Order, *, rests: bool) -> None:
        original(order, rests=rests)
        if rests and free:
            heirs[free.pop()] = order

    def unbook(order: Order) -> None:
        if (heir := heirs.get(order.id)) is not None and heir.live:
            engines(ref)[0].remove_from_book(heir)
        raise OrderNotFound

    after_cancel(ref, lambda order: free.append(order.id))
    wrap(engines(ref), "accept", accept)
    instead_of_dead(ref, lambda order: order.id in heirs, unbook)


@fault("cancel.refusals.not-found")
def cancels_of_filled_orders_cancel_the_next(ref: Reference) -> None:
    """A cancel of an order that was filled gets its 404, and the caller's next order of its price is canceled."""

    def cancel_next(order: Order) -> None:
        cancel_aside(ref, [other for other in at_price(ref, order) if other.account == order.account][:1])
        raise OrderNotFound

    instead_of_dead(ref, lambda order: order.status == "filled", cancel_next)


@fault("cancel.effects.own-orders")
def canceled_neighbours_take_the_next_along(ref: Reference) -> None:
    """When two neighbours of a price are canceled in turn, the order behind them is off the book, still live."""
    behind: dict[str, Order | None] = {"last": None}

    def remove_from_book(original: Any, order: Order) -> None:
        queue = at_price(ref, order)
        following = queue[queue.index(order) + 1 :] if order in queue else []
        original(order)
        if behind["last"] is order and following:
            original(following[0])
        behind["last"] = following[0] if following else None

    wrap(engines(ref), "remove_from_book", remove_from_book)


@fault("cancel.effects.off-book")
def prices_of_partially_filled_orders_remain(ref: Reference) -> None:
    """After an order with fills, alone at its price, is canceled, post-only orders that it met are refused."""
    outlive(ref, lambda order: order.filled_qty > 0)
