"""What a credential may do is asked twice before it is believed that it may not."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from conformance.errors import TargetError
from conformance.target import abilities
from conformance.target.venue import Venue

VENUE = cast(
    Venue,
    SimpleNamespace(
        closed=None,
        account=lambda name: SimpleNamespace(schemes=["jwt", "api_key"]),
        apart=lambda: nullcontext(VENUE),
    ),
)


def _answers(monkeypatch: pytest.MonkeyPatch, placing: list[int | None], canceling: list[int | None]) -> None:
    def give(answers: list[int | None]) -> Any:
        return lambda venue, name, scheme, apart=None: answers.pop(0)

    monkeypatch.setattr(abilities, "_placing_is_refused", give(placing))
    monkeypatch.setattr(abilities, "_cancel_is_refused", give(canceling))


@pytest.mark.parametrize("second", [(None, None), (401, None)])
def test_refused_once(monkeypatch: pytest.MonkeyPatch, second: tuple[int | None, int | None]) -> None:
    """A target that refuses good credentials now and then is for the cases to find."""
    _answers(monkeypatch, [401, second[0]], [401, second[1]])
    abilities.check_trading(VENUE, "owner", "api_key")


def test_refused_but_on_a_connection_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """So is a target that refuses them by the connection."""
    _answers(monkeypatch, [401, 401], [401, 401, None])
    abilities.check_trading(VENUE, "owner", "api_key")


def test_refused_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    _answers(monkeypatch, [403, 403], [401, 401, 401])
    with pytest.raises(TargetError, match="may only read: placing gets 403, canceling gets 401"):
        abilities.check_trading(VENUE, "owner", "api_key")
