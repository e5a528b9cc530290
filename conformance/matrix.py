"""Try the suite on the reference with a fault, or with a permitted variation, and see what it says.

Each try is a ``spot-conformance run`` in a process of its own, against a reference in another one. Both are forked
from this process once everything is imported, so that no try pays for imports. A try that only asks whether some
requirement is found violated ends with the case that finds it, and is forked where the cases are collected already.
POSIX only.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from conformance import stop
from conformance.errors import SuiteError
from conformance.matrix_run import Collected, carry_out_whole
from conformance.runner import CASES

if TYPE_CHECKING:
    from conformance.reference.settings import Settings

_TAIL = 1500  # characters of output that are kept of a run that wrote no result


@dataclass(frozen=True, slots=True)
class Try:
    """One run to be made: a name, the reference's settings, and further arguments of ``spot-conformance run``.

    In place of the settings there may be the command of another server, which announces itself as the reference
    does and ends when its standard input is closed. ``own`` are the requirements that the run should find
    violated. With ``brief`` it ends once it has found one of them, or any MUST if none is named.
    """

    name: str
    server: Settings | tuple[str, ...]
    own: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    brief: bool = False


@dataclass(slots=True)
class Outcome:
    """What a run said. ``violated`` lists requirement ids in the order of the summary; ``seconds`` is wall time."""

    name: str
    own: tuple[str, ...]
    seconds: float
    exit_status: int | None = None
    verdict: str = "no result"
    reason: str = ""
    violated: list[str] = field(default_factory=list)
    violated_should: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    output: str = ""

    @property
    def killed(self) -> bool:
        """Whether a requirement that the fault names as its own was found violated."""
        return any(name in self.own for name in (*self.violated, *self.violated_should))

    @property
    def first(self) -> bool:
        """Whether the first violation of the summary is one of the fault's own."""
        listed = self.violated or self.violated_should
        return bool(listed) and listed[0] in self.own

    @property
    def conformant(self) -> bool:
        """Whether no MUST was violated or left undecided."""
        return self.exit_status == 0 and not self.violated


def make_tries(
    tries: Sequence[Try],
    *,
    jobs: int,
    profile: str,
    limit_s: float,
    told: Callable[[Outcome], None],
    again: Callable[[Outcome], Try | None] = lambda outcome: None,
) -> list[Outcome]:
    """Carry tries out, ``jobs`` at a time, and return the outcomes in the sequence of the tries.

    ``told`` hears of each outcome as it comes. ``again`` may answer one with another try of the same name, which
    comes next and whose outcome takes its place. A run that takes longer than ``limit_s`` is ended and has no
    result.
    """
    _warm_up(profile)

    def made(carry_out: Callable[[Try, Path], int]) -> list[Outcome]:
        gc.collect()
        gc.freeze()
        return _make(tries, carry_out, jobs, limit_s, told, again)

    if not any(one.brief for one in tries):
        return made(partial(carry_out_whole, profile=profile))
    return Collected(profile).tries(made)


def _make(
    tries: Sequence[Try],
    carry_out: Callable[[Try, Path], int],
    jobs: int,
    limit_s: float,
    told: Callable[[Outcome], None],
    again: Callable[[Outcome], Try | None],
) -> list[Outcome]:
    """Fork a process for each try that carries it out in a directory of its own."""
    outcomes: dict[str, Outcome] = {}
    waiting = list(reversed(tries))
    running: dict[int, tuple[Try, Path, float]] = {}
    with tempfile.TemporaryDirectory(prefix="spot-matrix-", ignore_cleanup_errors=True) as directory:
        base = Path(directory)
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    one = waiting.pop()
                    place = base / one.name
                    place.mkdir()
                    running[_fork(partial(carry_out, one, place))] = one, place, time.monotonic()
                for pid, status in _ended(running, limit_s):
                    one, place, began = running.pop(pid)
                    outcome = _read(one, place, time.monotonic() - began, status)
                    outcomes[one.name] = outcome
                    shutil.rmtree(place, ignore_errors=True)
                    if (more := again(outcome)) is not None:
                        waiting.append(more)
                    else:
                        told(outcome)
        finally:
            for pid in running:
                _end_group(pid)
    return [outcomes[one.name] for one in tries]


def _warm_up(profile: str) -> None:
    """Import and generate what every try needs, so that forked processes find it in memory."""
    from importlib import import_module

    from conformance.fuzz.ahead import remember
    from conformance.fuzz.generated import budget

    for name in (
        "conformance.cli",
        "conformance.runner",
        "conformance.assemble",
        "conformance.report",
        "conformance.report.html",
        "conformance.report.terminal",
        "conformance.suite.session",
        "conformance.suite.twins",
        "conformance.curl",
        "conformance.fuzz.machine",
        "conformance.reference.reference",
        "conformance.reference.server",
        "conformance.reference.faults",
        "uvicorn.protocols.http.h11_impl",
        "uvicorn.lifespan.on",
        "httpx",
        "_pytest.config",
        "_pytest.junitxml",
        "_pytest.unittest",
        "pdb",
        "encodings.idna",
        "unittest.mock",
        *(f"conformance.suite.{path.stem}" for path in sorted(CASES.glob("test_*.py"))),
    ):
        with suppress(ImportError):
            import_module(name)
    from conformance.reference.faults import load_faults

    load_faults()
    remember(0, budget(profile))


def _fork(work: Callable[[], int]) -> int:
    """Fork a process, in a group of its own, that does ``work`` and exits with what it returns."""
    sys.stdout.flush()
    sys.stderr.flush()
    with stop.postponed():  # what a signal raises in a callback of a fork is lost
        pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        os.setpgid(0, 0)
        status = work()
    except BaseException as error:  # the child must never return into the parent's code
        with suppress(Exception):
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def _ended(running: dict[int, tuple[Try, Path, float]], limit_s: float) -> Iterator[tuple[int, int | None]]:
    """Yield the processes that have ended since, with their exit status (None: ended for taking too long)."""
    ended: list[tuple[int, int | None]] = []
    for pid, (_, _, began) in running.items():
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            _end_group(pid, reap=False)
            ended.append((pid, os.waitstatus_to_exitcode(status)))
        elif time.monotonic() - began > limit_s:
            _end_group(pid)
            ended.append((pid, None))
    if not ended:
        time.sleep(0.02)
    yield from ended


def _end_group(pid: int, *, reap: bool = True) -> None:
    """End a try's processes; they are one group, so nothing is left behind."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    if reap:
        with suppress(ProcessLookupError, PermissionError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _read(one: Try, place: Path, seconds: float, status: int | None) -> Outcome:
    """What a finished try left behind."""
    outcome = Outcome(one.name, one.own, round(seconds, 1), status)
    try:
        if status is None:
            # what the record of a run that was cut off shows stands, whatever would have come after it
            rows = _judged(place / "reports" / "record.ndjson")
            outcome.verdict, outcome.reason = "cut off", "took too long"
        else:
            results = json.loads((place / "reports" / "results.json").read_text("utf-8"))
            rows = [(row["id"], row["level"], row["verdict"]) for row in results["requirements"]]
            outcome.verdict, outcome.reason = results["verdict"], results["reason"]
    except (OSError, ValueError, SuiteError):
        with suppress(OSError):
            outcome.output = (place / "output.txt").read_text("utf-8", "replace")[-_TAIL:]
        outcome.reason = "took too long" if status is None else f"exit status {status}"
        return outcome
    for name, level, verdict in rows:
        if verdict == "violated":
            (outcome.violated if level == "MUST" else outcome.violated_should).append(name)
        elif verdict == "undecided" and level == "MUST":
            outcome.undecided.append(name)
    return outcome


def _judged(record: Path) -> list[tuple[str, str, str]]:
    """Requirement, level and verdict for each requirement, from a record. Raises ConfigError if it is none."""
    from conformance.assemble import judge_record
    from conformance.contract import load_contract

    return [(row.id, row.level, row.verdict) for row in judge_record(record, load_contract()).requirements]
