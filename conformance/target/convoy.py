"""A convoy: orders that set out one close behind the other, since on a distant target answers take long.

The first of them rest, later ones trade with these. All are recorded once the answers are there, in the order in
which they set out, as if each had waited for the answer to the one before. Should one overtake another on the way,
the fills are not those that were planned: nothing is concluded, the case starts over, and after a few times no
order of the run sets out before the one ahead of it is answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec.structs import replace

from conformance.oracle.amounts import decimal_of
from conformance.oracle.bodies import try_parse
from conformance.oracle.ledger import Order
from conformance.record import Exchange, Take
from conformance.target.client import FAR_S
from conformance.target.trouble import Trouble

if TYPE_CHECKING:
    from conformance.target.venue import Venue

_PATIENCE = 2  # convoys that may be scattered


@dataclass(frozen=True)
class Placing:
    """An order to be, as `Venue.place` has it; `meets` are the fills that it must cause.

    Each is (which of the convoy's orders, how much of it), at that order's price.
    """

    side: str
    price: Decimal
    quantity: Decimal
    account: str
    tif: str | None = "gtc"
    meets: tuple[tuple[int, Decimal], ...] = ()


class Weather:
    """How often the convoys of a run were scattered: `is_fair` while more of them may set out.

    Under load no convoy may: there answers take long for other reasons than the way.
    """

    def __init__(self, *, stormy: bool = False) -> None:
        self.scattered = _PATIENCE if stormy else 0

    @property
    def is_fair(self) -> bool:
        """Whether orders on this way arrive as they set out, as far as is known."""
        return self.scattered < _PATIENCE


def place_in_turn(venue: Venue, placings: Sequence[Placing]) -> list[Order]:
    """Place orders of which the later ones meet earlier ones; raises what `Venue.place` raises.

    A convoy that was scattered raises Trouble; so the next attempt, or the one after that, is made without one.
    """
    if not _may_set_out(venue, placings):
        return _one_by_one(venue, placings)
    found: list[Order | None] = []
    planned = True
    for placing, exchange in zip(placings, venue.send_in_turn(placings), strict=True):
        takes = _takes(placing, placings, found)
        if takes and placing.tif == "ioc" and _found_nobody(exchange):
            takes, planned = [], False  # it came first
        found.append(venue.order_of(venue.client.record(replace(exchange, takes=takes))))
        venue.settle_book()
    orders = [order for order in found if order is not None and order.exact]
    if len(orders) < len(placings) or not planned:
        venue.weather.scattered += 1
        venue.recorder.note("scattered", venue.case, orders=[order.id for order in found if order is not None])
        venue.suspect()
        lost = any(order is None for order in found)
        raise Trouble("orders sent one close behind the other did not trade as planned", wait=lost)
    return orders


def _may_set_out(venue: Venue, placings: Sequence[Placing]) -> bool:
    # an answer may be written when the next order has met this one already: a fill that it shows is a finding then
    rests = any(placing.tif == "post_only" for placing in placings)
    return len(placings) > 1 and not rests and venue.client.pace >= FAR_S and venue.weather.is_fair


def _one_by_one(venue: Venue, placings: Sequence[Placing]) -> list[Order]:
    orders: list[Order] = []
    for placing in placings:
        how = (placing.side, placing.price, placing.quantity)
        takes = _takes(placing, placings, orders)
        orders.append(venue.place(*how, account=placing.account, tif=placing.tif, takes=takes))
    return orders


def _takes(placing: Placing, placings: Sequence[Placing], orders: Sequence[Order | None]) -> list[Take]:
    """The fills that are planned for an order, with those of the earlier ones that were placed."""
    return [
        Take(maker.id, format(placings[index].price, "f"), format(quantity, "f"))
        for index, quantity in placing.meets
        if (maker := orders[index]) is not None
    ]


def _found_nobody(exchange: Exchange) -> bool:
    answer = try_parse(exchange.response) if exchange.response is not None else None
    return isinstance(answer, dict) and decimal_of(answer.get("filled_qty")) == 0
