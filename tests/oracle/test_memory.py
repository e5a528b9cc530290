"""What a judge holds does not grow with its record: it forgets the oldest orders, and is not wrong for it."""

from __future__ import annotations

import pytest

from conformance.contract import load_contract
from conformance.oracle import forget, judge
from conformance.oracle.judge import Judge
from conformance.record import Note

from .rows import CREATED, ORDER, Paper, canceled, order


@pytest.fixture(autouse=True)
def short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forget, "KEPT", 20)
    monkeypatch.setattr(forget, "_AT_ONCE", 5)
    monkeypatch.setattr(judge, "_TRIM", 2)


def _name(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def _many(paper: Paper, count: int) -> None:
    for number in range(count):
        times = {"created_at": CREATED + round(paper.now - 1000.0)}
        paper.place(order(id=_name(number), updated_at=times["created_at"], **times))
        paper.cancel(200, canceled(paper.now, id=_name(number), **times), order_id=_name(number))


def test_the_oldest_orders_are_forgotten(paper: Paper) -> None:
    _many(paper, 200)
    judged = paper.judge()
    assert 20 <= len(judged.ledger.orders) < 30
    assert len(judged.retired) == 200 - len(judged.ledger.orders)
    assert judged.tallies["cancel.success.open"].checks == 200
    assert not any(tally.groups for tally in judged.tallies.values())


def test_live_orders_and_those_of_a_case_under_way_are_kept(paper: Paper) -> None:
    paper.place()
    _many(paper, 60)
    assert paper.judge().ledger.get(ORDER) is not None
    paper.rows.insert(2, Note("case-begin", "paper::case", {"requirements": []}))
    assert len(paper.judge().ledger.orders) == 61


@pytest.mark.parametrize("status", [403, 404, 200])
def test_what_names_a_forgotten_order_is_not_judged(paper: Paper, status: int) -> None:
    """Nobody knows any more whose it was and how it ended."""
    _many(paper, 60)
    paper.cancel(status, order_id=_name(0), by="counterparty")
    judged = paper.judge()
    assert _name(0) not in judged.ledger.orders
    assert not any(tally.groups for tally in judged.tallies.values())


def test_the_newest_orders_are_still_judged(paper: Paper) -> None:
    _many(paper, 60)
    paper.cancel(200, order_id=_name(59))
    judged = Judge(load_contract()).feed_all(paper.rows)
    assert judged.tallies["cancel.errors.not-found.canceled"].groups
