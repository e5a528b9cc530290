"""On a very distant target one of two cases that differ in the credential, or the side, alone has to do."""

from __future__ import annotations

import inspect
from collections import Counter, defaultdict
from types import SimpleNamespace
from typing import Any, cast

import pytest

from conformance.runner import CASES
from conformance.suite import plugin
from conformance.suite.session import Session
from conformance.suite.test_book import POSITIONS
from conformance.suite.twins import twins
from conformance.target.venue import Venue


class _Items:
    """Takes the items of a collection."""

    def __init__(self) -> None:
        self.items: list[pytest.Function] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = [item for item in session.items if isinstance(item, pytest.Function)]


@pytest.fixture(scope="module")
def items() -> list[pytest.Function]:
    taken = _Items()
    arguments = [str(CASES), f"--rootdir={CASES}", "-c", str(CASES / "pytest.ini"), "--collect-only"]
    for unwanted in ("terminal", "cacheprovider", "schemathesis", "xdist"):
        arguments += ["-p", f"no:{unwanted}"]
    assert pytest.main(arguments, plugins=[taken]) == 0
    return taken.items


def _groups(items: list[pytest.Function]) -> dict[tuple[str, ...], dict[str, str]]:
    groups: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for item in items:
        given = dict(item.callspec.params) if hasattr(item, "callspec") else {}
        mark = item.get_closest_marker("by_turns")
        if (value := given.pop(mark.args[0] if mark else "scheme", None)) is not None:
            groups[item.originalname, *map(repr, given.items())][str(value)] = item.nodeid
    return groups


def test_one_of_each_is_left(items: list[pytest.Function]) -> None:
    left_out, groups = twins(items), _groups(items)
    assert len(groups) > 50
    for nodes in groups.values():
        assert len(set(nodes.values()) - left_out) == 1
    assert left_out <= {node for nodes in groups.values() for node in nodes.values()}


def test_each_credential_comes_with_each_side(items: list[pytest.Function]) -> None:
    """In the test with the most parameters, no parameter goes with one credential only."""
    left_out, seen = twins(items), Counter[tuple[str, str]]()
    for (name, *given), nodes in _groups(items).items():
        (scheme,) = [scheme for scheme, node in nodes.items() if node not in left_out]
        if name == "test_filled_in_parts":
            seen.update((one, scheme) for one in given if "side" in one)
    assert len(seen) == 4
    assert min(seen.values()) >= 2


def test_each_position_is_tried_on_one_side(items: list[pytest.Function]) -> None:
    """And each side comes with one position at least."""
    left_out = twins(items)
    kept = [item for item in items if item.originalname == "test_own_neighbours_trade_on"]
    kept = [item for item in kept if item.nodeid not in left_out]
    assert sorted(item.callspec.params["position"] for item in kept) == sorted(POSITIONS)
    assert {item.callspec.params["side"] for item in kept} == {"buy", "sell"}


def test_which_go_alone_by_turns(items: list[pytest.Function]) -> None:
    """Those that take whole balances choose their credential themselves."""
    assert not any(map(plugin.is_left_out, items))  # where nothing overlaps, nothing was noted
    items[0].config.stash[plugin.TWINS] = twins(items)
    names = [item.originalname for item in items if plugin.is_left_out(item)]
    assert sorted(names) == [
        *("test_cancels_that_find_nothing_spare_the_rest", "test_empty_id"),
        *["test_foreign_that_never_rested"] * 3,
        *("test_market_order", "test_market_remainder"),
        *("test_next_order_finds_room", *["test_own_neighbours_trade_on"] * 2, "test_the_other_side_trades_on"),
    ]


@pytest.mark.parametrize(
    ("pace", "profile", "schemes", "far"),
    [
        (0.2, "standard", ["jwt", "api_key"], True),
        (0.2, "thorough", ["jwt", "api_key"], False),
        (0.2, "standard", ["jwt"], False),  # there is no turn to wait for
        (0.05, "standard", ["jwt", "api_key"], False),
    ],
)
def test_what_is_very_far(pace: float, profile: str, schemes: list[str], far: bool) -> None:
    header = SimpleNamespace(profile=profile)
    venue: Any = SimpleNamespace(client=SimpleNamespace(pace=pace), judge=SimpleNamespace(header=header))
    venue.is_very_far = _value(Venue, "is_very_far", venue)
    session = SimpleNamespace(venue=venue, settings=SimpleNamespace(owner=SimpleNamespace(schemes=schemes)))
    assert _value(Session, "takes_turns", session) is far


def _value(kind: type, name: str, instance: object) -> object:
    """What a property comes to for something that stands in for an instance."""
    return cast(Any, inspect.getattr_static(kind, name)).fget(instance)
