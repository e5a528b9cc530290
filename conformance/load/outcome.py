"""What a load run came to: the parts of its processes added up, as JSON and for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from conformance.contract import Contract
from conformance.load.plan import Job
from conformance.load.statistics import Statistics
from conformance.oracle.judge import Judge
from conformance.oracle.verdicts import EXIT_STATUS, RunVerdict
from conformance.target.settings import Waiver

SCHEMA = "spot-conformance/load/1"


@dataclass
class Violation:
    """A requirement that exchanges broke: how often, and the first of them."""

    requirement: str
    level: str
    message: str
    expected: str
    seen: str
    times: int
    exchanges: list[int]
    waived: bool = False


@dataclass
class Part:
    """What one process saw. `busy` is the share of one processor that it used, `seconds` how long it measured.

    `no_fills` says why it gave up on fills, `failure` why it could not do its part.
    """

    statistics: Statistics = field(default_factory=Statistics)
    violations: list[Violation] = field(default_factory=list)
    checks: int = 0
    troubles: dict[str, int] = field(default_factory=dict)
    fills: int = 0
    no_fills: str = ""
    left: int = 0
    failure: str = ""
    seconds: float = 0.0
    busy: float = 0.0
    peak_mib: float = 0.0
    memory: list[tuple[float, float]] = field(default_factory=list)


class Line(msgspec.Struct, omit_defaults=True):
    """What the Locust process says on its standard output: how far it is, what went wrong, or its part at the end.

    `waiting` workers are waited for; `error` is message, hint and exit status.
    """

    exchanges: int = 0
    orders: int = 0
    broken: int = 0
    waiting: int = 0
    error: tuple[str, str, int] | None = None
    part: Part | None = None


def violations(judge: Judge, contract: Contract, waivers: Iterable[Waiver]) -> list[Violation]:
    """The violations that a judge has found, the most serious first."""
    today = date.today().isoformat()
    valid = [waiver for waiver in waivers if waiver.until >= today]
    found = [
        Violation(
            requirement=name,
            level=str(contract.requirements[name].level),
            message=group.first.message,
            expected=group.first.expected,
            seen=group.first.seen,
            times=group.times,
            exchanges=group.first.exchanges[:20],
            waived=any(w.requirement == name and w.message in ("", group.first.message) for w in valid),
        )
        for name, tally in judge.tallies.items()
        for group in tally.groups.values()
    ]
    order = ("MUST", "SHOULD", "MAY")
    return sorted(found, key=lambda v: (v.waived, order.index(v.level), -v.times, v.requirement))


@dataclass
class Outcome:
    """The whole of a load run. `left` orders of ours could not be seen to have ended."""

    part: Part
    processes: int
    verdict: RunVerdict
    reason: str
    left: int
    canceled: int
    foreign: int
    interrupted: bool = False

    @property
    def exit_status(self) -> int:
        """As for a run; 130 if it was interrupted."""
        return 130 if self.interrupted else EXIT_STATUS[self.verdict]


def merged(parts: Sequence[Part]) -> Part:
    """The parts of several processes as one."""
    total = Part()
    groups: dict[tuple[str, str], Violation] = {}
    troubles: Counter[str] = Counter()
    for part in parts:
        total.statistics.merge(part.statistics)
        for violation in part.violations:
            known = groups.setdefault((violation.requirement, violation.message), violation)
            if known is not violation:
                known.times += violation.times
        troubles.update(part.troubles)
        total.checks += part.checks
        total.fills += part.fills
        total.left += part.left
        total.no_fills = total.no_fills or part.no_fills
        total.failure = total.failure or part.failure
        total.seconds = max(total.seconds, part.seconds)
        total.busy = max(total.busy, part.busy)
        total.peak_mib = max(total.peak_mib, part.peak_mib)
        total.memory = total.memory or part.memory
    total.violations = list(groups.values())
    total.troubles = dict(troubles)
    return total


def verdict_of(part: Part, left: int) -> tuple[RunVerdict, str]:
    """The verdict on a load run, and why: an order that is left, or no served cancel, decides nothing."""
    musts = sorted({v.requirement for v in part.violations if v.level == "MUST" and not v.waived})
    canceled = part.statistics.operations.get("cancel_order")
    if musts:
        return RunVerdict.VIOLATED, f"{len(musts)} MUST requirement{'s are' if len(musts) > 1 else ' is'} violated"
    if part.failure:
        return RunVerdict.UNDECIDED, part.failure
    if left:
        return RunVerdict.UNDECIDED, f"{left} orders could not be seen to have ended"
    if canceled is None or not part.statistics.answers.get("200"):
        return RunVerdict.NOT_EXERCISED, "no cancel was served"
    return RunVerdict.CONFORMANT, f"{part.checks} checks of {part.statistics.exchanges} exchanges, none violated"


def as_json(outcome: Outcome, job: Job, started_at: float) -> dict[str, Any]:
    """The result as `load.json` has it."""
    part, plan = outcome.part, job.plan
    seconds = max(part.seconds, 1e-9)
    statistics = part.statistics
    return {
        "schema": SCHEMA,
        "base_url": job.settings.base_url,
        "started_at": datetime.fromtimestamp(started_at, UTC).isoformat(timespec="seconds"),
        "plan": {"users": plan.users, "rate": plan.rate, "duration_s": plan.duration_s, "seed": plan.seed},
        "processes": outcome.processes,
        "verdict": str(outcome.verdict),
        "exit_status": outcome.exit_status,
        "reason": outcome.reason,
        "interrupted": outcome.interrupted,
        "duration_s": round(part.seconds, 3),
        "orders": statistics.placed,
        "orders_per_second": round(statistics.placed / seconds, 2),
        "fills": part.fills,
        "no_fills": part.no_fills,
        "exchanges": statistics.exchanges,
        "exchanges_per_second": round(statistics.exchanges / seconds, 2),
        "latency": {"all": statistics.overall().summary()}
        | {name: latencies.summary() for name, latencies in sorted(statistics.operations.items())},
        "answers": dict(sorted(statistics.answers.items())),
        "share_503": round(statistics.share("503"), 6),
        "checks": part.checks,
        "findings": [vars(violation) for violation in part.violations],
        "troubles": part.troubles,
        "orders_left": outcome.left,
        "orders_canceled_at_the_end": outcome.canceled,
        "orders_of_others": outcome.foreign,
        "driver": {
            "busy": round(part.busy, 3),
            "peak_mib": part.peak_mib,
            "memory_mib": [[round(at, 1), mib] for at, mib in part.memory],
        },
    }


def lines(result: dict[str, Any]) -> list[str]:
    """The result for people."""
    text = [
        f"{result['orders']} orders in {result['duration_s']:.1f} s: {result['orders_per_second']:g} orders/s, "
        f"{result['exchanges_per_second']:g} exchanges/s, {result['fills']} fills",
        f"{'latency in ms':<15}{'count':>9}{'p50':>9}{'p90':>9}{'p99':>9}{'max':>9}",
    ]
    for name, row in result["latency"].items():
        values = "".join(f"{row[key]:>9g}" for key in ("count", "p50_ms", "p90_ms", "p99_ms", "max_ms"))
        text.append(f"{name:<15}{values}")
    answers = ", ".join(f"{status}: {count}" for status, count in result["answers"].items())
    text.append(f"answers: {answers}; 503: {result['share_503']:.2%}")
    for name, times in list(result["troubles"].items())[:5]:
        text.append(f"trouble: {name} ({times} times)")
    if result["no_fills"]:
        text.append(f"no more fills were tried: {result['no_fills']}")
    if result["driver"]["busy"] > 0.9:
        text.append("the driver was at its limit: latencies contain its own; use --master and --worker")
    for row in result["findings"]:
        waived = " (waived)" if row["waived"] else ""
        text.append(f"✗ {row['level']} {row['requirement']}{waived}: {row['message']} ({row['times']} times)")
        text.append(f"    expected {row['expected']}")
        text.append(f"    seen     {row['seen']} (exchanges {', '.join(map(str, row['exchanges']))})")
    text.append(
        f"orders left: {result['orders_left']} ({result['orders_canceled_at_the_end']} were canceled at the end, "
        f"{result['orders_of_others']} of others left alone)"
    )
    mark = {"conformant": "✓", "violated": "✗"}.get(result["verdict"], "?")
    text.append(f"{mark} {result['verdict'].replace('_', ' ').capitalize()}: {result['reason']}")
    return text
