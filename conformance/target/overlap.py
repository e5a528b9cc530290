"""Tasks that take turns in one thread: while one waits for an answer, the next one sends its request.

Close by, an exchange is half our own work and half the server's. Threads win nothing there: they would have to hand
the interpreter over at each answer. Greenlets are switched at one place only, where a request has gone out and its
answer is about to be read, and the task that has waited longest goes on: the order of everything is the same each
time, however quickly answers come.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from greenlet import getcurrent, greenlet

from conformance import stop

T = TypeVar("T")
AT_ONCE = 4  # the server has something to do while we judge; more of them gain nothing
_here = threading.local()


def give_way() -> float:
    """Let the other tasks of this thread go on, if there are any; how long (s) that took."""
    hub: greenlet | None = getattr(_here, "hub", None)
    if hub is None or getcurrent() is hub:
        return 0.0
    began = time.monotonic()
    hub.switch()
    return time.monotonic() - began


def in_turns(tasks: Sequence[Callable[[], T]], at_once: int = AT_ONCE) -> list[T]:
    """What the tasks return, of which `at_once` are under way at a time.

    They must not wait for each other. If one raises, no other one begins, those under way go on to their end, and
    the exception is raised; so it is after a signal, since what is under way is to be known before the clean-up.
    """
    if len(tasks) < 2 or getattr(_here, "hub", None) is not None:
        return [task() for task in tasks]
    found: dict[int, T] = {}
    failures: dict[int, Exception] = {}

    def carry_out(index: int) -> None:
        try:
            found[index] = tasks[index]()
        except Exception as failure:
            failures[index] = failure

    under_way: deque[greenlet] = deque()
    begun = 0

    def go_on(task: greenlet) -> None:
        under_way.append(task)
        task.switch()
        if task.dead:
            under_way.remove(task)

    _here.hub = getcurrent()
    try:
        while under_way or (begun < len(tasks) and not failures):
            if len(under_way) < at_once and begun < len(tasks) and not failures:
                begun += 1
                go_on(greenlet(partial(carry_out, begun - 1)))
            else:
                go_on(under_way.popleft())
    finally:
        with stop.shielded():
            while under_way:  # after a signal
                go_on(under_way.popleft())
        _here.hub = None
    if failures:
        raise failures[min(failures)]
    return [found[index] for index in range(len(tasks))]
