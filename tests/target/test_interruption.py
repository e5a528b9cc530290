"""A signal finds no lock half taken: the clean-up after it sends through the same connections."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from httpcore import _synchronization
from recording_server import recording

from conformance import stop
from conformance.target.client import Call, Client, at_once
from conformance.target.transport import Transport


@pytest.fixture(autouse=True)
def heeded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """SIGTERM as a command takes it, and none that has come before."""
    monkeypatch.setattr(stop, "_received", [])
    monkeypatch.setattr(stop, "_pending", False)
    monkeypatch.setattr(stop, "_shields", 0)
    before = signal.signal(signal.SIGTERM, stop._take)
    alarm = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(40)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, alarm)
    signal.signal(signal.SIGTERM, before)


def _too_long(number: int, frame: object) -> None:
    raise TimeoutError("a lock is never given back")


def _sender(origin: str, wire: Transport) -> tuple[Callable[[], object], list[object]]:
    """What sends a request as a run does, and the list of what it has recorded."""
    recorded: list[object] = []

    def transfer(call: Call, http: Transport | None) -> str:
        response = wire.handle_request(httpx.Request("GET", origin, extensions={"timeout": {"read": 20.0}}))
        text = response.read().decode()
        response.close()
        return text

    client = cast(Client, SimpleNamespace(transfer=transfer, record=recorded.append))
    return lambda: Client.send(client, Call("query_order", "GET", "/")), recorded


@pytest.mark.parametrize("moment", range(6))
def test_while_a_lock_is_being_taken(monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    """Each time at another one of httpcore's; the answer is recorded, and the connections can be used on."""
    left = iter([*[False] * moment, True])
    take = _synchronization.ThreadLock.__enter__

    def interrupted(lock: Any) -> Any:
        taken = take(lock)
        if next(left, False):
            signal.raise_signal(signal.SIGTERM)
        return taken

    monkeypatch.setattr(_synchronization.ThreadLock, "__enter__", interrupted)
    with recording(b"ok") as server:
        wire = Transport(ssl.create_default_context(), connections=2, kept=2)
        send, recorded = _sender(server.base_url, wire)
        with pytest.raises(KeyboardInterrupt):
            deque(iter(send, "never"), maxlen=0)  # again and again
        assert next(left, None) is None
        if moment == 0:
            assert recorded == []  # interrupted where it waited for the connection
        recorded.clear()
        other = threading.Thread(target=send, daemon=True)
        other.start()
        other.join(10)
        assert recorded == ["ok"]
        wire.close()


def test_while_an_answer_is_waited_for() -> None:
    """That may take long, so it is interrupted at once."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        wire = Transport(ssl.create_default_context(), connections=1, kept=1)
        send, recorded = _sender(f"http://127.0.0.1:{silent.getsockname()[1]}", wire)

        def interrupt() -> None:
            connection = silent.accept()[0]
            connection.recv(1000)
            os.kill(os.getpid(), signal.SIGTERM)
            ended.wait(15)
            connection.close()

        ended = threading.Event()
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            send()
        ended.set()
        thread.join()
        wire.close()
    assert recorded == []


def test_while_others_work() -> None:
    """What is under way ends first, and the exception comes then."""
    done: list[str] = []

    def work() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        seen = threading.Event()
        while not stop.requested():
            seen.wait(0.01)
        done.append("ended")

    with ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt):
        at_once(pool, [work])
    assert done == ["ended"]


def test_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not end is not waited for."""
    monkeypatch.setattr(stop, "HURRIED_S", 0.05)
    let_go = threading.Event()

    def hang() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        let_go.wait(30)

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(KeyboardInterrupt):
            at_once(pool, [hang])
        assert not let_go.is_set()
        let_go.set()


def test_a_second_ctrl_c_does_not_wait() -> None:
    before = signal.signal(signal.SIGINT, stop._take)
    try:
        with pytest.raises(KeyboardInterrupt), stop.postponed():
            _twice()
    finally:
        signal.signal(signal.SIGINT, before)


def _twice() -> None:
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
