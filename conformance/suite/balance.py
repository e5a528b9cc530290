"""How much an account can place at most, found out by placing."""

from __future__ import annotations

from decimal import Decimal

from conformance.oracle.bodies import try_parse
from conformance.oracle.ledger import Order, State
from conformance.target.trouble import Undecidable
from conformance.target.venue import Venue

DISTANT_S = 0.008  # with answers slower than that every request counts
_NO_END = 10**24  # lots
_FINE = 1000  # on a distant target the largest quantity is found to one part in so many


def end(venue: Venue, order: Order, scheme: str | None = None) -> None:
    """Cancel an order of the owner. Raises Undecidable if it does not end."""
    venue.cancel(order, scheme=scheme)
    if order.state not in (State.CANCELED, State.FILLED):
        raise Undecidable("the order was not canceled, so its funds may be locked")


class _Scale:
    """Tells whether a number of lots can be placed in all.

    Far away, what fits stays in the book and the rest is placed beside it, so that fewer answers are waited for.
    """

    def __init__(self, venue: Venue, side: str, price: Decimal) -> None:
        self.venue, self.side, self.price = venue, side, price
        self.lot = venue.rules.lot
        self.least = int(venue.rules.quantity(price) / self.lot)
        self.distant = venue.client.pace > DISTANT_S
        self._kept: list[Order] = []

    def fits(self, lots: int) -> bool:
        """Whether there are funds for so many; raises Undecidable where a refusal does not tell."""
        more = lots - sum(int((order.quantity or 0) / self.lot) for order in self._kept)
        if more < self.least:
            self.clear()
            more = lots
        exchange = self.venue.new_order(self.side, self.price, more * self.lot, tif="post_only")
        body = try_parse(exchange.response) if exchange.response else None
        if not isinstance(body, dict):
            raise Undecidable("New Order gives no JSON answer")
        if order := self.venue.judge.ledger.get(str(body.get("id"))):
            if self.distant and order.state is State.LIVE:
                self._kept.append(order)
            else:
                end(self.venue, order)
            return True
        if body.get("error") != "INSUFFICIENT_BALANCE":
            raise Undecidable(f"a large order is refused with {body.get('error')}, so balances cannot be seen")
        return False

    def clear(self) -> None:
        """Cancel what stayed in the book."""
        if self.venue.sweep(lambda order: order in self._kept):
            raise Undecidable("an order was not canceled, so its funds may be locked")
        self._kept.clear()


def largest(venue: Venue, side: str, price: Decimal, guess: Decimal | None = None) -> tuple[Decimal, Decimal]:
    """The largest quantity that can be placed now, and the next one: to the lot, on a distant target to 0.1 %.

    The search begins around `guess`, which is cheap if that is nearly right. Raises Undecidable if there is no end.
    """
    scale = _Scale(venue, side, price)
    good, bad = _bracket(scale, int(guess / scale.lot) if guess is not None else None)
    while bad - good > (max(1, good // _FINE) if scale.distant else 1):
        middle = (good + bad) // 2
        if scale.fits(middle):
            good = middle
        else:
            bad = middle
    scale.clear()
    return good * scale.lot, bad * scale.lot


def _bracket(scale: _Scale, guess: int | None) -> tuple[int, int]:
    """Lots that fit and lots that do not."""
    good, bad = scale.least, 0
    if guess is not None:  # as far from it as a few trades and their fees may have moved it, and further by turns
        step = max(1, guess // _FINE) if scale.distant else 1
        good = max(scale.least, guess)
        while good > scale.least and not scale.fits(good):
            bad, good, step = good, max(scale.least, good - step), step * 64
    else:
        step = 15 * good
    while not bad:
        if good > _NO_END:
            raise Undecidable("no order is too large for the account, so balances cannot be seen")
        if scale.fits(good + step):
            good, step = good + step, step * 16
        else:
            bad = good + step
    return good, bad
