"""One try of the matrix, in the process that was forked for it: starts the server, and runs the suite on it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

from conformance.runner import run_cases
from conformance.suite.options import set_options
from conformance.suite.plugin import LAST, requirements_of, select, session_of, turn

if TYPE_CHECKING:
    from conformance.matrix import Outcome, Try
    from conformance.reference.settings import Settings

_START_S = 20  # how long a reference may take to announce itself
_RECOVERY_MS = 400  # stretches a restart, so that it can be seen
_TIMEOUT_S = "3"  # for an answer: plenty on this machine, and it keeps faults that hang short
_SERVERS: list[subprocess.Popen[bytes]] = []  # of this process, if they are not the reference


def carry_out_whole(one: Try, place: Path, profile: str) -> int:
    """Run the whole suite as the command line does, and return the exit status."""
    from conformance.cli import cli

    arguments = _begin(one, place, profile)
    try:
        cli.main(arguments, prog_name="spot-conformance", standalone_mode=False)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


class Collected:
    """A plugin of pytest: where the cases are collected, tries are forked that end with what they look for."""

    def __init__(self, profile: str) -> None:
        self._profile = profile
        self._make: Callable[[Callable[[Try, Path], int]], list[Outcome]] = lambda carry_out: []
        self._outcomes: list[Outcome] | None = None
        self._problem: BaseException | None = None
        self._own: tuple[str, ...] | None = None  # in a forked process: what is looked for

    def tries(self, make: Callable[[Callable[[Try, Path], int]], list[Outcome]]) -> list[Outcome]:
        """What `make` returns, called where all cases are collected, with what a forked process is to do.

        Raises what `make` raises, and RuntimeError if the cases cannot be collected.
        """
        self._make = make
        status = run_cases(_options(["--profile", "thorough"]), Path("reports"), self)
        if self._problem is not None:
            raise self._problem
        if self._outcomes is None:
            raise RuntimeError(f"the cases cannot be collected: pytest ended with {status}")
        return self._outcomes

    def pytest_configure(self, config: pytest.Config) -> None:
        """Have the suite's plugin write no reports."""
        config.option.case_listeners = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Make the tries instead; in a process that was forked for one, let the cases be carried out."""
        if self._own is not None:
            return None
        try:
            self._outcomes = self._make(lambda one, place: self._carry_out(session, one, place))
        except BaseException as error:  # pytest has no part in it
            self._problem = error
        return True

    def _carry_out(self, session: pytest.Session, one: Try, place: Path) -> int:
        """Run the cases until one finds what is looked for; the exit status. Leaves only ``results.json``."""
        from conformance.assemble import judge_record
        from conformance.contract import load_contract
        from conformance.report.result import write_results

        options = _options(_begin(one, place, self._profile)[1:])
        self._own, report_dir = one.own, options["report_dir"]
        set_options(session.config, options)
        select(session.config, session.items)
        # of those in turn, the cases that exercise the first requirement come first, but for those that come last
        first = set(one.own[:1])
        session.items.sort(key=lambda item: (turn(item) == LAST, first.isdisjoint(requirements_of(item))))
        with suppress(KeyboardInterrupt, pytest.exit.Exception):  # it is found, or the target cannot be tested
            session.config.hook.pytest_runtestloop(session=session)
        session.config.hook.pytest_sessionfinish(session=session, exitstatus=0)
        result = judge_record(report_dir / "record.ndjson", load_contract())
        write_results(result, report_dir / "results.json")
        return result.exit_status

    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """End the run once it has found one of these requirements violated, beyond doubt."""
        opened = session_of(item.config)
        if opened is None:
            return
        own = self._own or [row.id for row in opened.contract.requirements.values() if row.level == "MUST"]
        if any(map(opened.judge.is_violated, own)):
            item.session.shouldstop = "found"


def _options(arguments: list[str]) -> dict[str, Any]:
    """The options of `spot-conformance run` with these arguments."""
    from conformance.cli import run as command

    return dict(command.make_context("run", arguments).params)


def _begin(one: Try, place: Path, profile: str) -> list[str]:
    """Start the server and prepare this process for a run against it; the arguments of ``spot-conformance``."""
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
    return arguments


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
