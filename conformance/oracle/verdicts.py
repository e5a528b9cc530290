"""From checks and cases to verdicts: what held, what did not, and what nobody can say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from conformance.contract import Contract, Level, Requirement
from conformance.oracle.judge import Judge
from conformance.record import Note


class Verdict(StrEnum):
    """What became of a requirement (the words of EARL, but for the first)."""

    HELD = "held"
    VIOLATED = "violated"
    UNDECIDED = "undecided"
    NOT_EXERCISED = "not_exercised"
    WAIVED = "waived"


class RunVerdict(StrEnum):
    """What became of a run."""

    CONFORMANT = "conformant"
    VIOLATED = "violated"
    UNDECIDED = "undecided"
    NOT_EXERCISED = "not_exercised"


EXIT_STATUS = {
    RunVerdict.CONFORMANT: 0,
    RunVerdict.VIOLATED: 1,
    RunVerdict.UNDECIDED: 3,
    RunVerdict.NOT_EXERCISED: 4,
}


@dataclass(slots=True)
class CaseOutcome:
    """How a case ended: passed, failed, undecided or not_exercised, and why."""

    id: str
    outcome: str = "undecided"
    reason: str | None = None
    requirements: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Decision:
    """The verdict on one requirement, and the reason for anything but held."""

    requirement: Requirement
    verdict: Verdict
    reason: str | None = None


def outcomes(notes: Iterable[Note]) -> dict[str, CaseOutcome]:
    """The outcome of every case that a record tells of. One that never ended is undecided."""
    cases: dict[str, CaseOutcome] = {}
    for note in notes:
        if note.what == "case-begin":
            names = [str(name) for name in note.data.get("requirements", [])]
            cases[note.case] = CaseOutcome(note.case, "undecided", "the run was cut off", names)
        elif note.what == "case-end" and note.case in cases:
            cases[note.case].outcome = str(note.data.get("outcome"))
            reason = note.data.get("reason")
            cases[note.case].reason = str(reason) if reason is not None else None
    return cases


def lacks_of(notes: Iterable[Note]) -> list[str]:
    """What a run went on without although it was given."""
    return [str(text) for note in notes if note.what == "lacks" for text in note.data.get("texts", [])]


def decide(judge: Judge, contract: Contract, waived: Mapping[str, str] | None = None) -> list[Decision]:
    """The verdict on each requirement. `waived` maps a requirement to the reason for accepting its violation."""
    cases = outcomes(judge.notes)
    declared: defaultdict[str, list[CaseOutcome]] = defaultdict(list)
    for case in cases.values():
        for name in case.requirements:
            declared[name].append(case)
    decisions = []
    selected = {r.id for r in contract.select(judge.header.only if judge.header else ())}
    for requirement in contract.requirements.values():
        verdict, reason = _decide(judge, requirement, declared[requirement.id])
        if requirement.id not in selected and verdict is not Verdict.VIOLATED:
            verdict, reason = Verdict.NOT_EXERCISED, "not selected"
        if verdict is Verdict.VIOLATED and waived and requirement.id in waived:
            verdict, reason = Verdict.WAIVED, waived[requirement.id]
        decisions.append(Decision(requirement, verdict, reason))
    return decisions


def _decide(judge: Judge, requirement: Requirement, cases: list[CaseOutcome]) -> tuple[Verdict, str | None]:
    tally = judge.tallies.get(requirement.id)
    if tally is not None and tally.groups:
        return Verdict.VIOLATED, None
    stuck = [case for case in cases if case.outcome == "undecided"]
    # where the run went on without a credential that could not be used, what the other one showed stands
    shown = tally is not None and tally.checks and all(case.reason in lacks_of(judge.notes) for case in stuck)
    if stuck and not shown:
        return Verdict.UNDECIDED, f"{stuck[0].id}: {stuck[0].reason}"
    if (no_contact := next((note for note in judge.notes if note.what == "no-contact"), None)) is not None:
        return Verdict.UNDECIDED, f"no case was carried out: {no_contact.data.get('message')}"
    for note in judge.notes:
        if note.what == "undecided" and requirement.id in note.data.get("requirements", []):
            return Verdict.UNDECIDED, str(note.data.get("reason"))
    if tally is not None and tally.checks:
        if (scheme := _lacking_scheme(judge, requirement)) is not None:
            return Verdict.NOT_EXERCISED, f"no account has a {scheme}"
        if (lack := _lacks_control(judge, requirement)) is not None:
            return Verdict.UNDECIDED, lack
        return Verdict.HELD, None
    if requirement.unseen is not None:
        return Verdict.NOT_EXERCISED, f"no client can see it: {requirement.unseen}"
    lacking = [case for case in cases if case.outcome == "not_exercised"]
    if lacking:  # the others could not show it
        return Verdict.NOT_EXERCISED, lacking[0].reason
    if cases:
        return Verdict.UNDECIDED, "its cases ran and gave no evidence"
    return Verdict.NOT_EXERCISED, _why_not(requirement)


def _why_not(requirement: Requirement) -> str:
    if "burst" in requirement.needs:
        return "needs a 503, and the target gave none (run with --overload to provoke one)"
    if "restart" in requirement.needs:
        return "needs a target that may be restarted (--restart-command)"
    return "not selected"


_SCHEMES = {"jwt": "jwt", "key": "api_key"}


def _lacking_scheme(judge: Judge, requirement: Requirement) -> str | None:
    """The scheme that a requirement is about, if no account of the run was given a credential of it.

    That a good one is let in is shown by the owner's, beside whose a spoiled one is refused.
    """
    parts = requirement.id.split(".")
    if judge.header is None:
        return None
    accounts = judge.header.accounts
    if parts[-1].startswith("by-"):
        scheme, given = parts[-1].removeprefix("by-").replace("-", "_"), set(accounts.get("owner", ()))
    else:
        scheme, given = _SCHEMES.get(parts[1], ""), {each for schemes in accounts.values() for each in schemes}
    return scheme if scheme and scheme not in given else None


def _lacks_control(judge: Judge, requirement: Requirement) -> str | None:
    """A refusal proves nothing if the owner's good credential was never accepted, nor the other way round."""
    parts = requirement.id.split(".")
    scheme = _SCHEMES.get(parts[1])
    if scheme is not None and ("owner", scheme) not in judge.accepted:
        return f"no good {scheme} was accepted beside it"
    if parts[-1].startswith("by-"):
        scheme = "api_key" if parts[-1] == "by-api-key" else "jwt"
        if ("owner", scheme) not in judge.accepted:
            return f"the owner's {scheme} was not accepted"
        if scheme not in judge.refused:
            return f"no spoiled {scheme} was refused beside it"
    return None


def run_verdict(
    decisions: list[Decision], *, complete: bool = True, lacks: Iterable[str] = ()
) -> tuple[RunVerdict, str]:
    """The verdict on the run, and one line that says why.

    `complete` is False for a run that was cut off; `lacks` are what the run had to go on without although it was
    given: a credential that is refused, say.
    """
    musts = [d for d in decisions if d.requirement.level is Level.MUST]
    broken = [d for d in musts if d.verdict is Verdict.VIOLATED]
    open_ = [d for d in musts if d.verdict is Verdict.UNDECIDED]
    held = [d for d in musts if d.verdict in (Verdict.HELD, Verdict.WAIVED)]
    if broken:
        verb = "is" if len(broken) == 1 else "are"
        return RunVerdict.VIOLATED, f"{len(broken)} of {len(broken) + len(held)} decided MUSTs {verb} violated"
    if not complete:
        return RunVerdict.UNDECIDED, "the run was cut off"
    if open_:
        return RunVerdict.UNDECIDED, f"{len(open_)} MUSTs could not be decided: {open_[0].reason}"
    if lack := next(iter(lacks), None):
        return RunVerdict.UNDECIDED, lack
    if not held:
        return RunVerdict.NOT_EXERCISED, "no MUST was exercised"
    return RunVerdict.CONFORMANT, f"all {len(held)} MUSTs that were exercised held"
