"""Clocks that are off, or that tick coarsely."""

from __future__ import annotations

from typing import Any

from ..clock import Clock
from ..faults.tools import wrap
from ..reference import Reference
from . import variation

_MINUTE = 60_000  # ms


@variation(clock_offset_ms=7 * _MINUTE)
def clock_ahead(ref: Reference) -> None:
    """The exchange's clock, and its Date, are seven minutes ahead."""


@variation(clock_offset_ms=-3 * _MINUTE - 400)
def clock_behind(ref: Reference) -> None:
    """The exchange's clock, and its Date, are three minutes and 0.4 s behind."""


@variation(clock_offset_ms=2_600)
def clock_a_little_ahead(ref: Reference) -> None:
    """The exchange's clock, and its Date, are 2.6 s ahead: half of the window for signatures."""


@variation(clock_offset_ms=4 * _MINUTE)
def clock_ahead_and_date_right(ref: Reference) -> None:
    """The exchange's clock is four minutes ahead; the Date comes from a gateway with the right time."""
    ref.app.clock = Clock(0)


@variation(clock_offset_ms=-4 * _MINUTE)
def clock_behind_and_no_date(ref: Reference) -> None:
    """The exchange's clock is four minutes behind, and no answer has a Date."""
    wrap(ref.app, "dated", lambda original, send: send)


@variation()
def no_date(ref: Reference) -> None:
    """No answer has a Date."""
    wrap(ref.app, "dated", lambda original, send: send)


@variation()
def clock_that_ticks_once_a_second(ref: Reference) -> None:
    """Times are read from a clock that is set once a second, and so are up to a second old."""

    def now_s(original: Any) -> int:
        return (ref.clock.now_ms() - 730) // 1000

    wrap(ref.clock, "now_s", now_s)
