"""Chapter: Effects. What has changed after a 200, and what has not."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from conformance.oracle.ledger import Order, State
from conformance.suite.aged import Aged
from conformance.suite.crossing import cross
from conformance.suite.key_flaws import wrongly_signed
from conformance.target.states import OTHER_SIDE, Fills, States
from conformance.target.trouble import NotExercised, Undecidable
from conformance.target.venue import LONG_LIST, Venue

SIDES = pytest.mark.parametrize("side", ["buy", "sell"])
_SAMPLE = 15  # orders
_GAP = 13  # ticks; no other case uses it


@pytest.mark.exercises("cancel.effects.off-book", "cancel.effects.terminal", "cancel.effects.final")
@SIDES
@pytest.mark.parametrize("filled", [False, True], ids=["untouched", "partly filled"])
@pytest.mark.parametrize("tif", ["gtc", "post_only"])
def test_off_the_book(venue: Venue, states: States, scheme: str, side: str, filled: bool, tif: str) -> None:
    """An order that crosses the canceled one's price finds nothing there."""
    (price,) = venue.band.levels(1, resting=side)
    if filled:
        order = states.partially_filled(side, at=price, tif=tif)
    else:
        order = states.open(side, price=price, quantity=states.units("3"), tif=tif, scheme=scheme)
        venue.done_trading()
    venue.account("counterparty")
    venue.cancel(order, scheme=scheme)
    cross(venue, states, order)


@pytest.mark.exercises("cancel.effects.off-book")
@pytest.mark.profile("standard")
def test_off_the_book_each_time(venue: Venue, states: States, scheme: str) -> None:
    """Ten times in a row, at prices that end in each digit, so that what goes wrong now and then is seen.

    With one of two credentials, where a price ends in zero it is sent without that.
    """
    shortened = scheme != venue.account("owner").schemes[0]
    for number in range(10):
        side = "sell" if number % 2 else "buy"
        price = venue.band.levels(10, gap=1, resting=side)[number]
        order = _open_at(states, side, price.normalize() if shortened else price)
        venue.done_trading()
        venue.cancel(order, scheme=scheme)
        cross(venue, states, order)


def _open_at(states: States, side: str, price: Decimal) -> Order:
    """An order at a price as it is written here or, should a target insist on digits, with those of the tick."""
    whole = price.quantize(states.venue.rules.tick)
    try:
        return states.open(side, price=price, quantity=states.units("1"))
    except Undecidable:
        if format(price, "f") == format(whole, "f"):
            raise
        return states.open(side, price=whole, quantity=states.units("1"))


@pytest.mark.exercises("cancel.effects.off-book")
@pytest.mark.profile("standard")
@pytest.mark.near
@SIDES
def test_off_the_book_by_an_upper_case_id(venue: Venue, states: States, side: str) -> None:
    """An order that is canceled by its id in upper case, where that is taken, is gone like any other."""
    venue.account("counterparty")
    (price,) = venue.band.levels(1, resting=side)
    order = states.open(side, price=price, quantity=states.units("2"))
    schemes = venue.account("owner").schemes
    venue.cancel(order.id.upper(), scheme=schemes[-(side == "sell")])
    if order.state is not State.CANCELED:
        raise NotExercised("the target does not take an id in upper case")
    cross(venue, states, order)


@pytest.mark.exercises("cancel.effects.off-book", "cancel.effects.final", "cancel.refusals.not-found")
@pytest.mark.exercises("cancel.refusals.forbidden", "cancel.refusals.unauthorized")
@pytest.mark.aged
@pytest.mark.behind
def test_stays_off_the_book(venue: Venue, states: States, aged: Aged) -> None:
    """It has not come back seconds later; and a second cancel then does not move its times, whoever sends it."""
    order = aged.canceled()
    cross(venue, states, order)
    venue.cancel(order)
    venue.look(order)
    if not (venue.is_quick or venue.is_very_far):
        if venue.settings.counterparty is not None:
            venue.cancel(order, by="counterparty")
            venue.look(order)
        venue.cancel(order, credential=wrongly_signed(venue, venue.credentials.default_scheme("owner")))
        venue.look(order)


@pytest.mark.few
@pytest.mark.exercises(
    *("cancel.effects.not-listed", "cancel.effects.own-orders", "cancel.effects.foreign-orders"),
    "cancel.effects.terminal",
)
@SIDES
def test_not_listed(venue: Venue, states: States, scheme: str, side: str) -> None:
    """The canceled order is out of the open orders; others are still in, also another user's at its price."""
    canceled = states.open(side)
    place = partial(states.open, side, price=canceled.price, quantity=canceled.quantity)
    kept = venue.client.together([partial(place, account=name) for name in venue.settings.accounts])
    lists: list[Callable[[], object]] = [partial(venue.open_orders, "owner", scheme=scheme)]
    if venue.settings.counterparty is not None:
        lists.append(partial(venue.open_orders, "counterparty"))
    venue.client.together(lists)
    venue.cancel(canceled, scheme=scheme)
    lists.append(partial(venue.open_orders, "owner", "", scheme=scheme))
    if venue.client.together(lists)[0] is None:
        raise NotExercised("the target does not list open orders")
    venue.look_all([*kept, canceled])


@pytest.mark.few
@pytest.mark.exercises("cancel.effects.not-listed", "cancel.effects.own-orders")
def test_partially_filled_not_listed(venue: Venue, states: States, scheme: str) -> None:
    """The same for an order that had fills: others have not."""
    kept, order = states.open("sell"), states.partially_filled("buy")
    venue.open_orders("owner", scheme=scheme)
    venue.cancel(order, scheme=scheme)
    if venue.open_orders("owner", scheme=scheme) is None:
        raise NotExercised("the target does not list open orders")
    venue.look(kept)


@pytest.mark.exercises("cancel.effects.own-orders", "cancel.effects.foreign-orders")
@SIDES
def test_neighbours_at_the_same_price(venue: Venue, states: States, scheme: str, side: str) -> None:
    """Orders at the same price, before and behind, own and foreign, and on the other side, are left alone."""
    price = venue.band.resting(side)
    foreign = [states.open(side, price=price, account="counterparty")]
    owner = [states.open(side, price=price) for _ in range(2)]
    canceled = states.open(side, price=price)
    owner.append(states.open(side, price=price))
    foreign.append(states.open(side, price=price, account="counterparty"))
    other_side = states.open(OTHER_SIDE[side])
    venue.cancel(canceled, scheme=scheme)
    venue.look_all([*owner, *foreign, other_side])


@pytest.mark.exercises("cancel.effects.foreign-orders")
@SIDES
def test_orders_it_traded_with(venue: Venue, states: States, scheme: str, side: str) -> None:
    """The other user's orders that the canceled one traded with stay filled."""
    order = states.partially_filled(side, Fills(improved=("1",), resting=("2",)))
    theirs = [o for o in list(venue.judge.ledger.orders.values()) if o.case == venue.case and o is not order]
    venue.look_all(theirs)
    venue.cancel(order, scheme=scheme)
    venue.look_all(theirs)


@pytest.mark.exercises("cancel.effects.fills-kept", "cancel.effects.final")
@SIDES
def test_fills_are_kept(venue: Venue, states: States, scheme: str, side: str) -> None:
    """Own fills from before the cancel are still listed, on both sides of the trade."""
    order = states.partially_filled(side, Fills(improved=("1",), resting=("2", "1")))
    # a list of all markets, or by an API key, may not be to be had
    ways: tuple[dict[str, Any], ...] = ({"scheme": scheme, "symbol": "" if side == "sell" else None}, {})
    how = next((way for way in ways if _lists(venue, "owner", **way)), None)
    if how is None:
        raise NotExercised("the target does not list own fills by order")
    theirs = _lists(venue, "counterparty")
    venue.cancel(order, scheme=scheme)
    venue.trades("owner", aim="cancel.effects.fills-kept", **how)
    if theirs:
        venue.trades("counterparty", aim="cancel.effects.fills-kept")
    venue.look(order)


@pytest.mark.exercises("cancel.effects.fills-kept", "cancel.effects.own-orders")
@SIDES
def test_next_order_has_fills_of_its_own(venue: Venue, states: States, scheme: str, side: str) -> None:
    """What fills at the canceled order's price afterwards is listed under the order that was placed there."""
    price = venue.band.levels(2, gap=_GAP, resting=side)[1]  # at which no order was canceled before
    canceled = states.partially_filled(side, at=price)
    if not _lists(venue, "owner"):
        raise NotExercised("the target does not list own fills by order")
    venue.cancel(canceled, scheme=scheme)
    following = states.partially_filled(side, at=price)
    venue.trades("owner", aim="cancel.effects.fills-kept")
    venue.look_all([canceled, following])


@pytest.mark.near
@pytest.mark.profile("standard")
@pytest.mark.exercises("cancel.effects.fills-kept", "cancel.effects.own-orders")
@SIDES
def test_fills_of_others_are_kept(venue: Venue, states: States, side: str) -> None:
    """The fills of an order that is live are still listed when another one has been canceled."""
    order, other = states.partially_filled(side), states.open(side)
    if not _lists(venue, "owner"):
        raise NotExercised("the target does not list own fills by order")
    venue.cancel(other)
    venue.trades("owner", aim="cancel.effects.fills-kept")
    venue.look(order)


def _lists(venue: Venue, account: str, **how: Any) -> bool:
    """Whether the fills of all orders that an account has in this case are listed by order."""
    listed = {str(row.get("order_id")).lower() for row in venue.trades(account, **how) or []}
    orders = list(venue.judge.ledger.orders.values())
    return {o.id for o in orders if o.case == venue.case and o.account == account and o.fills} <= listed


@pytest.mark.last
@pytest.mark.aged
@pytest.mark.exercises(
    *("cancel.effects.final", "cancel.effects.terminal", "cancel.effects.not-listed", "cancel.effects.fills-kept")
)
def test_still_canceled(venue: Venue, aged: Aged) -> None:
    """At the end of the run, orders that were canceled in the course of it are as they were, and so are fills."""
    ended = [order for order in venue.judge.ledger.orders.values() if order.state is State.CANCELED and order.exact]
    tasks: list[Callable[[], object]] = []
    for some in ([order for order in ended if order.fills], [order for order in ended if not order.fills]):
        tasks += [partial(venue.look, order) for order in some[:: max(1, len(some) // _SAMPLE)]]
    tasks += [partial(venue.open_orders, account) for account in venue.settings.accounts]
    if aged.windows:
        tasks.append(partial(venue.trades, "owner", limit=LONG_LIST))
    venue.client.together(tasks)
    for window in aged.windows:
        venue.trades("owner", aim="cancel.effects.fills-kept", limit=LONG_LIST, window=window)


@pytest.mark.exercises("cancel.effects.final")
def test_read_again_later(venue: Venue, states: States, scheme: str) -> None:
    """A second and a later look show what the cancel answered, by either credential."""
    order = states.partially_filled("buy")
    venue.cancel(order, scheme=scheme)
    for reader in venue.account("owner").schemes:
        venue.look(order, scheme=reader)
