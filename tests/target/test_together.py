"""Requests of a case that do not depend on each other go out together where answers take long."""

from __future__ import annotations

import threading
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest

from conformance.target.client import Client


def _client(pace: float) -> Client:
    return cast(Client, SimpleNamespace(pace=pace))


def test_far_away_at_the_same_time() -> None:
    meeting = threading.Barrier(4)  # each waits for the three others
    assert sorted(Client.together(_client(0.05), [partial(meeting.wait, 10)] * 4)) == [0, 1, 2, 3]


def test_close_by_one_after_the_other() -> None:
    done: list[int] = []
    Client.together(_client(0.002), [partial(done.append, number) for number in range(5)])
    assert done == [0, 1, 2, 3, 4]


def test_all_have_ended_before_an_exception_is_raised() -> None:
    ended: list[str] = []
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise LookupError("the first")

    def go_on() -> None:
        assert failed.wait(10)
        ended.append("the second")

    tasks: list[Any] = [fail, go_on]
    with pytest.raises(LookupError):
        Client.together(_client(0.05), tasks)
    assert ended == ["the second"]
