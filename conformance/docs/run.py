"""`docs run`: executes a page's own samples against a target and judges what they sent and received."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from conformance.assemble import judge_record
from conformance.docs.differences import slug
from conformance.docs.page import Page, read_page
from conformance.docs.parts import PageError
from conformance.docs.sample_run import ACCOUNT, STATES, Outcome, SampleRun
from conformance.errors import SuiteError
from conformance.oracle.verdicts import RunVerdict
from conformance.report import write_reports
from conformance.report.result import Result
from conformance.report.text import visible
from conformance.suite.key_flaws import wrongly_signed
from conformance.suite.session import Session, check_safety, reference_settings
from conformance.target.contact import make_contact
from conformance.target.settings import load_settings

_EXERCISES = {"open": "cancel.success.open", "partially filled": "cancel.success.partially-filled"}
_BY = {"jwt": "cancel.success.by-jwt", "api_key": "cancel.success.by-api-key"}
_MARKS = {"passed": "✓", "failed": "✗", "flawed": "✗", "undecided": "?", "not_exercised": "–"}


def run_page(path: Path, options: Mapping[str, Any], console: Console) -> int:
    """Run the samples of the page at `path`, say what came of each, and return the exit status of a run.

    `options` are those of the command line: base_url, symbol, config, allow_trading, report_dir, timeout (s).
    0 all samples work and nothing was found, 1 a sample is wrong or the target violates the contract, 3 undecided,
    4 no sample could be run. Raises PageError for a page that cannot be read, ConfigError or TargetError for a
    target that cannot be used.
    """
    page = read_page(path)
    if not page.samples:
        raise PageError(f"{path} has no code samples", "docs check says what else it has")
    with ExitStack() as stack:
        settings = load_settings(
            config=options.get("config"),
            flags={name: options.get(name) for name in ("base_url", "symbol", "allow_trading")},
        )
        settings = settings or reference_settings(stack)
        check_safety(settings)
        directory = options.get("report_dir") or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        arguments = SimpleNamespace(report_dir=directory, conformance_seed=0, profile="quick")
        session = Session(settings, arguments, ExitStack())  # target and directory are closed here, at the end
        outcomes = _carry_out(session, page, console, float(options.get("timeout") or 20.0))
        result = judge_record(Path(directory) / "record.ndjson", session.contract)
        if options.get("report_dir"):
            write_reports(result, Path(directory))
    return _conclude(outcomes, result, console)


def _carry_out(session: Session, page: Page, console: Console, timeout_s: float) -> list[Outcome]:
    try:
        make_contact(session.venue)
        rules, band = session.venue.rules, session.venue.band
        session.recorder.note(
            "market",
            symbol=rules.symbol,
            tick=str(rules.tick),
            lot=str(rules.lot),
            min_notional=str(rules.min_notional),
            floor=str(band.floor),
            ceil=str(band.ceil),
            quiet=band.quiet,
        )
    except SuiteError as error:
        session.abandon(error)
        raise
    try:
        states = STATES if session.settings.counterparty is not None else STATES[:1]
        outcomes = [
            outcome
            for sample in page.samples
            for outcome in _on_each(SampleRun(session, page, sample, console, timeout_s), states)
        ]
        for scheme in session.venue.account(ACCOUNT).schemes:
            session.carry_out(f"docs::control[{scheme}]", [], partial(_control, session, scheme))
        return outcomes
    finally:
        session.finish()


def _on_each(run: SampleRun, states: tuple[str, ...]) -> list[Outcome]:
    found = []
    for state in states:
        title = run.sample.title
        wants = run.prepared("00000000-0000-4000-8000-000000000000", "").wants
        exercises = [_EXERCISES[state], *([_BY[wants]] if wants else [])]
        case: Callable[[], object] = partial(run.case, state)
        outcome, reason = run.session.carry_out(f"docs::{slug(title)}[{state.replace(' ', '-')}]", exercises, case)
        if run.flaws and outcome == "passed":
            outcome, reason = "flawed", "; ".join(run.flaws)
        elif run.flaws:
            reason = "; ".join([*run.flaws, *([reason] if reason else [])])
        found.append(Outcome(title, state, outcome, reason or "", run.repaired.repairs, list(run.flaws)))
    return found


def _control(session: Session, scheme: str) -> None:
    """A spoiled credential must be refused beside the samples' good ones, or their 200s prove nothing."""
    venue = session.venue
    order = session.states.open()
    venue.cancel(order, credential=wrongly_signed(venue, scheme))
    venue.look(order)


def _conclude(outcomes: list[Outcome], result: Result, console: Console) -> int:
    for outcome in outcomes:
        text = "sample is wrong" if outcome.outcome == "flawed" else outcome.outcome.replace("_", " ")
        console.print(
            f"{_MARKS[outcome.outcome]} {outcome.title}, on an order that is {outcome.state}: {text}", markup=False
        )
        for line in visible(outcome.reason).splitlines():
            console.print(f"    {line}", markup=False, soft_wrap=True)
        for repair in outcome.repairs if outcome.outcome == "passed" else ():
            console.print(f"    repaired: {repair}", markup=False, soft_wrap=True)
    violated = [row for row in result.requirements if row.verdict == "violated" and row.level == "MUST"]
    for row in violated:
        console.print(f"✗ the target violates {row.id}: {row.findings[0].message}", markup=False, soft_wrap=True)
    kinds = {outcome.outcome for outcome in outcomes}
    if violated or kinds & {"failed", "flawed"}:
        return 1
    if "undecided" in kinds or (result.verdict == RunVerdict.UNDECIDED and "passed" in kinds):
        if result.verdict == RunVerdict.UNDECIDED:
            console.print(f"? {visible(result.reason)}", markup=False, soft_wrap=True)
        return 3
    return 0 if "passed" in kinds else 4
