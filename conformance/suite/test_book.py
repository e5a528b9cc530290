"""Chapter: Effects. What a cancel leaves in the book, as others find it when they trade there."""

from __future__ import annotations

import pytest

from conformance.oracle.ledger import Order
from conformance.record import Take
from conformance.suite.crossing import cross, meet_oneself, rest_instead
from conformance.target.states import OTHER_SIDE, States
from conformance.target.trouble import NotExercised, Undecidable
from conformance.target.venue import Venue

SIDE = ("buy", "sell")
SIDES = pytest.mark.parametrize("side", SIDE)
POSITIONS = {"first": 0, "in between": 1, "last": 3}
_QUEUE = 12  # orders at one price


def _fills_in_turn(venue: Venue, states: States, first: Order, units: str = "1") -> None:
    """Take a part of the first order of a price, which shows that orders fill in turn here."""
    try:
        states.take(first, states.units(units))
    except Undecidable as refusal:
        raise NotExercised(f"the price cannot be traded at before the cancel either: {refusal}") from None
    venue.look(first)


@pytest.mark.exercises("cancel.effects.own-orders", "cancel.effects.off-book")
@SIDES
@pytest.mark.parametrize("position", POSITIONS)
def test_own_neighbours_trade_on(venue: Venue, states: States, side: str, position: str) -> None:
    """Own orders at the canceled one's price still fill, in their turn, and so does one placed afterwards."""
    (price,) = venue.band.levels(1, resting=side)
    orders = [states.open(side, price=price, quantity=states.units("2")) for _ in range(4)]
    _fills_in_turn(venue, states, orders[0])
    canceled = orders.pop(POSITIONS[position])
    schemes = venue.account("owner").schemes
    venue.cancel(canceled, scheme=schemes[POSITIONS[position] % len(schemes)])
    orders.append(states.open(side, price=price, quantity=states.units("2")))
    venue.look(orders[0])
    for order, behind in zip(orders, [*orders[1:], canceled], strict=True):
        states.take(order, order.remaining, aim="cancel.effects.own-orders")
        venue.look_all([order, behind])


@pytest.mark.exercises("cancel.effects.own-orders", "cancel.effects.foreign-orders", "cancel.effects.off-book")
@SIDES
def test_foreign_neighbours_trade_on(venue: Venue, states: States, scheme: str, side: str) -> None:
    """Of orders of two users at one price, one is canceled: the others fill as if it had never been."""
    (price,) = venue.band.levels(1, resting=side)
    size = states.units("2")
    own = states.open(side, price=price, quantity=size)
    foreign = states.open(side, price=price, quantity=size, account="counterparty")
    canceled = states.open(side, price=price, quantity=size)
    behind = states.open(side, price=price, quantity=size, account="counterparty")
    _fills_in_turn(venue, states, own)
    venue.cancel(canceled, scheme=scheme)
    states.take(own, own.remaining, aim="cancel.effects.own-orders")
    venue.look(own)
    for order in (foreign, behind):
        states.take(order, states.units("2"), aim="cancel.effects.foreign-orders")
        venue.look(order)
    venue.look(canceled)


@pytest.mark.exercises("cancel.effects.own-orders", "cancel.effects.off-book")
@pytest.mark.parametrize(("side", "kind"), [("buy", "limit"), ("sell", "limit"), ("buy", "market")])
def test_next_price_is_the_best(venue: Venue, states: States, scheme: str, side: str, kind: str) -> None:
    """When the best order is canceled, the next one is the best: it fills first, at its own price."""
    levels = venue.band.levels(3, resting=side)
    prices = levels if side == "sell" else levels[::-1]
    best, following, last = (states.open(side, price=price, quantity=states.units("2")) for price in prices)
    venue.cancel(best, scheme=scheme)
    states.take(following, states.units("1"), kind=kind, aim="cancel.effects.own-orders", price=last.price)
    venue.look_all([following, last, best])


@pytest.mark.exercises("cancel.effects.own-orders", "cancel.effects.foreign-orders")
@SIDES
def test_small_neighbours_of_a_large_one(venue: Venue, states: States, scheme: str, side: str) -> None:
    """When an order of which most has filled is canceled, what others have at its price is still there."""
    (price,) = venue.band.levels(1, resting=side)
    large = states.open(side, price=price, quantity=states.units("12"))
    own = states.open(side, price=price, quantity=states.units("1"))
    foreign = states.open(side, price=price, quantity=states.units("1"), account="counterparty")
    _fills_in_turn(venue, states, large, "9")
    venue.cancel(large, scheme=scheme)
    states.take(own, own.remaining, aim="cancel.effects.own-orders")
    states.take(foreign, foreign.remaining, aim="cancel.effects.foreign-orders")
    venue.look_all([large, own, foreign])


@pytest.mark.exercises("cancel.effects.own-orders", "cancel.effects.off-book")
@SIDES
@pytest.mark.parametrize("position", [1, 2], ids=["in between", "last"])
def test_other_prices_trade_on(venue: Venue, states: States, side: str, position: int) -> None:
    """Behind better prices a canceled order is gone too: when these have filled, nothing is at its price."""
    levels = venue.band.levels(3, resting=side)
    prices = levels if side == "sell" else levels[::-1]
    orders = [states.open(side, price=price, quantity=states.units("2")) for price in prices]
    canceled = orders[position]
    schemes = venue.account("owner").schemes
    venue.cancel(canceled, scheme=schemes[position % len(schemes)])
    for order in orders[:position]:
        states.take(order, order.remaining, aim="cancel.effects.own-orders")
    venue.look_all(orders[:position])
    cross(venue, states, canceled)


@pytest.mark.exercises("cancel.effects.own-orders", "cancel.effects.off-book")
@pytest.mark.profile("standard")
@SIDES
def test_long_queue(venue: Venue, states: States, side: str) -> None:
    """The last of many orders at a price is canceled: whoever takes all of them gets all but that one."""
    (price,) = venue.band.levels(1, resting=side)
    size = states.units("1")
    orders = [states.open(side, price=price, quantity=size) for _ in range(_QUEUE)]
    canceled = orders.pop()
    venue.cancel(canceled)
    takes = [Take(order.id, format(price, "f"), format(size, "f")) for order in orders]
    quantity = size * _QUEUE
    venue.place(OTHER_SIDE[side], price, quantity, account="counterparty", tif="ioc", takes=takes)
    venue.look_all([canceled, orders[0], orders[-1]])


@pytest.mark.exercises("cancel.effects.own-orders")
@pytest.mark.profile("standard")
@pytest.mark.last
@SIDES
def test_the_other_side_trades_on(venue: Venue, states: States, side: str) -> None:
    """When the last order of a side is canceled, those of the other side still fill."""
    venue.sweep(lambda order: True)
    levels = venue.band.levels(2)
    low, high = (states.open(s, price=p, quantity=states.units("2")) for s, p in zip(SIDE, levels, strict=True))
    canceled, kept = (low, high) if side == "buy" else (high, low)
    schemes = venue.account("owner").schemes
    venue.cancel(canceled, scheme=schemes[0 if side == "sell" else -1])
    states.take(kept, kept.remaining, aim="cancel.effects.own-orders")
    venue.look(kept)


@pytest.mark.exercises("cancel.refusals.forbidden")
@SIDES
def test_forbidden_cancel_keeps_the_place(venue: Venue, states: States, scheme: str, side: str) -> None:
    """An order that another user tried to cancel still fills, and before those behind it."""
    (price,) = venue.band.levels(1, resting=side)
    first, second = (states.open(side, price=price, quantity=states.units("2")) for _ in range(2))
    _fills_in_turn(venue, states, first)
    venue.cancel(first, by="counterparty", scheme=scheme)
    states.take(first, first.remaining, aim="cancel.refusals.forbidden")
    venue.look_all([first, second])


@pytest.mark.exercises("cancel.effects.off-book")
@SIDES
def test_room_for_others(venue: Venue, states: States, scheme: str, side: str) -> None:
    """Orders that would have met the canceled one are not refused for it: post-only ones, and the owner's own."""
    venue.account("counterparty")
    (price,) = venue.band.levels(1)
    meet_oneself(venue, states, side, price)
    order = states.open(side, price=price, quantity=states.units("2"))
    venue.cancel(order, scheme=scheme)
    meet_oneself(venue, states, side, price)
    rest_instead(venue, states, order)
