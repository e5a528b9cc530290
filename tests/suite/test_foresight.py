"""What a case asks for first is known before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from conformance.suite.foresight import Foresight
from conformance.target.trouble import BookNeeded, NotExercised
from conformance.target.venue import Venue


def _needs(case: Callable[[Any], object]) -> BookNeeded | None:
    def levels(count: int, *, resting: str | None = None) -> None:
        raise BookNeeded(one_sided=resting is not None)

    venue: Any = object.__new__(Venue)
    venue.client, venue.recorder = SimpleNamespace(pace=0.2), SimpleNamespace()
    venue.band = SimpleNamespace(levels=levels, resting=lambda side: 1)
    venue.sent = []
    found = Foresight(venue).needs(case)
    assert venue.sent == []
    return found


@pytest.mark.parametrize(("resting", "one_sided"), [("buy", True), (None, False)])
def test_one_that_trades_first(resting: str | None, one_sided: bool) -> None:
    needed = _needs(lambda lane: lane.give("venue").band.levels(1, resting=resting))
    assert needed is not None
    assert needed.one_sided is one_sided


@pytest.mark.parametrize(
    "first",
    [
        lambda lane: lane.give("venue").client.send("a request"),
        lambda lane: lane.give("venue").recorder.note("something"),
        lambda lane: lane.give("aged"),  # which may have to be waited for
        lambda lane: lane.give("arena").race(),
    ],
)
def test_others_are_carried_out_to_know(first: Callable[[Any], object]) -> None:
    went_on: list[bool] = []

    def case(lane: Any) -> None:
        first(lane)
        went_on.append(True)

    assert _needs(case) is None
    assert not went_on


def test_one_that_is_not_exercised() -> None:
    def case(lane: Any) -> None:
        raise NotExercised("no second account")

    assert _needs(case) is None


def test_chance_is_not_spent() -> None:
    venue: Any = object.__new__(Venue)
    venue.client, venue.recorder, venue.random = SimpleNamespace(pace=0.2), SimpleNamespace(), SimpleNamespace()
    Foresight(venue).needs(lambda lane: (lane.give("venue").random.random(), lane.give("venue").step()))
    assert not hasattr(venue, "_steps")
    assert not hasattr(venue.random, "random")
