"""Orders that cross the price of a canceled one, to find out whether it is really gone."""

from __future__ import annotations

from decimal import Decimal

from conformance.oracle.crossings import REPEATS
from conformance.oracle.ledger import Order, State
from conformance.oracle.room import REJECTIONS
from conformance.target.states import OTHER_SIDE, States
from conformance.target.trouble import Trouble, Undecidable
from conformance.target.venue import Venue


def find_nothing(venue: Venue, states: States, order: Order, size: Decimal | None = None) -> None:
    """The counterparty crosses the price of an order that is not in the book: nothing may fill.

    `size` is how much it would take, if not the least that can be placed in the band. If something does fill, it is
    found out whether that was the order, or one that somebody else had there.
    """
    size = size or states.units("1")
    _cross_once(venue, order, order.id, size)
    if venue.case not in venue.judge.surprises:
        venue.done_trading()
        return
    venue.look(order)
    for name in venue.settings.accounts:
        venue.trades(name)
    for _ in range(REPEATS):
        if venue.case not in venue.judge.surprises:
            return
        _cross_once(venue, order, "nothing", size)
        again = states.open(order.side, price=order.price, quantity=size, account=order.account)
        venue.cancel(again, by=order.account)
        _cross_once(venue, order, again.id, size)
    if venue.case in venue.judge.surprises:
        raise Trouble("somebody else trades at the price of the canceled order")


def _cross_once(venue: Venue, order: Order, after: str, size: Decimal) -> None:
    """Cross the price of an order once; `after` is the order that was canceled there, or "nothing"."""
    assert order.price is not None
    venue.band.alone_at(order.price, resting=order.side)
    venue.recorder.note("crossing", venue.case, after=after)
    venue.new_order(
        OTHER_SIDE[order.side],
        order.price,
        size,
        "counterparty",
        "ioc",
        takes=[],
        aim="cancel.effects.off-book",
        expect="unfilled",
    )


def cross(venue: Venue, states: States, order: Order, size: Decimal | None = None) -> None:
    """The counterparty crosses the canceled order's price: nothing may fill. Then the order is looked at."""
    _check_canceled(order)
    find_nothing(venue, states, order, size)
    venue.look(order)


def _check_canceled(order: Order) -> None:
    if order.state is not State.CANCELED:
        raise Undecidable("the order was not canceled, so it may be in the book")


def rest_instead(venue: Venue, states: States, order: Order) -> None:
    """The counterparty places a post-only order that would have met the canceled one. It must rest.

    If it is refused, an order that crosses the same price tells whether anything stands there, by turns.
    """
    assert order.price is not None
    _check_canceled(order)
    for _ in range(REJECTIONS):
        venue.band.alone_at(order.price)
        exchange = venue.new_order(
            OTHER_SIDE[order.side],
            order.price,
            states.units("1"),
            "counterparty",
            "post_only",
            aim="cancel.effects.off-book",
            expect="rests",
        )
        if exchange.response is not None and exchange.response.status == 200:
            break
        find_nothing(venue, states, order)
    venue.sweep()


def meet_oneself(venue: Venue, states: States, side: str, price: Decimal) -> None:
    """The owner crosses: before an order is placed there and after it was canceled that is no self-trade."""
    venue.band.alone_at(price)
    venue.new_order(
        OTHER_SIDE[side],
        price,
        states.units("1"),
        tif="ioc",
        takes=[],
        aim="cancel.effects.off-book",
        expect="no self-trade",
    )
