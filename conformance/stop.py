"""Signals that ask a command to end: SIGTERM and SIGHUP do what Ctrl-C does, and the exit status says which it was.

Whoever sends SIGTERM (a CI system, a container's stop) sends SIGKILL some 10 s later: what is cleaned up then is
cleaned up in a hurry.
"""

from __future__ import annotations

import atexit
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

HURRY_S = 6.0  # how long after a signal a clean-up may send requests
HURRIED_S = 2.0  # how long one request of it may take

_received: list[tuple[int, float]] = []  # their numbers, and when they came (monotonic, s)
_shields = 0
_postponements = 0  # of the main thread, which alone is interrupted
_exposed = _pending = False


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
    global _pending
    first = not _received
    _received.append((number, time.monotonic()))
    if not first and number == signal.SIGINT:
        raise KeyboardInterrupt
    if first and not _shields:
        _pending = True
        _interrupt()


def _interrupt() -> None:
    """Raise what is pending, if this is the place for it."""
    global _pending
    if _pending and not _shields and (_exposed or not _postponements):
        _pending = False
        raise KeyboardInterrupt


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def requested() -> bool:
    """Whether a signal has asked this process to end."""
    return bool(_received)


def is_overdue() -> bool:
    """Whether what was under way when a signal came has had its time."""
    return bool(_received) and time.monotonic() > _received[0][1] + HURRIED_S


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


@contextmanager
def postponed() -> Iterator[None]:
    """Let the main thread be interrupted only at the end of what is done inside, or where that is `exposed`.

    Python's own locks with conditions, and httpcore's, stay locked for ever if a signal interrupts them in the
    moment in which they are taken; the clean-up would wait for them.
    """
    global _postponements
    if not _in_main_thread():
        yield
        return
    _postponements += 1
    try:
        yield
    finally:
        _postponements -= 1
        _interrupt()


@contextmanager
def exposed() -> Iterator[None]:
    """Let a signal interrupt what is done inside all the same: waiting for the target."""
    global _exposed
    if not _postponements or not _in_main_thread():
        yield
        return
    _exposed = True
    try:
        _interrupt()
        yield
    finally:
        _exposed = False
