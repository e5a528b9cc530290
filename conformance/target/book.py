"""Who may trade inside the band: whoever trades meets the best price first, so one case at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from conformance.target.market import Band

_LOOK_UP_S = 0.2


class Book:
    """Held by one case at a time: from when it asks for prices until no order of it rests at them any more."""

    def __init__(self) -> None:
        self._holder: object = None
        self._used = False
        self._free = threading.Condition()

    def acquire(self, holder: object, check: Callable[[], None]) -> None:
        """Wait for the book; `check` is called now and then and may raise. Whoever has it gets it at once."""
        with self._free:
            while self._holder not in (None, holder):
                self._free.wait(_LOOK_UP_S)
                check()
            if self._holder is None:
                self._holder, self._used = holder, False

    def settle(self, holder: object, resting: bool) -> None:
        """Say whether orders of the holder rest inside the band; after the last has ended it is free again."""
        with self._free:
            if self._holder is holder:
                if self._used and not resting:
                    self._release()
                else:
                    self._used = resting

    def release(self, holder: object) -> None:
        """Let others have it, if `holder` has it."""
        with self._free:
            if self._holder is holder:
                self._release()

    def _release(self) -> None:
        self._holder = None
        self._free.notify_all()

    def has(self, holder: object) -> bool:
        """Whether `holder` has it."""
        return self._holder is holder


@dataclass(frozen=True)
class HeldBand(Band):
    """The band of a case that trades beside others: its prices come with the book."""

    acquire: Callable[[], None] = lambda: None

    def levels(self, count: int, *, gap: int = 40) -> list[Decimal]:
        """As `Band.levels`, once nobody else has the book."""
        self.acquire()
        return super().levels(count, gap=gap)
