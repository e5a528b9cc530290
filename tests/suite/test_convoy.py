"""Orders that set out one close behind the other, and what becomes of it when one overtakes another."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.delay import delayed
from benchmarks.targets import settings_of
from conformance.load.plan import Job, Plan
from conformance.load.session import LoadSession
from conformance.oracle.ledger import Order, State
from conformance.record import Exchange, Note, Row, read_rows
from conformance.reference.server import Running, start
from conformance.target.states import SEVERAL_FILLS, States
from conformance.target.trouble import Trouble

_ROUND_TRIP_S = 0.04
Longer = Callable[[], float]


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with start() as reference:
        yield reference


@contextmanager
def _session(directory: Path, running: Running, more: Longer = lambda: 0.0) -> Iterator[LoadSession]:
    with ExitStack() as stack:
        url = stack.enter_context(delayed(running.base_url, _ROUND_TRIP_S, more))
        settings = replace(settings_of(running), base_url=url)
        opened = LoadSession(Job(settings, Plan(max_orders=10**4), str(directory), "convoys"))
        stack.callback(opened.close)
        opened.contact(None)
        yield opened


def _placings(directory: Path, orders: int) -> list[Exchange]:
    """The last so many orders that were placed."""
    rows = read_rows(directory / "record.ndjson")
    return [row for row in rows if isinstance(row, Exchange) and row.op == "new_order"][-orders:]


def _violations(opened: LoadSession) -> list[str]:
    return [name for name, tally in opened.main.judge.tallies.items() if tally.groups]


def _notes(directory: Path) -> list[Row]:
    rows = read_rows(directory / "record.ndjson")
    return [row for row in rows if isinstance(row, Note) and row.what == "scattered"]


def test_none_waits_for_the_answer_to_the_one_ahead(tmp_path: Path, running: Running) -> None:
    with _session(tmp_path, running) as opened:
        order = States(opened.main).partially_filled("buy", SEVERAL_FILLS)
        assert order.exact
        assert len(order.fills) == SEVERAL_FILLS.count
        opened.main.look(order)
        opened.main.cancel(order)
        assert order.state is State.CANCELED
        assert _violations(opened) == []
    sent = _placings(tmp_path, SEVERAL_FILLS.count + 1)
    assert all(later.start < ahead.end for ahead, later in itertools.pairwise(sent))
    assert [row.n for row in sent] == sorted(row.n for row in sent)
    assert _notes(tmp_path) == []


def test_scattered_convoys_are_no_finding_and_soon_there_are_none(tmp_path: Path, running: Running) -> None:
    late: Iterator[float] = iter(())
    with _session(tmp_path, running, lambda: next(late, 0.0)) as opened:
        states = States(opened.main)
        for expected in (1, 2):
            late = iter([3 * _ROUND_TRIP_S])  # the first order arrives after the one that is to take from it
            with pytest.raises(Trouble, match="one close behind the other"):
                states.partially_filled("sell")
            assert len(_notes(tmp_path)) == expected
            opened.main.sweep()
        late = iter([3 * _ROUND_TRIP_S])
        order: Order = states.partially_filled("sell")  # one waits for the other
        opened.main.look(order)
        opened.main.cancel(order)
        assert _violations(opened) == []
    placed, taken = _placings(tmp_path, 2)
    assert placed.end <= taken.start
    assert placed.end - placed.start > 3 * _ROUND_TRIP_S


def test_a_post_only_order_is_answered_before_it_is_met(tmp_path: Path, running: Running) -> None:
    """A fill in its answer would be a finding, and some answers tell what came after the placing."""
    with _session(tmp_path, running) as opened:
        States(opened.main).partially_filled("buy", tif="post_only")
    placed, taken = _placings(tmp_path, 2)
    assert placed.end <= taken.start
