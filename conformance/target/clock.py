"""The target's clock, measured: how far it is from ours, and how sure that is."""

from __future__ import annotations

import threading
import time
from email.utils import parsedate_to_datetime

_AGREE_S = 5.0  # s that samples must agree before they outweigh an offset that was accepted
_AHEAD_MS = 500  # timestamps may run ahead of the clock by so much


class Clock:
    """An interval for the target's clock minus ours, in s, from every whole second that the target shows.

    A shown second D, sent at t0 and received at t1 on our clock, says that D ≤ target's time < D + 2 at some moment
    in between (+1 because D is a whole second, +1 because servers may read the clock for it once a second). Each
    one narrows the interval. A sample that contradicts it means that a clock was set: the interval starts anew.
    """

    def __init__(self) -> None:
        self._low, self._high = -1e12, 1e12
        self._lock = threading.Lock()
        self._forced: float | None = None
        self._accepted: float | None = None
        self._since = self._seen = 0.0  # when the interval began, and was last narrowed, on our Unix clock
        self.samples = 0
        self._stamp = 0  # ms

    def observe(self, second: int | float, sent_at: float, received_at: float) -> None:
        """Take in a whole second shown by the target, with our Unix times around it (s)."""
        low, high = second - received_at, second + 2 - sent_at
        with self._lock:
            if low > self._high or high < self._low:
                self._low, self._high, self._since = low, high, received_at
            else:
                self._low, self._high = max(self._low, low), min(self._high, high)
            self._seen = received_at
            self.samples += 1

    def accept(self) -> None:
        """A signature made with this offset was accepted: it is kept until what is measured agrees on another.

        A `Date` may come from somebody on the way, whose clock is not the one that signatures are held against.
        """
        self._accepted = self.offset

    def observe_date(self, header: str | None, sent_at: float, received_at: float) -> None:
        """Take in a `Date` header, if it is one."""
        if header:
            try:
                self.observe(parsedate_to_datetime(header).timestamp(), sent_at, received_at)
            except (ValueError, TypeError, OverflowError):
                return

    def settle(self, offset: float | None) -> None:
        """Use this offset (s) from now on: signatures made with it were accepted, and others not. None: measure."""
        self._forced = offset

    @property
    def interval(self) -> tuple[float, float]:
        """Lowest and highest offset of the target's clock (s); (0, 0) if nothing was measured."""
        return (self._low, self._high) if self.samples else (0.0, 0.0)

    @property
    def offset(self) -> float:
        """The offset to use (s): what was settled on or accepted, else the middle of the interval or 0."""
        if self._forced is not None:
            return self._forced
        low, high = self.interval
        accepted = self._accepted
        if accepted is not None and (low <= accepted <= high or self._seen - self._since < _AGREE_S):
            return accepted
        # equal clocks are the common case: no need to shift by the uncertainty of a whole second
        return 0.0 if low <= 0.0 <= high else (low + high) / 2

    def now_ms(self) -> int:
        """The target's time in Unix ms, as far as known."""
        return int((time.time() + self.offset) * 1000)

    def stamp_ms(self) -> int:
        """The same, later each time: a target that takes a signature once shall not see one twice by chance."""
        with self._lock:
            now = self.now_ms()
            self._stamp = self._stamp + 1 if now <= self._stamp < now + _AHEAD_MS else now
            return self._stamp
