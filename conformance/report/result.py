"""A run's result: the one value that every report is made of, and what `results.json` holds.

Nothing here knows how a verdict came about, and nothing that makes a report looks anywhere else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from conformance.errors import ConfigError

SCHEMA = "spot-conformance/results/1"


class FieldDiff(msgspec.Struct):
    """One field of an order: what it must be, and what was seen. `ok` fields are there for the context."""

    field: str
    expected: str
    seen: str
    ok: bool


class Step(msgspec.Struct, omit_defaults=True):
    """One exchange as a report tells it: `n` in the record, who sent what, and what came back.

    `start_ms` counts from the first step of the finding; `role` is "provision", "act" or "look".
    """

    n: int
    who: str
    what: str
    outcome: str
    start_ms: float
    took_ms: float
    role: str = "act"
    request: str = ""
    response: str = ""


class Finding(msgspec.Struct, omit_defaults=True):
    """A requirement that exchanges break.

    `times` of `of` comparable exchanges showed it. `curl` is a bash script that shows it again. `key` is the same
    for the same mistake in another run.
    """

    id: str
    message: str
    expected: str
    seen: str
    case: str
    curl: str
    exchanges: list[int]
    times: int = 1
    of: int = 1
    why: str = ""
    diff: list[FieldDiff] = []
    steps: list[Step] = []
    waived: bool = False
    key: str = ""


class RequirementResult(msgspec.Struct, omit_defaults=True):
    """What became of one requirement.

    `verdict` is held, violated, undecided, not_exercised or waived; `reason` says why it is not held.
    `checks` counts the exchanges that could have broken it; `cases` are the pytest ids or drivers behind it.
    """

    id: str
    level: str
    verdict: str
    chapter: str
    text: str
    source: list[str]
    trader: str
    checks: int
    reason: str | None = None
    cases: list[str] = []
    findings: list[Finding] = msgspec.field(default_factory=list)


class CaseResult(msgspec.Struct, omit_defaults=True):
    """One pytest case: `outcome` is passed, failed, undecided, not_exercised or error. Times in s."""

    id: str
    chapter: str
    outcome: str
    duration_s: float
    start_s: float
    reason: str | None = None
    requirements: list[str] = []


class Latency(msgspec.Struct):
    """Answer times of one operation, in ms. `buckets` are (upper bound in ms, count)."""

    operation: str
    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    buckets: list[tuple[float, int]]


class Driver(msgspec.Struct):
    """How much one driver sent, and a line of its own about it."""

    name: str
    exchanges: int
    note: str = ""


class Observation(msgspec.Struct):
    """A property worth knowing that is no violation."""

    requirement: str
    text: str


class RaceOperation(msgspec.Struct):
    """One operation of a race: times in ms from the race's first."""

    who: str
    what: str
    start_ms: float
    end_ms: float
    outcome: str


class Race(msgspec.Struct):
    """One race on one order. `verdict` is linearizable, violated or unknown."""

    name: str
    order: str
    overlapped: bool
    verdict: str
    operations: list[RaceOperation]


class Result(msgspec.Struct, omit_defaults=True):
    """All of a run. `verdict` is conformant, violated, undecided or not_exercised; times in s."""

    schema: str
    suite_version: str
    contract_digest: str
    verdict: str
    exit_status: int
    reason: str
    base_url: str
    symbol: str
    seed: int
    profile: str
    started_at: str
    duration_s: float
    requests: int
    command: str
    counts: dict[str, dict[str, int]]
    requirements: list[RequirementResult]
    cases: list[CaseResult] = []
    chapters: list[dict[str, str]] = []
    disagreements: list[dict[str, Any]] = []
    left_open: list[dict[str, Any]] = []
    observations: list[Observation] = []
    drivers: list[Driver] = []
    latency: list[Latency] = []
    races: list[Race] = []
    environment: dict[str, str] = {}
    target: dict[str, str] = {}
    cleanup: dict[str, Any] = {}
    partial: bool = False


def write_results(result: Result, path: Path) -> None:
    """Write `results.json`, indented so that a diff of two runs can be read."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")


def read_results(path: Path) -> Result:
    """The result in a `results.json`; raises ConfigError for a file that is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Result)
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}", "a run leaves results.json in its --report-dir"
        ) from None
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"{path} is not a results.json of this suite: {error}", "judge the record.ndjson beside it again"
        ) from None


def results_schema() -> dict[str, Any]:
    """The JSON Schema of `results.json`."""
    return msgspec.json.schema(Result)
