"""Lanes: each carries cases out, one after the other, with a venue of its own.

On a target close by there is one lane. On a distant one, where a run mostly waits for answers, several lanes work
at the same time on what can be told apart: orders that only rest, each lane's at prices of its own, far from the
market. Trades between our accounts need the book for themselves (`target/book.py`). What lists orders begins when
most others have ended; what takes a whole balance or cancels all comes afterwards, alone.

Overlap never changes a verdict: a case that was not decided beside others is carried out again, alone, and so are
all cases that may have had a part in a surprise (`Judge.tangled`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from conformance import stop
from conformance.suite.foresight import Foresight
from conformance.target.book import Book, HeldBand
from conformance.target.client import FAR_S
from conformance.target.market import Band, SharedBand
from conformance.target.race import Arena
from conformance.target.states import States
from conformance.target.trouble import BookNeeded
from conformance.target.venue import Venue

if TYPE_CHECKING:
    from conformance.suite.session import Session

_WORK_S = 0.003  # what an exchange costs us, about: so many lanes keep us busy while others wait
MOST = 20
_FEW = 6  # cases beside each other if one lists orders: longer lists could be cut off
BEHIND = 3  # lanes for cases that trade behind the best price: each meets the orders of none of the others
ONE_SIDED = 2  # lanes for cases that take a whole balance: one for each side
_WITH_BOOK = 8  # lanes that take turns with the book: one or two trade, the others do what comes before and after
TURNS = "answers take very long: such cases are tried with one credential, or on one side, by turns"
NEAR = "answers take long: such a case is tried close by only, or by the profile thorough"
_RACERS = 6  # connections of an arena
# what a case may ask for and yet overlap with others
SHARED = frozenset({"venue", "states", "arena", "aged", "funds", "generated"})


def lanes_for(pace: float, most: int | None) -> int:
    """How many lanes a target is worth that answers after `pace` s, if the user allows `most`."""
    if pace < FAR_S:
        return 1
    return max(1, min(most or MOST, MOST, int(pace / _WORK_S)))


def _shared(band: Band) -> SharedBand:
    """The band for a case that has not got the book."""
    return SharedBand(band.rules, band.floor, band.ceil, band.quiet, band.lane)


class Lane:
    """What a case is given: a venue, states on it, an arena. `findings` has those of the case under way."""

    def __init__(self, session: Session, venue: Venue) -> None:
        self.session, self.venue = session, venue
        self.states = States(venue)
        self._arena: Arena | None = None

    @property
    def arena(self) -> Arena:
        """Connections for races, opened when first asked for."""
        if self._arena is None:
            self._arena = Arena(self.venue, _RACERS)
        return self._arena

    def give(self, name: str) -> Any:
        """What is called `name` in the arguments of a case."""
        if name == "aged":
            return self.session.aged.on(self.venue, self.states)
        return getattr(self.session if name in ("funds", "generated") else self, name)

    def close(self) -> None:
        """Close its connections."""
        if self._arena is not None:
            self._arena.close()


@dataclass(frozen=True)
class Overlapping:
    """A case that may overlap with others; `call` carries it out with what a lane gives it.

    `is_twin` says that there is the same case with another credential, whose turn it is (`suite/twins.py`); `few`
    that it goes with a few others, at the end, and is left out then even if it does not trade; `long` ones begin
    first. Of the cases with the same `key` one is carried out at a time.
    """

    name: str
    requirements: list[str]
    call: Callable[[Lane], object]
    is_twin: bool = False
    few: bool = False
    long: bool = False
    key: str | None = None


class Lanes:
    """Carries cases out in `count` lanes. `outcomes` has those that need not be carried out again alone.

    Each case is tried without the book first, but for those of which it is foreseen that they trade. One that asks
    for the book is put off, to one of the few lanes that take turns with it.
    """

    def __init__(self, session: Session, count: int) -> None:
        self.session, self.count = session, count
        self.outcomes: dict[str, tuple[str, str | None]] = {}
        self._book = Book()
        self._untried: deque[Overlapping] = deque()
        self._few: deque[Overlapping] = deque()  # untried as well; they come when most others have ended
        self._one_sided: deque[Overlapping] = deque()  # put off until they have the book
        self._both_sides: deque[Overlapping] = deque()  # the same; they come last, since they must wait for both
        self._trying = self._with_book = 0  # cases under way, without and with the book
        self._keys: set[str | None] = set()  # those of the cases under way
        self._lock = threading.Condition()
        self._failures: list[BaseException] = []

    def carry_out(self, cases: list[Overlapping]) -> None:
        """Carry out all; returns when the last has ended. Raises what a case raised that broke, or Ctrl-C."""
        venue = self.session.venue.beside(0, self._book)
        venue.band = _shared(venue.band)
        foresight = Foresight(venue)
        for case in sorted(cases, key=lambda case: not case.long):
            if case.few:
                self._few.append(case)
                continue
            needed = foresight.needs(case.call) if case.key is None else None
            self._untried.append(case) if needed is None else self._put_off(case, needed)
        lanes = [Lane(self.session, self.session.venue.beside(number, self._book)) for number in range(self.count)]
        threads = [
            threading.Thread(target=self._work, args=(lane,), name=f"lane {number}", daemon=True)
            for number, lane in enumerate(lanes)
        ]
        try:
            with stop.postponed():
                for thread in threads:
                    thread.start()
            for thread in threads:
                thread.join()
        finally:
            self._stop()
            with stop.shielded():
                self._wait(threads)
                for lane in lanes:
                    lane.close()
        if self._failures:
            raise self._failures[0]
        judge = self.session.judge
        if judge.tangled:
            judge.tangled |= judge.shaken
        for name in judge.tangled:
            self.outcomes.pop(name, None)

    @staticmethod
    def _wait(threads: list[threading.Thread]) -> None:
        """Wait for the cases under way; after a signal only for a moment, since the target may answer no more."""
        until = time.monotonic() + stop.HURRIED_S
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, until - time.monotonic()) if stop.requested() else None)

    def _stop(self) -> None:
        with self._lock:
            self._untried.clear()
            self._few.clear()
            self._one_sided.clear()
            self._both_sides.clear()
            self._lock.notify_all()

    def _work(self, lane: Lane) -> None:
        band = lane.venue.band
        free = _shared(band)
        held = HeldBand(
            *(band.rules, band.floor, band.ceil, band.quiet, band.lane),
            book=self._book,
            holder=lane.venue,
            settle=lane.venue.settle_book,  # a race ends orders without the venue
            check=lambda: lane.venue.client.limits.check("suite"),
        )
        try:
            while (found := self._next()) is not None:
                case, untried = found
                lane.venue.band = free if untried else held
                self._one(lane, case, untried)
        except BaseException as error:
            self._failures.append(error)
            self._stop()

    def _next(self) -> tuple[Overlapping, bool] | None:
        """The next case for a lane, and whether it is still untried; None if none is left or will be put off."""
        with self._lock:
            while True:
                put_off = self._one_sided or self._both_sides
                if put_off and (self._with_book < _WITH_BOOK or not (self._untried or self._few)):
                    self._with_book += 1
                    return put_off.popleft(), False
                for case in self._untried:
                    if case.key is None or case.key not in self._keys:
                        self._untried.remove(case)
                        self._keys.add(case.key)
                        self._trying += 1
                        return case, True
                if self._few and not self._untried and self._trying < _FEW:
                    self._trying += 1
                    return self._few.popleft(), True
                if not self._trying:
                    return None
                self._lock.wait()

    def _put_off(self, case: Overlapping, needed: BookNeeded) -> None:
        (self._one_sided if needed.one_sided else self._both_sides).append(case)

    def _one(self, lane: Lane, case: Overlapping, untried: bool) -> None:
        outcome, needed = None, None
        turns = case.is_twin and self.session.takes_turns
        try:
            if turns and (case.few or not untried):
                outcome = self.session.leave_out(case.name, case.requirements, TURNS)
            else:
                outcome = self.session.carry_out(case.name, case.requirements, lambda: case.call(lane), lane)
        except BookNeeded as book:
            needed = book
            if turns:
                outcome = self.session.leave_out(case.name, case.requirements, TURNS)
        finally:
            self._book.release(lane.venue)
            with self._lock:
                self._trying -= untried
                self._with_book -= not untried
                self._keys.discard(case.key)
                if outcome is None and needed is not None:
                    self._put_off(case, needed)
                self._lock.notify_all()
        if outcome is not None and outcome[0] != "undecided":
            self.outcomes[case.name] = outcome
