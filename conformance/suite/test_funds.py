"""Chapter: Effects. What became of the locked funds. Only on this machine: it takes whole balances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from conformance.oracle.bodies import is_transient, try_parse
from conformance.oracle.ledger import Order, State
from conformance.suite.aged import NEAR, Aged
from conformance.suite.balance import cancel_all, end, largest
from conformance.suite.key_flaws import wrongly_signed
from conformance.suite.racing import cancels_of, check_ours, take_of
from conformance.target.client import RATHER_FAR_S
from conformance.target.market import of_market
from conformance.target.race import Arena, Runner
from conformance.target.states import OTHER_SIDE, Fills, States
from conformance.target.trouble import NotExercised, Trouble, Undecidable
from conformance.target.venue import Venue

_RELEASED, _ONCE = "cancel.effects.lock-released", "cancel.effects.lock-released-once"
SIDES = pytest.mark.parametrize("side", ["buy", "sell"])
_ROUNDS = 4  # of cancels that overlap
_DEAR = Decimal("2.5")
_EXTREME = {"sell": Decimal(20), "buy": Decimal("0.005")}  # prices at which nobody is met
_BEYOND = Decimal("0.02")  # of an order's worth: no page says what it locks, to the cent and the fee
_WORTH = ("1000", "30", "3")  # times the smallest order
_STATES = ("open", "canceled twice", "partially filled")
_AND_ALL = "open, and a cancel-all follows"
_ONE_SIDED = pytest.mark.one_sided  # what a case of this side does leaves the balance for the other side alone
_FILLS = {
    "partially filled": Fills(resting=("3", "1")),
    "nearly filled": Fills(improved=("1",), resting=("1", "1", "7.9")),  # and a unit by a market order, of a buy
    "bought for less": Fills(improved=("9",), resting=("1",), gap=1500),
    "sold for more": Fills(improved=("4",), resting=("1",), gap=1500),
}
_BY_TURNS = (  # each with one credential, the next one with the other
    *(("nearly filled", side) for side in ("buy", "sell")),
    *(("filled", side) for side in ("sell", "buy")),
    *(("ioc remainder", side) for side in ("buy", "sell")),
    ("bought for less", "buy"),
)


_LOCKS = pytest.mark.exercises(_RELEASED, _ONCE)


@_LOCKS
@pytest.mark.exercises("cancel.refusals.forbidden")
@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize(
    "state",
    [pytest.param(state, marks=pytest.mark.alone if "filled" in state else _ONE_SIDED) for state in _STATES],
)
def test_lock(venue: Venue, states: States, scheme: str, side: str, state: str, funds: dict[str, Decimal]) -> None:
    """What could be placed before can be placed after, to the lot, and not a lot more.

    The most that can be placed is found first, by halving. What another user tries before frees nothing, and the
    token that was not locked is left alone.
    """
    if venue.client.pace > RATHER_FAR_S:
        if scheme != _by_turns(venue, (side == "sell") + _STATES.index(state)):
            raise NotExercised("answers take long: each side and state is tried with one credential")
        if state == "open":
            raise NotExercised("answers take long: an order that is canceled twice is tried")
    other, more, before = OTHER_SIDE[side], None, 0
    if state == "open" and _is_for_all(venue, scheme):
        _only_here(venue)
        before = _own_trades(venue)
        more = _most(venue, other, venue.band.resting(other), funds)[1] + venue.rules.lot
    _release(venue, _make(venue, states, side, state), scheme, side, state, funds)
    if more is not None:
        _attempt(venue, other, venue.band.resting(other), more, _ONCE, "refused", before)


@_LOCKS
@pytest.mark.aged
@pytest.mark.alone
@pytest.mark.profile("standard")
@pytest.mark.parametrize("kind", NEAR)
def test_lock_of_an_old_order(venue: Venue, aged: Aged, kind: str, funds: dict[str, Decimal]) -> None:
    """The same for an order that was placed seconds ago; to cancel one again that ended then releases nothing."""
    _only_to_the_lot(venue)
    scheme, side = venue.credentials.default_scheme("owner"), kind.split()[-1]
    also = [aged.canceled()] if side == "buy" else aged.ended()
    _release(venue, aged.get(kind, scheme), scheme, side, kind, funds, also=also)


@_LOCKS
@pytest.mark.alone
@pytest.mark.profile("standard")
@pytest.mark.parametrize(("state", "side"), _BY_TURNS)
def test_lock_after_fills(venue: Venue, states: States, state: str, side: str, funds: dict[str, Decimal]) -> None:
    """The same for orders of which little is left, or nothing: then a cancel that is refused releases nothing."""
    _only_to_the_lot(venue)
    scheme = _by_turns(venue, _BY_TURNS.index((state, side)))
    order = _make(venue, states, side, state)
    also = _filled_at_once(states, side) if state == "filled" else []
    _release(venue, order, scheme, side, state, funds, also=also)


@pytest.mark.exercises(_ONCE)
@pytest.mark.alone
@pytest.mark.profile("standard")
@SIDES
def test_proceeds_are_kept(venue: Venue, states: States, side: str, funds: dict[str, Decimal]) -> None:
    """What an order has brought before its cancel can still be spent, to the lot, and not more."""
    _only_to_the_lot(venue)
    order = _make(venue, states, side, "partially filled" if side == "buy" else "sold for more")
    assert order is not None
    other = OTHER_SIDE[side]
    price, before = venue.band.resting(other), _own_trades(venue)
    most, too_much = _most(venue, other, price, funds)
    end(venue, order, _by_turns(venue, side == "sell"))
    _check_fills(order)
    _attempt_both(venue, other, price, (most, _ONCE), (too_much + venue.rules.lot, _ONCE), before)


@_LOCKS
@pytest.mark.last
@pytest.mark.profile("standard")
def test_lock_of_a_dear_buy(venue: Venue, states: States, funds: dict[str, Decimal]) -> None:
    """The same for a buy at a price far above 1, which locks more of the quote token than it has of the base.

    A cancel-all after that gives nothing back either.
    """
    _only_to_the_lot(venue)
    if not venue.band.quiet:
        raise NotExercised("a buy at a high price is placed only where nobody else sells")
    venue.sweep(lambda order: True)
    price, scheme = venue.rules.price(max(_DEAR, venue.band.ceil * 2)), venue.credentials.default_scheme("owner")
    try:
        end(venue, states.open("buy", price=price, tif="post_only"))
    except Undecidable as refusal:
        raise NotExercised(f"nothing rests at such a price: {refusal}") from None
    _release(venue, None, scheme, "buy", _AND_ALL, funds, price)


@_LOCKS
@pytest.mark.near
@pytest.mark.profile("standard")
@SIDES
def test_lock_at_an_extreme_price(venue: Venue, side: str, funds: dict[str, Decimal]) -> None:
    """The same for a sell at a price far above that of others, and a buy far below."""
    _only_to_the_lot(venue)
    price = venue.rules.price(_EXTREME[side])
    if price < venue.band.ceil * 2 if side == "sell" else price > venue.band.floor / 2:
        raise NotExercised("at the prices of this market that is nothing extreme")
    _release(venue, None, venue.account("owner").schemes[-(side == "sell")], side, "open", funds, price)


def _make(venue: Venue, states: States, side: str, state: str) -> Order | None:
    """An order in this state, None for one that is to lock most of the balance."""
    _only_here(venue)
    if state in _FILLS:
        tif = "post_only" if side == "sell" and not _FILLS[state].improved else "gtc"
        order = states.partially_filled(side, _FILLS[state], tif=tif)
        if state == "nearly filled" and side == "buy":
            states.take(order, states.units("1"), kind="market")
    elif state == "filled":
        order = states.filled(side)
    elif state == "ioc remainder":
        order = states.ioc_remainder(side, filled=side == "sell")
    else:
        return None
    venue.look(order)
    _check_fills(order)
    return order


def _filled_at_once(states: States, side: str) -> list[Order]:
    """Orders that never rested: one that was filled while it was placed, and a market sell."""
    orders = [states.filled_at_once(side)]
    if side == "sell":
        with suppress(Undecidable):  # a target may have no market orders
            orders.append(states.market_filled())
    return orders


def _check_fills(order: Order) -> None:
    if not order.exact:
        raise Trouble("the fills are not those that were planned: somebody else trades here")


def _release(
    venue: Venue,
    locked: Order | None,
    scheme: str,
    side: str,
    state: str,
    funds: dict[str, Decimal],
    price: Decimal | None = None,
    also: Sequence[Order] = (),
) -> None:
    """Cancel an order (without one, one at `price` that locks most of the balance) and see what can be placed.

    `also` are orders that have ended before, which the same cancels are tried on.
    """
    price = price or venue.band.resting(side)
    if locked is not None and locked.state is State.LIVE:
        price = locked.price or price
    before = _own_trades(venue)
    most, too_much = _most(venue, side, price, funds)
    most_after = most
    if locked is None:
        size = venue.rules.lot * int(most / venue.rules.lot * Decimal("0.7"))
        try:
            locked = venue.place(side, price, size, scheme=scheme)
        except Undecidable:  # less than what has just fitted and was canceled: perhaps that is locked still
            _attempt(venue, side, price, size, _RELEASED, "accepted", before)
            return
    elif locked.state is State.LIVE:
        most_after = most + locked.remaining
        if state == "partially filled" and _is_for_all(venue, scheme):
            venue.cancel(locked, by="counterparty")
            more = too_much + venue.rules.lot
            _attempt(venue, side, price, more, "cancel.refusals.forbidden", "refused", before)
    _cancel(venue, locked, scheme, state)
    _check_fills(locked)
    for order in also:
        venue.cancel(order, scheme=scheme)
    # a lot for the rounding of balances, what a venue that keeps them as doubles cannot tell apart, and what an
    # order may lock beyond its worth
    beyond = (locked.quantity or most_after) * _BEYOND if most_after != most else Decimal(0)
    rounding = venue.rules.lot + (most_after / 10**12 + beyond) // venue.rules.lot * venue.rules.lot
    more = most_after + (too_much - most) + rounding
    _attempt_both(venue, side, price, (most_after, _RELEASED), (more, _ONCE), before)


def _cancel(venue: Venue, order: Order, scheme: str, state: str) -> None:
    """Cancel an order, and what belongs to its state besides: a second cancel, or all orders after it."""
    twice = state == "canceled twice"
    if twice:  # at first, where that is taken, by another spelling of its id
        venue.cancel(order.id.upper(), scheme=scheme)
    if not twice or order.state is State.LIVE:
        end(venue, order, scheme)
    if twice:
        for _ in range(1 if venue.is_quick else 2):
            venue.cancel(order, scheme=scheme)
        if venue.settings.counterparty is not None:
            venue.cancel(order, by="counterparty", scheme=scheme)
    elif state == "partially filled" and not venue.is_quick:
        venue.cancel(order, scheme=_other_scheme(venue, scheme))
    elif state == _AND_ALL:
        cancel_all(venue)


@_LOCKS
@pytest.mark.alone
@pytest.mark.profile("standard")
@SIDES
def test_locks_side_by_side(
    venue: Venue, states: States, arena: Arena, side: str, funds: dict[str, Decimal]
) -> None:
    """Several orders that are canceled at the same time all give their funds back, once each."""
    _only_here(venue)
    is_distant = venue.client.pace > RATHER_FAR_S
    if is_distant and (side == "sell" or venue.is_very_far):
        raise NotExercised("answers take long: buys are tried, and far away none")
    price, schemes = venue.band.resting(side), venue.account("owner").schemes
    before = _own_trades(venue)
    most, too_much = _most(venue, side, price, funds)
    size = venue.rules.lot * int(most / venue.rules.lot * Decimal("0.3"))
    place = partial(states.open, side, price=price, quantity=size)
    for number in range(_ROUNDS - 1 if is_distant else 0, _ROUNDS):
        try:
            orders = venue.client.together([place] * 3)
        except Undecidable:  # the funds are not there any more, which will be seen
            venue.sweep()
            break
        calls = [venue.cancel_call(o, scheme=schemes[n % len(schemes)]) for n, o in enumerate(orders)]
        twice = number >= _ROUNDS // 2
        arena.side_by_side(calls * 2 if twice else calls, orders[0])
        venue.look_all(orders)
    if venue.sweep():
        raise Undecidable("an order was not canceled, so its funds may be locked")
    _attempt_both(venue, side, price, (most, _RELEASED), (too_much + venue.rules.lot, _ONCE), before)


@_LOCKS
@pytest.mark.last
@pytest.mark.near
@pytest.mark.profile("standard")
@pytest.mark.parametrize("beside", ["fills", "a cancel-all"])
def test_lock_beside(venue: Venue, states: States, arena: Arena, beside: str, funds: dict[str, Decimal]) -> None:
    """Sells that fill, or are ended by a cancel-all as well, while they are canceled, give back the rest, once."""
    _only_to_the_lot(venue)
    venue.account("counterparty")
    price, sold, schemes = venue.band.resting("sell"), Decimal(0), venue.account("owner").schemes
    most, too_much = _most(venue, "sell", price, funds)
    (at,) = venue.band.levels(1)
    for trial in range(_ROUNDS):
        order = states.open("sell", price=at if beside == "fills" else None, quantity=states.units("6"))
        runners = cancels_of(venue, order, 1, first=trial)
        if beside == "fills":
            runners += [
                Runner(
                    take_of(venue, order, states.units(size), trial + turn), arena.pace * 0.4 * (turn - trial % 2)
                )
                for turn, size in enumerate(("1", "1.5"), 1)
            ]
            arena.race("cancel and fill", order, runners, trial=trial)
        else:
            check_ours(venue, venue.open_orders("owner"))
            runners.append(Runner(venue.cancel_all_call(scheme=schemes[trial % len(schemes)])))
            arena.race("cancel and cancel-all", order, runners, trial=trial)
        venue.look(order)
        if order.state is State.LIVE:
            end(venue, order)
        sold += order.filled
    before, fees = _own_trades(venue), sold * _BEYOND // venue.rules.lot * venue.rules.lot
    fits, more = most - sold - fees, too_much - sold + venue.rules.lot
    _attempt_both(venue, "sell", price, (fits, _RELEASED), (more, _ONCE), before)


@pytest.mark.exercises("cancel.refusals.forbidden")
@pytest.mark.profile("standard")
@_ONE_SIDED
@SIDES
def test_forbidden_cancel_pays_nobody(venue: Venue, states: States, side: str, funds: dict[str, Decimal]) -> None:
    """Who tried to cancel another user's order has no more to place with than before."""
    _only_here(venue)
    venue.account("counterparty")
    price = venue.band.resting(side)
    for units in _WORTH:
        with suppress(Undecidable):  # more than it holds
            order = states.open(side, price=price, quantity=states.units(units), account="counterparty")
            break
    else:
        raise NotExercised("the counterparty holds too little")
    before = _own_trades(venue)
    _, too_much = _most(venue, side, price, funds)
    venue.cancel(order)
    more = too_much + venue.rules.lot
    _attempt(venue, side, price, more, "cancel.refusals.forbidden", "refused", before)


@pytest.mark.exercises("cancel.refusals.forbidden", "cancel.refusals.unauthorized", "cancel.unavailable.no-effect")
@pytest.mark.exercises(_RELEASED)
@_ONE_SIDED
@SIDES
def test_refusals_release_nothing(
    venue: Venue, states: States, scheme: str, side: str, funds: dict[str, Decimal]
) -> None:
    """While an order locks the whole balance, a cancel that is refused frees nothing of it; its own does."""
    _only_here(venue)
    venue.account("counterparty")
    if venue.client.pace > RATHER_FAR_S and scheme != _by_turns(venue, side == "sell"):
        raise NotExercised("answers take long: each side is tried with one credential")
    price = venue.band.resting(side)
    before = _own_trades(venue)
    most, too_much = _most(venue, side, price, funds)
    try:
        locked = states.open(side, price=price, quantity=most)
    except Undecidable:  # it may have to lock more than what was found to fit, which was post-only
        locked = states.open(side, price=price, quantity=most, tif="post_only")
    one_more = too_much - most + venue.rules.quantity(price)  # fits as little as `too_much` did
    venue.cancel(locked, by="counterparty", scheme=scheme)
    if _attempt(venue, side, price, one_more, "cancel.refusals.forbidden", "refused", before):
        return  # what else is freed could not be told apart
    venue.cancel(locked, credential=wrongly_signed(venue, scheme))
    _attempt(venue, side, price, one_more, "cancel.refusals.unauthorized", "refused", before)
    response = venue.send(venue.cancel_call(locked, scheme=scheme)).response
    if response is not None and is_transient(response):
        _attempt(venue, side, price, one_more, "cancel.unavailable.no-effect", "refused", before)
    venue.look(locked)
    if locked.state is State.LIVE:
        end(venue, locked, scheme)
    if locked.state is State.CANCELED and _is_for_all(venue, scheme):  # what others tried makes no difference
        _attempt(venue, side, price, most, _RELEASED, "accepted", before)


def _most(venue: Venue, side: str, price: Decimal, funds: dict[str, Decimal]) -> tuple[Decimal, Decimal]:
    """What `largest` finds, beginning where the last search of this side ended."""
    worth = price if side == "buy" else Decimal(1)
    most, too_much = largest(venue, side, price, guess=funds[side] / worth if side in funds else None)
    funds[side] = most * worth
    return most, too_much


def _is_for_all(venue: Venue, scheme: str) -> bool:
    """Whether what one credential is enough for is to be done with this one: not in a quick run, and close by."""
    return (
        not venue.is_quick
        and venue.client.pace <= RATHER_FAR_S
        and scheme == venue.credentials.default_scheme("owner")
    )


def _other_scheme(venue: Venue, scheme: str) -> str:
    """The other credential, if the owner has two."""
    return next((other for other in venue.account("owner").schemes if other != scheme), scheme)


def _by_turns(venue: Venue, turn: int) -> str:
    schemes = venue.account("owner").schemes
    return schemes[turn % len(schemes)]


def _only_here(venue: Venue) -> None:
    if not venue.settings.is_loopback:
        raise NotExercised("placing for the whole balance is done on this machine only")


def _only_to_the_lot(venue: Venue) -> None:
    _only_here(venue)
    if venue.client.pace > RATHER_FAR_S:
        raise NotExercised("answers take long: what can be placed is not found out to the lot")


def _own_trades(venue: Venue) -> int:
    """List the owner's trades; the number of the exchange. A trade in between would change what can be placed."""
    return venue.get("my_trades", "/spot/trades/me", "owner", f"{of_market(venue.rules.symbol)}&limit=100").n


def _attempt_both(
    venue: Venue,
    side: str,
    price: Decimal,
    fits: tuple[Decimal, str],
    is_too_much: tuple[Decimal, str],
    before: int,
) -> None:
    """Attempt a quantity that must be accepted and one that must be refused, each with its requirement."""
    _attempt(venue, side, price, *fits, "accepted", before)
    _attempt(venue, side, price, *is_too_much, "refused", before)


def _attempt(
    venue: Venue, side: str, price: Decimal, quantity: Decimal, aim: str, expect: str, before: int
) -> bool:
    """Place an order and cancel it; whether it was accepted."""
    exchange = venue.new_order(side, price, quantity, tif="post_only", aim=aim, expect=expect)
    body = try_parse(exchange.response) if exchange.response else None
    order = venue.judge.ledger.get(str(body.get("id"))) if isinstance(body, dict) else None
    tasks: list[Callable[[], Any]] = [partial(_own_trades, venue)]
    if order is not None:
        tasks.append(partial(end, venue, order))
    after = venue.client.together(tasks)[0]
    venue.recorder.note("funds", venue.case, attempt=exchange.n, before=before, after=after)
    return order is not None
