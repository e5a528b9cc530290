"""Where the signing window ends is measured by one clock, whatever other answers say meanwhile."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conformance.assemble import judge_record
from conformance.record import Exchange, Row
from conformance.reference.server import start
from conformance.suite import test_window as edges
from conformance.suite.session import Session
from conformance.suite.test_window import test_window as window
from tests.suite.test_run import environment

INSIDE, OUTSIDE = "cancel.key.timestamp.window-inside", "cancel.key.timestamp.window-outside"


def test_a_clock_that_is_set_in_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cases that overlap learn of the target's time, too: that must not move the edges that were measured."""
    sessions: list[Session] = []

    def set_clock(row: Row) -> None:
        if isinstance(row, Exchange) and sessions:
            sessions[0].client.clock.settle(0.4 if row.n % 2 else 0.0)

    with start() as running:
        for name, value in environment(running).items():
            monkeypatch.setenv(name, value)
        options = SimpleNamespace(
            conformance_config=None,
            base_url=running.base_url,
            symbol=None,
            allow_trading=None,
            conformance_seed=0,
            profile="quick",
            report_dir=tmp_path,
            row_listeners=[set_clock],
        )
        session = Session.open(options, [])
        try:
            sessions.append(session)
            outcome = session.carry_out("window", [INSIDE, OUTSIDE], lambda: window(session.venue, session.states))
        finally:
            session.finish()
    assert outcome == ("passed", None)
    verdicts = {
        row.id: row.verdict for row in judge_record(tmp_path / "record.ndjson", session.contract).requirements
    }
    assert verdicts[INSIDE] == verdicts[OUTSIDE] == "held"


class _Slow:
    """A target with a window of ±5000 ms that takes three seconds for each seventh answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.asked = 0.0, 0
        self.clock, self.client = SimpleNamespace(offset=0.0), SimpleNamespace(pace=0.001)
        monkeypatch.setattr(edges.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(edges, "_credential", lambda venue, offset, shift, either: shift)

    def cancel(self, order: object, credential: int) -> SimpleNamespace:
        self.asked += 1
        self.now += 0.01 if self.asked % 7 else 3.0
        return SimpleNamespace(response=SimpleNamespace(status=404 if abs(credential) <= 5000 else 401))


def test_an_answer_that_takes_much_longer_than_others_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    venue: Any = _Slow(monkeypatch)
    found = edges.Edges(venue, venue)
    assert 4980 <= found.find(0, 40_000, 20) <= 5000
    assert venue.asked > 7
    assert found.slowest == pytest.approx(10)
