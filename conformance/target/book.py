"""Who may trade inside the band: whoever trades meets the best price first, so one case at a time, or two.

The band has two halves. A case that lets only buys rest, in the lower one, and one that lets only sells rest, in
the upper one, never meet each other: what a seller takes is the best buy, and what a buyer takes the best sell.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from conformance.target.market import Band
from conformance.target.trouble import Undecidable

_LOOK_UP_S = 0.2
_WORTH_HALVES = 80  # price levels in a band that can be halved and still keeps the edges of each half free
SIDES = frozenset({"buy", "sell"})


class Book:
    """Held by a case from when it asks for prices until no order of it rests at them any more, side by side."""

    def __init__(self) -> None:
        self._holders: dict[str, object] = {}
        self._used: set[object] = set()
        self._waiting: list[tuple[object, frozenset[str]]] = []
        self._changed = threading.Condition()

    def acquire(self, holder: object, sides: frozenset[str], check: Callable[[], None]) -> None:
        """Wait, first come, first served, for the book's `sides` on which orders will rest.

        Whoever has them gets them at once. `check` is called now and then and may raise. Raises Undecidable if the
        holder has orders on one side and asks for the other: two that did so would wait for each other.
        """
        with self._changed:
            mine = {side for side, other in self._holders.items() if other is holder}
            if sides <= mine:
                return
            if holder in self._used:
                raise Undecidable("its orders rest on one side of the book, and it needs the other as well")
            self._let_go(holder)
            claim = (holder, sides)
            self._waiting.append(claim)
            try:
                while not self._is_due(claim):
                    self._changed.wait(_LOOK_UP_S)
                    check()
                self._holders.update(dict.fromkeys(sides, holder))
            finally:
                self._waiting.remove(claim)
                self._changed.notify_all()

    def _is_due(self, claim: tuple[object, frozenset[str]]) -> bool:
        _, sides = claim
        before = self._waiting[: self._waiting.index(claim)]
        return not sides & self._holders.keys() and not any(sides & others for _, others in before)

    def settle(self, holder: object, resting: bool) -> None:
        """Say whether orders of the holder rest inside the band; after the last has ended it is free again."""
        with self._changed:
            if not self.has(holder):
                return
            if resting:
                self._used.add(holder)
            elif holder in self._used:
                self._let_go(holder)

    def release(self, holder: object) -> None:
        """Let others have what `holder` has."""
        with self._changed:
            self._let_go(holder)

    def _let_go(self, holder: object) -> None:
        self._holders = {side: other for side, other in self._holders.items() if other is not holder}
        self._used.discard(holder)
        self._changed.notify_all()

    def has(self, holder: object) -> bool:
        """Whether `holder` has any of it."""
        return holder in self._holders.values()


@dataclass(frozen=True)
class HeldBand(Band):
    """The band of a case that trades beside others: its prices come with the book, or with one side of it."""

    acquire: Callable[[frozenset[str]], None] = lambda sides: None

    def levels(self, count: int, *, gap: int = 40, resting: str | None = None) -> list[Decimal]:
        """As `Band.levels`, once nobody else has the book, or that side of it; then in the half of the band."""
        if resting is None or self.ticks < _WORTH_HALVES:
            self.acquire(SIDES)
            return super().levels(count, gap=gap)
        self.acquire(frozenset({resting}))
        half = self.rules.tick * (self.ticks // 2)
        part = replace(self, ceil=self.floor + half) if resting == "buy" else replace(self, floor=self.ceil - half)
        return super(HeldBand, part).levels(count, gap=gap)
