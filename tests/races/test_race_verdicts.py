"""What the oracle makes of races, on records written by hand: verdicts, blame, and what the ledger knows after."""

from __future__ import annotations

import pytest
from race_rows import CASE, Rows

from conformance.oracle import histories
from conformance.oracle.ledger import State
from conformance.oracle.verdicts import Verdict, decide
from conformance.record import Note

ONE, FILLS = "cancel.races.one-winner", "cancel.races.fills-counted"
ALL, READS = "cancel.races.cancel-all", "cancel.races.monotonic-reads"


@pytest.fixture
def rows() -> Rows:
    return Rows()


def test_one_winner(rows: Rows) -> None:
    rows.cancel(1, 2, 404)
    rows.cancel(1.1, 1.9)
    rows.look(3, "canceled")

    assert rows.end() == set()
    assert rows.held(ONE)
    assert rows.held("cancel.fields.status")
    assert rows.held("cancel.answers.error-form")
    assert (rows.order.state, rows.order.canceled_by) == (State.CANCELED, "cancel")


def test_without_overlap_nothing_is_shown(rows: Rows) -> None:
    rows.cancel(1, 1.2)
    rows.cancel(1.3, 2, 404)
    rows.look(3, "canceled")

    assert rows.end() == set()
    assert not rows.held(ONE)
    assert rows.judge.race_log[-1].shows == ()


def test_two_winners(rows: Rows) -> None:
    rows.cancel(1, 2)
    rows.cancel(1.1, 1.9)
    rows.look(3, "canceled")

    assert rows.end() == {ONE}
    (finding,) = rows.findings()
    assert finding.exchanges == [2, 3, 4]
    assert "cancel: 200" in finding.seen


def test_no_winner(rows: Rows) -> None:
    rows.cancel(1, 2, 404)
    rows.cancel(1.1, 1.9, 404)
    rows.look(3, "canceled")

    assert rows.end() == {ONE}


def test_refused_and_still_live(rows: Rows) -> None:
    rows.cancel(1, 2, 404)
    rows.cancel(1.1, 1.9, 404)
    rows.look(3, "open")

    assert rows.end() == {ONE}
    assert rows.order.state is State.UNSURE


@pytest.mark.parametrize("status", [None, 502, 504])
def test_a_lost_answer_may_have_won(rows: Rows, status: int | None) -> None:
    rows.cancel(1, 2, status)
    rows.cancel(1.1, 1.9, 404)
    rows.look(3, "canceled")

    assert rows.end() == set()
    assert rows.order.state is State.CANCELED
    assert CASE not in rows.judge.troubled


def test_a_lost_answer_may_come_true_later(rows: Rows) -> None:
    rows.cancel(1, 2, None)
    rows.look(3, "open")

    assert rows.end() == set()
    assert rows.order.state is State.UNSURE
    rows.look(4, "canceled", race=None)
    assert rows.broken() == set()


@pytest.mark.parametrize("status", [429, 503])
def test_a_documented_refusal_does_nothing(rows: Rows, status: int) -> None:
    rows.cancel(1, 2, status)
    rows.cancel(1.1, 1.9, 404)
    rows.look(3, "canceled")

    assert rows.end() == {"cancel.unavailable.no-effect" if status == 503 else ONE}


def test_a_503_beside_a_winner(rows: Rows) -> None:
    rows.cancel(1, 2, 503)
    rows.cancel(1.1, 1.9)
    rows.look(3, "canceled")

    assert rows.end() == set()
    assert rows.held("cancel.unavailable.form")


def test_all_busy_leaves_the_order_live(rows: Rows) -> None:
    rows.cancel(1, 2, 503)
    rows.cancel(1.1, 1.9, 503)
    rows.look(3, "open")

    assert rows.end() == set()
    assert rows.order.state is State.LIVE
    assert rows.held("cancel.unavailable.no-effect")


def test_the_loser_gets_a_500(rows: Rows) -> None:
    rows.cancel(1, 2)
    rows.cancel(1.1, 1.9, 500)
    rows.look(3, "canceled")

    assert rows.end() == {"cancel.answers.status"}


def test_fills_before_and_after(rows: Rows) -> None:
    rows.take(1, 1.5, "4", "4")
    rows.cancel(1.2, 2, filled="4")
    rows.take(1.1, 2.1, "3", "0")
    rows.look(3, "canceled", "4")
    rows.trades(3.2, "4")

    assert rows.end() == set()
    assert rows.held(FILLS)
    assert rows.held("cancel.fields.filled-qty")
    assert (rows.order.state, rows.order.filled, rows.order.exact) == (State.CANCELED, 4, True)


def test_filled_before_the_cancel(rows: Rows) -> None:
    rows.take(1, 1.5, "10", "10")
    rows.cancel(1.2, 2, 404)
    rows.look(3, "filled", "10")

    assert rows.end() == set()
    assert rows.held(FILLS)
    assert rows.order.state is State.FILLED


def test_a_fill_is_not_in_the_answer(rows: Rows) -> None:
    rows.take(1, 1.5, "4", "4")
    rows.cancel(1.2, 2, filled="0")
    rows.look(3, "canceled", "4")

    assert rows.end() == {FILLS}
    rows.look(4, "canceled", "4", race=None)
    assert rows.broken() == {FILLS}, "one mistake is one finding"


def test_a_fill_is_nowhere(rows: Rows) -> None:
    rows.take(1, 1.5, "4", "4")
    rows.cancel(1.2, 2, filled="0")
    rows.look(3, "canceled", "0")
    rows.trades(3.2)

    assert rows.end() == {FILLS}


def test_a_fill_after_the_acknowledged_cancel(rows: Rows) -> None:
    rows.cancel(1, 1.2, filled="0")
    rows.take(1.3, 2, "4", "4")
    rows.look(3, "canceled", "4")
    rows.trades(3.2, "4")

    assert rows.end() == {FILLS}
    assert "after its cancel" in rows.findings()[0].message


def test_canceled_though_filled(rows: Rows) -> None:
    rows.take(1, 1.5, "10", "10")
    rows.cancel(1.2, 2, filled="10")
    rows.look(3, "canceled", "10")

    assert rows.end() == {FILLS}


def test_a_wrong_average_is_a_wrong_field(rows: Rows) -> None:
    rows.take(1, 1.5, "4", "4")
    rows.cancel(1.2, 2, filled="4", avg_fill_price="0.6")
    rows.look(3, "canceled", "4")

    assert rows.end() == {"cancel.fields.avg-fill-price"}


def test_a_strangers_fill_says_nothing(rows: Rows) -> None:
    rows.take(1, 1.5, "4", "4")
    rows.cancel(1.2, 2, filled="6")
    rows.look(3, "canceled", "6")
    rows.trades(3.2, "4", "2")

    assert rows.end() == set()
    assert not rows.held(FILLS)
    assert rows.judge.race_log[-1].disturbed is not None
    assert rows.order.state is State.CANCELED


@pytest.mark.parametrize("quiet", [True, False])
def test_more_than_the_fills_add_up_to(quiet: bool) -> None:
    """Where nobody else trades, the list of fills shows that it was no stranger."""
    rows = Rows(quiet=quiet)
    rows.take(1, 1.5, "4", "4")
    rows.cancel(1.2, 2, filled="8")
    rows.look(3, "canceled", "8")
    rows.trades(3.2, "4")

    assert rows.end() == ({FILLS} if quiet else set())


def test_a_strangers_order_says_nothing_in_a_busy_book() -> None:
    rows = Rows(quiet=False)
    rows.cancel(1, 1.2, filled="0")
    rows.take(1.3, 2, "4", "4")
    rows.look(3, "canceled", "0")
    rows.trades(3.2)

    assert rows.end() == set()
    assert rows.judge.race_log[-1].disturbed is not None


def test_a_taker_without_an_answer(rows: Rows) -> None:
    rows.take(1, 1.5, "4", None)
    rows.cancel(1.2, 2, filled="4")
    rows.look(3, "canceled", "4")

    assert rows.end() == set()
    assert rows.order.state is State.CANCELED


@pytest.mark.parametrize(("status", "lists"), [(200, False), (404, True)])
def test_cancel_or_cancel_all(rows: Rows, status: int, lists: bool) -> None:
    rows.cancel(1, 2, status)
    rows.cancel_all(1.1, 1.9, lists=lists)
    rows.look(3, "canceled")

    assert rows.end() == set()
    assert rows.held(ALL)
    assert rows.order.canceled_by == ("cancel-all" if lists else "cancel")


@pytest.mark.parametrize(("status", "lists"), [(200, True), (404, False)])
def test_both_or_neither(rows: Rows, status: int, lists: bool) -> None:
    rows.cancel(1, 2, status)
    rows.cancel_all(1.1, 1.9, lists=lists)
    rows.look(3, "canceled")

    assert rows.end() == {ALL}


def test_reads_move_on(rows: Rows) -> None:
    rows.cancel(1, 2)
    rows.look(1.1, "open")
    rows.look(1.3, "canceled")
    rows.look(1.5, "canceled")
    rows.look(3, "canceled")

    assert rows.end() == set()
    assert rows.held(READS)


def test_reads_go_back(rows: Rows) -> None:
    rows.cancel(1, 2)
    rows.look(1.1, "canceled")
    rows.look(1.3, "open")
    rows.look(3, "canceled")

    assert rows.end() == {READS}


def test_live_again(rows: Rows) -> None:
    rows.cancel(1, 2)
    rows.cancel(1, 2.1, 404)
    rows.look(3, "open")

    assert rows.end() == {READS}
    assert rows.order.state is State.UNSURE


def test_a_search_too_long_is_undecided(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories.check, "__kwdefaults__", {"budget": 1})
    rows.cancel(1, 2)
    rows.cancel(1.1, 1.9, 404)
    rows.look(3, "canceled")

    assert rows.end() == set()
    rows.judge.feed(Note("case-end", CASE, {"outcome": "passed"}))
    decisions = {d.requirement.id: d for d in decide(rows.judge, rows.judge.contract)}
    assert decisions[ONE].verdict is Verdict.UNDECIDED
    assert "too long" in (decisions[ONE].reason or "")


def test_a_race_of_an_order_in_doubt_says_nothing(rows: Rows) -> None:
    rows.order.state = State.UNSURE
    rows.cancel(1, 2)
    rows.cancel(1.1, 1.9)
    rows.look(3, "canceled")

    assert rows.end() == set()
    assert rows.judge.race_log[-1].disturbed is not None
