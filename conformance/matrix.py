"""Try the suite on the reference with a fault, or with a permitted variation, and see what it says.

Each try is a ``spot-conformance run`` in a process of its own, against a reference in another one. Both are forked
from this process once everything is imported, so that no try pays for imports. A try that only asks whether some
requirement is found violated ends with the case that finds it. POSIX only.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

from conformance.errors import SuiteError
from conformance.runner import CASES
from conformance.suite.plugin import LAST, requirements_of, session_of, turn

if TYPE_CHECKING:
    from conformance.reference.settings import Settings

_START_S = 20  # how long a reference may take to announce itself
_RECOVERY_MS = 400  # stretches a restart, so that it can be seen
_TIMEOUT_S = "3"  # for an answer: plenty on this machine, and it keeps faults that hang short
_TAIL = 1500  # characters of output that are kept of a run that wrote no result
_SERVERS: list[subprocess.Popen[bytes]] = []  # of this process, if they are not the reference


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
                    running[_fork(lambda one=one, place=place: _carry_out(one, place, profile))] = (  # type: ignore[misc]
                        one,
                        place,
                        time.monotonic(),
                    )
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
    gc.collect()
    gc.freeze()


def _fork(work: Callable[[], int]) -> int:
    """Fork a process, in a group of its own, that does ``work`` and exits with what it returns."""
    sys.stdout.flush()
    sys.stderr.flush()
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


def _carry_out(one: Try, place: Path, profile: str) -> int:
    """Start the reference, run the suite against it as the command line does, and return the exit status."""
    from conformance.cli import cli

    log = os.open(place / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(place)
    if one.own:  # case by case, whatever the load of this machine makes of the time that answers take
        (place / "conformance.toml").write_text("[safety]\nmax_parallel = 1\n", "ascii")
    announced = _announced(one.server, place)
    for name, account in announced["accounts"].items():
        for key, value in account.items():
            os.environ[f"SPOT_CONFORMANCE_{name}_{key}".upper()] = str(value)
    os.environ["SPOT_CONFORMANCE_TIMEOUT_S"] = _TIMEOUT_S
    arguments = ["run", "--base-url", announced["base_url"], "--profile", profile]
    arguments += ["--report-dir", str(place / "reports"), *one.arguments]
    sys.argv = ["spot-conformance", *arguments]
    if one.brief:
        return _run_until_found(one.own, arguments[1:], place / "reports")
    try:
        cli.main(arguments, prog_name="spot-conformance", standalone_mode=False)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


class _UntilFound:
    """Ends a run with the case that finds one of these requirements violated, beyond doubt."""

    def __init__(self, own: Sequence[str]) -> None:
        self.own = own

    def pytest_configure(self, config: pytest.Config) -> None:
        """Have the plugin write no reports."""
        config.option.case_listeners = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the cases that exercise the first requirement before the others, but for those that come last."""
        first = set(self.own[:1])
        items.sort(key=lambda item: (turn(item) == LAST, first.isdisjoint(requirements_of(item)), turn(item)))

    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        opened = session_of(item.config)
        if opened is None:
            return
        own = self.own or [row.id for row in opened.contract.requirements.values() if row.level == "MUST"]
        if any(map(opened.judge.is_violated, own)):
            item.session.shouldstop = "found"


def _run_until_found(own: Sequence[str], arguments: list[str], report_dir: Path) -> int:
    """Run the cases until one finds what is looked for; the exit status. Leaves only ``results.json``."""
    from conformance.assemble import judge_record
    from conformance.cli import run as command
    from conformance.contract import load_contract
    from conformance.report.result import write_results
    from conformance.runner import run_cases

    options = command.make_context("run", arguments).params
    run_cases(options, report_dir, _UntilFound(own))
    result = judge_record(report_dir / "record.ndjson", load_contract())
    write_results(result, report_dir / "results.json")
    return result.exit_status


def _announced(server: Settings | tuple[str, ...], place: Path) -> dict[str, Any]:
    """Start the server; what it announces. It ends with this process."""
    if not isinstance(server, tuple):
        return _serve(server, place)
    process = subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    _SERVERS.append(process)  # its standard input stays open as long as it is referred to
    assert process.stdout is not None
    return _announcement(process.stdout)


def _announcement(stream: IO[bytes]) -> dict[str, Any]:
    signal.alarm(_START_S)
    line = stream.readline()
    signal.alarm(0)
    if not line:
        raise RuntimeError("the server did not start")
    announced: dict[str, Any] = json.loads(line)
    return announced


def _serve(settings: Settings, place: Path) -> dict[str, Any]:
    """Start a reference in a forked process; what it announces.

    When it is killed it starts again, on the same port and data. Its process id is in ``server.pid``.
    """
    told_here, told_there = os.pipe()
    life_there, life_here = os.pipe()  # the reference ends when this end is closed, as at our exit
    if os.fork() == 0:
        try:
            os.close(life_here)
            os.dup2(life_there, 0)
            _keep_serving(replace(settings, db=str(place / "exchange.db")), place, told_there)
        except BaseException as error:
            print(f"reference: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(0)
    os.close(told_there)
    os.close(life_there)
    with os.fdopen(told_here, "rb") as stream:
        return _announcement(stream)


def _keep_serving(settings: Settings, place: Path, told: int) -> None:
    from conformance.reference.server import serve

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    while True:
        pid = os.fork()
        if pid == 0:
            try:
                os.dup2(told, 1)
                sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
                serve(settings, host="127.0.0.1", port=port, as_json=True, until_stdin_closes=True)
            finally:
                os._exit(0)
        (place / "server.pid").write_text(f"{pid}\n", "ascii")
        _, status = os.waitpid(pid, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            return
        settings = replace(settings, recovery_delay_ms=_RECOVERY_MS)


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
