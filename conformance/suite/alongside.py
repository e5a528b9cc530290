"""The suite beside a project's own tests: under pytest-xdist, and what is left and said at the end.

`spot-conformance run` does its own; nothing here is for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conformance.errors import SuiteError

if TYPE_CHECKING:
    from conformance.report.result import Result
    from conformance.suite.session import Session

CASES = Path(__file__).parent
_GROUP = "spot-conformance"
_OUTPUT = "spot_conformance"


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is one of pytest-xdist's workers."""
    return hasattr(config, "workerinput")


class Alongside:
    """A plugin that keeps the suite in one worker of pytest-xdist, and writes and tells the outcome."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.told: dict[str, Any] | None = None

    def finish(self, session: Session) -> None:
        """Judge the record of a run that has ended and write its reports."""
        from conformance.report import write_reports
        from conformance.waivers import judge_with_waivers

        record = session.report_dir / "record.ndjson"
        try:
            result, problems = judge_with_waivers(record, session.contract, session.waivers, whole=False)
            write_reports(result, session.report_dir)
            self.told = _summary(result, session.report_dir, problems)
        except SuiteError as error:
            self.told = {"lines": [str(error)], "exit_status": error.exit_status}
        if is_worker(self.config):
            getattr(self.config, "workeroutput")[_OUTPUT] = self.told  # noqa: B009 - xdist adds it

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """The scheduler that was asked for, except that it gives all of our cases to one worker.

        One venue and one ledger cannot be shared by two processes.
        """
        if not _asks_for_cases(config.args):
            return None
        dist = config.getoption("dist")
        if dist == "each":
            raise pytest.UsageError("spot-conformance: one account cannot be tested by several workers at a time")
        schedulers = import_module("xdist.scheduler")
        kinds = {"loadfile": schedulers.LoadFileScheduling, "loadscope": schedulers.LoadScopeScheduling}
        base: Any = kinds.get(dist, schedulers.LoadGroupScheduling)

        class OneWorkerForOurs(base):  # type: ignore[misc]
            def _split_scope(self, nodeid: str) -> str:
                return _GROUP if _may_be_ours(nodeid) else str(super()._split_scope(nodeid))

        return OneWorkerForOurs(config, log)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what the worker that ran our cases has to tell."""
        self.told = self.told or getattr(node, "workeroutput", {}).get(_OUTPUT)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """What is violated fails the run, also where that showed only after the case had ended."""
        if self.told and self.told["exit_status"] == 1 and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say the verdict and where the report is."""
        if self.told:
            terminalreporter.section("spot-conformance")
            for line in self.told["lines"]:
                terminalreporter.write_line(line)


def _may_be_ours(nodeid: str) -> bool:
    """Whether a node id may be a case's; what lies outside of the root directory is named from what was asked for.

    A file of the project that has the same name as one of ours runs in the same worker, which harms nothing.
    """
    file = Path(nodeid.split("::")[0])
    return not file.name or (file.parent.name in ("", CASES.name) and (CASES / file.name).is_file())


def _asks_for_cases(arguments: Iterable[str]) -> bool:
    """Whether any of pytest's arguments names cases of ours: the process that schedules collects nothing itself."""
    for argument in arguments:
        name = argument.split("::")[0]
        if name == "conformance" or name.startswith("conformance."):
            return True
        path = Path(name).resolve()
        if path == CASES or CASES in path.parents or path in CASES.parents:
            return True
    return False


def _summary(result: Result, directory: Path, problems: Iterable[str]) -> dict[str, Any]:
    from conformance.contract import load_contract
    from conformance.report.overview import Overview
    from conformance.report.text import clean

    overview = Overview(clean(result), load_contract())
    reason = [overview.result.reason] if result.verdict == "undecided" and result.reason else []
    lines = [overview.headline(), *reason, *problems, f"report: {directory / 'report.html'}"]
    return {"lines": lines, "exit_status": result.exit_status}
