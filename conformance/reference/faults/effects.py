"""Faults of the chapter Effects: what a cancel leaves behind, or takes along, in the book and in the reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ..errors import OrderNotFound
from ..orders import Order, Trade
from ..reference import Reference
from .registry import fault
from .tools import after_cancel, cancel_aside, canceled, engines, every, own_live, wrap

_tasks: set[asyncio.Task[None]] = set()


def stay_in_book(ref: Reference, when: Callable[[Order], bool]) -> None:
    """Leave canceled orders for which ``when`` is true in the book, where others can trade with them."""

    def remove_from_book(original: Any, order: Order) -> None:
        if not when(order):
            original(order)

    def plan(original: Any, order: Order) -> Any:
        matches = original(order)
        # A ghost has no lock left to spend: it gets back what it needs.
        for maker, part in matches:
            if not maker.live:
                maker.locked += part * (maker.price or 0) if maker.side == "buy" else part
        return matches

    wrap(engines(ref), "remove_from_book", remove_from_book)
    wrap(engines(ref), "plan", plan)


def later(seconds: float, act: Callable[[], None]) -> None:
    """Call ``act`` after a while."""

    async def run() -> None:
        await asyncio.sleep(seconds)
        act()

    task = asyncio.get_running_loop().create_task(run())
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


def on_query(ref: Reference, when: Callable[[Order], bool], **values: Any) -> None:
    """Let queries show terminal orders for which ``when`` is true with other values (or ``value(order)``)."""

    def order(original: Any, account: str, order_id: str) -> Order:
        found: Order = original(account, order_id)
        if found.live or not when(found):
            return found
        changed = copy(found)
        for name, value in values.items():
            setattr(changed, name, value(found) if callable(value) else value)
        return changed

    wrap(ref.exchange, "order", order)


@fault("cancel.effects.terminal")
def canceled_orders_with_fills_crash_the_query(ref: Reference) -> None:
    """A query of a canceled order that had fills ends in 500."""

    def order(original: Any, account: str, order_id: str) -> Order:
        found: Order = original(account, order_id)
        if canceled(found) and found.filled_qty:
            raise RuntimeError
        return found

    wrap(ref.exchange, "order", order)


@fault("cancel.effects.foreign-orders")
def foreign_orders_of_the_price_go_to_the_end(ref: Reference) -> None:
    """After a cancel the other users' orders of its price are behind those of the caller."""

    def act(order: Order) -> None:
        book = ref.exchange.engine_of(order.symbol).matching.book
        for other in list(book.sides[order.side].by_priority()):
            if other.price == order.price and other.account != order.account:
                book.remove(other)
                book.add(other)

    after_cancel(ref, act)


@fault("cancel.effects.off-book")
def canceled_orders_stay_in_the_book(ref: Reference) -> None:
    """Canceled orders still fill."""
    stay_in_book(ref, lambda order: True)


@fault("cancel.effects.off-book")
def canceled_sells_stay_in_the_book(ref: Reference) -> None:
    """Canceled sell orders still fill."""
    stay_in_book(ref, lambda order: order.side == "sell")


@fault("cancel.effects.off-book")
def canceled_partially_filled_orders_stay_in_the_book(ref: Reference) -> None:
    """Canceled orders that had fills still fill further."""
    stay_in_book(ref, lambda order: order.filled_qty > 0)


@fault("cancel.effects.off-book")
def canceled_post_only_orders_stay_in_the_book(ref: Reference) -> None:
    """Canceled post-only orders still fill."""
    stay_in_book(ref, lambda order: order.tif == "post_only")


@fault("cancel.effects.off-book")
def one_canceled_order_in_seven_stays_in_the_book(ref: Reference) -> None:
    """One canceled order in seven still fills."""
    due = every(7)
    stay_in_book(ref, lambda order: due())


@fault("cancel.effects.off-book")
def canceled_orders_come_back_after_a_moment(ref: Reference) -> None:
    """A canceled order is back in the book 0.7 s later."""
    stay_in_book(ref, lambda order: False)
    matching = engines(ref)[0]
    after_cancel(ref, lambda order: later(0.7, lambda: matching.book.add(order)))


@fault("cancel.effects.off-book")
def canceled_orders_leave_the_book_late(ref: Reference) -> None:
    """A canceled order stays in the book for a tenth of a second after the answer."""
    stay_in_book(ref, lambda order: True)
    matching = engines(ref)[0]
    after_cancel(ref, lambda order: later(0.1, lambda: matching.book.remove(order)))


@fault("cancel.effects.terminal")
def canceled_orders_queried_as_open(ref: Reference) -> None:
    """A query shows a canceled order as open."""
    on_query(ref, canceled, status="open")


@fault("cancel.effects.terminal")
def canceled_partially_filled_queried_as_such(ref: Reference) -> None:
    """A query shows a canceled order that had fills as partially_filled."""
    on_query(ref, lambda o: canceled(o) and o.filled_qty > 0, status="partially_filled")


@fault("cancel.effects.terminal")
def canceled_orders_queried_as_rejected(ref: Reference) -> None:
    """A query shows a canceled post-only order as rejected."""
    on_query(ref, lambda o: canceled(o) and o.tif == "post_only", status="rejected")


@fault("cancel.effects.not-listed")
def canceled_orders_are_listed(ref: Reference) -> None:
    """The open orders list canceled ones."""
    list_canceled(ref, lambda order: True)


@fault("cancel.effects.not-listed")
def canceled_partially_filled_orders_are_listed(ref: Reference) -> None:
    """The open orders list canceled ones that had fills."""
    list_canceled(ref, lambda order: order.filled_qty > 0)


@fault("cancel.effects.not-listed")
def last_canceled_order_is_listed_as_open(ref: Reference) -> None:
    """The open orders come from a cache that still has the last canceled one, as open."""
    list_canceled(ref, lambda order: True, keep=1, status="open")


def list_canceled(
    ref: Reference, when: Callable[[Order], bool], *, keep: int = 1000, status: str | None = None
) -> None:
    """Let the open orders list the last canceled orders for which ``when`` is true."""
    last: list[Order] = []
    after_cancel(ref, lambda order: last.append(copy(order)) if when(order) else None)

    def open_orders(original: Any, account: str, symbol: str | None) -> list[Order]:
        ghosts = [order for order in last[-keep:] if order.account == account]
        for ghost in ghosts:
            setattr(ghost, "status", status or ghost.status)  # noqa: B010
        found: list[Order] = original(account, symbol)
        return found + ghosts

    wrap(ref.exchange, "open_orders", open_orders)


@fault("cancel.effects.not-listed")
def canceled_orders_are_listed_without_a_symbol(ref: Reference) -> None:
    """The open orders of all markets, asked for without a symbol, list canceled ones."""
    gone: list[Order] = []
    after_cancel(ref, gone.append)

    def open_orders(original: Any, account: str, symbol: str | None) -> list[Order]:
        found: list[Order] = original(account, symbol)
        return found if symbol is not None else found + [order for order in gone if order.account == account]

    wrap(ref.exchange, "open_orders", open_orders)


@fault("cancel.effects.own-orders")
def orders_are_listed_with_fills_of_a_canceled_one(ref: Reference) -> None:
    """After the cancel of an order that had fills, the caller's open orders are listed as if these were theirs."""
    last: dict[str, Order] = {}
    after_cancel(ref, lambda order: last.update({order.account: order}))

    def open_orders(original: Any, account: str, symbol: str | None) -> list[Order]:
        found: list[Order] = [copy(order) for order in original(account, symbol)]
        for order in found if account in last else []:
            order.filled_qty = max(order.filled_qty, last[account].filled_qty)
        return found

    wrap(ref.exchange, "open_orders", open_orders)


@fault("cancel.effects.final")
def filled_qty_forgotten_afterwards(ref: Reference) -> None:
    """A query after the cancel shows nothing filled."""
    on_query(ref, canceled, filled_qty=lambda o: o.filled_qty * 0)


@fault("cancel.effects.final")
def updated_at_moves_at_every_query(ref: Reference) -> None:
    """A query after the cancel shows the time of the query as updated_at."""
    queries = every(1)
    on_query(ref, lambda o: canceled(o) and queries(), updated_at=lambda o: o.updated_at + 60)


@fault("cancel.effects.final")
def quantity_shrinks_afterwards(ref: Reference) -> None:
    """A query after the cancel of an order that had fills shows its quantity reduced to what filled."""
    on_query(ref, lambda o: canceled(o) and o.filled_qty > 0, quantity=lambda o: o.filled_qty)


@fault("cancel.effects.final")
def average_changes_afterwards(ref: Reference) -> None:
    """A query after the cancel shows the limit price as the average price."""
    on_query(ref, lambda o: canceled(o) and o.filled_qty > 0, filled_quote=lambda o: o.filled_qty * o.price)


@fault("cancel.effects.final")
def created_at_moves_afterwards(ref: Reference) -> None:
    """A query after the cancel shows a created_at of a minute before."""
    on_query(ref, canceled, created_at=lambda o: o.created_at - 60)


def hide_trades(ref: Reference, hidden: Callable[[Trade, Order, list[Trade]], bool]) -> None:
    """Leave out of the own trades those of canceled orders for which ``hidden(trade, order, all)`` is true."""

    def trades(original: Any, *arguments: Any) -> list[Trade]:
        rows: list[Trade] = original(*arguments)
        orders = {row.order_id: ref.exchange.find_order(row.order_id) for row in rows}
        kept = []
        for row in rows:
            order = orders[row.order_id]
            if order is None or not canceled(order) or not hidden(row, order, rows):
                kept.append(row)
        return kept

    wrap(ref.exchange, "trades", trades)


@fault("cancel.effects.fills-kept")
def trades_of_canceled_orders_vanish(ref: Reference) -> None:
    """The own trades no longer list the fills of a canceled order."""
    hide_trades(ref, lambda trade, order, rows: True)


@fault("cancel.effects.fills-kept")
def last_trade_of_a_canceled_order_vanishes(ref: Reference) -> None:
    """The own trades lack the last fill of a canceled order."""
    hide_trades(ref, lambda trade, order, rows: trade is next(r for r in rows if r.order_id == order.id))


@fault("cancel.effects.fills-kept")
def maker_trades_of_canceled_sells_vanish(ref: Reference) -> None:
    """The own trades lack the fills that a canceled sell order got while it rested."""
    hide_trades(ref, lambda trade, order, rows: order.side == "sell" and trade.role == "maker")


@fault("cancel.effects.fills-kept")
def fills_of_canceled_orders_get_new_ids(ref: Reference) -> None:
    """The own trades list the fills of a canceled order under other ids than before."""

    def trades(original: Any, *arguments: Any) -> list[Trade]:
        rows: list[Trade] = original(*arguments)
        orders = {row.order_id: ref.exchange.find_order(row.order_id) for row in rows}
        return [
            replace(row, trade_id=f"{row.trade_id}-c")
            if (order := orders[row.order_id]) and canceled(order)
            else row
            for row in rows
        ]

    wrap(ref.exchange, "trades", trades)


@fault("cancel.effects.own-orders")
def cancel_takes_all_own_orders(ref: Reference) -> None:
    """A cancel cancels every order of the caller."""
    after_cancel(ref, lambda order: cancel_aside(ref, own_live(ref, order.account)))


@fault("cancel.effects.own-orders")
def cancel_takes_own_orders_at_its_price(ref: Reference) -> None:
    """A cancel takes the caller's other orders at the same price and side along."""
    after_cancel(
        ref,
        lambda order: cancel_aside(
            ref, [o for o in own_live(ref, order.account) if (o.price, o.side) == (order.price, order.side)]
        ),
    )


@fault("cancel.effects.own-orders")
def cancel_takes_the_next_own_order(ref: Reference) -> None:
    """A cancel takes the caller's youngest other order of the same side along, at every third time."""
    due = every(3)

    def also(order: Order) -> None:
        same = [o for o in own_live(ref, order.account) if o.side == order.side]
        if same and due():
            cancel_aside(ref, same[-1:])

    after_cancel(ref, also)


@fault("cancel.effects.own-orders")
def cancel_changes_the_other_side(ref: Reference) -> None:
    """A cancel of a sell order changes the quantity of the caller's youngest buy order."""

    def also(order: Order) -> None:
        buys = [o for o in own_live(ref, order.account) if o.side == "buy"]
        if order.side == "sell" and buys and buys[-1].quantity is not None:
            buys[-1].quantity += ref.settings.market.lot_size

    after_cancel(ref, also)


@fault("cancel.effects.foreign-orders", "cancel.effects.own-orders")
def cancel_clears_the_price_level(ref: Reference) -> None:
    """A cancel removes every order at its price, whoever placed it."""
    after_cancel(ref, lambda order: cancel_aside(ref, at_price(ref, order)))


@fault("cancel.effects.foreign-orders")
def cancel_takes_foreign_orders_behind_it(ref: Reference) -> None:
    """A cancel takes along the next order of another user at the same price."""
    after_cancel(
        ref,
        lambda order: cancel_aside(
            ref, [o for o in at_price(ref, order) if o.account != order.account and o.seq > order.seq][:1]
        ),
    )


def at_price(ref: Reference, order: Order) -> list[Order]:
    """Return the live orders of the same side and price."""
    live = engines(ref)[0].live.values()
    return [other for other in live if (other.price, other.side) == (order.price, order.side)]


@fault("cancel.effects.terminal")
def old_canceled_orders_are_lost(ref: Reference) -> None:
    """Of canceled orders the newest three hundred are kept: a query for an older one gets 404."""
    newest: dict[str, None] = {}

    def note(order: Order) -> None:
        newest[order.id] = None
        if len(newest) > 300:
            lost.add(next(iter(newest)))
            del newest[next(iter(newest))]

    def order(original: Any, account: str, order_id: str) -> Order:
        found: Order = original(account, order_id)
        if found.id in lost:
            raise OrderNotFound
        return found

    lost: set[str] = set()
    after_cancel(ref, note)
    wrap(ref.exchange, "order", order)


@fault("cancel.effects.off-book")
def cancels_are_listed_as_empty_trades(ref: Reference) -> None:
    """The own trades have a row of quantity 0 for each canceled order that had fills."""

    def trades(original: Any, *arguments: Any) -> list[Trade]:
        rows: list[Trade] = original(*arguments)
        orders = {row.order_id: ref.exchange.find_order(row.order_id) for row in rows}
        ended = {row.order_id: row for row in rows if (order := orders[row.order_id]) and canceled(order)}
        nothing = [replace(row, trade_id=f"{row.trade_id}-0", quantity=Decimal(0)) for row in ended.values()]
        return [*nothing, *rows]

    wrap(ref.exchange, "trades", trades)
