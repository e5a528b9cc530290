"""Compares two runs: what was fixed, what broke, what is newly checked, and what lost its evidence.

A run that an older suite judged is judged again from its record, so that what changed on the target and what
changed in the suite are told apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from conformance import __version__
from conformance.assemble import judge_record
from conformance.contract import Contract, load_contract
from conformance.errors import ConfigError
from conformance.report.result import Finding, RequirementResult, Result, read_results
from conformance.report.text import one_line, visible

RESULTS, RECORD = "results.json", "record.ndjson"
_VARIABLE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{9,}", re.IGNORECASE)
_UNKNOWN = ("undecided", "not_exercised", "absent")


def identity(requirement: str, finding: Finding) -> tuple[str, str]:
    """What makes a finding the same in another run: its requirement and key, or else its words without ids."""
    words = finding.key or _VARIABLE.sub("…", f"{finding.expected}|{finding.seen}")
    return requirement, words


def identities(result: Result) -> dict[tuple[str, str], Finding]:
    """The findings of a result by what makes them the same elsewhere."""
    return {identity(row.id, finding): finding for row in result.requirements for finding in row.findings}


@dataclass(frozen=True)
class Side:
    """One of the two runs: as it was judged then (`stored`) and by this suite (`judged`; may be the same)."""

    path: Path
    stored: Result
    judged: Result
    caution: str = ""

    @property
    def again(self) -> bool:
        """Whether it was judged again."""
        return self.judged is not self.stored


@dataclass(frozen=True)
class Change:
    """One line of a comparison. `regression` is what makes the exit status 1."""

    level: str
    requirement: str
    text: str
    regression: bool = False


@dataclass
class Comparison:
    """All changes from one run to another; `suite` are those that come from the suite alone."""

    fixed: list[Change] = field(default_factory=list)
    broke: list[Change] = field(default_factory=list)
    newly: list[Change] = field(default_factory=list)
    lost: list[Change] = field(default_factory=list)
    still: list[Change] = field(default_factory=list)
    suite: list[Change] = field(default_factory=list)

    @property
    def regressions(self) -> int:
        """How many changes are violations of a MUST that was not violated so before."""
        return sum(change.regression for change in self.broke)


def load_side(path: Path, contract: Contract) -> Side:
    """A run from its report directory, `results.json` or `record.ndjson`. Raises ConfigError for anything else."""
    if path.is_dir():
        path = path / RESULTS if (path / RESULTS).is_file() else path / RECORD
    if not path.is_file():
        raise ConfigError(f"there is no {path}", "give a results.json, a record.ndjson or a report directory")
    if _is_record(path):
        judged = judge_record(path, contract)
        return Side(path, judged, judged)
    stored = read_results(path)
    if stored.suite_version == __version__ and stored.contract_digest == contract.digest:
        return Side(path, stored, stored)
    beside = path.with_name(RECORD)
    if not beside.is_file():
        return Side(
            path, stored, stored, "an older suite judged it, and its record is gone: changes may be the suite's"
        )
    waived = {row.id: row.reason or "" for row in stored.requirements if row.verdict == "waived"}
    judged = judge_record(beside, contract, waived=waived)
    if judged.started_at != stored.started_at:
        return Side(
            path, stored, stored, f"an older suite judged it, and {beside.name} beside it is of another run"
        )
    return Side(path, stored, judged)


def _is_record(path: Path) -> bool:
    with path.open("rb") as file:
        return b'"kind":"header"' in file.readline(100_000)[:100]


def compare(a: Side, b: Side) -> Comparison:
    """What changed from `a` to `b`."""
    found = Comparison()
    _target(a.judged, b.judged, found)
    for side in (a, b):
        if side.again:
            _suite(side, found)
    return found


def _by_id(result: Result) -> dict[str, RequirementResult]:
    return {row.id: row for row in result.requirements}


def _target(a: Result, b: Result, found: Comparison) -> None:
    before, after = _by_id(a), _by_id(b)
    for name in dict.fromkeys([*after, *before]):
        old, new = before.get(name), after.get(name)
        level = (new or old or next(iter(before.values()))).level
        was, now = (old.verdict if old else "absent"), (new.verdict if new else "absent")
        if now in ("violated", "waived"):
            _still_or_broke(old, new, found)
        elif old is not None and was in ("violated", "waived") and now == "held":
            found.fixed += [Change(level, name, one_line(f.message)) for f in old.findings]
        elif now in _UNKNOWN and was not in _UNKNOWN:
            reason = new.reason if new and new.reason else "this suite has no such requirement"
            found.lost.append(Change(level, name, f"was {_word(was)}, now {_word(now)}: {one_line(reason)}"))
        elif was in _UNKNOWN and now == "held":
            found.newly.append(Change(level, name, f"held (was {_word(was)})"))


def _still_or_broke(old: RequirementResult | None, new: RequirementResult | None, found: Comparison) -> None:
    assert new is not None
    known = {identity(new.id, f): f for f in old.findings} if old else {}
    shown = {identity(new.id, f): f for f in new.findings}
    waived = new.verdict == "waived"
    for key, finding in shown.items():
        words = one_line(finding.message) + (" (waived)" if waived else "")
        if key in known:
            found.still.append(Change(new.level, new.id, words))
            continue
        if old is None or old.verdict in _UNKNOWN:
            words += f" (was {_word(old.verdict if old else 'absent')})"
        elif known:
            words += " (was violated in another way)"
        found.broke.append(Change(new.level, new.id, words, new.level == "MUST" and not waived))
    gone = [finding for key, finding in known.items() if key not in shown]
    found.fixed += [Change(new.level, new.id, f"{one_line(f.message)} (still violated otherwise)") for f in gone]


def _suite(side: Side, found: Comparison) -> None:
    before, after = _by_id(side.stored), _by_id(side.judged)
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        was, now = (old.verdict if old else "absent"), (new.verdict if new else "absent")
        row = new or old
        assert row is not None
        keys = [{identity(name, f) for f in one.findings} if one else set() for one in (old, new)]
        if was != now or (now == "violated" and keys[0] != keys[1]):
            text = f"{side.path.parent.name or side.path.name}: was {_word(was)}, judged again {_word(now)}"
            found.suite.append(Change(row.level, name, text))


def _word(verdict: str) -> str:
    return verdict.replace("_", " ")


_TITLES: Mapping[str, str] = {
    "broke": "Broke",
    "fixed": "Fixed",
    "still": "Still violated",
    "newly": "Newly checked",
    "lost": "Lost its evidence",
    "suite": "Changed by the suite, not by the target",
}


def diff(a: Path, b: Path, console: Console) -> int:
    """Print what changed from `a` to `b`; 1 if a MUST broke, 0 otherwise. Raises ConfigError for unusable input."""
    contract = load_contract()
    sides = [load_side(path, contract) for path in (a, b)]
    for name, side in zip("AB", sides, strict=True):
        result = side.judged
        how = f", judged again (was suite {side.stored.suite_version})" if side.again else ""
        _say(console, f"{name}  {side.path}")
        _say(console, f"   {result.base_url}, {result.started_at[:19]}, {_word(result.verdict)}{how}")
        if side.caution:
            _say(console, f"   ! {side.caution}")
    comparison = compare(*sides)
    for attribute, title in _TITLES.items():
        changes: list[Change] = getattr(comparison, attribute)
        if changes:
            _say(console, f"\n{title} ({len(changes)})")
        for change in changes:
            _say(console, f"  {change.level:<6} {change.requirement}\n         {change.text}")
    count = comparison.regressions
    ending = f"{count} MUST {'violation' if count == 1 else 'violations'} in B that A did not have"
    _say(console, f"\n{ending if count else 'No MUST broke.'}")
    return 1 if count else 0


def _say(console: Console, text: str) -> None:
    console.print(visible(text), markup=False, soft_wrap=False)


@dataclass(frozen=True)
class Known:
    """A run held against a baseline: findings of MUSTs that it has too, that it has not, and that are gone."""

    known: list[tuple[str, Finding]]
    new: list[tuple[str, Finding]]
    gone: list[tuple[str, str]]


def against(result: Result, baseline: Result) -> Known:
    """Which MUST findings of `result` the baseline knows, by requirement and key."""
    had, has = identities(baseline), identities(result)
    known: list[tuple[str, Finding]] = []
    new: list[tuple[str, Finding]] = []
    for row in result.requirements:
        if row.level == "MUST" and row.verdict == "violated":
            for finding in row.findings:
                (known if identity(row.id, finding) in had else new).append((row.id, finding))
    held = {row.id for row in result.requirements if row.verdict == "held"}
    gone = [(key[0], finding.message) for key, finding in had.items() if key not in has and key[0] in held]
    return Known(known, new, gone)


def accept_known(result: Result, baseline: Result, name: str) -> Known:
    """Let a result's exit status tell only of MUST violations that the baseline does not have.

    `result` keeps its verdict; its exit status becomes 1 (new ones), 3 (a MUST is undecided) or 0.
    """
    known = against(result, baseline)
    if result.exit_status == 1:
        undecided = any(row.level == "MUST" and row.verdict == "undecided" for row in result.requirements)
        result.exit_status = 1 if known.new else 3 if undecided else 0
        result.reason += f"; {len(known.known)} known from {name}, {len(known.new)} new"
    return known


def print_known(known: Known, name: str, status: int, console: Console) -> None:
    """Say what the baseline knew."""
    _say(console, f"\nBaseline {name}: {len(known.known)} known, {len(known.new)} new, {len(known.gone)} gone")
    for sign, rows in (("known", known.known), ("new", known.new)):
        for requirement, finding in rows:
            _say(console, f"  {sign:<6}{finding.id:<5}{requirement}\n             {one_line(finding.message)}")
    for requirement, message in known.gone:
        _say(console, f"  gone       {requirement}\n             {one_line(message)}")
    _say(
        console, f"Exit status {status}: " + {0: "nothing new", 1: "new violations", 3: "undecided"}.get(status, "")
    )
