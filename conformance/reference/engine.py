"""One task per market: takes commands off a bounded queue and carries them out one at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from decimal import localcontext
from typing import Any, TypeVar

from .errors import ApiError, EngineBusy, EngineRestarting
from .matching import MatchingEngine
from .money import EXACT
from .orders import Order
from .settings import Settings

T = TypeVar("T")
logger = logging.getLogger(__name__)
# While this many orders are restored, nothing else is answered.
RESTORE_BATCH = 500


@dataclass(slots=True)
class Command:
    """Something to do in the engine's task, and where its outcome goes."""

    action: Callable[[], Any]
    outcome: asyncio.Future[Any]


class EngineTask:
    """Owns a market's ``MatchingEngine``: nothing else may change it while the task runs."""

    def __init__(self, matching: MatchingEngine, settings: Settings) -> None:
        self.matching = matching
        self.delay_s = settings.engine_delay_ms / 1000
        self.recovery_delay_s = settings.recovery_delay_ms / 1000
        self.queue: asyncio.Queue[Command] = asyncio.Queue(settings.queue_size)
        self.ready = False

    async def submit(self, action: Callable[[], T]) -> T:
        """Carry out ``action`` in the engine's turn and return its result.

        Raises EngineRestarting or EngineBusy, without any effect, when it cannot be queued, and what it
        raises.
        """
        self.check_ready()
        command = Command(action, asyncio.get_running_loop().create_future())
        self.enqueue(command)
        result: T = await command.outcome
        return result

    def check_ready(self) -> None:
        """Refuse while the book is being rebuilt."""
        if not self.ready:
            raise EngineRestarting

    def enqueue(self, command: Command) -> None:
        """Put a command at the end of the queue. Raises EngineBusy when it is full."""
        try:
            self.queue.put_nowait(command)
        except asyncio.QueueFull:
            raise EngineBusy from None

    def depth(self) -> int:
        """Return how many commands wait."""
        return self.queue.qsize()

    async def run(self) -> None:
        """Rebuild the book, then serve commands until canceled."""
        await asyncio.sleep(self.recovery_delay_s)
        await self.recover()
        while True:
            command = await self.queue.get()
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if not self.execute(command):
                # Memory may be ahead of what was committed, so what was committed is taken up again.
                self.ready = False
                self.matching.balances.load(self.matching.store.load_balances())
                await self.recover()

    def execute(self, command: Command) -> bool:
        """Carry out one command. Returns False when it failed in a way that leaves memory in doubt."""
        try:
            with localcontext(EXACT):
                result = command.action()
        except ApiError as refusal:
            self.answer(command, refusal)
            return True
        except Exception:
            logger.exception("a command failed; the book is rebuilt")
            self.answer(command, EngineRestarting())
            return False
        self.answer(command, result)
        return True

    def answer(self, command: Command, result: object) -> None:
        """Hand an outcome to whoever waits for it, if anyone still does."""
        if command.outcome.done():
            return
        if isinstance(result, Exception):
            command.outcome.set_exception(result)
        else:
            command.outcome.set_result(result)

    # Recovery

    async def recover(self) -> None:
        """Rebuild the book from the store, in original time priority, then take commands."""
        self.matching.clear()
        for count, order in enumerate(self.matching.store.load_live_orders(self.matching.market.symbol), start=1):
            with localcontext(EXACT):
                self.restore(order)
            if count % RESTORE_BATCH == 0:
                await asyncio.sleep(0)
        self.ready = True

    def restore(self, order: Order) -> None:
        """Bring one live order back: to the book, to the end of its matching, or to its cancellation.

        In-flight IOC and market orders are canceled and their lock freed (Overview page), as are all orders
        of a delisted market (Enums page). An in-flight gtc order, whose matches were cut short, makes them
        now: it is the youngest order, so it finds the book that it left.
        """
        engine = self.matching
        engine.live[order.id] = order
        if self.cancel_on_restore(order):
            engine.cancel_order(order)
        elif order.in_flight:
            engine.run(order, engine.plan(order))
        else:
            engine.book.add(order)

    def cancel_on_restore(self, order: Order) -> bool:
        """Whether a live order found at the start is canceled instead of restored."""
        delisted = self.matching.market.status == "delisted"
        return delisted or (order.in_flight and not self.matching.may_rest(order))
