"""How much an account can place at most, found out by placing."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import partial

from conformance.oracle.bodies import try_parse
from conformance.oracle.ledger import Order, State
from conformance.target.client import RATHER_FAR_S
from conformance.target.trouble import NotExercised, Undecidable
from conformance.target.venue import Venue

_NO_END = 10**24  # lots
_FINE = 1000  # on a distant target the largest quantity is found to one part in so many
_AT_ONCE = 8  # orders of different sizes, of which it is seen together which fit


def end(venue: Venue, order: Order, scheme: str | None = None) -> None:
    """Cancel an order of the owner. Raises Undecidable if it does not end."""
    venue.cancel(order, scheme=scheme)
    if order.state not in (State.CANCELED, State.FILLED):
        raise Undecidable("the order was not canceled, so its funds may be locked")


def cancel_all(venue: Venue) -> None:
    """Ask for a cancel-all where the owner has no order left, so that it ends none."""
    if venue.open_orders("owner") == []:
        venue.send(venue.cancel_all_call())


class _Scale:
    """Tells whether a number of lots can be placed in all.

    Far away, what fits stays in the book and the rest is placed beside it, so that fewer answers are waited for.
    """

    def __init__(self, venue: Venue, side: str, price: Decimal) -> None:
        self.venue, self.side, self.price = venue, side, price
        self.lot = venue.rules.lot
        self.least = int(venue.rules.quantity(price) / self.lot)
        self.distant = venue.client.pace > RATHER_FAR_S
        self._kept: list[Order] = []

    def fits(self, lots: int) -> bool:
        """Whether there are funds for so many; raises Undecidable where a refusal does not tell."""
        more = lots - self.kept
        if more < self.least:
            self.clear()
            more = lots
        return not self._is_refused(self._error(more))

    @property
    def kept(self) -> int:
        """How many lots stayed in the book."""
        return sum(int((order.quantity or 0) / self.lot) for order in self._kept)

    def fill(self, sizes: Sequence[int]) -> int | None:
        """Place so many lots each, at the same time; how many in all do not fit, if any of them was refused.

        In whatever order they arrive: who is refused found no room beside those that stayed in the book.
        """
        errors = self.venue.client.together([partial(self._error, size) for size in sizes])
        refused = sorted((size, error) for size, error in zip(sizes, errors, strict=True) if error is not None)
        # larger ones may be refused for other reasons
        return self.kept + refused[0][0] if refused and self._is_refused(refused[0][1]) else None

    def _error(self, more: int) -> str | None:
        """Why New Order refuses so many lots, None if it does not."""
        exchange = self.venue.new_order(self.side, self.price, more * self.lot, tif="post_only")
        body = try_parse(exchange.response) if exchange.response else None
        if not isinstance(body, dict):
            raise Undecidable("New Order gives no JSON answer")
        if order := self.venue.judge.ledger.get(str(body.get("id"))):
            if self.distant and order.state is State.LIVE:
                self._kept.append(order)
            else:
                end(self.venue, order)
            return None
        return str(body.get("error"))

    def _is_refused(self, error: str | None) -> bool:
        if error in (None, "INSUFFICIENT_BALANCE"):
            return error is not None
        why = f"a large order is refused with {error}, so balances cannot be seen"
        if self._error(self.least) is None:  # the size is what is refused
            raise NotExercised(why)
        raise Undecidable(why)

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
    begin = int(guess / scale.lot) if guess is not None else None
    good, bad = _fill(scale) if scale.distant and begin is None else _bracket(scale, begin)
    while bad - good > (max(1, good // _FINE) if scale.distant else 1):
        middle = (good + bad) // 2
        if scale.fits(middle):
            good = middle
        else:
            bad = middle
    scale.clear()
    return good * scale.lot, bad * scale.lot


def _fill(scale: _Scale) -> tuple[int, int]:
    """The same, where answers take long: by orders of several sizes at once, until they are too small."""
    bad, size = None, scale.least
    while bad is None:
        if size > _NO_END:
            raise Undecidable("no order is too large for the account, so balances cannot be seen")
        bad = scale.fill([size * 16**power for power in range(_AT_ONCE)])
        size *= 16**_AT_ONCE
    while bad - scale.kept > max(2 * scale.least, scale.kept // _FINE):
        gap = bad - scale.kept
        halves = [gap >> power for power in range(1, _AT_ONCE + 1)]
        bad = min(bad, scale.fill([half for half in halves if half >= scale.least]) or bad)
    return scale.kept, bad


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
