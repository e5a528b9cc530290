"""Waivers: violations that are known and accepted for a while; they are still looked for, and must be there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from difflib import get_close_matches
from pathlib import Path

from conformance.assemble import judge_record
from conformance.contract import Contract
from conformance.errors import ConfigError
from conformance.report.result import RequirementResult, Result
from conformance.target.settings import Waiver


def check_waivers(waivers: Sequence[Waiver], contract: Contract) -> None:
    """Raise ConfigError for a waiver that cannot match anything: an unknown requirement, twice the same."""
    seen: set[str] = set()
    for waiver in waivers:
        if waiver.requirement not in contract.requirements:
            near = get_close_matches(waiver.requirement, list(contract.requirements), n=1)
            hint = f"did you mean {near[0]}?" if near else "see spot-conformance requirements list"
            raise ConfigError(f"a waiver is for {waiver.requirement!r}, which is no requirement", hint)
        if waiver.requirement in seen:
            raise ConfigError(f"{waiver.requirement} is waived twice", "keep one [[waiver]] of it")
        seen.add(waiver.requirement)


def judge_with_waivers(
    path: Path, contract: Contract, waivers: Sequence[Waiver], *, whole: bool, today: date | None = None
) -> tuple[Result, list[str]]:
    """The result of a record with what is waived marked as such, and what is wrong with the waivers, a line each.

    `whole` says that nothing was left out of the run, so that a waiver that meets nothing is wrong. A waiver that
    expired (its `until` is before `today`) or whose message differs waives nothing.
    """
    result = judge_record(path, contract)
    rows = {row.id: row for row in result.requirements}
    waived: dict[str, str] = {}
    problems = []
    for waiver in waivers:
        problem = _problem(waiver, rows[waiver.requirement], today or date.today(), whole=whole)
        if problem is not None:
            problems.append(f"waiver of {waiver.requirement}: {problem}")
        elif rows[waiver.requirement].verdict == "violated":
            waived[waiver.requirement] = f"waived until {waiver.until}: {waiver.reason}"
    if waived:
        result = judge_record(path, contract, waived=waived)
        for row in result.requirements:
            for finding in row.findings:
                finding.waived = row.verdict == "waived"
    return result, problems


def _problem(waiver: Waiver, row: RequirementResult, today: date, *, whole: bool) -> str | None:
    if date.fromisoformat(waiver.until) < today:
        return f"it expired on {waiver.until}"
    if row.verdict == "held":
        return "the requirement holds now: remove the waiver"
    if row.verdict == "violated":
        other = [f.message for f in row.findings if waiver.message not in f.message]
        return f"it expects {waiver.message!r}, and the violation is {other[0]!r}" if other else None
    if row.verdict == "not_exercised" and whole:
        return f"it matches nothing, since the requirement was not exercised ({row.reason})"
    return None
