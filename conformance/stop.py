"""Signals that ask a command to end: SIGTERM and SIGHUP do what Ctrl-C does, and the exit status says which it was.

Whoever sends SIGTERM (a CI system, a container's stop) sends SIGKILL some 10 s later: what is cleaned up then is
cleaned up in a hurry.
"""

from __future__ import annotations

import atexit
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

HURRY_S = 6.0  # how long after a signal a clean-up may send requests
HURRIED_S = 2.0  # how long one request of it may take

_received: list[tuple[int, float]] = []  # their numbers, and when they came (monotonic, s)
_shields = 0


def install() -> None:
    """Let SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt in the main thread, but for those that are ignored.

    (`nohup` has SIGHUP ignored, a shell SIGINT for what runs in its background.) SIGTERM and SIGHUP count once.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _take)
            # as the interpreter ends it puts the default back, which would take the place of the exit status
            atexit.register(signal.signal, number, signal.SIG_IGN)


def settle() -> None:
    """Let no signal but a second Ctrl-C interrupt this process any more: its exit status is decided."""
    global _shields
    _shields += 1


def _take(number: int, frame: FrameType | None) -> None:
    first = not _received
    _received.append((number, time.monotonic()))
    if (first and not _shields) or (number == signal.SIGINT and not first):
        raise KeyboardInterrupt


def requested() -> bool:
    """Whether a signal has asked this process to end."""
    return bool(_received)


def left_for(began: float) -> float | None:
    """How long (s) a request may still take that began at `began` (monotonic, s); None without a signal since."""
    if not _received or began >= (since := _received[0][1]):
        return None
    return since + HURRIED_S - time.monotonic()


def hurry_until() -> float:
    """Until when (monotonic, s) a clean-up may send requests after a signal, which has come."""
    return _received[0][1] + HURRY_S


def exit_status() -> int:
    """The exit status of a command that was ended by a signal: 128 and the number of the first one."""
    return 128 + (_received[0][0] if _received else signal.SIGINT)


@contextmanager
def shielded() -> Iterator[None]:
    """Let the first signal not interrupt what is done inside: cleaning up. A second Ctrl-C does."""
    global _shields
    _shields += 1
    try:
        yield
    finally:
        _shields -= 1
