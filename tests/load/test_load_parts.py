"""Statistics, plans, slots and forgetting, each by itself."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest
from gevent import GreenletExit

from conformance.errors import ConfigError
from conformance.load.outcome import Part, Violation, merged, verdict_of
from conformance.load.plan import Job, make_plan, process_settings, user_settings
from conformance.load.slots import UsersJournal, band_of
from conformance.load.statistics import Latencies, Statistics
from conformance.load.trader import Trader, Turn
from conformance.oracle.forget import forget, trim
from conformance.oracle.judge import Judge
from conformance.target.market import Band, Rules
from conformance.target.settings import Account, Safety, Settings
from conformance.target.venue import Venue

sys.path.insert(0, str(Path(__file__).parents[1]))
from oracle.rows import ORDER, Paper, canceled, order

OPTIONS: dict[str, Any] = {"users": 4, "rate": 20.0, "duration": 30.0, "seed": 0}
SETTINGS = Settings(
    "http://127.0.0.1:1/api/v1", Account("owner", jwt="a.b.c"), Account("counterparty", jwt="d.e.f")
)


def _latencies(values: list[float]) -> Latencies:
    found = Latencies()
    for value in values:
        found.add(value)
    return found


def test_percentiles_are_exact_to_a_percent() -> None:
    values = [random.Random(7).lognormvariate(1, 1) for _ in range(1)]
    draw = random.Random(7)
    values = sorted(draw.lognormvariate(1, 1) for _ in range(5000))
    found = _latencies(values)
    for share in (0.5, 0.9, 0.99, 1.0):
        exact = values[max(0, round(share * 5000) - 1)]
        assert found.percentile(share) == pytest.approx(exact, rel=0.011)
    assert found.largest == values[-1]
    assert len(found.buckets) < 1200


def test_parts_add_up_to_the_whole() -> None:
    draw = random.Random(3)
    values = [draw.expovariate(0.2) for _ in range(400)]
    whole, halves = _latencies(values), (_latencies(values[:150]), _latencies(values[150:]))
    halves[0].merge(halves[1])
    assert halves[0] == whole


def test_no_latencies() -> None:
    assert Latencies().summary() == {"count": 0, "p50_ms": 0.0, "p90_ms": 0.0, "p99_ms": 0.0, "max_ms": 0.0}


def test_plan_keeps_to_the_settings() -> None:
    limited = replace(SETTINGS, safety=Safety(max_orders=700, max_requests_per_second=50.0))
    plan = make_plan(limited, OPTIONS)
    assert (plan.user_rate, plan.user_orders) == (5.0, 175)
    shared = replace(plan, workers=2)
    assert process_settings(limited, shared).safety.max_requests_per_second == 25.0
    assert user_settings(limited, plan).safety.max_orders == 175
    with pytest.raises(ConfigError, match="600 orders, the limit is 500"):
        make_plan(replace(SETTINGS, safety=Safety(max_orders=500)), OPTIONS)
    assert make_plan(replace(SETTINGS, safety=Safety(max_orders=500)), {**OPTIONS, "max_orders": 600}).users == 4
    with pytest.raises(ConfigError, match="max_duration_s"):
        make_plan(replace(SETTINGS, safety=Safety(max_duration_s=20)), OPTIONS)


def test_job_goes_through_a_pipe() -> None:
    settings = replace(SETTINGS, price=Decimal("0.5"), safety=Safety(forbidden_hosts=("a", "b")))
    job = Job(settings, make_plan(settings, OPTIONS), "reports", "spot-conformance load")
    assert msgspec.json.decode(msgspec.json.encode(job), type=Job) == job


@pytest.mark.parametrize("tick", ["0.0001", "0.01", "0.5"])
def test_no_two_users_rest_alike(tick: str) -> None:
    """However coarse the tick, price and quantity together tell whose order it is."""
    rules = Rules("X", Decimal(tick), Decimal("0.01"), Decimal(1))
    band = Band(rules, floor=Decimal(4), ceil=Decimal(6), quiet=True)
    for side in ("buy", "sell"):
        bands = [band_of(band, number) for number in range(1000)]
        seen = {(b.resting(side), b.rules.quantity(b.resting(side))) for b in bands}
        assert len(seen) == 1000
        assert all(0 < price < band.floor or price > band.ceil for price, _ in seen)


def test_journal_does_not_grow(tmp_path: Path) -> None:
    journal = UsersJournal(tmp_path, "http://x")
    for n in range(100):
        journal.placing(n, "owner", "{}", 0.0)
        journal.placed(n, f"A{n}")
        journal.ended(f"a{n}")
    assert journal.known() == set()
    journal.close()


def test_turn() -> None:
    turn = Turn()
    assert turn.take()
    assert not turn.take()
    turn.give(clean=True)
    for _ in range(3):
        assert turn.take()
        turn.give(clean=True, refused="INSUFFICIENT_BALANCE")
    assert not turn.take()
    assert "INSUFFICIENT_BALANCE" in turn.reason
    dirty = Turn()
    assert dirty.take()
    dirty.give(clean=False)
    assert not dirty.take()
    assert "could not be seen to have left" in dirty.reason


def test_killed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user that is killed while its order rests is no reason why fills could not be had."""

    def killed(_: Trader) -> None:
        raise GreenletExit

    monkeypatch.setattr(Trader, "_fill", killed)
    turn = Turn()
    assert turn.take()
    with pytest.raises(GreenletExit):
        Trader(Mock(spec=Venue), turn, "0")._filled()
    assert not turn.take()
    assert turn.reason == ""


def test_forgotten_order_changes_no_verdict() -> None:
    """Forgetting ended orders, a judge finds what it finds without; one that may be live is kept."""
    paper = Paper()
    paper.place()
    paper.cancel(200, canceled(paper.now) | {"tif": "ioc"})
    whole = paper.judge()
    judge = Judge(whole.contract)
    for row in paper.rows:
        judge.feed(row)
        forget(judge, ORDER)
    judge.finish()
    assert ORDER not in judge.ledger.orders
    assert {k: t.checks for k, t in judge.tallies.items()} == {k: t.checks for k, t in whole.tallies.items()}
    assert judge.tallies["cancel.fields.tif"].groups.keys() == whole.tallies["cancel.fields.tif"].groups.keys()


def test_forgetting_keeps_the_judge_small() -> None:
    paper = Paper()
    for number in range(300):
        name = f"00000000-0000-4000-8000-{number:012d}"
        paper.place(order(id=name))
        paper.cancel(200, canceled(paper.now, id=name), order_id=name)
    judge = Judge(paper.judge().contract)
    for row in paper.rows:
        judge.feed(row)
        for name in list(judge.ledger.orders)[:-10]:
            forget(judge, name)
        trim(judge)
    assert len(judge.ledger.orders) == 10
    assert len(judge.unlisted) <= 10
    assert not judge.finish() or all(c.finding is None for c in judge.finish())


def _part(**changes: Any) -> Part:
    statistics = Statistics({"cancel_order": _latencies([1.0])}, {"200": 1})
    return Part(statistics=statistics, **changes)


def _violation(level: str, *, waived: bool = False) -> Violation:
    return Violation("cancel.success.open", level, "m", "e", "s", 1, [1], waived)


@pytest.mark.parametrize(
    ("part", "left", "status"),
    [
        (_part(), 0, "conformant"),
        (_part(violations=[_violation("MUST")]), 0, "violated"),
        (_part(violations=[_violation("SHOULD")]), 0, "conformant"),
        (_part(violations=[_violation("MUST", waived=True)]), 0, "conformant"),
        (_part(), 1, "undecided"),
        (_part(failure="1 of 2 workers came"), 0, "undecided"),
        (Part(), 0, "not_exercised"),
    ],
)
def test_verdicts(part: Part, left: int, status: str) -> None:
    assert verdict_of(part, left)[0] == status


def test_merged_parts_count_findings_together() -> None:
    total = merged([_part(violations=[_violation("MUST")], left=1), _part(violations=[_violation("MUST")], left=2)])
    assert [v.times for v in total.violations] == [2]
    assert (total.left, total.statistics.exchanges) == (3, 2)
