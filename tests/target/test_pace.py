"""How far a target is: by what is usual, and by the average where some kinds of requests take long."""

from __future__ import annotations

import random
from collections import deque
from types import SimpleNamespace
from typing import Any, cast

import pytest

from conformance.record import Exchange, Response
from conformance.target.client import FAR_S, Client
from conformance.target.venue import Venue


@pytest.mark.parametrize(
    ("took", "far"),
    [
        pytest.param([], False, id="nothing sent"),
        pytest.param([0.002] * 60, False, id="close by"),
        pytest.param([0.002] * 30 + [3.0] + [0.002] * 30, False, id="one hang"),
        pytest.param([0.05] * 60, True, id="far away"),
        pytest.param([0.002] * 50 + [0.3] * 9 + [0.002] * 20, True, id="cancels are slow, the newest are others"),
        pytest.param(([0.001] * 9 + [0.5]) * 6, True, id="one in ten is held up"),
    ],
)
def test_pace(took: list[float], far: bool) -> None:
    pace: Any = Client.pace.fget  # type: ignore[attr-defined]
    seconds = pace(cast(Client, SimpleNamespace(_took=deque(took))))
    assert (seconds >= FAR_S) == far


@pytest.mark.parametrize("headers", [[("Retry-After", "2")], []])
def test_what_the_target_makes_us_wait(monkeypatch: pytest.MonkeyPatch, headers: list[tuple[str, str]]) -> None:
    """A wait after a 503 counts as the time of an answer, so that other cases go on meanwhile."""
    seen: list[float] = []
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    venue = SimpleNamespace(random=random.Random(0), client=SimpleNamespace(waited=seen.append))
    answer = SimpleNamespace(response=Response(503, headers))
    Venue.pause(cast(Venue, venue), 0, cast(Exchange, answer))
    assert seen == slept == ([2.05] if headers else [pytest.approx(0.2, rel=0.2)])
