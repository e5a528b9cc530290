"""The geometry of the report's charts: plain numbers that the template draws as bars.

Bars lie on a scale from 0 to `SCALE`, which the page stretches to whatever width there is.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from conformance.report.overview import Overview
from conformance.report.result import CaseResult, Finding, Latency, Race, RaceOperation
from conformance.report.text import duration, milliseconds, plural

SCALE = 1000
_SLOTS = 400  # a lane is drawn in at most so many bars, however many cases there are
_WORST = ("passed", "not_exercised", "undecided", "error", "failed")
_OUTCOME_CLASS = {
    "passed": "held",
    "failed": "violated",
    "error": "undecided",
    "undecided": "undecided",
    "not_exercised": "not_exercised",
}


@dataclass(frozen=True)
class Bar:
    """A bar from `x`, `width` long; `kind` is the verdict that colours and shapes it."""

    x: float
    width: float
    kind: str
    title: str = ""


@dataclass(frozen=True)
class Lane:
    """A row of bars with its name and what it shows in words."""

    name: str
    words: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Ticks:
    """The labels under an axis, evenly spaced from its start to its end."""

    labels: tuple[str, ...]


def kind_of(outcome: str) -> str:
    """The verdict that stands for a case's outcome in colour and shape."""
    return _OUTCOME_CLASS.get(outcome, "undecided")


def _severity(outcome: str) -> int:
    return _WORST.index(outcome) if outcome in _WORST else len(_WORST)


def _lane_bars(cases: Sequence[CaseResult], start: float, span: float) -> tuple[Bar, ...]:
    if len(cases) <= _SLOTS // 4:
        return tuple(
            Bar(
                round((c.start_s - start) / span * SCALE, 1),
                max(2.0, round(c.duration_s / span * SCALE, 1)),
                kind_of(c.outcome),
                f"{c.id}: {c.outcome.replace('_', ' ')}, {duration(c.duration_s)}",
            )
            for c in sorted(cases, key=lambda c: _severity(c.outcome))
        )
    slots: list[CaseResult | None] = [None] * _SLOTS
    for case in cases:
        first = min(_SLOTS - 1, max(0, int((case.start_s - start) / span * _SLOTS)))
        last = min(_SLOTS - 1, max(first, int((case.start_s + case.duration_s - start) / span * _SLOTS)))
        for slot in range(first, last + 1):
            held = slots[slot]
            if held is None or _severity(case.outcome) > _severity(held.outcome):
                slots[slot] = case
    bars: list[Bar] = []
    width = SCALE / _SLOTS
    for slot, found in enumerate(slots):
        if found is None:
            continue
        kind = kind_of(found.outcome)
        if bars and bars[-1].kind == kind and math.isclose(bars[-1].x + bars[-1].width, slot * width):
            bars[-1] = Bar(bars[-1].x, bars[-1].width + width, kind)
        else:
            bars.append(Bar(slot * width, width, kind))
    return tuple(bars)


def _counted(cases: Iterable[CaseResult]) -> str:
    counts: dict[str, int] = {}
    for case in cases:
        counts[case.outcome] = counts.get(case.outcome, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: _severity(item[0]))
    return ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in ordered)


# cases that are of no one chapter
_DRIVEN = {
    "fuzz": "Generated requests",
    "machine": "State machine",
    "window": "Signing window",
    "overload": "Overload",
    "restart": "Restart",
}


def timeline(overview: Overview) -> tuple[list[Lane], Ticks]:
    """The run's cases on one axis, a lane a chapter, and the axis' labels."""
    cases = overview.result.cases
    if not cases:
        return [], Ticks(())
    start = min(c.start_s for c in cases)
    span = max(max(c.start_s + c.duration_s for c in cases) - start, 1e-3)
    titles = {c.id: c.title for c in overview.chapters}
    names = {**_DRIVEN, **titles}
    lanes: dict[str, list[CaseResult]] = {key: [] for key in titles}
    for case in cases:
        lanes.setdefault(case.chapter, []).append(case)
    drawn = [
        Lane(names.get(key, key), f"{plural(len(rows), 'case')}: {_counted(rows)}", _lane_bars(rows, start, span))
        for key, rows in lanes.items()
        if rows
    ]
    return drawn, Ticks(tuple(duration(span * part / 4) if part else "0" for part in range(5)))


@dataclass(frozen=True)
class RaceView:
    """A race with a lane an operation."""

    race: Race
    kind: str
    lanes: tuple[Lane, ...]
    ticks: Ticks


def _operation_bar(operation: RaceOperation, span: float) -> Bar:
    # what took effect is drawn heavier than what was refused: two winners are seen at once
    kind = "act" if operation.outcome.startswith("2") else "look"
    length = (operation.end_ms - operation.start_ms) / span * SCALE
    return Bar(operation.start_ms / span * SCALE, max(4.0, length), kind)


_RACE_KIND = {"linearizable": "held", "violated": "violated"}


def races(found: Sequence[Race]) -> list[RaceView]:
    """The races to draw, violated ones first, then those of which nothing is known."""
    rank = {"violated": 0, "unknown": 1}
    views = []
    for race in sorted(found, key=lambda r: (rank.get(r.verdict, 2), not r.overlapped)):
        end = max((o.end_ms for o in race.operations), default=0.0)
        span = max(end, 1e-3)
        kind = _RACE_KIND.get(race.verdict, "undecided")
        lanes = tuple(Lane(f"{o.who}: {o.what}", o.outcome, (_operation_bar(o, span),)) for o in race.operations)
        labels = tuple(milliseconds(span * part / 4) if part else "0" for part in range(5))
        views.append(RaceView(race, kind, lanes, Ticks(labels)))
    return views


def step_bars(finding: Finding) -> list[Bar]:
    """For each step of a finding, where it lies in the finding's time."""
    end = max((s.start_ms + s.took_ms for s in finding.steps), default=0.0) or 1.0
    return [Bar(s.start_ms / end * SCALE, max(12.0, s.took_ms / end * SCALE), s.role) for s in finding.steps]


@dataclass(frozen=True)
class Column:
    """One column of a histogram: `slot` from the left, 0 to 100 high, and what it stands for."""

    slot: int
    height: float
    title: str


@dataclass(frozen=True)
class Histogram:
    """A latency distribution on the axis that all of a run share, `slots` wide, and the same in words."""

    latency: Latency
    slots: int
    columns: tuple[Column, ...]

    def words(self) -> str:
        """All columns in one line."""
        return ", ".join(column.title for column in self.columns)


# a bound as far out as this stands for "any longer time": JSON has no infinity
_ENDLESS_MS = 1e8
_SERIES = tuple(digit * 10.0**power for power in range(-2, 6) for digit in (1, 2, 5))


def _axis(latencies: Sequence[Latency]) -> list[float]:
    used = {bound for latency in latencies for bound, _ in latency.buckets}
    finite = {bound for bound in used if bound < _ENDLESS_MS}
    if finite and all(any(math.isclose(bound, step) for step in _SERIES) for bound in finite):
        # empty buckets may be left out of a result, but not of its picture
        finite = {step for step in _SERIES if min(finite) * 0.99 <= step <= max(finite) * 1.01}
    return sorted(finite) + sorted(used - {bound for bound in used if bound < _ENDLESS_MS})


def histograms(latencies: Sequence[Latency]) -> list[Histogram]:
    """The distributions to draw; a bucket with anything in it is at least a hair high."""
    axis = _axis(latencies)
    longest = max((bound for bound in axis if bound < _ENDLESS_MS), default=0.0)
    drawn = []
    for latency in latencies:
        highest = max((count for _, count in latency.buckets), default=0) or 1
        columns = []
        for bound, count in latency.buckets:
            if count:
                slot = bisect_left(axis, bound * 0.999)
                span = f"up to {milliseconds(bound)}" if bound < _ENDLESS_MS else f"over {milliseconds(longest)}"
                columns.append(Column(slot, max(4.0, count / highest * 100), f"{span}: {count:,}"))
        drawn.append(Histogram(latency, len(axis), tuple(columns)))
    return drawn
