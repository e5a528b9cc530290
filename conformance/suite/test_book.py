"""Chapter: Effects. What a cancel leaves in the book, as others find it when they trade there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from conformance.oracle.ledger import Order, State
from conformance.record import Take
from conformance.suite.crossing import cross, meet_oneself, rest_instead
from conformance.suite.jwt_flaws import jwt_flaw, spoiled_jwt
from conformance.suite.key_flaws import wrongly_signed
from conformance.target.states import OTHER_SIDE, States
from conformance.target.trouble import NotExercised, Undecidable
from conformance.target.venue import Venue

SIDE = ("buy", "sell")
SIDES = pytest.mark.parametrize("side", SIDE)
# of four at one price: those that are canceled, in their turn, and how much of the first one is taken before
POSITIONS = {
    "first": ((0,), "1"),
    "in between": ((1,), "2"),
    "last": ((3,), "1"),
    "two in turn": ((1, 2), "1"),
    "two from behind": ((2, 1), "1"),
}
_TWO = (pytest.mark.profile("standard"), pytest.mark.near)
_QUEUE = 12  # orders at one price
_NEAR, _FAR = 40, 1500  # ticks from one price to the next
_PRICES, _CROWD = 34, 52  # of one side of a crowded book; and orders there, more than fit into a list of fifty
_OWN, _FOREIGN = "cancel.effects.own-orders", "cancel.effects.foreign-orders"


def _scheme_on(venue: Venue, side: str) -> str:
    """One credential on each side, if the owner has two."""
    return venue.account("owner").schemes[0 if side == "sell" else -1]


def _fills_in_turn(venue: Venue, states: States, first: Order, units: str = "1") -> None:
    """Take a part of the first order of a price, which shows that orders fill in turn here."""
    try:
        states.take(first, states.units(units))
    except Undecidable as refusal:
        raise NotExercised(f"the price cannot be traded at before the cancel either: {refusal}") from None
    venue.look(first)


def _open_at(venue: Venue, states: States, side: str, prices: Sequence[Decimal], units: str = "2") -> list[Order]:
    """Orders of which none is to be before another at the same price."""
    size = states.units(units)
    return venue.client.together([partial(states.open, side, price=price, quantity=size) for price in prices])


def _kept(place: Callable[[], Order], orders: list[Order]) -> Callable[[], None]:
    return lambda: orders.append(place())


def _take_in_turn(
    venue: Venue,
    states: States,
    turns: Sequence[tuple[Order, str]],
    last: Order,
    beside: Callable[[], Order] | None = None,
) -> None:
    """Take all that is left of each order of a price, with what its not filling would break; look at all.

    `beside` places an order that comes after all of them, while the first one is taken.
    """
    looked_at: list[Order] = []
    newcomers: list[Order] = []
    for order, aim in turns:
        tasks: list[Callable[[], object]] = [partial(venue.look, one) for one in looked_at]
        if beside is not None and not looked_at:
            tasks.append(_kept(beside, newcomers))
        tasks.append(partial(states.take, order, order.remaining, aim=aim))
        venue.client.together(tasks)
        looked_at = [order]
    venue.done_trading()
    venue.look_all([*looked_at, last, *newcomers])


@pytest.mark.exercises(_OWN, "cancel.effects.off-book")
@pytest.mark.by_turns("side")
@SIDES
@pytest.mark.parametrize("position", [pytest.param(p, marks=_TWO if "two" in p else ()) for p in POSITIONS])
def test_own_neighbours_trade_on(venue: Venue, states: States, side: str, position: str) -> None:
    """Own orders at the canceled one's price still fill, in their turn, and so does one placed afterwards."""
    (price,) = venue.band.levels(1, resting=side)
    placed = [states.open(side, price=price, quantity=states.units("2")) for _ in range(4)]
    which, taken = POSITIONS[position]
    _fills_in_turn(venue, states, placed[0], taken)
    canceled = [placed[number] for number in which]
    schemes = venue.account("owner").schemes
    for number, order in zip(which, canceled, strict=True):
        venue.cancel(order, scheme=schemes[number % len(schemes)])
    orders = [order for order in placed if order.state is State.LIVE]

    def place() -> None:
        orders.append(states.open(side, price=price, quantity=states.units("2")))

    tasks: list[Callable[[], object]] = [place, partial(venue.look, orders[0])]
    venue.client.together(tasks)
    _take_in_turn(venue, states, [(order, _OWN) for order in orders], canceled[0])


@pytest.mark.exercises(_OWN, _FOREIGN, "cancel.effects.off-book")
@SIDES
def test_foreign_neighbours_trade_on(venue: Venue, states: States, scheme: str, side: str) -> None:
    """Of orders of two users at one price, one is canceled: the others fill as if it had never been.

    And before one that another user places there afterwards.
    """
    (price,) = venue.band.levels(1, resting=side)
    size = states.units("2")
    names = ("owner", "counterparty") if scheme == venue.account("owner").schemes[0] else ("counterparty", "owner")
    first, second = (states.open(side, price=price, quantity=size, account=name) for name in names)
    canceled = states.open(side, price=price, quantity=size)
    behind = states.open(side, price=price, quantity=size, account="counterparty")
    _fills_in_turn(venue, states, first)
    venue.cancel(canceled, scheme=scheme)
    turns = [(order, _OWN if order.account == "owner" else _FOREIGN) for order in (first, second, behind)]
    place = partial(states.open, side, price=price, quantity=size, account="counterparty")
    _take_in_turn(venue, states, turns, canceled, beside=None if venue.is_quick else place)


@pytest.mark.exercises(_OWN)
@pytest.mark.profile("standard")
@pytest.mark.by_turns("side")
@SIDES
@pytest.mark.parametrize("units", ["1.5", "3"], ids=["small behind", "large behind"])
def test_size_gives_no_place(venue: Venue, states: States, side: str, units: str) -> None:
    """After a cancel the orders of a price still fill as they came, not by size."""
    (price,) = venue.band.levels(1, resting=side)
    first, canceled, behind = (
        states.open(side, price=price, quantity=states.units(size)) for size in ("2", "1", units)
    )
    _fills_in_turn(venue, states, first)
    venue.cancel(canceled)
    states.take(first, first.remaining, aim=_OWN)
    venue.done_trading()
    venue.look_all([first, behind, canceled])


@pytest.mark.exercises(_OWN, "cancel.effects.off-book")
@pytest.mark.parametrize(("side", "kind"), [("buy", "limit"), ("sell", "limit"), ("buy", "market")])
def test_next_price_is_the_best(venue: Venue, states: States, scheme: str, side: str, kind: str) -> None:
    """When the best order is canceled, the next one is the best, however far: it fills first, at its own price."""
    levels = venue.band.levels(3, gap=_NEAR if side == "buy" else _FAR, resting=side)
    prices = levels if side == "sell" else levels[::-1]
    best, following, last = _open_at(venue, states, side, prices)
    venue.cancel(best, scheme=scheme)
    try:
        states.take(following, states.units("1"), kind=kind, aim=_OWN, price=last.price)
    except Undecidable as refusal:
        if kind == "limit":
            raise
        raise NotExercised(f"no market order could be had: {refusal}") from None
    venue.done_trading()
    venue.look_all([following, last, best])


@pytest.mark.exercises(_OWN, _FOREIGN)
@SIDES
def test_small_neighbours_of_a_large_one(venue: Venue, states: States, scheme: str, side: str) -> None:
    """When an order of which most has filled is canceled, what others have at its price is still there."""
    (price,) = venue.band.levels(1, resting=side)
    large = states.open(side, price=price, quantity=states.units("12"))
    own = states.open(side, price=price, quantity=states.units("1"))
    foreign = states.open(side, price=price, quantity=states.units("1"), account="counterparty")
    _fills_in_turn(venue, states, large, "11")  # as much is left of it as they have
    venue.cancel(large, scheme=scheme)
    states.take(own, own.remaining, aim=_OWN)
    states.take(foreign, foreign.remaining, aim=_FOREIGN)
    venue.look_all([large, own, foreign])


@pytest.mark.exercises(_OWN, "cancel.effects.off-book")
@pytest.mark.by_turns("side")
@SIDES
@pytest.mark.parametrize("position", [1, 2], ids=["in between", "last"])
def test_other_prices_trade_on(venue: Venue, states: States, side: str, position: int) -> None:
    """Behind better prices a canceled order is gone too: when these have filled, nothing is at its price."""
    levels = venue.band.levels(3, resting=side)
    prices = levels if side == "sell" else levels[::-1]
    if len(set(prices)) == len(prices):
        orders = _open_at(venue, states, side, prices)
    else:  # in a book so tight that two of them are one, the earlier one comes first
        orders = [states.open(side, price=price, quantity=states.units("2")) for price in prices]
    canceled = orders[position]
    schemes = venue.account("owner").schemes
    venue.cancel(canceled, scheme=schemes[position % len(schemes)])
    for order in orders[:position]:
        states.take(order, order.remaining, aim=_OWN)
    venue.look_all(orders[:position])
    cross(venue, states, canceled)


@pytest.mark.exercises(_OWN, "cancel.effects.off-book")
@pytest.mark.profile("standard")
@SIDES
def test_long_queue(venue: Venue, states: States, side: str) -> None:
    """Far back in a row of many orders one is canceled: whoever takes all of them gets all but that one."""
    (price,) = venue.band.levels(1, resting=side)
    size = states.units("1")
    orders = _open_at(venue, states, side, [price] * (_QUEUE - 3), units="1")
    canceled = states.open(side, price=price, quantity=size)
    orders += _open_at(venue, states, side, [price] * 2, units="1")
    venue.cancel(canceled)
    takes = [Take(order.id, format(price, "f"), format(size, "f")) for order in orders]
    take = partial(venue.place, OTHER_SIDE[side], price, size * _QUEUE, account="counterparty", tif="ioc")
    take(takes=takes, aim=_OWN, expect="filled")
    venue.look_all([canceled, orders[0], orders[-1]])


@pytest.mark.exercises(_OWN, "cancel.success.open")
@pytest.mark.near
@pytest.mark.parametrize(
    "side",
    [
        pytest.param(side, marks=pytest.mark.profile(profile))
        for side, profile in (("sell", "standard"), ("buy", "thorough"))
    ],
)
def test_crowded_book(venue: Venue, states: States, side: str) -> None:
    """In a book of many prices the best order, the oldest of many, is canceled: the next price is the best."""
    levels = list(dict.fromkeys(venue.band.levels(_PRICES, gap=1, resting=side)))
    best, following, *others = levels if side == "sell" else levels[::-1]
    oldest, first, second = (
        states.open(side, price=price, quantity=states.units("2")) for price in (best, following, following)
    )

    def place(price: Decimal | None) -> None:
        with suppress(Undecidable):  # more than the account holds, or may have
            states.open(side, price=price, quantity=states.units("1") if price else None)

    more = _CROWD - 3 - len(others)
    venue.client.together([partial(place, price) for price in [*others, *[None] * more]])
    venue.cancel(oldest)
    states.take(first, states.units("1"), aim=_OWN)
    venue.look_all([first, second, oldest])


@pytest.mark.exercises(_OWN)
@pytest.mark.profile("standard")
@pytest.mark.last
@pytest.mark.by_turns("side")
@SIDES
def test_the_other_side_trades_on(venue: Venue, states: States, side: str) -> None:
    """When the last order of a side is canceled, those of the other side still fill."""
    venue.sweep(lambda order: True)
    levels = venue.band.levels(2)
    low, high = (states.open(s, price=p, quantity=states.units("2")) for s, p in zip(SIDE, levels, strict=True))
    canceled, kept = (low, high) if side == "buy" else (high, low)
    venue.cancel(canceled, scheme=_scheme_on(venue, side))
    states.take(kept, kept.remaining, aim=_OWN)
    venue.look(kept)


@pytest.mark.exercises(_OWN, "cancel.refusals.not-found")
@pytest.mark.profile("standard")
@pytest.mark.last
@pytest.mark.by_turns("side")
@SIDES
def test_cancels_that_find_nothing_spare_the_rest(venue: Venue, states: States, side: str) -> None:
    """A second cancel of the best order, and one of an unknown id, leave the only other one of its side to fill.

    And one that took its place since.
    """
    venue.sweep(lambda order: True)
    levels = venue.band.levels(2, resting=side)
    kept, canceled = _open_at(venue, states, side, levels if side == "buy" else levels[::-1])
    scheme = _scheme_on(venue, side)
    venue.cancel(canceled, scheme=scheme)
    venue.cancel(canceled, scheme=scheme)
    states.take(kept, states.units("1"), aim="cancel.refusals.not-found")
    newer = states.open(side, price=canceled.price, quantity=states.units("2"))
    for target in (canceled, str(uuid4())):
        venue.cancel(target, scheme=scheme)
    for order in (newer, kept):
        states.take(order, order.remaining, aim="cancel.refusals.not-found")
    venue.look_all([newer, kept, canceled])


@pytest.mark.exercises(_OWN, "cancel.refusals.not-found")
@pytest.mark.profile("standard")
@pytest.mark.by_turns("side")
@SIDES
def test_cancel_of_a_filled_order_spares_the_rest(venue: Venue, states: States, side: str) -> None:
    """A cancel of an order that was filled leaves those at its price to fill, one that was placed since, too."""
    (price,) = venue.band.levels(1, resting=side)
    size = states.units("2")
    filled, behind = (states.open(side, price=price, quantity=size) for _ in range(2))
    _fills_in_turn(venue, states, filled, "2")
    newer = states.open(side, price=price, quantity=size)
    venue.cancel(filled, scheme=_scheme_on(venue, side))
    _take_in_turn(venue, states, [(order, "cancel.refusals.not-found") for order in (behind, newer)], filled)


@pytest.mark.exercises("cancel.refusals.forbidden", "cancel.refusals.unauthorized")
@pytest.mark.by_turns("side")
@SIDES
def test_refused_cancels_keep_the_place(venue: Venue, states: States, side: str) -> None:
    """Orders that another user, or nobody known, tried to cancel still fill, and before those behind them.

    Nobody known is one who signs wrongly, or has no credentials.
    """
    (price,) = venue.band.levels(1, resting=side)
    first, second, behind = (states.open(side, price=price, quantity=states.units("2")) for _ in range(3))
    _fills_in_turn(venue, states, first)
    other = venue.account("counterparty").schemes[-SIDE.index(side)]  # one credential on each side, if it has two
    own = venue.account("owner").schemes[SIDE.index(side) - 1]
    nobody = wrongly_signed(venue, own) if side == "buy" else spoiled_jwt(venue, jwt_flaw("no credentials"))
    tries: list[tuple[dict[str, Any], str]] = [
        ({"by": "counterparty", "scheme": other}, "cancel.refusals.forbidden"),
        ({"credential": nobody}, "cancel.refusals.unauthorized"),
    ]
    tried = list(zip((first, second), tries if side == "buy" else tries[::-1], strict=True))
    venue.client.together([partial(venue.cancel, order, **how) for order, (how, _) in tried])
    _take_in_turn(venue, states, [(order, aim) for order, (_, aim) in tried], behind)


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


@pytest.mark.exercises("cancel.effects.off-book")
@pytest.mark.alone
@pytest.mark.by_turns("side")
@SIDES
def test_next_order_finds_room(venue: Venue, states: States, side: str) -> None:
    """The next order of all after a cancel, a post-only one, rests where the canceled one stood.

    Of sells one that had fills is canceled.
    """
    venue.account("counterparty")
    (price,) = venue.band.levels(1)
    if side == "sell":
        order = states.partially_filled(side, at=price)
    else:
        order = states.open(side, price=price, quantity=states.units("2"))
    venue.cancel(order)
    rest_instead(venue, states, order)
