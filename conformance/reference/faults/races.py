"""Faults of the chapter Races: right for one client at a time, wrong for several."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from copy import copy
from decimal import Decimal
from typing import Any

from ..errors import OrderNotFound
from ..orders import Order
from ..reference import Reference
from .book import lose_placed
from .money import give, rest_of
from .registry import fault
from .tools import after_cancel, engines, every, find, wrap

_MOMENT_S = 0.02


@fault("cancel.races.one-winner")
def concurrent_cancels_all_win(ref: Reference) -> None:
    """An order is looked at some time before it is canceled, so that all concurrent cancels get 200."""

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        order = find(ref, order_id)
        mine = order is not None and order.account == account and order.live
        await asyncio.sleep(_MOMENT_S)
        try:
            canceled: Order = await original(account, order_id)
        except OrderNotFound:
            after = find(ref, order_id)
            if not mine or after is None or after.status != "canceled":
                raise
            return after
        return canceled

    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.errors.forbidden", "cancel.races.one-winner")
def foreign_cancels_join_the_owners(ref: Reference) -> None:
    """Another user's cancel gets the answer to the owner's that is under way."""
    under_way: set[str] = set()

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        order = find(ref, order_id)
        if order is not None and order.account != account and order.id in under_way:
            return order
        done: Order = await original(account, order_id)
        under_way.add(done.id)
        await asyncio.sleep(_MOMENT_S)
        under_way.discard(done.id)
        return done

    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.races.one-winner")
def concurrent_cancels_all_lose(ref: Reference) -> None:
    """When several cancels of an order come together, it is canceled and all of them get 404."""
    waiting: dict[str, int] = {}

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        waiting[order_id] = waiting.get(order_id, 0) + 1
        try:
            await asyncio.sleep(_MOMENT_S)
            alone = waiting[order_id] == 1
            canceled: Order = await original(account, order_id)
        finally:
            waiting[order_id] -= 1
        if not alone:
            raise OrderNotFound
        return canceled

    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.fields.id")
def concurrent_cancels_exchange_answers(ref: Reference) -> None:
    """Of cancels that are under way at once each is answered with the order that was canceled last."""
    last: list[Order] = []

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        last[:] = [await original(account, order_id)]
        await asyncio.sleep(_MOMENT_S)
        return last[0]

    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.success.open", "cancel.errors.forbidden")
def concurrent_cancels_exchange_callers(ref: Reference) -> None:
    """Who asks is kept where the next request writes it too, while the first one still waits."""
    caller: list[str] = []

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        caller[:] = [account]
        await asyncio.sleep(_MOMENT_S)
        canceled: Order = await original(caller[0], order_id)
        return canceled

    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.effects.terminal", "cancel.effects.not-listed", "cancel.effects.off-book")
def concurrent_cancels_get_lost(ref: Reference) -> None:
    """Of cancels that are under way at once all are acknowledged and one is carried out."""
    waiting: set[str] = set()

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        order = find(ref, order_id)
        lost = bool(waiting) and order_id not in waiting
        if order is not None and lost and order.live and order.account == account:
            shown = copy(order)
            shown.status, shown.updated_at = "canceled", max(order.created_at, ref.clock.now_s())
            return shown
        waiting.add(order_id)
        try:
            await asyncio.sleep(_MOMENT_S)
            canceled: Order = await original(account, order_id)
        finally:
            waiting.discard(order_id)
        return canceled

    wrap(ref.exchange, "cancel", cancel)


def carry_out_late(ref: Reference, answer: Callable[[Order, Order], Order]) -> None:
    """Carry each cancel out a moment after it came in, and answer ``answer(order as it was then, order)``."""

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        found = find(ref, order_id)
        before = copy(found) if found is not None else None
        await asyncio.sleep(_MOMENT_S)
        canceled: Order = await original(account, order_id)
        return answer(before, canceled) if before is not None else canceled

    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.races.fills-counted")
def fills_during_the_cancel_are_not_counted(ref: Reference) -> None:
    """The answer shows what had filled when the cancel came in, without the fills until it was carried out."""

    def without_fills(before: Order, canceled: Order) -> Order:
        shown = copy(canceled)
        shown.filled_qty, shown.filled_quote = before.filled_qty, before.filled_quote
        return shown

    carry_out_late(ref, without_fills)


@fault("cancel.effects.off-book", "cancel.races.fills-counted")
def fills_for_a_moment_after_the_cancel(ref: Reference) -> None:
    """A canceled order can be filled for 20 ms more."""

    def remove_from_book(original: Any, order: Order) -> None:
        asyncio.get_running_loop().call_later(_MOMENT_S, original, order)

    def plan(original: Any, order: Order) -> Any:
        matches = original(order)
        for maker, part in matches:
            if not maker.live:
                maker.locked += part * (maker.price or 0) if maker.side == "buy" else part
        return matches

    wrap(engines(ref), "remove_from_book", remove_from_book)
    wrap(engines(ref), "plan", plan)


@fault("cancel.races.cancel-all")
def cancel_all_claims_what_others_canceled(ref: Reference) -> None:
    """Cancel-all claims every order that was live when it came in, also those that a cancel ended meanwhile."""

    async def cancel_all(original: Any, account: str, symbol: str) -> list[Order]:
        before = ref.exchange.open_orders(account, symbol)
        await asyncio.sleep(_MOMENT_S)
        await original(account, symbol)
        after = [find(ref, order.id) for order in before]
        return [order for order in after if order is not None and order.status == "canceled"]

    wrap(ref.exchange, "cancel_all", cancel_all)


@fault("cancel.races.cancel-all")
def cancel_claims_what_cancel_all_ended(ref: Reference) -> None:
    """A cancel of an order that a concurrent cancel-all has ended answers 200 as well."""
    ended: set[str] = set()

    async def cancel_all(original: Any, account: str, symbol: str) -> list[Order]:
        orders: list[Order] = await original(account, symbol)
        ended.update(order.id for order in orders)
        return orders

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        found = find(ref, order_id)
        was_live = found is not None and found.live and found.account == account
        await asyncio.sleep(_MOMENT_S)
        try:
            canceled: Order = await original(account, order_id)
        except OrderNotFound:
            after = find(ref, order_id)
            if not was_live or after is None or order_id not in ended:
                raise
            return after
        return canceled

    wrap(ref.exchange, "cancel_all", cancel_all)
    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.races.monotonic-reads")
def some_reads_lag_behind(ref: Reference) -> None:
    """For 50 ms after a cancel every second query shows the order as it was before."""
    before: dict[str, Order] = {}
    due = every(2)

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        found = find(ref, order_id)
        if found is not None and found.live:
            before[order_id] = copy(found)
            asyncio.get_running_loop().call_later(0.05, before.pop, order_id, None)
        canceled: Order = await original(account, order_id)
        return canceled

    def order(original: Any, account: str, order_id: str) -> Order:
        found: Order = original(account, order_id)
        stale = before.get(order_id)
        return stale if stale is not None and due() else found

    wrap(ref.exchange, "cancel", cancel)
    wrap(ref.exchange, "order", order)


@fault("cancel.races.monotonic-reads", "cancel.effects.terminal")
def canceled_orders_reappear_once(ref: Reference) -> None:
    """The third query after a cancel shows the order as open, once."""
    reads: dict[str, int] = {}
    after_cancel(ref, lambda order: reads.update({order.id: 0}))

    def order(original: Any, account: str, order_id: str) -> Order:
        found: Order = original(account, order_id)
        if order_id in reads:
            reads[order_id] += 1
            if reads[order_id] == 3:
                found = copy(found)
                found.status = "open"
        return found

    wrap(ref.exchange, "order", order)


@fault("cancel.effects.lock-released")
def concurrent_cancels_lose_a_refund(ref: Reference) -> None:
    """Of orders that are canceled at once all but one keep their funds locked."""
    waiting: set[str] = set()

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        order, lost = find(ref, order_id), bool(waiting)
        waiting.add(order_id)
        try:
            await asyncio.sleep(_MOMENT_S)
            if order is not None and lost and order.live and order.account == account:
                order.locked = order.locked * 0
            canceled: Order = await original(account, order_id)
        finally:
            waiting.discard(order_id)
        return canceled

    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.effects.own-orders")
def orders_placed_beside_a_cancel_are_lost(ref: Reference) -> None:
    """An order that is placed while a cancel at its price is under way is live and never fills."""
    under_way: list[Order] = []

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        order = find(ref, order_id)
        under_way.extend([order] if order is not None else [])
        try:
            await asyncio.sleep(_MOMENT_S)
            canceled: Order = await original(account, order_id)
        finally:
            if order is not None:
                under_way.remove(order)
        return canceled

    wrap(ref.exchange, "cancel", cancel)
    lose_placed(ref, lambda order: any((o.side, o.price) == (order.side, order.price) for o in under_way))


@fault("cancel.effects.own-orders", "cancel.effects.foreign-orders")
def sweeps_beside_a_cancel_lose_what_they_leave(ref: Reference) -> None:
    """While a cancel is under way, who takes from several orders of its price leaves the last one off the book."""
    under_way: list[tuple[str, Decimal | None]] = []

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        order = find(ref, order_id)
        level = (order.side, order.price) if order is not None else ("", None)
        under_way.append(level)
        try:
            await asyncio.sleep(_MOMENT_S)
            canceled: Order = await original(account, order_id)
        finally:
            under_way.remove(level)
        return canceled

    def run(original: Any, order: Order, matches: Any) -> Any:
        done = original(order, matches)
        last = matches[-1][0] if len(matches) > 1 else None
        if last is not None and last.live and (last.side, last.price) in under_way:
            engines(ref)[0].book.remove(last)
        return done

    wrap(ref.exchange, "cancel", cancel)
    wrap(engines(ref), "run", run)


@fault("cancel.effects.lock-released-once")
def fills_beside_a_cancel_are_refunded(ref: Reference) -> None:
    """What an order still had when its cancel came in is refunded, whatever fills until it is carried out."""

    def refunded(before: Order, canceled: Order) -> Order:
        give(ref, canceled, rest_of(before) - rest_of(canceled))
        return canceled

    carry_out_late(ref, refunded)


@fault("cancel.races.fills-counted")
def fills_beside_a_cancel_count_twice(ref: Reference) -> None:
    """What fills until a cancel is carried out is added to the order's amounts once more."""

    def counted_twice(before: Order, canceled: Order) -> Order:
        canceled.filled_qty += canceled.filled_qty - before.filled_qty
        canceled.filled_quote += canceled.filled_quote - before.filled_quote
        return canceled

    carry_out_late(ref, counted_twice)
