"""Chapter: Effects. What a cancel leaves in the book, as others find it when they trade there."""

from __future__ import annotations

import pytest

from conformance.suite.crossing import meet_oneself, rest_instead
from conformance.target.states import States
from conformance.target.venue import Venue

SIDES = pytest.mark.parametrize("side", ["buy", "sell"])


@pytest.mark.exercises("cancel.effects.own-orders", "cancel.effects.off-book")
@SIDES
def test_own_neighbours_trade_on(venue: Venue, states: States, scheme: str, side: str) -> None:
    """Own orders before and behind the canceled one, at the same price, still fill, and in the same turn."""
    (price,) = venue.band.levels(1, resting=side)
    size = states.units("2")
    first, canceled, second, third = (states.open(side, price=price, quantity=size) for _ in range(4))
    states.take(first, states.units("1"))
    venue.look(first)  # that orders fill in turn is shown here, and not taken for granted
    venue.cancel(canceled, scheme=scheme)
    for order in (first, second):
        states.take(order, order.remaining, aim="cancel.effects.own-orders")
    for order in (first, second, third, canceled):
        venue.look(order)


@pytest.mark.exercises("cancel.effects.foreign-orders", "cancel.effects.off-book")
@SIDES
def test_foreign_neighbour_trades_on(venue: Venue, states: States, scheme: str, side: str) -> None:
    """A foreign order behind the canceled one at the same price fills as if the canceled one had never been."""
    (price,) = venue.band.levels(1, resting=side)
    canceled = states.open(side, price=price, quantity=states.units("2"))
    behind = states.open(side, price=price, quantity=states.units("2"), account="counterparty")
    venue.cancel(canceled, scheme=scheme)
    states.take(behind, states.units("1"), aim="cancel.effects.foreign-orders")
    venue.look(behind)
    venue.look(canceled)


@pytest.mark.exercises("cancel.effects.own-orders", "cancel.effects.off-book")
@SIDES
def test_next_price_is_the_best(venue: Venue, states: States, scheme: str, side: str) -> None:
    """When the best order is canceled, the next one is the best: it fills, at its own price."""
    levels = venue.band.levels(3, resting=side)
    prices = levels if side == "sell" else levels[::-1]
    best, following, last = (states.open(side, price=price, quantity=states.units("2")) for price in prices)
    venue.cancel(best, scheme=scheme)
    states.take(following, states.units("1"), aim="cancel.effects.own-orders")
    for order in (following, last, best):
        venue.look(order)


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
