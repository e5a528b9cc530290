"""Histories of operations on one order that overlapped in time, and whether they are linearizable.

A history is linearizable (Herlihy and Wing 1990) if every operation can be given one moment between its invocation
and its response such that, carried out in the order of these moments, all of them get the answers that they got.
The search is that of Wing and Gong (1993) with Lowe's memory of configurations already seen (2017): exact, and
bounded, so that a history it cannot finish is `UNKNOWN` and never taken for good.

Times are monotonic seconds on the client's clock. An operation without an answer may have happened at any moment
after it was sent, or never.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar

import msgspec

from conformance.oracle.ledger import State

BUDGET = 200_000  # configurations that are looked at before the search gives up
NEVER = math.inf  # the end of an operation that was never answered

S = TypeVar("S", bound=Hashable)


class Kind(StrEnum):
    """What an operation tries to do to the order."""

    CANCEL = "cancel"
    CANCEL_ALL = "cancel-all"
    FILL = "fill"
    READ = "read"


class Outcome(StrEnum):
    """What its answer says: it did it, the order had ended before, or nothing (no answer)."""

    DONE = "done"
    ENDED = "ended"
    UNKNOWN = "unknown"


class Operation(msgspec.Struct, frozen=True):
    """One operation on the order: exchange `n`, sent at `start`, answered at `end` (both s).

    `filled` is what a fill got, or the filled quantity that a cancel or a read showed (None: not looked at).
    `wanted` is what a fill was sent to take, `status` what a read showed.
    """

    n: int
    kind: Kind
    start: float
    end: float
    outcome: Outcome
    filled: Decimal | None = None
    wanted: Decimal = Decimal(0)
    status: State | None = None

    @property
    def is_optional(self) -> bool:
        """Whether it may never have happened."""
        return self.outcome is Outcome.UNKNOWN


class OrderState(msgspec.Struct, frozen=True):
    """The order as far as a race can change it: its status, its size and how much of it has filled."""

    status: State
    filled: Decimal
    size: Decimal


class Verdict(StrEnum):
    """Whether a history is linearizable; UNKNOWN if the search was too long."""

    LINEARIZABLE = "linearizable"
    VIOLATED = "violated"
    UNKNOWN = "unknown"


class Linearization(msgspec.Struct, Generic[S], frozen=True):
    """The outcome of a search: if there is one, an order in which all is explained, and the state at its end."""

    verdict: Verdict
    order: tuple[int, ...] = ()
    state: S | None = None


def step(state: OrderState, operation: Operation) -> OrderState | None:
    """The order's sequential behaviour: the next state, or None where this answer is impossible in this state.

    A cancel ends a live order and shows what has filled; on an ended one it is refused (Cancel Order, 404). A fill
    takes as much as there is; from an ended order it gets nothing.
    """
    live = state.status is State.LIVE
    if operation.kind is Kind.READ:
        same = operation.status is state.status and operation.filled in (None, state.filled)
        return state if same else None
    if operation.kind is Kind.FILL:
        got = min(operation.wanted, state.size - state.filled) if live else Decimal(0)
        if operation.outcome is Outcome.DONE and operation.filled != got:
            return None
        filled = state.filled + got
        return OrderState(State.FILLED if live and filled >= state.size else state.status, filled, state.size)
    if operation.outcome is Outcome.ENDED:
        return None if live else state
    if operation.outcome is Outcome.UNKNOWN and not live:
        return state
    if not live or operation.filled not in (None, state.filled):
        return None
    return OrderState(State.CANCELED, state.filled, state.size)


def linearize(
    operations: Sequence[Operation],
    initial: S,
    next_state: Callable[[S, Operation], S | None],
    *,
    budget: int = BUDGET,
) -> Linearization[S]:
    """Search for an order of `operations` that explains all answers, beginning in state `initial`.

    An operation comes before another if it ended before the other was sent; all else is free. The linearization
    lists positions in `operations`; those without an answer that did not happen are left out of it.
    """
    ends = [NEVER if operation.is_optional else operation.end for operation in operations]
    required = sum(1 << i for i, operation in enumerate(operations) if not operation.is_optional)
    seen: set[tuple[int, S]] = set()
    todo: list[tuple[int, S, tuple[int, ...]]] = [(0, initial, ())]
    while todo:
        done, state, path = todo.pop()
        if done & required == required:
            return Linearization(Verdict.LINEARIZABLE, path, state)
        if (done, state) in seen:
            continue
        if len(seen) >= budget:
            return Linearization(Verdict.UNKNOWN)
        seen.add((done, state))
        pending = [i for i in range(len(operations)) if not done >> i & 1]
        horizon = min(ends[i] for i in pending)
        for i in reversed(pending):
            if operations[i].start > horizon:
                continue
            following = next_state(state, operations[i])
            if following is not None:
                todo.append((done | 1 << i, following, (*path, i)))
    return Linearization(Verdict.VIOLATED)


def check(
    operations: Sequence[Operation], initial: OrderState, *, budget: int = BUDGET
) -> Linearization[OrderState]:
    """Whether a history of one order is linearizable."""
    return linearize(operations, initial, step, budget=budget)


def overlap(operations: Iterable[Operation], one: Kind, other: Kind) -> bool:
    """Whether an answered operation of kind `one` and another of kind `other` were under way at the same time."""
    answered = [operation for operation in operations if not operation.is_optional]
    return any(
        a is not b and a.start <= b.end and b.start <= a.end
        for a in answered
        if a.kind is one
        for b in answered
        if b.kind is other
    )


class Action(msgspec.Struct, frozen=True):
    """One exchange of a race as a report tells it. Times in ms from the first of them."""

    who: str
    what: str
    start_ms: float
    end_ms: float
    outcome: str


class RaceRecord(msgspec.Struct, frozen=True):
    """What became of one race.

    `shows` are the requirements of which its overlapping operations are evidence, `requirement` the one that it
    broke; `disturbed` says why it could not be judged.
    """

    race: str
    kind: str
    case: str
    order: str
    shows: tuple[str, ...]
    verdict: Verdict
    actions: tuple[Action, ...] = ()
    requirement: str | None = None
    disturbed: str | None = None
