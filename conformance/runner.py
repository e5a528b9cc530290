"""`spot-conformance run`: the suite through pytest, with its own progress and summary, and the reports."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from conformance import stop
from conformance.errors import NothingToDo, SuiteError
from conformance.suite.options import set_options
from conformance.suite.session import Session
from conformance.target.redact import masked

if TYPE_CHECKING:
    from conformance.contract import Contract
    from conformance.report.result import Result

CASES = Path(__file__).parent / "suite"
_ARGUMENTS = [
    str(CASES),
    f"--rootdir={CASES}",
    "-c",
    str(CASES / "pytest.ini"),
    "--disable-plugin-autoload",  # what else is installed here has no part in a run
    "-p",
    "spot_conformance",
    "-p",
    "no:terminal",
    "--capture=no",  # or else the progress, and what a replay shows, would be swallowed
    "-p",
    "no:cacheprovider",
    "-p",
    "no:schemathesis",
    "-p",
    "no:unraisableexception",  # collects garbage at the end, which takes a while, to complain about it
    "--assert=plain",  # cases have no assertions to explain, and rewriting them takes a while
]
_INTERNAL = 70
_OUTCOMES = (pytest.fail.Exception, pytest.skip.Exception, KeyboardInterrupt)


class _Plugin:
    """Follows the cases."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.error: SuiteError | None = None
        self.crashes: list[str] = []

    def pytest_configure(self, config: pytest.Config) -> None:
        config.option.case_listeners = [self.progress.case]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.progress.total = len(session.items)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and report.when != "call":
            self.crashes.append(f"{report.nodeid}: {masked(str(report.longrepr))[-2000:]}")

    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        # told by the kind of exception: what a target answers may look like a traceback as well
        error = call.excinfo
        if call.when == "call" and error is not None and not isinstance(error.value, _OUTCOMES):
            self.crashes.append(f"{item.nodeid}: {masked(str(error.getrepr(style='short')))[-2000:]}")

    def pytest_internalerror(self, excrepr: object) -> bool:
        self.crashes.append(masked(str(excrepr))[-4000:])
        return True  # it is said by us, with secrets masked

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.crashes.append(masked(str(report.longrepr))[-2000:])


class Progress:
    """What shows while a run goes on: a live line on a terminal, a plain line now and then elsewhere."""

    def __init__(self, console: Console) -> None:
        self.console, self.total, self.done = console, 0, 0
        self.counts: dict[str, int] = {}
        self._live = console.is_terminal and not console.is_dumb_terminal
        self._tenth = 0

    def case(self, name: str, outcome: str, seconds: float, reason: str | None) -> None:
        """Take in the end of a case."""
        self.done += 1
        self.counts[outcome] = self.counts.get(outcome, 0) + 1
        text = ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in self.counts.items())
        if self._live:
            width = 24
            bar = "━" * (width * self.done // max(1, self.total))
            line = f"\r{bar:<{width}} {self.done}/{self.total}  {text}"
            self.console.file.write(line[: self.console.width].ljust(self.console.width - 1))
            self.console.file.flush()
            if outcome == "failed":
                self._clear()
                self._failed(name, reason)
        else:
            if outcome == "failed":
                self._failed(name, reason)
            tenth = 10 * self.done // max(1, self.total)
            if tenth > self._tenth:
                self._tenth = tenth
                self.console.print(f"{self.done}/{self.total} cases: {text}", markup=False)

    def _failed(self, name: str, reason: str | None) -> None:
        first = (reason or "").split("\n", 1)[0]
        self.console.print(f"✗ {name}  {first}", markup=False, overflow="ellipsis", no_wrap=True)

    def _clear(self) -> None:
        self.console.file.write("\r" + " " * (self.console.width - 1) + "\r")

    def end(self) -> None:
        """Clear the live line."""
        if self._live:
            self._clear()


def run(options: Mapping[str, Any], console: Console) -> int:
    """Carry out a run and write its reports; the exit status. Raises SuiteError for what the user can mend."""
    from conformance.compare import load_side
    from conformance.contract import load_contract

    contract = load_contract()
    contract.select(options["only"])
    baseline = load_side(options["baseline"], contract).judged if options.get("baseline") else None
    report_dir = Path(options["report_dir"])
    progress = Progress(console)
    plugin = _Plugin(progress)
    _show_head(options, console)
    try:
        status = run_cases(options, report_dir, plugin)
    except KeyboardInterrupt:  # while it ended
        status = pytest.ExitCode.INTERRUPTED
    with stop.shielded():  # what was found is told, and reports are not left half written
        return _tell(options, console, contract, plugin, status, baseline)


def _tell(
    options: Mapping[str, Any],
    console: Console,
    contract: Contract,
    plugin: _Plugin,
    status: int,
    baseline: Result | None,
) -> int:
    """Judge what was recorded, write the reports and print the summary; the exit status. Raises SuiteError."""
    from conformance.assemble import judge_record
    from conformance.compare import accept_known, print_known
    from conformance.report import write_reports
    from conformance.report.terminal import print_summary
    from conformance.waivers import judge_with_waivers

    report_dir = Path(options["report_dir"])
    plugin.progress.end()
    if plugin.crashes:
        sys.stderr.write("spot-conformance: internal error: a case crashed\n" + "\n".join(plugin.crashes) + "\n")
        return _INTERNAL
    if Session.failure is not None and not _found_on_contact(report_dir):
        if Session.recorded:  # whoever reads reports and no terminal is told as well
            write_reports(judge_record(report_dir / "record.ndjson", contract), report_dir)
        raise Session.failure
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise NothingToDo("no case exercises what was selected", "see spot-conformance requirements list")
    if status == pytest.ExitCode.INTERNAL_ERROR and Session.failure is None:  # whose status is the same number
        return _INTERNAL
    if not Session.recorded:  # a record that is there is of an earlier run
        if status == pytest.ExitCode.INTERRUPTED or stop.requested():
            raise KeyboardInterrupt
        return _INTERNAL  # pytest has said why
    result, problems = judge_with_waivers(
        report_dir / "record.ndjson", contract, Session.waivers, whole=not options["only"] and status != 2
    )
    known = accept_known(result, baseline, options["baseline"].name) if baseline is not None else None
    write_reports(result, report_dir)
    print_summary(result, console, report_dir)
    if known is not None:
        print_known(known, options["baseline"].name, result.exit_status, console)
    if status == pytest.ExitCode.INTERRUPTED or stop.requested():
        return stop.exit_status()
    for problem in problems:
        sys.stderr.write(f"spot-conformance: {problem}\n")
    return 2 if problems else result.exit_status


def _found_on_contact(report_dir: Path) -> bool:
    """Whether contact failed because of violations: then these are the result, and not that it failed."""
    from conformance.assemble import judge_record
    from conformance.contract import load_contract

    return Session.recorded and judge_record(report_dir / "record.ndjson", load_contract()).verdict == "violated"


def _show_head(options: Mapping[str, Any], console: Console) -> None:
    """Say what is checked and, before a run on another machine, what it will do there."""
    from conformance.commands.plan import plan_lines
    from conformance.suite.session import check_safety
    from conformance.target.settings import load_settings

    flags = {name: options.get(name) for name in ("base_url", "symbol", "allow_trading", "insecure")}
    settings = load_settings(config=options.get("config"), flags=flags)
    target = settings.base_url if settings is not None else "the embedded reference"
    console.print(
        f"Checking {target} (profile {options['profile']}, seed {options['seed']})", markup=False, soft_wrap=True
    )
    if settings is None or settings.is_loopback:
        return
    check_safety(settings)
    for line in plan_lines(settings, options):
        console.print(line, markup=False, soft_wrap=True)


class _Given:
    """Hands options to the suite's plugin."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        set_options(config, self._options)


def run_cases(options: Mapping[str, Any], report_dir: Path, plugin: object) -> int:
    """Let pytest run the suite's cases with these options, and no settings that are meant for other tests."""
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        os.environ.pop(name, None)
    Session.failure, Session.recorded = None, False
    return int(pytest.main(_ARGUMENTS, plugins=[_Given({**options, "report_dir": report_dir}), plugin]))
