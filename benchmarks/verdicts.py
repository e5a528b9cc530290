"""Seconds from the command to the verdict: by profile, by what is asked for, and by the way to the target."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.delay import delayed
from benchmarks.measure import Row, Spread, command_s
from benchmarks.targets import environment
from conformance.reference.server import start


@dataclass(frozen=True)
class Run:
    """A run to be timed: its arguments, and the round-trip time (s) to its target (None: the embedded one)."""

    name: str
    arguments: tuple[str, ...]
    round_trip_s: float | None = None


def verdict(directory: Path, run: Run) -> tuple[float, int, str]:
    """Carry it out: wall seconds with start and reports, how many requests it sent, its verdict."""
    report = directory / "verdict"
    with ExitStack() as stack:
        env = None
        if run.round_trip_s is not None:
            running = stack.enter_context(start())
            url = stack.enter_context(delayed(running.base_url, run.round_trip_s))
            env = environment(running, url)
        seconds = command_s(directory, ["run", "--report-dir", str(report), *run.arguments], (0, 3), env)
    results = json.loads((report / "results.json").read_text())
    return seconds, int(results["requests"]), str(results["verdict"])


def kill_matrix(directory: Path, faults: Sequence[str]) -> list[Row]:
    """`faults run`: all of the catalogue, or those named, each against the suite, once."""
    seconds = command_s(directory, ["faults", "run", "--json", "matrix.json", *faults], (0, 1))
    tried = json.loads((directory / "matrix.json").read_text())["outcomes"]
    survivors = [row["name"] for row in tried if not row["killed"]]
    note = "; not ".join([f"{len(tried) - len(survivors)} of {len(tried)} faults found", *survivors])
    return [Row("seconds for the kill matrix", f"{seconds:.0f}", note)]


def verdicts(directory: Path, runs: Sequence[Run], repeats: int) -> list[Row]:
    """All runs in turn, `repeats` times; those on a distant target, which take minutes and mostly wait, once."""
    found: dict[str, list[tuple[float, int, str]]] = {run.name: [] for run in runs}
    for repeat in range(repeats):
        for run in runs:
            if repeat == 0 or run.round_trip_s is None:
                found[run.name].append(verdict(directory, run))
    rows = []
    for name, taken in found.items():
        seconds = Spread(tuple(row[0] for row in taken))
        requests = round(Spread(tuple(float(row[1]) for row in taken)).median)
        said = ", ".join(sorted({row[2] for row in taken}))
        rows.append(Row(f"seconds to a verdict: {name}", seconds.text(1), f"{requests:,} requests, {said}"))
    return rows
