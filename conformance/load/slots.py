"""Keeps the orders of concurrent users apart, on the book and in the journal."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal

from conformance.target.journal import Journal
from conformance.target.market import Band, Rules

_PRICES = 400  # prices far from the market that users are spread over; beyond that they differ in quantity


@dataclass(frozen=True)
class UserRules(Rules):
    """A market's rules with `extra` lots on top of each quantity."""

    extra: int = 0

    def quantity(self, price: Decimal, units: Decimal | int = 1) -> Decimal:
        """The smallest quantity that is surely enough, plus this user's extra."""
        return super().quantity(price, units) + self.extra * self.lot


@dataclass(frozen=True)
class UserBand(Band):
    """A band with one price far from the market on each side that is this user's own."""

    slot: int = 0

    def resting(self, side: str, step: int = 0) -> Decimal:
        """The user's price far from the market, whatever the step."""
        return super().resting(side, self.slot)


def band_of(band: Band, number: int) -> UserBand:
    """The band of user `number`: no other user's resting orders have both its price and its quantity.

    So an order whose answer was lost is known again among the open orders.
    """
    room = int(band.resting("buy") / band.rules.tick / 2)
    prices = max(1, min(_PRICES, room))
    market = {part.name: getattr(band.rules, part.name) for part in fields(Rules)}
    rules = UserRules(**market, extra=number // prices)
    return UserBand(rules, floor=band.floor, ceil=band.ceil, quiet=band.quiet, slot=number % prices)


class UsersJournal(Journal):
    """A journal that does not grow in memory: an order that has ended is not listed, so it need not be known."""

    def ended(self, order_id: str, *, seen: bool = True) -> None:
        """As `Journal.ended`."""
        super().ended(order_id, seen=seen)
        self._known.discard(order_id.lower())
