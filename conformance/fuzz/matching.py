"""What an order must do to a book that is known: an exact model of price-time priority. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from conformance.oracle.ledger import Order
from conformance.record import Take


@dataclass
class Plan:
    """The fills that an order must cause, and what is left of it.

    `meets_own` says that an order of the same account is among those it reaches or could reach at its price: the
    pages refuse it (SELF_TRADE) without saying how far it is matched before. `makers` are the orders that fill.
    """

    takes: list[Take] = field(default_factory=list)
    makers: list[Order] = field(default_factory=list)
    rest: Decimal = Decimal(0)
    meets_own: bool = False

    @property
    def fills(self) -> bool:
        """Whether anything fills."""
        return bool(self.takes)


def plan(account: str, side: str, price: Decimal | None, quantity: Decimal, resting: Iterable[Order]) -> Plan:
    """What an order of `account` meets among `resting` (live limit orders in the order in which they were placed).

    `price` is None for a market order. Best price first, then oldest first (Overview page).
    """
    other = "sell" if side == "buy" else "buy"
    against = [
        order for order in resting if order.side == other and order.price is not None and order.remaining > 0
    ]
    crossed = [order for order in against if price is None or _crosses(side, price, order)]
    crossed.sort(key=lambda order: order.price or Decimal(0), reverse=side == "sell")
    found = Plan(rest=quantity, meets_own=any(order.account == account for order in crossed))
    if found.meets_own:
        return found
    for order in crossed:
        if found.rest <= 0:
            break
        part = min(order.remaining, found.rest)
        found.takes.append(Take(order.id, format(order.price or Decimal(0), "f"), format(part, "f")))
        found.makers.append(order)
        found.rest -= part
    return found


def _crosses(side: str, price: Decimal, order: Order) -> bool:
    assert order.price is not None
    return price >= order.price if side == "buy" else price <= order.price
