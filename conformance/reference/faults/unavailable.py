"""Faults of the chapter Transient refusals: a 503 that a client cannot rely on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..errors import ApiError, EngineBusy, EngineRestarting, OrderNotFound, Unavailable
from ..orders import Order
from ..reference import Reference
from .effects import later, stay_in_book
from .money import give, rest_of
from .registry import fault
from .tools import cancel_aside, engines, every, find, wrap

_LARGE = 100_000
_LATER_S = 1.2  # when a client that backs off as documented has canceled the order itself
_OVERLOAD = ("--overload",)
# The command that the kill matrix restarts its reference by, which starts again when it dies.
_RESTART = ("--restart-command", "kill -9 $(cat server.pid)")


def refuse(ref: Reference, when: Callable[[Order], bool], refusal: Callable[[], ApiError]) -> None:
    """Refuse the cancel of an own live order for which ``when`` is true, before the engine hears of it."""

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        order = find(ref, order_id)
        if order is not None and order.account == account and order.live and when(order):
            raise refusal()
        canceled: Order = await original(account, order_id)
        return canceled

    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.unavailable.form")
def busy_by_another_name(ref: Reference) -> None:
    """One cancel in twelve is answered with 503 and the error "SERVER_OVERLOADED"."""
    due = every(12)
    refuse(ref, lambda order: due(), lambda: Unavailable("SERVER_OVERLOADED"))


@fault("cancel.unavailable.form")
def busy_in_lower_case(ref: Reference) -> None:
    """One cancel in twelve is answered with 503 and the error "engine_busy"."""
    due = every(12)
    refuse(ref, lambda order: due(), lambda: Unavailable("engine_busy"))


@fault("cancel.unavailable.no-effect")
def busy_and_canceled_later(ref: Reference) -> None:
    """One cancel in twelve is answered with 503 ENGINE_BUSY, and carried out after a while."""
    due = every(12)

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        order = find(ref, order_id)
        if order is not None and order.account == account and order.live and due():
            later(_LATER_S, lambda: cancel_aside(ref, [order] if order.live else []))
            raise EngineBusy
        canceled: Order = await original(account, order_id)
        return canceled

    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.unavailable.no-effect")
def busy_and_canceled(ref: Reference) -> None:
    """One cancel in twelve is answered with 503 ENGINE_BUSY and carried out."""
    due = every(12)

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        canceled: Order = await original(account, order_id)
        if due():
            raise EngineBusy
        return canceled

    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.unavailable.no-effect")
def busy_and_paid_out(ref: Reference) -> None:
    """The first cancel of a large gtc order is answered with 503 ENGINE_BUSY, and its funds are free."""
    known = set[str]()

    def when(order: Order) -> bool:
        first = order.id not in known and order.tif == "gtc" and (order.quantity or 0) > _LARGE
        known.add(order.id)
        if first:
            give(ref, order, rest_of(order))
            order.locked -= rest_of(order)
        return first

    refuse(ref, when, EngineBusy)


@fault("cancel.unavailable.no-effect")
def restarting_and_canceled(ref: Reference) -> None:
    """One cancel in twelve is answered with 503 ENGINE_RESTARTING, and has been carried out."""
    due = every(12)

    def when(order: Order) -> bool:
        if not due():
            return False
        cancel_aside(ref, [order])
        return True

    refuse(ref, when, EngineRestarting)


@fault("cancel.unavailable.transient")
def busy_once_and_gone(ref: Reference) -> None:
    """An order whose cancel was once answered with 503 ENGINE_BUSY can never be canceled: 404, while it is live."""
    due, stuck = every(12), set[str]()

    def busy(order: Order) -> bool:
        if order.id not in stuck and due():
            stuck.add(order.id)
            return True
        return False

    refuse(ref, busy, EngineBusy)
    seen: dict[str, int] = {}

    def again(order: Order) -> bool:
        seen[order.id] = seen.get(order.id, 0) + 1
        return order.id in stuck

    refuse(ref, again, OrderNotFound)


@fault("cancel.unavailable.unwarranted", "cancel.success.partially-filled")
def partially_filled_orders_always_busy(ref: Reference) -> None:
    """The cancel of a partially filled order is answered with 503 ENGINE_BUSY, always."""
    refuse(ref, lambda order: order.filled_qty > 0, EngineBusy)


@fault("cancel.unavailable.unwarranted")
def unknown_orders_always_busy(ref: Reference) -> None:
    """The cancel of an unknown order is answered with 503 ENGINE_BUSY, always."""

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        if find(ref, order_id) is None:
            raise EngineBusy
        canceled: Order = await original(account, order_id)
        return canceled

    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.unavailable.unwarranted", "cancel.errors.forbidden")
def foreign_orders_always_restarting(ref: Reference) -> None:
    """The cancel of another user's order is answered with 503 ENGINE_RESTARTING, always."""

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        order = find(ref, order_id)
        if order is not None and order.account != account:
            raise EngineRestarting
        canceled: Order = await original(account, order_id)
        return canceled

    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.unavailable.busy", "cancel.answers.status", options=_OVERLOAD)
def overflow_is_500(ref: Reference) -> None:
    """When the engine's backlog overflows, the answer is 500."""
    on_overflow(ref, ApiError)


@fault("cancel.unavailable.busy", options=_OVERLOAD)
def overflow_hangs(ref: Reference) -> None:
    """When the engine's backlog overflows, requests wait without end."""
    small_backlog(ref)
    for engine in ref.exchange.engines.values():

        async def submit(original: Any, action: Any, engine: Any = engine) -> Any:
            if engine.queue.full():
                await asyncio.sleep(120)
            return await original(action)

        wrap(engine, "submit", submit)


@fault("cancel.unavailable.busy", "cancel.unavailable.form", options=_OVERLOAD)
def overflow_by_another_name(ref: Reference) -> None:
    """When the engine's backlog overflows, the error of the 503 is "QUEUE_FULL"."""
    on_overflow(ref, lambda: Unavailable("QUEUE_FULL"))


@fault("cancel.unavailable.no-effect", "cancel.unavailable.busy", options=_OVERLOAD)
def overflow_is_carried_out(ref: Reference) -> None:
    """When the engine's backlog overflows, the answer is 503 ENGINE_BUSY and the order is canceled all the same."""
    small_backlog(ref)

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        try:
            canceled: Order = await original(account, order_id)
        except EngineBusy:
            order = find(ref, order_id)
            if order is not None and order.live and order.account == account:
                cancel_aside(ref, [order])
            raise
        return canceled

    wrap(ref.exchange, "cancel", cancel)


def small_backlog(ref: Reference) -> None:
    """Let a burst of a few dozen requests fill the engine's backlog."""
    for engine in ref.exchange.engines.values():
        engine.queue = asyncio.Queue(8)
        engine.delay_s = 0.001


def on_overflow(ref: Reference, refusal: Callable[[], ApiError]) -> None:
    """Refuse commands otherwise than with ENGINE_BUSY when the backlog is full."""
    small_backlog(ref)

    def enqueue(original: Any, command: Any) -> None:
        try:
            original(command)
        except EngineBusy:
            raise refusal() from None

    wrap(list(ref.exchange.engines.values()), "enqueue", enqueue)


@fault("cancel.unavailable.restarting", options=_RESTART)
def restart_forgets_cancels(ref: Reference) -> None:
    """After a restart, orders that were canceled before it are live again."""

    def start(original: Any) -> None:
        with ref.store.transaction():
            ref.store.db.execute(
                "UPDATE orders SET status='open', in_flight=0 WHERE status='canceled' AND tif!='ioc'"
            )
        original()

    wrap(ref.exchange, "start", start)


@fault("cancel.unavailable.restarting", options=_RESTART)
def restart_loses_orders(ref: Reference) -> None:
    """After a restart, orders that rested before it are gone."""

    def start(original: Any) -> None:
        with ref.store.transaction():
            ref.store.db.execute("UPDATE orders SET status='canceled' WHERE status IN ('open', 'partially_filled')")
        original()

    wrap(ref.exchange, "start", start)


@fault("cancel.effects.off-book", "cancel.unavailable.restarting", options=_RESTART)
def restart_puts_canceled_orders_into_the_book(ref: Reference) -> None:
    """After a restart, the orders that were canceled last before it are shown as canceled, and fill."""
    stay_in_book(ref, lambda order: False)

    async def recover(original: Any) -> None:
        await original()
        newest = "SELECT id FROM orders WHERE status='canceled' AND tif!='ioc' ORDER BY rowid DESC LIMIT 15"
        for (order_id,) in ref.store.db.execute(newest).fetchall():
            if (order := ref.store.load_order(order_id)) is not None:
                engines(ref)[0].book.add(order)

    wrap(next(iter(ref.exchange.engines.values())), "recover", recover)


@fault("cancel.unavailable.restarting", options=_RESTART)
def cancels_not_found_while_restarting(ref: Reference) -> None:
    """While the books are rebuilt, every cancel is answered with 404."""

    def check_ready(original: Any) -> None:
        try:
            original()
        except EngineRestarting:
            raise OrderNotFound from None

    wrap(ref.exchange, "check_ready", check_ready)
