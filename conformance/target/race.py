"""Lets several clients act on one order at once, each on a connection of its own."""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from conformance import stop
from conformance.oracle.histories import RaceRecord
from conformance.oracle.ledger import Order
from conformance.record import Exchange
from conformance.target.abilities import UNKNOWN_ID
from conformance.target.client import FAR_S, Call, again, at_once
from conformance.target.market import of_market
from conformance.target.trouble import Trouble, Undecidable
from conformance.target.venue import SHORT_LIST, Venue

T = TypeVar("T")
DRIVER = "races"
_BARRIER_S = 10.0
_WARM_S = 1.0  # servers let connections idle for longer than that
_ids = itertools.count(1)


@dataclass(frozen=True)
class Runner:
    """What one client does: send `call` `times` times in a row, beginning `delay` s after the start."""

    call: Call
    delay: float = 0.0
    times: int = 1


class Arena:
    """Connections that are opened beforehand, so that a race is not decided by a handshake.

    `pace` is the time (s) that an answer usually takes here.
    """

    def __init__(self, venue: Venue, size: int) -> None:
        self.venue, self.size = venue, size
        self.pace = 0.002
        self._turns = itertools.count()
        self._warmed = (0, 0.0)  # how many connections, and when
        self._https = [venue.client.new_http() for _ in range(size)]
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="race")

    def close(self) -> None:
        """Close them."""
        self._pool.shutdown(wait=not stop.requested(), cancel_futures=True)
        for http in self._https:
            http.close()

    def race(self, kind: str, order: Order, runners: Sequence[Runner], *, trial: int) -> RaceRecord:
        """Let the runners loose on `order`, look what became of it, and have the oracle judge it.

        The order must be live. `kind` names the race in the report, `trial` counts its repeats. Raises Trouble if
        the looks afterwards get no answer; what was seen until then has been judged.
        """
        venue = self.venue
        takers = sum(runner.call.op == "new_order" for runner in runners)
        if venue.placed + takers > venue.settings.safety.max_orders:
            raise Undecidable(f"the limit of {venue.settings.safety.max_orders} orders is reached")
        venue.placed += takers
        self._warm(order.path_id, order.account, len(runners))
        name = f"{venue.case} {next(_ids)}"
        driver, venue.driver = venue.driver, DRIVER
        try:
            self._run(name, runners)
            venue.done_trading()
            self._look(name, order, takers > 0)
        finally:
            venue.driver = driver
            venue.recorder.note(
                "race-end", venue.case, race=name, order=order.id, kind=kind, trial=trial, quiet=venue.band.quiet
            )
        return next(record for record in reversed(venue.judge.race_log) if record.race == name)

    def side_by_side(self, calls: Sequence[Call], order: Order) -> bool:
        """Send cancels of different orders at once; the oracle judges each as if it were the only one.

        At most as many as the arena has connections, which are warmed up by looking at `order`. Whether two of them
        were under way at the same time.
        """
        venue = self.venue
        self._warm(order.path_id, order.account, len(calls))
        name = f"{venue.case} {next(_ids)}"
        try:
            done = self._run(name, [Runner(call) for call in calls])
        finally:
            venue.recorder.note("side-by-side-end", venue.case, race=name)
        venue.done_trading()
        done.sort(key=lambda exchange: exchange.start)
        return any(later.start < sooner.end for sooner, later in itertools.pairwise(done))

    def while_warming(self, count: int, task: Callable[[], T]) -> T:
        """What `task` returns; where answers take long, the connections are opened at the same time."""
        if self.venue.client.pace <= FAR_S:
            return task()
        found: list[T] = []
        tasks = [lambda: found.append(task()), lambda: self._warm(UNKNOWN_ID, "owner", count)]
        self.venue.client.together(tasks)
        return found[0]

    def _warm(self, order_id: str, account: str, count: int) -> None:
        """Open the connections (a server may have closed them since), and learn the pace."""
        fresh = count <= self._warmed[0] and time.monotonic() < self._warmed[1] + _WARM_S
        if (
            fresh and self.venue.client.pace > FAR_S
        ):  # close by it takes no time, and clients just woken overlap more
            return
        credential = self.venue.credential(account)
        call = Call(
            "query_order",
            "GET",
            f"/spot/orders/{order_id}",
            signer=credential.signer,
            auth=credential.auth,
            case=self.venue.case,
            driver=DRIVER,
        )
        done = at_once(self._pool, [partial(self.venue.client.send, call, http) for http in self._https[:count]])
        took = [exchange.end - exchange.start for exchange in done if exchange.response is not None]
        if took:
            self.pace = statistics.median(took)
        self._warmed = (count, time.monotonic())

    def _run(self, name: str, runners: Sequence[Runner]) -> list[Exchange]:
        barrier = threading.Barrier(len(runners))

        def act(index: int, runner: Runner) -> list[Exchange]:
            call = again(runner.call, case=self.venue.case, driver=DRIVER, race=name)
            barrier.wait(_BARRIER_S)
            if runner.delay:
                time.sleep(runner.delay)
            return [self.venue.client.send(call, http=self._https[index]) for _ in range(runner.times)]

        # who comes last to the barrier mostly sends first: each by turns
        places = deque(enumerate(runners))
        places.rotate(-next(self._turns))
        try:
            done = at_once(self._pool, [partial(act, index, runner) for index, runner in places])
            return [exchange for exchanges in done for exchange in exchanges]
        except threading.BrokenBarrierError:
            raise Trouble("the clients of a race could not start together") from None

    def _look(self, name: str, order: Order, traded: bool) -> None:
        venue = self.venue
        credential = venue.credential(order.account)
        how = {"signer": credential.signer, "auth": credential.auth, "race": name}
        venue.settled(Call("query_order", "GET", f"/spot/orders/{order.path_id}", **how), repeatable=True)  # type: ignore[arg-type]
        if traded:
            query = f"{of_market(venue.rules.symbol)}&limit={SHORT_LIST}"
            venue.settled(Call("my_trades", "GET", "/spot/trades/me", query, **how), repeatable=True)  # type: ignore[arg-type]
