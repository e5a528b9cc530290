"""Chapter: Effects. What has changed after a 200, and what has not."""

from __future__ import annotations

from decimal import Decimal

import pytest

from conformance.oracle.bodies import try_parse
from conformance.oracle.ledger import Order, State
from conformance.record import Take
from conformance.suite.aged import Aged
from conformance.target.states import OTHER_SIDE, Fills, States
from conformance.target.trouble import NotExercised, Undecidable
from conformance.target.venue import Venue

_DISTANT_S = 0.008  # with answers slower than that every request counts
SIDES = pytest.mark.parametrize("side", ["buy", "sell"])
_STATES = ("open", "canceled twice", "partially filled")


def _cross(venue: Venue, states: States, order: Order) -> None:
    """The counterparty crosses the canceled order's price: nothing may fill. Then the order is looked at."""
    assert order.price is not None
    if order.state is not State.CANCELED:
        raise Undecidable("the order was not canceled, so it may be in the book")
    venue.band.levels(1, resting=order.side)  # where others trade too, it waits until it is alone there
    crossing = venue.place(
        OTHER_SIDE[order.side],
        order.price,
        states.units("1"),
        account="counterparty",
        tif="ioc",
        takes=[],
        aim="cancel.effects.off-book",
        expect="unfilled",
    )
    del crossing
    venue.look(order)


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
        order = states.open(side, price=price, quantity=states.units("3"), tif=tif)
    venue.account("counterparty")
    venue.cancel(order, scheme=scheme)
    _cross(venue, states, order)


@pytest.mark.exercises("cancel.effects.off-book")
@pytest.mark.profile("standard")
def test_off_the_book_each_time(venue: Venue, states: States, scheme: str) -> None:
    """Ten times in a row, so that what goes wrong now and then is seen."""
    for number in range(10):
        side = "sell" if number % 2 else "buy"
        (price,) = venue.band.levels(1, resting=side)
        order = states.open(side, price=price, quantity=states.units("1"))
        venue.cancel(order, scheme=scheme)
        _cross(venue, states, order)


@pytest.mark.exercises("cancel.effects.off-book", "cancel.effects.final", "cancel.refusals.not-found")
@pytest.mark.aged
def test_stays_off_the_book(venue: Venue, states: States, aged: Aged) -> None:
    """It has not come back seconds later; and a second cancel then does not move its times."""
    order = aged.canceled()
    _cross(venue, states, order)
    venue.cancel(order)
    venue.look(order)


@pytest.mark.alone
@pytest.mark.exercises("cancel.effects.not-listed", "cancel.effects.own-orders", "cancel.effects.terminal")
@SIDES
def test_not_listed(venue: Venue, states: States, scheme: str, side: str) -> None:
    """The canceled order is out of the open orders; the others of the account are still in."""
    canceled, kept = states.open(side), states.open(side)
    venue.open_orders("owner")
    venue.cancel(canceled, scheme=scheme)
    if venue.open_orders("owner") is None:
        raise NotExercised("the target does not list open orders")
    venue.look(kept)
    venue.look(canceled)


@pytest.mark.alone
@pytest.mark.exercises("cancel.effects.not-listed")
def test_partially_filled_not_listed(venue: Venue, states: States, scheme: str) -> None:
    """The same for an order that had fills."""
    order = states.partially_filled("buy")
    venue.cancel(order, scheme=scheme)
    if venue.open_orders("owner") is None:
        raise NotExercised("the target does not list open orders")


@pytest.mark.exercises("cancel.effects.own-orders", "cancel.effects.foreign-orders")
@SIDES
def test_neighbours_at_the_same_price(venue: Venue, states: States, scheme: str, side: str) -> None:
    """Orders at the same price, before and behind, own and foreign, and on the other side, are left alone."""
    price = venue.band.resting(side)
    owner = [states.open(side, price=price) for _ in range(2)]
    foreign = [states.open(side, price=price, account="counterparty")]
    canceled = states.open(side, price=price)
    owner.append(states.open(side, price=price))
    foreign.append(states.open(side, price=price, account="counterparty"))
    other_side = states.open(OTHER_SIDE[side])
    venue.cancel(canceled, scheme=scheme)
    for order in (*owner, *foreign, other_side):
        venue.look(order)


@pytest.mark.exercises("cancel.effects.foreign-orders", "cancel.effects.off-book")
def test_neighbours_keep_their_place(venue: Venue, states: States, scheme: str) -> None:
    """A foreign order behind the canceled one at the same price fills as if the canceled one had never been."""
    (price,) = venue.band.levels(1, resting="sell")
    canceled = states.open("sell", price=price, quantity=states.units("2"))
    behind = states.open("sell", price=price, quantity=states.units("2"), account="counterparty")
    venue.cancel(canceled, scheme=scheme)
    take = Take(behind.id, format(price, "f"), format(states.units("1"), "f"))
    venue.place("buy", price, states.units("1"), tif="ioc", takes=[take])
    venue.look(behind)
    venue.look(canceled)


@pytest.mark.exercises("cancel.effects.fills-kept", "cancel.effects.final")
@SIDES
def test_fills_are_kept(venue: Venue, states: States, scheme: str, side: str) -> None:
    """Own fills from before the cancel are still listed, on both sides of the trade."""
    order = states.partially_filled(side, Fills(improved=("1",), resting=("2",)))
    if not _lists(venue, "owner"):
        raise NotExercised("the target does not list own fills by order")
    theirs = _lists(venue, "counterparty")
    venue.cancel(order, scheme=scheme)
    venue.trades("owner", aim="cancel.effects.fills-kept")
    if theirs:
        venue.trades("counterparty", aim="cancel.effects.fills-kept")
    venue.look(order)


def _lists(venue: Venue, account: str) -> bool:
    """Whether the fills of all orders that an account has in this case are listed by order."""
    listed = {str(row.get("order_id")).lower() for row in venue.trades(account) or []}
    orders = venue.judge.ledger.orders.values()
    return {o.id for o in orders if o.case == venue.case and o.account == account and o.fills} <= listed


@pytest.mark.exercises("cancel.effects.final")
def test_read_again_later(venue: Venue, states: States, scheme: str) -> None:
    """A second and a later look show what the cancel answered, by either credential."""
    order = states.partially_filled("buy")
    venue.cancel(order, scheme=scheme)
    for reader in venue.account("owner").schemes:
        venue.look(order, scheme=reader)


@pytest.fixture(scope="module")
def funds() -> dict[str, Decimal]:
    """What an account could spend at last, by side: where the next search begins."""
    return {}


@pytest.mark.exercises("cancel.effects.lock-released", "cancel.effects.lock-released-once")
@SIDES
@pytest.mark.parametrize("state", _STATES)
def test_lock(venue: Venue, states: States, scheme: str, side: str, state: str, funds: dict[str, Decimal]) -> None:
    """What could be placed before can be placed after, to the lot, and not a lot more.

    The most that can be placed is found first, by halving. Only on this machine: it takes the whole balance.
    """
    if not venue.settings.is_loopback:
        raise NotExercised("placing for the whole balance is done on this machine only")
    schemes = venue.account("owner").schemes
    if venue.client.pace > _DISTANT_S:
        turn = (side == "sell") + _STATES.index(state)
        if scheme != schemes[turn % len(schemes)]:
            raise NotExercised("answers take long: each side and state is tried with one credential")
        if state == "open":
            raise NotExercised("answers take long: an order that is canceled twice is tried")
    price = venue.band.resting(side)
    if state == "partially filled":
        partial = states.partially_filled(side)
        price = partial.price or price
    before = _own_trades(venue)
    worth = price if side == "buy" else Decimal(1)
    most, too_much = largest(venue, side, price, guess=funds[side] / worth if side in funds else None)
    funds[side] = most * worth
    size = venue.rules.lot * int(most / venue.rules.lot * Decimal("0.7"))
    if state != "partially filled":
        locked = states.open(side, price=price, quantity=size)
        most_after = most
    else:
        locked = partial
        most_after = most + partial.remaining
    _end(venue, locked, scheme)
    if state == "canceled twice":
        venue.cancel(locked, scheme=scheme)
    _attempt(venue, side, price, most_after, "cancel.effects.lock-released", "accepted", before)
    # a lot for the rounding of balances, and what a venue that keeps them as doubles cannot tell apart
    rounding = venue.rules.lot + most_after / 10**12 // venue.rules.lot * venue.rules.lot
    more = most_after + (too_much - most) + rounding
    _attempt(venue, side, price, more, "cancel.effects.lock-released-once", "refused", before)


def _end(venue: Venue, order: Order, scheme: str | None = None) -> None:
    venue.cancel(order, scheme=scheme)
    if order.state is not State.CANCELED:
        raise Undecidable("the order was not canceled, so its funds may be locked")


def _own_trades(venue: Venue) -> int:
    """List the owner's trades; the number of the exchange. A trade in between would change what can be placed."""
    return venue.get("my_trades", "/spot/trades/me", "owner", f"symbol={venue.rules.symbol}&limit=100").n


def _attempt(
    venue: Venue, side: str, price: Decimal, quantity: Decimal, aim: str, expect: str, before: int
) -> None:
    exchange = venue.new_order(side, price, quantity, tif="post_only", aim=aim, expect=expect)
    body = try_parse(exchange.response) if exchange.response else None
    order = venue.judge.ledger.get(str(body.get("id"))) if isinstance(body, dict) else None
    if order is not None:
        _end(venue, order)
    after = _own_trades(venue)
    venue.recorder.note("funds", venue.case, attempt=exchange.n, before=before, after=after)


def largest(venue: Venue, side: str, price: Decimal, guess: Decimal | None = None) -> tuple[Decimal, Decimal]:
    """The largest quantity that can be placed now, and the next one: to the lot, on a distant target to 0.1 %.

    The search begins around `guess`, which is cheap if that is nearly right. Raises Undecidable if there is no end.
    """
    lot = venue.rules.lot
    distant = venue.client.pace > _DISTANT_S

    def fits(lots: int) -> bool:
        exchange = venue.new_order(side, price, lots * lot, tif="post_only")
        body = try_parse(exchange.response) if exchange.response else None
        if not isinstance(body, dict):
            raise Undecidable("New Order gives no JSON answer")
        if order := venue.judge.ledger.get(str(body.get("id"))):
            _end(venue, order)
            return True
        if body.get("error") != "INSUFFICIENT_BALANCE":
            raise Undecidable(f"a large order is refused with {body.get('error')}, so balances cannot be seen")
        return False

    least = good = int(venue.rules.quantity(price) / lot)
    bad = 0
    if guess is not None:  # as far from it as a few trades and their fees may have moved it, and further by turns
        step = max(1, int(guess / lot) // 1000) if distant else 1
        good = max(least, int(guess / lot))
        while good > least and not fits(good):
            bad, good, step = good, max(least, good - step), step * 64
    else:
        step = 15 * good
    while not bad:
        if good > 10**24:
            raise Undecidable("no order is too large for the account, so balances cannot be seen")
        if fits(good + step):
            good, step = good + step, step * 16
        else:
            bad = good + step
    while bad - good > (good // 1000 if distant else 1):
        middle = (good + bad) // 2
        if fits(middle):
            good = middle
        else:
            bad = middle
    return good * lot, bad * lot
