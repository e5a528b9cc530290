"""Hooks for the reference: mistakes that only show in races, under load or after a restart."""

from __future__ import annotations

import asyncio
import time
from copy import copy
from typing import Any

from conformance.reference.errors import EngineBusy, OrderNotFound
from conformance.reference.orders import Order
from conformance.reference.reference import Reference

_WINDOW_S = 0.03


def _matching(reference: Reference) -> Any:
    (engine,) = reference.exchange.engines.values()
    return engine.matching


def two_winners(reference: Reference) -> None:
    """A second cancel that comes right after the first is answered 200 as well."""
    matching, recent = _matching(reference), {}
    cancel = matching.cancel

    def forgiving(account: str, order_id: str) -> Order:
        try:
            recent[order_id] = time.monotonic(), cancel(account, order_id)
        except OrderNotFound:
            at, order = recent.get(order_id, (0.0, None))
            if order is None or time.monotonic() - at > _WINDOW_S:
                raise
        return recent[order_id][1]

    matching.cancel = forgiving


def lost_fill(reference: Reference) -> None:
    """A cancel answers with what had filled when the request came in, not when it was carried out."""
    exchange: Any = reference.exchange
    cancel = exchange.cancel

    async def hasty(account: str, order_id: str) -> Order:
        before = exchange.find_order(order_id)
        before = copy(before) if before is not None else None
        await asyncio.sleep(_WINDOW_S / 2)
        answer = copy(await cancel(account, order_id))
        if before is not None:
            answer.filled_qty, answer.filled_quote = before.filled_qty, before.filled_quote
        return answer

    exchange.cancel = hasty


def late_cancel(reference: Reference) -> None:
    """A gtc order's cancel is acknowledged at once and carried out a little later; what fills in between counts."""
    matching, pending = _matching(reference), set()
    cancel_order, check_live = matching.cancel_order, matching.check_live

    def acknowledge(order: Order) -> Order:
        if order.tif != "gtc":
            done: Order = cancel_order(order)
            return done

        def carry_out() -> None:
            pending.discard(order.id)
            if order.live:
                cancel_order(order)

        pending.add(order.id)
        asyncio.get_running_loop().call_later(_WINDOW_S / 2, carry_out)
        answer = copy(order)
        answer.status = "canceled"
        return answer

    def strict(order: Order) -> None:
        check_live(order)
        if order.id in pending:
            raise OrderNotFound

    matching.cancel_order, matching.check_live = acknowledge, strict


def empty_promise(reference: Reference) -> None:
    """When the backlog is half full, cancels are answered 200 and dropped."""
    exchange: Any = reference.exchange
    cancel = exchange.cancel

    async def promise(account: str, order_id: str) -> Order:
        order = exchange.find_order(order_id)
        if order is None or not order.live or exchange.queue_depth() < 2:
            done: Order = await cancel(account, order_id)
            return done
        answer = copy(order)
        answer.status = "canceled"
        return answer

    exchange.cancel = promise


def busy_but_canceled(reference: Reference) -> None:
    """ENGINE_BUSY is answered although the order is canceled."""
    exchange: Any = reference.exchange
    cancel, matching = exchange.cancel, _matching(reference)

    async def both(account: str, order_id: str) -> Order:
        try:
            done: Order = await cancel(account, order_id)
        except EngineBusy:
            matching.cancel(account, order_id)
            raise
        return done

    exchange.cancel = both


def hang_when_busy(reference: Reference) -> None:
    """Instead of ENGINE_BUSY there is no answer at all."""
    exchange: Any = reference.exchange
    cancel = exchange.cancel

    async def wait(account: str, order_id: str) -> Order:
        try:
            done: Order = await cancel(account, order_id)
        except EngineBusy:
            await asyncio.sleep(3600)
            raise
        return done

    exchange.cancel = wait


def stuck_after_busy(reference: Reference) -> None:
    """The first order that is refused with ENGINE_BUSY goes on being refused, longer than any backoff."""
    exchange: Any = reference.exchange
    cancel, refused = exchange.cancel, []

    async def grudge(account: str, order_id: str) -> Order:
        if refused[:1] == [order_id] and len(refused) < 10:
            refused.append(order_id)
            raise EngineBusy
        try:
            done: Order = await cancel(account, order_id)
        except EngineBusy:
            if not refused and (order := exchange.find_order(order_id)) is not None and order.live:
                refused.append(order_id)
            raise
        return done

    exchange.cancel = grudge


def forgets_cancels(reference: Reference) -> None:
    """A cancel is not written down: after a restart the order is back."""
    store: Any = reference.store
    update_order = store.update_order
    store.update_order = lambda order: None if order.status == "canceled" else update_order(order)


def forgets_orders(reference: Reference) -> None:
    """After a restart open orders are treated as canceled."""
    for engine in reference.exchange.engines.values():
        setattr(engine, "cancel_on_restore", lambda order: True)  # noqa: B010
