"""Chapter: Races. Several clients act on one order at once.

A race is repeated until its operations really overlapped often enough; the oracle judges each as a history.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from conformance.oracle.histories import RaceRecord
from conformance.oracle.ledger import Order, State
from conformance.record import Take
from conformance.suite.aged import AGE
from conformance.suite.crossing import find_nothing
from conformance.suite.racing import ahead, cancels_of, check_ours, take_of
from conformance.target.client import RATHER_FAR_S, Call
from conformance.target.race import Arena, Runner
from conformance.target.states import OTHER_SIDE, States
from conformance.target.trouble import NotExercised, Trouble, Undecidable
from conformance.target.venue import Venue

# profile: (overlaps wanted, races at most)
_ROUNDS = {"quick": (2, 6), "standard": (6, 12), "thorough": (40, 80)}
_ROUNDS_FAR, _ROUNDS_VERY_FAR = (5, 10), (3, 6)  # where answers take longer, unless it is to be thorough
_SIDES = ("buy", "sell")
_MANY = 20  # cancels


def _rounds(venue: Venue) -> tuple[int, int]:
    profile = venue.judge.header.profile if venue.judge.header else "standard"
    rounds = _ROUNDS.get(profile, _ROUNDS["standard"])
    if venue.is_very_far:
        return min(rounds, _ROUNDS_VERY_FAR)
    return min(rounds, _ROUNDS_FAR) if profile != "thorough" and venue.client.pace > RATHER_FAR_S else rounds


def _note(venue: Venue, overlapped: int, races: int) -> None:
    venue.recorder.note("overlaps", venue.case, overlapped=overlapped, races=races)


def _never_overlapped(races: int) -> NotExercised:
    return NotExercised(f"the requests never overlapped, in {races} races")


def _disturbed(told: list[RaceRecord]) -> list[str]:
    return [record.disturbed for record in told if record.disturbed]


def _repeat(venue: Venue, requirement: str, race: Callable[[int], RaceRecord]) -> None:
    """Repeat until enough races overlapped so that they show `requirement`; raises if none ever did."""
    wanted, most = _rounds(venue)
    overlapped, told = 0, list[RaceRecord]()
    # twice as many if none overlapped, which a busy machine does
    while overlapped < wanted and len(told) < (most if overlapped or _disturbed(told) else 2 * most):
        record = race(len(told))
        told.append(record)
        if venue.sweep():  # an order that nobody could cancel would meet the next race's takers
            raise Trouble("an order of a race could not be canceled")
        overlapped += requirement in record.shows and record.disturbed is None
    _note(venue, overlapped, len(told))
    if overlapped or any(record.requirement for record in told):
        return
    if disturbed := _disturbed(told):
        raise Undecidable(f"{len(disturbed)} of {len(told)} races were disturbed: {disturbed[-1]}")
    raise _never_overlapped(len(told))


def _repeat_side_by_side(venue: Venue, race: Callable[[int], bool], rounds: tuple[int, int] | None = None) -> None:
    """Repeat until enough races overlapped, which each says of itself; raises if none ever did."""
    wanted, most = rounds or _rounds(venue)
    overlapped = races = 0
    while overlapped < wanted and races < (most if overlapped else 2 * most):
        overlapped += race(races)
        races += 1
    _note(venue, overlapped, races)
    if not overlapped:
        raise _never_overlapped(races)


@pytest.mark.exercises("cancel.races.one-winner")
def test_cancel_and_cancel(venue: Venue, states: States, arena: Arena) -> None:
    """Of several cancels, by both credentials, one succeeds and the others get 404."""

    def race(trial: int) -> RaceRecord:
        order = states.open(_SIDES[trial % 2])
        return arena.race("cancel and cancel", order, cancels_of(venue, order, 2 + trial % 4), trial=trial)

    _repeat(venue, "cancel.races.one-winner", race)


@pytest.mark.exercises("cancel.races.one-winner", "cancel.errors.forbidden")
@pytest.mark.profile("standard")
def test_cancel_and_foreign_cancel(venue: Venue, states: States, arena: Arena) -> None:
    """Another user's cancel beside the owner's is refused as it is alone."""
    others = venue.account("counterparty").schemes

    def race(trial: int) -> RaceRecord:
        order = states.open(_SIDES[trial % 2])
        foreign = [
            Runner(venue.cancel_call(order, by="counterparty", scheme=others[(trial + i) % len(others)]), delay)
            for i, delay in enumerate((0.0, arena.pace * venue.random.uniform(0.3, 1.2)))
        ]
        runners = [*cancels_of(venue, order, 2, first=trial % 2), *foreign]
        return arena.race("cancel and cancel", order, runners, trial=trial)

    _repeat(venue, "cancel.races.one-winner", race)


@pytest.mark.exercises("cancel.races.one-winner")
@pytest.mark.profile("standard")
def test_cancels_of_a_partially_filled_order(venue: Venue, states: States, arena: Arena) -> None:
    """The same for an order that had fills."""

    def race(trial: int) -> RaceRecord:
        order = states.partially_filled(_SIDES[trial % 2])
        return arena.race("cancel and cancel", order, cancels_of(venue, order, 2 + trial % 3), trial=trial)

    _repeat(venue, "cancel.races.one-winner", race)


@pytest.mark.exercises("cancel.races.fills-counted", "cancel.races.one-winner")
@pytest.mark.profile("standard")
@pytest.mark.parametrize("whole", [False, True], ids=["part by part", "the whole"])
def test_cancel_and_fill(venue: Venue, states: States, arena: Arena, whole: bool) -> None:
    """What fills before the cancel is in the canceled order; nothing fills after it."""
    venue.account("counterparty")

    def race(trial: int) -> RaceRecord:
        side = _SIDES[trial // 2 % 2]
        (price,) = venue.band.levels(1, resting=side)
        order = arena.while_warming(6, lambda: states.open(side, price=price, quantity=states.units("6")))
        if trial % 3 == 2:
            states.take(order, states.units("1"))
        sizes = [order.remaining] if whole else [states.units("1"), states.units("1.5"), states.units("2")]
        first, second = ahead(venue, arena, trial)
        cancels = [Runner(runner.call, first) for runner in cancels_of(venue, order, 1 + (trial // 2) % 2)]
        takes = [
            Runner(take_of(venue, order, size, trial + i), second + arena.pace * 0.4 * i)
            for i, size in enumerate(sizes)
        ]
        return arena.race("cancel and fill", order, [*cancels, *takes], trial=trial)

    _repeat(venue, "cancel.races.fills-counted", race)


@pytest.mark.exercises("cancel.races.monotonic-reads", "cancel.races.one-winner")
@pytest.mark.profile("standard")
def test_cancel_and_query(venue: Venue, states: States, arena: Arena) -> None:
    """Readers that know the order to be canceled never see it live again."""

    def race(trial: int) -> RaceRecord:
        order = states.open(_SIDES[trial % 2])
        readers = []
        for number, scheme in zip(range(3), itertools.cycle(venue.account("owner").schemes), strict=False):
            credential = venue.credential("owner", scheme)
            call = Call(
                "query_order",
                "GET",
                f"/spot/orders/{order.path_id}",
                signer=credential.signer,
                auth=credential.auth,
            )
            readers.append(Runner(call, arena.pace * 0.5 * number, times=3))
        cancels = [Runner(r.call, arena.pace * (0.5 + i)) for i, r in enumerate(cancels_of(venue, order, 2))]
        return arena.race("cancel and query", order, [*cancels, *readers], trial=trial)

    _repeat(venue, "cancel.races.monotonic-reads", race)


@pytest.mark.exercises("cancel.success.open", "cancel.fields.id", "cancel.effects.terminal")
@pytest.mark.exercises("cancel.effects.own-orders")
def test_cancels_of_different_orders(venue: Venue, states: States, arena: Arena) -> None:
    """Cancels that are under way at once, of different orders and users, do not get into each other's way.

    By turns nothing is left at their price, and one that was not canceled, which still fills.
    """

    def race(trial: int) -> bool:
        side = _SIDES[trial % 2]
        (price,) = venue.band.levels(1, resting=side)
        size = states.units("1")
        names = list(venue.settings.accounts)
        places = [partial(states.open, side, account=name, price=price, quantity=size) for name in (*names, *names)]
        places += [partial(states.open, OTHER_SIDE[side], account=name) for name in names]
        orders = arena.while_warming(len(places), lambda: venue.client.together(places))
        spared = orders[len(names)] if trial % 2 and len(names) > 1 else None
        canceled = [order for order in orders if order is not spared]
        calls = [runner.call for order in canceled for runner in cancels_of(venue, order, 1, first=trial)]
        overlapped = arena.side_by_side(calls, orders[0])
        venue.look_all(orders)
        if spared is not None:
            states.take(spared, spared.remaining, aim="cancel.effects.own-orders")
            venue.look(spared)
        if venue.sweep():
            raise Trouble("an order that was canceled beside others is still there")
        if spared is None and venue.settings.counterparty is not None:
            find_nothing(venue, states, orders[0])
        return overlapped

    _repeat_side_by_side(venue, race)


@pytest.mark.exercises("cancel.success.open")
@pytest.mark.profile("standard")
def test_many_cancels_at_once(venue: Venue, states: States) -> None:
    """So many cancels as one user may well send at once are all carried out, or refused with 503."""
    arena = Arena(venue, _MANY)

    def place(side: str) -> Order | None:
        with suppress(Undecidable):  # more than the account holds
            return states.open(side)
        return None

    def race(trial: int) -> bool:
        placed = venue.client.together([partial(place, _SIDES[number % 2]) for number in range(_MANY)])
        if not (orders := [order for order in placed if order is not None]):
            raise NotExercised("the account holds too little")
        calls = [cancels_of(venue, order, 1, first=trial + n)[0].call for n, order in enumerate(orders)]
        overlapped = arena.side_by_side(calls, orders[0])
        venue.look_all(orders)
        if venue.sweep():
            raise Trouble("an order that was canceled beside others is still there")
        return overlapped

    try:
        _repeat_side_by_side(venue, race, (2, 2))
    finally:
        arena.close()


@pytest.mark.exercises("cancel.effects.own-orders")
@pytest.mark.profile("standard")
def test_cancel_and_place(venue: Venue, states: States, arena: Arena) -> None:
    """An order that is placed while another one of its price is canceled gets into the book, and fills."""

    def race(trial: int) -> bool:
        side = _SIDES[trial % 2]
        (price,) = venue.band.levels(1, resting=side)
        order = arena.while_warming(2, lambda: states.open(side, price=price, quantity=states.units("2")))
        placed = venue.order_call(side, price, states.units("2"), venue.credential("owner"))
        (cancel,) = cancels_of(venue, order, 1, first=trial)
        overlapped = arena.side_by_side([cancel.call, placed], order)
        venue.look(order)
        if order.state is State.LIVE:  # a 503, say: then it would be in the way of the other one
            venue.cancel(order)
        for other in [o for o in venue.mine() if o is not order and o.state is State.LIVE]:
            states.take(other, states.units("1"), aim="cancel.effects.own-orders")
            venue.look(other)
        if venue.sweep():
            raise Trouble("an order that was placed beside a cancel could not be canceled")
        return overlapped

    _repeat_side_by_side(venue, race)


@pytest.mark.exercises("cancel.effects.own-orders")
@pytest.mark.profile("standard")
@pytest.mark.near
def test_cancel_and_sweep(venue: Venue, states: States, arena: Arena) -> None:
    """What is left of an order still fills when others of its price were taken while one of them was canceled."""
    venue.account("counterparty")

    def race(trial: int) -> bool:
        side = _SIDES[trial % 2]
        (price,) = venue.band.levels(1, resting=side)
        whole, half = states.units("2"), states.units("1")
        first, second, canceled = (states.open(side, price=price, quantity=whole) for _ in range(3))
        takes = [Take(o.id, format(price, "f"), format(q, "f")) for o, q in ((first, whole), (second, half))]
        take = replace(take_of(venue, first, whole + half, trial), takes=takes)
        (cancel,) = cancels_of(venue, canceled, 1, first=trial)
        overlapped = arena.side_by_side([cancel.call, take], canceled)
        venue.look_all([first, second, canceled])
        if second.state is not State.LIVE or not second.exact or not second.fills:
            raise Trouble("the orders did not fill as planned: somebody else trades here")
        states.take(second, second.remaining, aim="cancel.effects.own-orders")
        venue.look(second)
        if venue.sweep():
            raise Trouble("an order whose price was swept beside a cancel could not be canceled")
        return overlapped

    _repeat_side_by_side(venue, race, _ROUNDS["quick"])


@pytest.mark.last
@pytest.mark.exercises("cancel.races.cancel-all", "cancel.effects.final")
@pytest.mark.profile("standard")
def test_cancel_and_cancel_all(venue: Venue, states: States, arena: Arena) -> None:
    """A cancel or a cancel-all ends the order, not both, and moves no time of one that was canceled before.

    Only where the account has no orders but ours.
    """
    old = _canceled_long_ago(venue)

    def race(trial: int) -> RaceRecord:
        places: list[Callable[[], Any]] = [
            lambda: states.open(_SIDES[trial % 2]),
            lambda: venue.open_orders("owner"),
        ]
        order, rows = arena.while_warming(3, lambda: venue.client.together(places))
        check_ours(venue, rows)
        schemes = venue.account("owner").schemes
        call = venue.cancel_all_call(scheme=schemes[trial % len(schemes)])
        first, second = ahead(venue, arena, trial) if trial % 3 == 2 else (0.0, 0.0)
        cancels = [Runner(runner.call, first) for runner in cancels_of(venue, order, 1 + trial % 2)]
        record = arena.race("cancel and cancel-all", order, [*cancels, Runner(call, second)], trial=trial)
        if any(action.what == "cancel-all" and action.outcome[:1] == "4" for action in record.actions):
            raise NotExercised("the target does not take a cancel-all by symbol")
        return record

    _repeat(venue, "cancel.races.cancel-all", race)
    if old is not None:
        venue.look(old)


def _canceled_long_ago(venue: Venue) -> Order | None:
    """An order of the owner that a cancel ended, so long ago that its time can be told from now; None without."""
    since = time.monotonic() - AGE
    orders = (
        o for o in reversed(venue.judge.ledger.orders.values()) if o.account == "owner" and o.final is not None
    )
    ended = (order for order in orders if order.state is State.CANCELED and order.canceled_by == "cancel")
    return next((order for order in ended if order.canceled is not None and order.canceled[1] < since), None)
