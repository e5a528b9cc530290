"""Tasks that take turns: the same order each time, all answers theirs, nothing left under way."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import httpcore
import pytest

from conformance.target.bounds import DeadlineBackend, TooSlow, away, end_deadline, start_deadline
from conformance.target.overlap import give_way, in_turns


def _task(log: list[str], name: str, steps: int = 1) -> str:
    for step in range(steps):
        log.append(f"{name}{step}")
        give_way()
    return name


def test_the_one_that_has_waited_longest_goes_on() -> None:
    log: list[str] = []
    tasks = [partial(_task, log, name, steps) for name, steps in (("a", 2), ("b", 1), ("c", 2), ("d", 1))]
    assert in_turns(tasks, 3) == ["a", "b", "c", "d"]
    assert log == ["a0", "b0", "c0", "a1", "d0", "c1"]


def test_alone_and_inside_others_nothing_gives_way() -> None:
    log: list[str] = []
    assert give_way() == 0.0
    assert in_turns([partial(_task, log, "a")]) == ["a"]
    inner = partial(in_turns, [partial(_task, log, "x"), partial(_task, log, "y")])
    assert in_turns([inner, inner], 1) == [["x", "y"], ["x", "y"]]
    assert in_turns([], 3) == []


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_what_is_under_way_ends_and_no_other_begins(failure: type[BaseException]) -> None:
    log: list[str] = []

    def fail() -> str:
        give_way()
        raise failure

    tasks: list[Callable[[], str]] = [
        partial(_task, log, "a", 3),
        fail,
        *(partial(_task, log, "b") for _ in range(9)),
    ]
    with pytest.raises(failure):
        in_turns(tasks, 3)
    assert log == ["a0", "b0", "a1", "a2"]
    assert in_turns([partial(_task, log, "c")] * 2) == ["c", "c"]


@pytest.fixture
def slow_echo() -> Iterator[int]:
    """A port where each connection answers what it is sent, after 0.1 s."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer(connection: socket.socket) -> None:
            with connection:
                while data := connection.recv(100):
                    time.sleep(0.1)
                    connection.sendall(data)

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_answers_are_waited_for_together_and_a_deadline_is_ones_own(slow_echo: int) -> None:
    backend = DeadlineBackend(httpcore.SyncBackend())
    begun: list[int] = []

    def ask(number: int, seconds: float) -> bytes:
        start_deadline(seconds)
        begun.append(number)
        try:
            with closing(backend.connect_tcp("127.0.0.1", slow_echo)) as stream:
                stream.write(b"%d" % number)
                if number == 0:
                    time.sleep(0.3)  # the others' time is not counted
                return stream.read(10) + (b" waited" if away() else b"")
        finally:
            end_deadline()

    start = time.monotonic()
    found = in_turns([partial(ask, number, 0.35 if number else 9) for number in range(4)], 4)
    assert found == [b"%d waited" % number for number in range(4)]
    assert begun == [0, 1, 2, 3]
    assert time.monotonic() - start < 0.3 + 0.4
    with pytest.raises(TooSlow):
        in_turns([partial(ask, 1, 0.0), partial(ask, 2, 0.0)])
