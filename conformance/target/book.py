"""Who may trade inside the band while cases overlap: whoever trades meets the best price first.

So on each side of the book one case at a time trades. One whose order only rests from now on lets the next one
trade, at better prices, in front of it: buys are stacked from the floor of the band upwards, sells from the ceiling
downwards, and what takes an order never meets one of another case. A case that wants to trade again with an order
that rests behind others waits until these are gone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from conformance.target.market import Band
from conformance.target.trouble import Undecidable

_LOOK_UP_S = 0.2
_WORTH_HALVES = 80  # price levels in a band that has room for cases beside and behind each other
_MARGIN = 10  # ticks between the prices of two cases
SIDES = frozenset({"buy", "sell"})

Span = tuple[Decimal, Decimal]  # the lowest and the highest price
Fit = Callable[[Decimal | None, Decimal | None], list[Decimal] | None]


@dataclass
class _Place:
    """Where a holder is: the sides on which its orders rest, at which prices, and whether it trades there now.

    `bounds` are the best buy and the best sell of others, as they were when it came.
    """

    sides: frozenset[str]
    bounds: tuple[Decimal | None, Decimal | None]
    spans: dict[str, Span] = field(default_factory=dict)
    trading: bool = True
    used: bool = False

    def is_in_the_way(self, other: dict[str, Span]) -> bool:
        """Whether orders at these prices would meet this holder's, or whoever takes them meets these first."""
        buys, sells = self.spans.get("buy"), self.spans.get("sell")
        return any(
            (buys is not None and buys[1] >= low) or (sells is not None and sells[0] <= high)
            for low, high in other.values()
        )


@dataclass(eq=False)
class _Claim:
    sides: frozenset[str]


class Book:
    """Held by a case from when it asks for prices until no order of it rests at them any more, side by side."""

    def __init__(self) -> None:
        self._places: dict[object, _Place] = {}
        self._waiting: list[_Claim] = []  # for room in front, first come, first served
        self._returning: list[_Claim] = []  # for those in front to be gone; they come before all others
        self._changed = threading.Condition()  # its lock is reentrant

    def acquire(self, holder: object, sides: frozenset[str], fit: Fit, check: Callable[[], None]) -> list[Decimal]:
        """Wait for the book's `sides` on which orders will rest; the prices for them.

        `fit` chooses them, above the best buy and below the best sell of the others (None: there is none), or says
        None if there is no room, which is waited for as well. Whoever has the sides gets the same prices again.
        `check` is called now and then and may raise. Raises Undecidable if the holder has orders on one side and
        asks for the other: two that did so would wait for each other.
        """
        with self._changed:
            place = self._place(holder, sides)
            if place is not None:
                self._return(holder, place, place.spans, check)
                return self._widened(place, fit(*place.bounds))
            claim = _Claim(sides)
            self._waiting.append(claim)
            try:
                while not self._is_due(claim) or fit(*self._bounds()) is None:
                    self._wait(check)
                place = self._places[holder] = _Place(sides, self._bounds())
            finally:
                self._waiting.remove(claim)
                self._changed.notify_all()
            return self._widened(place, fit(*place.bounds))

    def acquire_at(self, holder: object, sides: frozenset[str], price: Decimal, check: Callable[[], None]) -> None:
        """Wait until nobody else has orders on `sides` at `price` or better ones, or any that would meet them.

        As `acquire` otherwise.
        """
        with self._changed:
            place = self._place(holder, sides) or _Place(sides, self._bounds(), trading=False)
            self._return(holder, place, dict.fromkeys(sides, (price, price)), check)
            self._widened(place, [price])

    def resume(self, holder: object, price: Decimal | None, check: Callable[[], None]) -> None:
        """Wait until the holder can trade, at its prices if it has a place, else at `price`."""
        with self._changed:
            place = self._places.get(holder)
            if place is not None:
                self._return(holder, place, place.spans, check)
            elif price is not None:
                self.acquire_at(holder, SIDES, price, check)

    def park(self, holder: object, spans: dict[str, Span]) -> None:
        """The holder's orders only rest, at the prices of `spans` by side: let others trade in front of them."""
        with self._changed:
            place = self._places.get(holder)
            if place is None:
                return
            place.trading, place.used, place.spans, place.sides = False, True, dict(spans), frozenset(spans)
            if not spans:
                self._let_go(holder)
            self._changed.notify_all()

    def settle(self, holder: object, resting: bool) -> None:
        """Say whether orders of the holder rest inside the band; after the last has ended it is free again."""
        with self._changed:
            if (place := self._places.get(holder)) is None:
                return
            if resting:
                place.used = True
            elif place.used:
                self._let_go(holder)

    def release(self, holder: object) -> None:
        """Let others have what `holder` has."""
        with self._changed:
            self._let_go(holder)

    def has(self, holder: object) -> bool:
        """Whether `holder` has any of it."""
        return holder in self._places

    # ------------------------------------------------------------------ with the lock

    def _place(self, holder: object, sides: frozenset[str]) -> _Place | None:
        """The holder's place if it is on these sides; another one is given up."""
        place = self._places.get(holder)
        if place is None or sides <= place.sides:
            return place
        if place.used:
            raise Undecidable("its orders rest on one side of the book, and it needs the other as well")
        self._let_go(holder)
        return None

    def _let_go(self, holder: object) -> None:
        self._places.pop(holder, None)
        self._changed.notify_all()

    def _wait(self, check: Callable[[], None]) -> None:
        self._changed.wait(_LOOK_UP_S)
        check()

    def _bounds(self) -> tuple[Decimal | None, Decimal | None]:
        """The best buy and the best sell."""
        buys = [place.spans["buy"][1] for place in self._places.values() if "buy" in place.spans]
        sells = [place.spans["sell"][0] for place in self._places.values() if "sell" in place.spans]
        return max(buys, default=None), min(sells, default=None)

    def _is_free(self, sides: frozenset[str], holder: object = None) -> bool:
        """Whether nobody else trades there."""
        return not any(p.trading and sides & p.sides for other, p in self._places.items() if other is not holder)

    def _is_due(self, claim: _Claim) -> bool:
        """Whether it is its turn. Claims of both sides come after the others: for one, both sides must be free."""
        first = sorted(self._waiting, key=lambda other: len(other.sides))
        before = first[: first.index(claim)]
        return self._is_free(claim.sides) and not any(
            claim.sides & other.sides for other in (*before, *self._returning)
        )

    def _return(self, holder: object, place: _Place, spans: dict[str, Span], check: Callable[[], None]) -> None:
        """Wait until nobody else trades on the sides of `spans` or rests in front of them, and trade."""
        claim = _Claim(frozenset(spans))

        def is_due() -> bool:
            others = [other for name, other in self._places.items() if name is not holder]
            return self._is_free(claim.sides, holder) and not any(other.is_in_the_way(spans) for other in others)

        if not is_due():
            place.trading = False
            self._returning.append(claim)
            try:
                while not is_due():
                    self._wait(check)
            finally:
                self._returning.remove(claim)
                self._changed.notify_all()
        place.trading = True
        self._places[holder] = place

    @staticmethod
    def _widened(place: _Place, levels: list[Decimal] | None) -> list[Decimal]:
        """The prices, which are the place's from now on."""
        if not levels:
            raise Undecidable("other cases have left no room for its prices")
        for side in place.sides:
            low, high = place.spans.get(side, (levels[0], levels[0]))
            place.spans[side] = (min(low, *levels), max(high, *levels))
        return levels


@dataclass(frozen=True)
class HeldBand(Band):
    """The band of a case that trades beside others: its prices come with the book, or with one side of it."""

    book: Book = field(default_factory=Book)
    holder: object = None
    check: Callable[[], None] = lambda: None
    settle: Callable[[], None] = lambda: None  # says what has ended without the book's knowing

    @property
    def is_roomy(self) -> bool:
        """Whether several cases have room in it."""
        return self.ticks >= _WORTH_HALVES

    def levels(self, count: int, *, gap: int = 40, resting: str | None = None) -> list[Decimal]:
        """As `Band.levels`, once it is the case's turn, in front of those whose orders rest."""
        self.settle()
        if not self.is_roomy:
            return self.book.acquire(
                self.holder, SIDES, lambda above, below: super(HeldBand, self).levels(count, gap=gap), self.check
            )
        sides = SIDES if resting is None else frozenset({resting})
        return self.book.acquire(
            self.holder, sides, lambda *bounds: self._fit(count, gap, sides, *bounds), self.check
        )

    def _fit(
        self, count: int, gap: int, sides: frozenset[str], above: Decimal | None, below: Decimal | None
    ) -> list[Decimal] | None:
        """`count` prices above the best buy and below the best sell of others, towards the middle."""
        tick, low, high = self.rules.tick, self.edge, self.ticks - 1 - self.edge
        half = (high - low) // 2
        margin = min(_MARGIN, half // 8)
        step = max(1, min(gap, (half - 2 * margin) // max(1, count - 1)))
        width = step * (count - 1)
        low = (low if above is None else int((above - self.floor) / tick)) + margin
        high = (high if below is None else int((below - self.floor) / tick)) - margin
        if sides == {"buy"}:
            first = low
            high = high if below is not None else self.edge + half - margin
        elif sides == {"sell"}:
            first = high - width
            low = low if above is not None else self.edge + half + margin
        else:
            first = max(low, min(high - width, self.edge + half - width // 2))
        if first < low or first + width > high:
            return None
        return [self.floor + tick * (first + step * i) for i in range(count)]

    def alone_at(self, price: Decimal, *, resting: str | None = None) -> None:
        """Wait until no other case has orders at `price`, or better ones."""
        self.settle()
        sides = frozenset({resting}) if resting is not None and self.is_roomy else SIDES
        self.book.acquire_at(self.holder, sides, price, self.check)

    def trade(self, price: Decimal | None) -> None:
        """Wait until no other case's orders are in the way of an order at `price` (None: a market order)."""
        self.settle()
        self.book.resume(self.holder, price, self.check)

    def park(self, spans: dict[str, Span]) -> None:
        """Let others trade: the case's orders only rest, at these prices by side."""
        if self.is_roomy:
            self.book.park(self.holder, spans)
