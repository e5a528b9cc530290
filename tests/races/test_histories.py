"""The checker of histories: examples by hand, against brute force, and on histories that were really executed."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from conformance.oracle.histories import (
    NEVER,
    Kind,
    Operation,
    OrderState,
    Outcome,
    Verdict,
    check,
    overlap,
    step,
)
from conformance.oracle.ledger import State

OPEN = OrderState(State.LIVE, Decimal(0), Decimal(10))


def cancel(start: float, end: float, outcome: str, filled: int | None = None) -> Operation:
    end = NEVER if outcome == "unknown" else end
    return Operation(0, Kind.CANCEL, start, end, Outcome(outcome), None if filled is None else Decimal(filled))


def cancel_all(start: float, end: float, outcome: str) -> Operation:
    return replace(cancel(start, end, outcome), kind=Kind.CANCEL_ALL)


def take(start: float, end: float, wanted: int, got: int | None) -> Operation:
    if got is None:
        return Operation(0, Kind.FILL, start, NEVER, Outcome.UNKNOWN, wanted=Decimal(wanted))
    return Operation(0, Kind.FILL, start, end, Outcome.DONE, Decimal(got), Decimal(wanted))


def look(start: float, end: float, status: State, filled: int | None = None) -> Operation:
    shown = None if filled is None else Decimal(filled)
    return Operation(0, Kind.READ, start, end, Outcome.DONE, shown, status=status)


LIVE, CANCELED, FILLED = State.LIVE, State.CANCELED, State.FILLED
GOOD = {
    "one winner": [cancel(0, 5, "ended"), cancel(1, 3, "done"), cancel(2, 6, "ended")],
    "the loser answers before the winner": [cancel(0, 2, "ended"), cancel(1, 9, "done")],
    "fill, then cancel": [take(0, 3, 4, 4), cancel(1, 5, "done", 4), look(6, 7, CANCELED, 4)],
    "cancel, then fill": [take(0, 3, 4, 0), cancel(1, 5, "done", 0), look(6, 7, CANCELED, 0)],
    "one fill before, one after": [take(0, 9, 4, 0), take(0, 9, 3, 3), cancel(1, 5, "done", 3)],
    "filled first": [take(0, 3, 10, 10), cancel(1, 5, "ended"), look(6, 7, FILLED, 10)],
    "the last taker gets the rest": [take(0, 3, 6, 6), take(0, 3, 6, 4), cancel(1, 5, "ended")],
    "cancel-all instead of cancel": [cancel_all(0, 3, "done"), cancel(1, 5, "ended")],
    "cancel instead of cancel-all": [cancel_all(0, 3, "ended"), cancel(1, 5, "done")],
    "reads around": [look(0, 1, LIVE), cancel(0, 9, "done"), look(2, 3, CANCELED), look(4, 5, CANCELED)],
    "a lost answer that took effect": [cancel(0, 0, "unknown"), cancel(1, 5, "ended"), look(6, 7, CANCELED)],
    "a lost answer that did not": [cancel(0, 0, "unknown"), cancel(1, 5, "done"), look(6, 7, CANCELED)],
    "a lost answer that takes effect late": [
        cancel(0, 0, "unknown"),
        look(6, 7, LIVE),
        look(8, 9, CANCELED),
    ],
    "a lost fill that counts": [take(0, 0, 4, None), cancel(1, 5, "done", 4), look(6, 7, CANCELED, 4)],
    "a lost fill that does not": [take(0, 0, 4, None), cancel(1, 5, "done", 0), look(6, 7, CANCELED, 0)],
    "nothing at all": [],
}
BAD = {
    "two winners": [cancel(0, 5, "done"), cancel(1, 3, "done")],
    "no winner": [cancel(0, 5, "ended"), cancel(1, 3, "ended"), look(6, 7, CANCELED)],
    "refused while live": [cancel(0, 1, "ended"), cancel(2, 3, "done")],
    "cancel and cancel-all": [cancel_all(0, 3, "done"), cancel(1, 5, "done")],
    "neither of them": [cancel_all(0, 3, "ended"), cancel(1, 5, "ended"), look(6, 7, CANCELED)],
    "a fill is lost": [take(0, 3, 4, 4), cancel(1, 5, "done", 0), look(6, 7, CANCELED, 4)],
    "a fill is lost for good": [take(0, 3, 4, 4), cancel(1, 5, "done", 0), look(6, 7, CANCELED, 0)],
    "a fill before is not counted": [take(0, 1, 4, 4), cancel(2, 5, "done", 0)],
    "a fill after the acknowledged cancel": [cancel(0, 1, "done", 0), take(2, 3, 4, 4)],
    "canceled though filled": [take(0, 3, 10, 10), cancel(1, 5, "done", 10)],
    "a taker gets too little": [take(0, 1, 4, 2), cancel(2, 3, "done", 2)],
    "live again": [cancel(0, 1, "done"), look(2, 3, LIVE)],
    "live again for a reader": [cancel(0, 9, "done"), look(1, 2, CANCELED), look(3, 4, LIVE)],
    "live after a refusal": [cancel(0, 9, "done"), cancel(1, 2, "ended"), look(3, 4, LIVE)],
    "canceled by nobody": [look(0, 1, CANCELED)],
    "a lost cancel explains only one end": [cancel(0, 0, "unknown"), take(1, 2, 10, 10), look(3, 4, CANCELED)],
    "a lost cancel was not sent yet": [look(0, 1, CANCELED), cancel(2, 0, "unknown")],
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_history_is_linearizable(name: str) -> None:
    found = check(GOOD[name], OPEN)

    assert found.verdict is Verdict.LINEARIZABLE
    state: OrderState | None = OPEN
    for i in found.order:
        assert state is not None
        state = step(state, GOOD[name][i])
    assert state == found.state
    left_out = set(range(len(GOOD[name]))) - set(found.order)
    assert all(GOOD[name][i].is_optional for i in left_out)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_is_not(name: str) -> None:
    assert check(BAD[name], OPEN).verdict is Verdict.VIOLATED


def test_an_endless_search_is_not_a_pass() -> None:
    many = [take(0, 9, 1, 1) for _ in range(8)] + [cancel(0, 9, "done", 9)]

    assert check(many, OPEN, budget=20).verdict is Verdict.UNKNOWN
    assert check(many, OPEN).verdict is Verdict.VIOLATED


def test_overlap_needs_two_that_were_answered() -> None:
    assert overlap([cancel(0, 2, "done"), cancel(1, 3, "ended")], Kind.CANCEL, Kind.CANCEL)
    assert not overlap([cancel(0, 1, "done"), cancel(2, 3, "ended")], Kind.CANCEL, Kind.CANCEL)
    assert not overlap([cancel(0, 1, "done")], Kind.CANCEL, Kind.CANCEL)
    assert not overlap([cancel(0, 0, "unknown"), cancel(1, 3, "ended")], Kind.CANCEL, Kind.CANCEL)
    assert not overlap([cancel(0, 2, "done"), cancel(1, 3, "ended")], Kind.CANCEL, Kind.FILL)


# ---------------------------------------------------------------------- against brute force

times = st.integers(0, 6)


@st.composite
def any_operation(draw: st.DrawFn) -> Operation:
    start = draw(times)
    end = start + draw(st.integers(0, 4))
    kind = draw(st.sampled_from(["cancel", "cancel-all", "take", "look"]))
    if kind == "take":
        return take(start, end, draw(st.sampled_from([4, 10])), draw(st.sampled_from([None, 0, 4, 10])))
    if kind == "look":
        return look(start, end, draw(st.sampled_from([LIVE, CANCELED, FILLED])))
    made = cancel(
        start, end, draw(st.sampled_from(["done", "ended", "unknown"])), draw(st.sampled_from([None, 0, 4]))
    )
    return replace(made, kind=Kind(kind))


def by_brute_force(operations: list[Operation]) -> bool:
    optional = [i for i, operation in enumerate(operations) if operation.is_optional]
    required = [i for i, operation in enumerate(operations) if not operation.is_optional]
    for count in range(len(optional) + 1):
        for happened in itertools.combinations(optional, count):
            for order in itertools.permutations([*required, *happened]):
                if _explains(operations, order):
                    return True
    return False


def _explains(operations: list[Operation], order: tuple[int, ...]) -> bool:
    for i, j in itertools.combinations(order, 2):
        if operations[j].end < operations[i].start:
            return False
    state: OrderState | None = OPEN
    for i in order:
        if state is None:
            return False
        state = step(state, operations[i])
    return state is not None


@given(st.lists(any_operation(), max_size=5))
def test_it_agrees_with_brute_force(operations: list[Operation]) -> None:
    expected = Verdict.LINEARIZABLE if by_brute_force(operations) else Verdict.VIOLATED

    assert check(operations, OPEN).verdict is expected


# ---------------------------------------------------------------------- executed histories


@st.composite
def executed(draw: st.DrawFn, *, lost: bool = True, canceled: bool = False) -> list[Operation]:
    """Carry operations out one after the other, each at its own moment, and spread their ends around it.

    With `lost` some answers are; with `canceled` there is a cancel that finds the order live.
    """
    state, operations = OPEN, []
    count = draw(st.integers(1, 9))
    canceling = draw(st.integers(0, min(count - 1, 1))) if canceled else None
    for moment in range(count):
        start = moment - draw(st.floats(0, 3))
        end = moment + draw(st.floats(0, 3))
        kind = draw(st.sampled_from(["cancel", "cancel-all", "take", "take", "look"]))
        if moment == canceling:
            kind = "cancel"
        elif canceling is not None and moment < canceling:
            kind = "take"
        live = state.status is LIVE
        if kind == "take":
            wanted = draw(st.integers(1, 6))
            got = min(Decimal(wanted), state.size - state.filled) if live else Decimal(0)
            operation = take(start, end, wanted, int(got))
        elif kind == "look":
            operation = look(start, end, state.status, int(state.filled))
        else:
            outcome = "done" if live else "ended"
            made = cancel(start, end, outcome, int(state.filled) if live else None)
            operation = replace(made, kind=Kind(kind))
        following = step(state, operation)
        assert following is not None
        state = following
        if lost and draw(st.integers(0, 9)) == 0 and operation.kind is not Kind.READ:
            operation = replace(operation, outcome=Outcome.UNKNOWN, end=NEVER, filled=None)
        operations.append(operation)
    operations.append(look(100, 101, state.status, int(state.filled)))
    return draw(st.permutations(operations))


@given(executed())
def test_what_was_executed_is_linearizable(operations: list[Operation]) -> None:
    assert check(operations, OPEN).verdict is Verdict.LINEARIZABLE


@given(executed(canceled=True), st.data())
def test_a_second_winner_is_caught(operations: list[Operation], data: st.DataObject) -> None:
    winners = [o for o in operations if o.kind in (Kind.CANCEL, Kind.CANCEL_ALL) and o.outcome is Outcome.DONE]
    losers = [i for i, o in enumerate(operations) if o.kind is Kind.CANCEL and o.outcome is Outcome.ENDED]
    assume(winners and losers)
    i = data.draw(st.sampled_from(losers))
    operations = [*operations[:i], replace(operations[i], outcome=Outcome.DONE), *operations[i + 1 :]]

    assert check(operations, OPEN).verdict is Verdict.VIOLATED


@given(executed(lost=False), st.data())
def test_a_lost_or_invented_fill_is_caught(operations: list[Operation], data: st.DataObject) -> None:
    """The last look shows another amount than the answered fills add up to."""
    last = max(range(len(operations)), key=lambda i: operations[i].start)
    shown = operations[last].filled
    assert shown is not None
    other = data.draw(st.integers(0, 10).filter(lambda amount: amount != shown))
    operations = [*operations[:last], replace(operations[last], filled=Decimal(other)), *operations[last + 1 :]]

    assert check(operations, OPEN).verdict is Verdict.VIOLATED


@given(executed(lost=False, canceled=True))
def test_a_winner_that_is_refused_is_caught(operations: list[Operation]) -> None:
    winner = [i for i, o in enumerate(operations) if o.kind is Kind.CANCEL and o.outcome is Outcome.DONE]
    i = winner[0]
    refused = replace(operations[i], outcome=Outcome.ENDED, filled=None)

    assert check([*operations[:i], refused, *operations[i + 1 :]], OPEN).verdict is Verdict.VIOLATED


@given(executed(canceled=True))
def test_an_order_that_comes_back_is_caught(operations: list[Operation]) -> None:
    last = max(operations, key=lambda o: o.start)
    assume(last.status is CANCELED)

    assert check([*operations, look(102, 103, LIVE)], OPEN).verdict is Verdict.VIOLATED
