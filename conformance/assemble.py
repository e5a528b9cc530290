"""From a record to a result: judges it, decides, and puts together what the reports show."""

from __future__ import annotations

import gc
import math
import platform
from array import array
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from conformance import __version__
from conformance.contract import Contract
from conformance.errors import ConfigError
from conformance.evidence import Evidence, script_of, steps_of
from conformance.oracle.findings import Finding as OracleFinding
from conformance.oracle.judge import Judge
from conformance.oracle.tally import Group, Tally
from conformance.oracle.verdicts import EXIT_STATUS, Decision, Verdict, decide, lacks_of, outcomes, run_verdict
from conformance.record import Exchange, Header, Note, read_rows
from conformance.report.result import (
    SCHEMA,
    CaseResult,
    Driver,
    FieldDiff,
    Finding,
    Latency,
    Observation,
    Race,
    RaceOperation,
    RequirementResult,
    Result,
)

_BUCKETS_MS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, float("inf"))


class _Statistics:
    """What a report says of the exchanges as a whole, gathered while the record goes by."""

    def __init__(self) -> None:
        self.took: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
        self.drivers: defaultdict[str, int] = defaultdict(int)
        self.first = math.inf
        self.began: dict[str, float] = {}
        self.ended: dict[str, float] = {}

    def add(self, exchange: Exchange) -> None:
        start, end, case = exchange.start, exchange.end, exchange.case
        self.drivers[exchange.driver] += 1
        if exchange.response is not None:
            self.took[exchange.op].append((end - start) * 1000)
        if start < self.first:
            self.first = start
        if case not in self.began:
            self.began[case] = start
        self.ended[case] = end

    def latency(self) -> list[Latency]:
        rows = []
        for operation, taken in sorted(self.took.items()):
            values = sorted(taken)

            def at(share: float, values: list[float] = values) -> float:
                return round(values[min(len(values) - 1, int(share * len(values)))], 3)

            below = [0, *(bisect_right(values, bound) for bound in _BUCKETS_MS)]
            buckets = [
                (min(bound, 1e9), n - before)
                for bound, (before, n) in zip(_BUCKETS_MS, pairwise(below), strict=True)
                if n > before
            ]
            rows.append(Latency(operation, len(values), at(0.5), at(0.95), at(0.99), at(1.0), buckets))
        return rows


@contextmanager
def _few_collections() -> Iterator[None]:
    """Let Python look for garbage in cycles seldom: a judge keeps much and makes none.

    Each look goes through all that was made since the last one and kept. So a judge has to be gone at the end.
    """
    before = gc.get_threshold()
    gc.set_threshold(1_000_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def judge_record(path: Path, contract: Contract, *, waived: Mapping[str, str] | None = None) -> Result:
    """Judge the record at `path` and assemble the result. Raises ConfigError for a file that is no record."""
    with _few_collections():
        return _judge_record(path, contract, waived)


def _judge_record(path: Path, contract: Contract, waived: Mapping[str, str] | None) -> Result:
    judge, statistics = Judge(contract), _Statistics()
    feed, count = judge.feed, statistics.add
    for row in read_rows(path):
        if type(row) is Exchange:
            count(row)
        feed(row)
    judge.finish()
    if judge.header is None:
        raise ConfigError(f"{path} is empty", "run the suite again: it writes a record.ndjson")
    findings = [group.first for tally in judge.tallies.values() for group in tally.groups.values()]
    evidence = Evidence(lambda: read_rows(path), findings)
    decisions = decide(judge, contract, waived)
    return _assemble(judge, contract, decisions, statistics, evidence, judge.header)


def _assemble(
    judge: Judge,
    contract: Contract,
    decisions: list[Decision],
    statistics: _Statistics,
    evidence: Evidence,
    header: Header,
) -> Result:
    lacks = lacks_of(judge.notes)
    notes = {note.what: note.data for note in judge.notes}
    complete = judge.footer is not None and "interrupted" not in notes
    verdict, reason = run_verdict(decisions, complete=complete, lacks=lacks)
    number = 0
    requirements, counts = [], {level: Counter[str]() for level in ("MUST", "SHOULD", "MAY")}
    for decision in decisions:
        requirement = decision.requirement
        tally = judge.tallies.get(requirement.id) or Tally()
        findings = []
        for group in tally.groups.values():
            number += 1
            findings.append(_finding(f"F{number}", group, tally, contract, evidence, header))
        counts[requirement.level][decision.verdict] += 1
        requirements.append(
            RequirementResult(
                id=requirement.id,
                level=requirement.level,
                verdict=decision.verdict,
                chapter=requirement.chapter,
                text=requirement.text,
                source=list(requirement.source),
                trader=requirement.trader,
                checks=tally.checks,
                reason=decision.reason,
                cases=sorted(filter(None, tally.cases))[:40],
                findings=findings,
            )
        )
    cases = _cases(judge.notes, statistics)
    market = notes.get("market", {})
    return Result(
        schema=SCHEMA,
        suite_version=__version__,
        contract_digest=contract.digest,
        verdict=verdict,
        exit_status=EXIT_STATUS[verdict],
        reason=reason,
        base_url=header.base_url,
        symbol=str(market.get("symbol", "")),
        seed=header.seed,
        profile=header.profile,
        started_at=datetime.fromtimestamp(header.started_at, UTC).isoformat(timespec="milliseconds"),
        duration_s=round((judge.footer.ended_at if judge.footer else header.started_at) - header.started_at, 3),
        requests=sum(statistics.drivers.values()),
        command=header.command,
        counts={level: {v: counter.get(v, 0) for v in Verdict} for level, counter in counts.items()},
        requirements=requirements,
        cases=cases,
        chapters=[{"id": c.id, "title": c.title, "about": c.about} for c in contract.chapters.values()],
        disagreements=[asdict(row) for row in contract.disagreements],
        left_open=[asdict(row) for row in contract.left_open],
        observations=_observations(judge),
        drivers=[
            Driver(name, count, _driver_note(name, judge.notes))
            for name, count in sorted(statistics.drivers.items())
        ],
        latency=statistics.latency(),
        races=_races(judge),
        environment=_environment(header),
        target=_target(header, notes),
        cleanup=notes.get("cleanup", {}),
        partial=_is_partial(decisions),
    )


_DRIVER_NOTES = {
    "schemathesis": "{existing} of {cancels} generated cancels were aimed at an order that existed, "
    "{live} of them at a live one of the caller's; {others} requests by other methods",
    "state-machine": "{examples} sequences of {steps} steps in all; {abandoned} abandoned because of trouble",
}


def _driver_note(driver: str, notes: Iterable[Note]) -> str:
    """What a driver counted, summed over its cases."""
    total: Counter[str] = Counter()
    for note in notes:
        if note.what == "driver" and note.data.get("driver") == driver:
            total.update({key: value for key, value in note.data.items() if isinstance(value, int)})
    return _DRIVER_NOTES[driver].format_map(total) if total and driver in _DRIVER_NOTES else ""


def _is_partial(decisions: list[Decision]) -> bool:
    """Whether a MUST that a client could see was left out for lack of selection or of means."""
    return any(
        d.verdict is Verdict.NOT_EXERCISED
        and d.requirement.level == "MUST"
        and d.requirement.unseen is None
        and not d.requirement.needs & {"burst", "restart"}
        for d in decisions
    )


def _finding(
    name: str,
    group: Group,
    tally: Tally,
    contract: Contract,
    evidence: Evidence,
    header: Header,
) -> Finding:
    first: OracleFinding = group.first
    exchanges = evidence.of(first)
    why = [first.why] if first.why else []
    why += [
        f"The pages disagree: {row.question.lower()}: Cancel Order page: {row.cancel_order}; {row.elsewhere}"
        for row in contract.disagreements
        if first.requirement in row.requirements
    ]
    if len(group.schemes) == 1 and len(tally.schemes | group.schemes) > 1:
        why.append(f"only with {next(iter(group.schemes))}")
    return Finding(
        id=name,
        message=first.message,
        expected=first.expected,
        seen=first.seen,
        case=first.case,
        curl=script_of(exchanges, first, header),
        exchanges=first.exchanges,
        times=group.times,
        of=max(tally.checks, group.times),
        why=". ".join(why),
        diff=[FieldDiff(d.field, d.expected, d.seen, d.ok) for d in first.diff],
        steps=steps_of(exchanges, first),
        key=first.key,
    )


def _cases(notes: Iterable[Note], statistics: _Statistics) -> list[CaseResult]:
    begin = statistics.first if statistics.began else 0.0
    rows = []
    for case in outcomes(notes).values():
        start, end = statistics.began.get(case.id, begin), statistics.ended.get(case.id, begin)
        rows.append(
            CaseResult(
                id=case.id,
                chapter=case.id.split("::")[0],
                outcome=case.outcome,
                duration_s=round(end - start, 4),
                start_s=round(start - begin, 4),
                reason=case.reason,
                requirements=case.requirements,
            )
        )
    return rows


def _observations(judge: Judge) -> list[Observation]:
    return [Observation(name, text) for name, text in judge.observed.items()]


_RACES_SHOWN = 2  # of each kind and verdict


def _races(judge: Judge) -> list[Race]:
    """A few races of each kind: the first that held, were violated or could not be told."""
    shown: Counter[tuple[str, str]] = Counter()
    held = Counter(record.kind for record in judge.race_log if record.shows)
    total = Counter(record.kind for record in judge.race_log)
    found = []
    for record in sorted(judge.race_log, key=lambda record: not record.shows):
        key = (record.kind, record.verdict)
        shown[key] += 1
        if shown[key] > _RACES_SHOWN:
            continue
        name = f"{record.kind} (overlapped in {held[record.kind]} of {total[record.kind]} races)"
        operations = [RaceOperation(a.who, a.what, a.start_ms, a.end_ms, a.outcome) for a in record.actions]
        found.append(Race(name, record.order, bool(record.shows), str(record.verdict), operations))
    return found


def _environment(header: Header) -> dict[str, str]:
    from importlib.metadata import version

    packages = ("httpx", "pytest", "hypothesis", "schemathesis", "msgspec")
    return {
        "suite": header.suite_version,
        "judged by": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{package: version(package) for package in packages},
    }


def _target(header: Header, notes: dict[str, dict[str, Any]]) -> dict[str, str]:
    rows = {"base URL": header.base_url}
    for account, schemes in header.accounts.items():
        rows[f"{account} account"] = ", ".join(schemes)
    if "lacks" in notes:
        rows["went on without"] = "; ".join(map(str, notes["lacks"].get("texts", [])))
    if "insecure" in notes:
        rows["TLS"] = "the certificate was NOT checked (insecure)"
    market = notes.get("market", {})
    for name in ("symbol", "tick", "lot", "min_notional"):
        if name in market:
            rows[name.replace("_", " ")] = str(market[name])
    if "floor" in market:
        rows["prices used"] = f"{market['floor']} to {market['ceil']}"
        rows["other orders in the book"] = "none seen" if market.get("quiet") else "yes"
    if "clock" in notes:
        clock = notes["clock"]
        rows["clock offset"] = f"{clock['low']:+z.2f} to {clock['high']:+z.2f} s (used: {clock['offset']:+z.3f} s)"
    return rows
