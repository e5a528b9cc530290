"""What all reports say alike: the order of things, the counts, the one-line verdict, the reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from conformance.contract import Contract
from conformance.report.result import Finding, RequirementResult, Result
from conformance.report.text import one_line, plural

LEVELS = ("MUST", "SHOULD", "MAY")
VERDICTS = ("violated", "undecided", "not_exercised", "waived", "held")
WORDS = {"not_exercised": "not exercised"}
NO_REASON = "no reason was recorded"


def word(verdict: str) -> str:
    """A verdict as a reader says it: "not exercised" for not_exercised."""
    return WORDS.get(verdict, verdict)


@dataclass(frozen=True)
class Tally:
    """How many requirements of one level came to each verdict."""

    level: str
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """All requirements of the level."""
        return sum(self.counts.values())

    def of(self, verdict: str) -> int:
        """The requirements with this verdict."""
        return self.counts.get(verdict, 0)

    def words(self) -> str:
        """The verdicts that occur, in words: 83 held, 7 violated, 3 undecided."""
        order = ("held", *(v for v in VERDICTS if v != "held"))
        return ", ".join(f"{self.of(v):,} {word(v)}" for v in order if self.of(v)) or "none"


@dataclass(frozen=True)
class ChapterView:
    """A chapter with the results of its requirements, in the contract's order."""

    id: str
    title: str
    about: str
    requirements: tuple[RequirementResult, ...]

    def count(self, verdict: str) -> int:
        """The requirements of the chapter with this verdict."""
        return sum(r.verdict == verdict for r in self.requirements)

    def words(self) -> str:
        """The counts in words: "5 held, 1 violated"."""
        return Tally("", Counter(r.verdict for r in self.requirements)).words()


@dataclass(frozen=True)
class ReasonGroup:
    """The requirements that were not decided for one and the same reason."""

    verdict: str
    reason: str
    requirements: tuple[RequirementResult, ...]

    def levels(self) -> str:
        """How many of which level, in words: 5 MUST, 1 SHOULD."""
        counts = Counter(r.level for r in self.requirements)
        return ", ".join(f"{counts[level]} {level}" for level in LEVELS if counts[level])


class Overview:
    """A result in reading order, with the contract's wording where the result carries none of its own."""

    def __init__(self, result: Result, contract: Contract) -> None:
        self.result = result
        self.tallies = tuple(
            Tally(level, Counter(r.verdict for r in result.requirements if r.level == level)) for level in LEVELS
        )
        self.chapters = _chapters(result, contract)
        self.disagreements = _rows(result.disagreements, contract.disagreements)
        self.left_open = _rows(result.left_open, contract.left_open)

    @property
    def must(self) -> Tally:
        """The counts of MUST, which decide the run."""
        return self.tallies[0]

    @property
    def clean_pass(self) -> bool:
        """Whether the run is conformant with nothing held back: whole, nothing undecided, nothing waived."""
        verdicts = {r.verdict for r in self.result.requirements}
        return (
            self.result.verdict == "conformant"
            and not self.result.partial
            and not verdicts & {"undecided", "waived", "violated"}
            and self.must.of("held") > 0
        )

    def count(self, verdict: str) -> int:
        """The requirements of all levels with this verdict."""
        return sum(tally.of(verdict) for tally in self.tallies)

    def violated(self) -> list[RequirementResult]:
        """The violated requirements: MUST first, then in the contract's order."""
        return self._with("violated")

    def waived(self) -> list[RequirementResult]:
        """The waived requirements, in the same order."""
        return self._with("waived")

    def _with(self, verdict: str) -> list[RequirementResult]:
        in_order = [r for chapter in self.chapters for r in chapter.requirements if r.verdict == verdict]
        return sorted(in_order, key=lambda r: _rank(r.level))

    def findings(self) -> list[tuple[RequirementResult, Finding]]:
        """Every finding beside its requirement, in the order of `violated`, waived ones last."""
        return [(r, f) for r in (*self.violated(), *self.waived()) for f in r.findings]

    def groups(self, verdict: str) -> list[ReasonGroup]:
        """The requirements with `verdict` by reason; the reason that holds back the most MUST comes first."""
        by_reason: dict[str, list[RequirementResult]] = {}
        for requirement in self._with(verdict):
            by_reason.setdefault(one_line(requirement.reason or "") or NO_REASON, []).append(requirement)
        found = [ReasonGroup(verdict, reason, tuple(rows)) for reason, rows in by_reason.items()]
        return sorted(found, key=lambda g: (-sum(r.level == "MUST" for r in g.requirements), g.reason))

    def headline(self) -> str:
        """The run in one line."""
        must, verdict = self.must, self.result.verdict
        if verdict == "violated":
            broken = must.of("violated")
            verb = "does" if broken == 1 else "do"
            line = f"Violated: {broken} of {plural(must.total, 'MUST requirement')} {verb} not hold"
        elif verdict == "undecided":
            undecided = must.of("undecided")
            line = (
                f"Undecided: {undecided} of {plural(must.total, 'MUST requirement')} could not be decided"
                if undecided
                else "Undecided: the run could not decide what it set out to"
            )
        elif verdict == "conformant":
            line = f"Conformant: {must.of('held')} of {plural(must.total, 'MUST requirement')} held, none violated"
        else:
            line = "Not exercised: nothing was checked, so nothing is known"
        return f"{line} (partial run)" if self.result.partial else line


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)


def _chapters(result: Result, contract: Contract) -> tuple[ChapterView, ...]:
    named = {c["id"]: (c.get("title", c["id"]), c.get("about", "")) for c in result.chapters if "id" in c}
    for chapter in contract.chapters.values():
        named.setdefault(chapter.id, (chapter.title, chapter.about))
    rows: dict[str, list[RequirementResult]] = {key: [] for key in named}
    for requirement in result.requirements:
        rows.setdefault(requirement.chapter, []).append(requirement)
    return tuple(ChapterView(key, *named.get(key, (key, "")), tuple(found)) for key, found in rows.items() if found)


def _rows(own: list[dict[str, Any]], contract: tuple[Any, ...]) -> list[dict[str, Any]]:
    found = own or [msgspec.to_builtins(row) for row in contract]
    return [row for row in found if row.get("question")]
