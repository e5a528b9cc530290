"""What takes part in races: cancels of an order, orders that take a part of it, and who goes first."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

from conformance.oracle.ledger import Order
from conformance.target.client import Call
from conformance.target.race import Arena, Runner
from conformance.target.states import OTHER_ACCOUNT, OTHER_SIDE
from conformance.target.trouble import NotExercised
from conformance.target.venue import Venue


def cancels_of(venue: Venue, order: Order, count: int, *, first: int = 0) -> list[Runner]:
    """Cancels by turns with each credential of the order's owner, beginning with the `first` one."""
    schemes = itertools.islice(itertools.cycle(venue.account(order.account).schemes), first, None)
    return [Runner(venue.cancel_call(order, by=order.account, scheme=next(schemes))) for _ in range(count)]


def ahead(venue: Venue, arena: Arena, trial: int) -> tuple[float, float]:
    """Delays (s) of the two sides of a race: each is ahead by turns, by about as much as an answer takes here."""
    late = arena.pace * venue.random.uniform(0.0, 1.5)
    return (0.0, late) if trial % 2 else (late, 0.0)


def take_of(venue: Venue, order: Order, quantity: Decimal, turn: int) -> Call:
    """The other account's call that takes `quantity` of an order, at its price, at once or not at all."""
    assert order.price is not None
    other = OTHER_ACCOUNT[order.account]
    schemes = venue.account(other).schemes
    credential = venue.credential(other, schemes[turn % len(schemes)])
    return venue.order_call(OTHER_SIDE[order.side], order.price, quantity, credential, tif="ioc")


def check_ours(venue: Venue, rows: list[dict[str, Any]] | None) -> None:
    """Raise NotExercised where a cancel-all would end orders (`rows` are those that are open) that are not ours."""
    if rows is None:
        raise NotExercised("the target does not list open orders, so a cancel-all might end somebody's orders")
    for row in rows:
        if venue.judge.ledger.get(str(row.get("id"))) is None:
            raise NotExercised("the account holds orders that are not ours, and a cancel-all would end them")
