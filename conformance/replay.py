"""`spot-conformance replay FINDING`: runs the cases behind a finding again, and says whether it still shows."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from conformance import stop
from conformance.assemble import judge_record
from conformance.compare import RECORD, RESULTS, identity
from conformance.contract import load_contract
from conformance.errors import ConfigError, NothingToDo, TargetError
from conformance.record import Exchange, Row, read_rows
from conformance.report.result import Finding, RequirementResult, Result, read_results
from conformance.report.text import one_line, visible
from conformance.runner import run_cases
from conformance.suite.plugin import case_name
from conformance.suite.session import Session
from conformance.target.settings import load_settings

GONE, FAILS, UNTRIED = 0, 1, 3
_TRIES = 5  # for a finding that did not show each time
_SHOWN = 1500  # characters of a body


class _Cases:
    """A pytest plugin that runs only the cases with these names, and passes on what is recorded."""

    def __init__(self, names: set[str], printer: _Printer) -> None:
        self.names, self.printer = names, printer
        self.found: set[str] = set()
        self.crashes: list[str] = []

    def pytest_configure(self, config: pytest.Config) -> None:
        config.option.row_listeners = [self.printer.row]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        kept = [item for item in items if case_name(item) in self.names]
        self.found = {case_name(item) for item in kept}
        items[:] = kept

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and (report.when != "call" or "Traceback" in str(report.longrepr)):
            self.crashes.append(str(report.longrepr)[-2000:])


class _Printer:
    """Prints the exchanges of some cases as they end: what was sent, what was signed, and what came back."""

    def __init__(self, names: set[str], console: Console) -> None:
        self.names, self.console, self.number = names, console, 0

    def row(self, row: Row) -> None:
        """Take in a row of the record; its secrets are masked already."""
        if not isinstance(row, Exchange) or row.case not in self.names:
            return
        self.number += 1
        self._say(f"{self.number}  {who(row)}")
        self._say(f"   > {row.request.method} {row.request.target}")
        if row.request.body:
            self._say(f"     {row.request.body[:_SHOWN]}")
        if row.signed is not None:
            self._say(f"   signed: {row.signed or '(nothing)'}")
        answer = f"{row.response.status} {row.response.body[:_SHOWN]}" if row.response else row.error or "no answer"
        self._say(f"   < {answer.strip()}")

    def _say(self, text: str) -> None:
        _say(self.console, text)


def _say(console: Console, text: str) -> None:
    console.print(visible(text), markup=False, soft_wrap=False)


def who(x: Exchange) -> str:
    """Who sent an exchange, by which credential, and what was done to it."""
    if x.auth is None:
        return "anybody"
    text = f"{x.auth.account}, {x.auth.scheme}"
    if x.auth.flaw is not None:
        return f"{text}, spoiled: {x.auth.how or x.auth.flaw}"
    return f"{text}, {x.auth.how}" if x.auth.how else text


def replay(name: str, report_dir: Path, options: Mapping[str, Any], console: Console) -> int:
    """Try a finding again on the target; 0 it no longer fails, 1 it still does, 3 it could not be tried.

    Raises ConfigError for an unknown finding or where nothing names a target, TargetError if there is no contact.
    """
    result = read_results(report_dir / RESULTS if report_dir.is_dir() else report_dir)
    requirement, finding = find(result, name)
    base_url = _target(options, result)
    cases = cases_of(finding, report_dir)
    _say(console, f"{finding.id}  {requirement.level} {requirement.id}")
    for line in (finding.message, f"expected: {finding.expected}", f"seen:     {finding.seen}"):
        _say(console, f"    {one_line(line)}")
    _say(console, f"    on {base_url}: {', '.join(sorted(cases)) or 'no case'}")
    tries = _TRIES if finding.times < finding.of else 1
    for attempt in range(tries):
        again = _once(cases, result, options, console)
        row = next(row for row in again.requirements if row.id == requirement.id)
        if row.findings:
            return _fails(finding, requirement, row, console)
        stuck = [case for case in again.cases if case.outcome not in ("passed", "failed")]
        if stuck or not row.checks:
            reason = stuck[0].reason if stuck else "the cases ran, and none of their answers could have shown it"
            _say(console, f"\n{finding.id} could not be tried: {one_line(reason or '')}")
            return UNTRIED
        if attempt + 1 < tries:
            _say(console, f"not shown this time, as not each time in the run: try {attempt + 2} of {tries}")
    times = f" in {tries} tries" if tries > 1 else ""
    _say(console, f"\n{finding.id} no longer fails{times}: {requirement.id} held.")
    return GONE


def _fails(finding: Finding, requirement: RequirementResult, row: RequirementResult, console: Console) -> int:
    key = identity(requirement.id, finding)
    same = next((one for one in row.findings if identity(row.id, one) == key), None)
    shown = same or row.findings[0]
    how = "still fails" if same else "fails in another way"
    _say(console, f"\n{finding.id} {how}: {one_line(shown.message)}")
    for line in (f"expected: {shown.expected}", f"seen:     {shown.seen}"):
        _say(console, f"    {one_line(line)}")
    return FAILS


def find(result: Result, name: str) -> tuple[RequirementResult, Finding]:
    """The finding with this id; raises ConfigError with the nearest ids if there is none."""
    findings = {f.id: (row, f) for row in result.requirements for f in row.findings}
    wanted = {known.lower(): known for known in findings}.get(name.lower())
    if wanted is not None:
        return findings[wanted]
    if not findings:
        raise ConfigError(f"there is no finding {name}: the run has none", "see the report")
    near = difflib.get_close_matches(name.upper(), findings, n=3, cutoff=0.3) or list(findings)[:3]
    raise ConfigError(f"there is no finding {name}", f"nearest are {', '.join(near)}; there are {len(findings)}")


def cases_of(finding: Finding, report_dir: Path) -> set[str]:
    """The cases that sent a finding's exchanges: from the record if it lies beside, else the one it names."""
    record = (report_dir if report_dir.is_dir() else report_dir.parent) / RECORD
    cases = {finding.case} - {""}
    if record.is_file():
        wanted = set(finding.exchanges)
        cases |= {row.case for row in read_rows(record) if isinstance(row, Exchange) and row.n in wanted}
    return cases


def _target(options: Mapping[str, Any], result: Result) -> str:
    """The target's URL. It is never taken from the report: credentials go where the user says."""
    flags = {name: options.get(name) for name in ("base_url", "symbol", "allow_trading")}
    settings = load_settings(config=options.get("config"), flags=flags)
    if settings is None:
        raise ConfigError(
            "nothing names the target to try it on",
            f"it was {one_line(result.base_url)}: give --base-url and its credentials",
        )
    return settings.base_url


def _once(cases: set[str], result: Result, options: Mapping[str, Any], console: Console) -> Result:
    """Run the cases and judge what came of it."""
    plugin = _Cases(cases, _Printer(cases, console))
    more = {"profile": "thorough", "seed": result.seed, "only": ()}
    with tempfile.TemporaryDirectory(prefix="spot-replay-") as directory:
        report_dir = Path(directory)
        status = run_cases({**options, **more}, report_dir, plugin)
        if stop.requested():
            raise KeyboardInterrupt
        if plugin.crashes:
            raise RuntimeError("a case crashed\n" + "\n".join(plugin.crashes))
        if Session.failure is not None:
            raise Session.failure
        if not plugin.found:
            names = ", ".join(sorted(cases)) or "none"
            raise TargetError(f"the suite has no case of this name: {names}", "run the suite again instead")
        if status == pytest.ExitCode.INTERNAL_ERROR or not (report_dir / RECORD).is_file():
            raise NothingToDo("nothing was run", "run the suite again instead")
        return judge_record(report_dir / RECORD, load_contract())
