"""What the kill matrix and the variations show: lines as outcomes come, a summary, JSON and Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console

from conformance.contract import Level, load_contract
from conformance.matrix import Outcome

if TYPE_CHECKING:
    from conformance.reference.faults import Fault


_HEAD = "| fault | what a client sees | found |"


class Progress:
    """Tells of each outcome in a line: of faults, or of variations; ``full`` if the runs were whole ones."""

    def __init__(self, console: Console, total: int, *, faults: bool, full: bool = True) -> None:
        self.console, self.total, self.faults, self.full, self.done = console, total, faults, full, 0

    def __call__(self, outcome: Outcome) -> None:
        """Print one outcome."""
        self.done += 1
        good = outcome.killed if self.faults else outcome.conformant
        word = ("killed" if good else "SURVIVED") if self.faults else ("conformant" if good else "REPROACHED")
        mark = "✓" if good else "✗"
        line = f"{mark} {self.done:>3}/{self.total} {outcome.name}: {word} in {outcome.seconds:.1f} s"
        if self.faults and good:
            line += f" by {next(name for name in _all(outcome) if name in outcome.own)}"
            line += "" if outcome.first or not self.full else f", after {_all(outcome)[0]}"
        elif not good:
            line += f" ({outcome.verdict}: {outcome.reason})"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)
        if not good:
            for name in _all(outcome):
                self.console.print(f"      violated {name}", markup=False, highlight=False)
            if outcome.output:
                self.console.print(outcome.output, markup=False, highlight=False, soft_wrap=True)


def _all(outcome: Outcome) -> list[str]:
    return [*outcome.violated, *outcome.violated_should]


def untouched(outcomes: Sequence[Outcome]) -> list[str]:
    """The MUSTs that a client can see and that no killed fault names as its own and violates."""
    hit = {name for outcome in outcomes for name in outcome.violated if name in outcome.own}
    return [
        row.id
        for row in load_contract().requirements.values()
        if row.level is Level.MUST and row.unseen is None and row.id not in hit
    ]


def print_faults(outcomes: Sequence[Outcome], console: Console, *, complete: bool, full: bool) -> None:
    """Print the end of a kill matrix: how many were killed, what survived, and which MUSTs no fault violates.

    With ``full`` also how many had their own requirement listed first: only a whole run knows.
    """
    killed = [outcome for outcome in outcomes if outcome.killed]
    first = sum(outcome.first for outcome in killed)
    survivors = [outcome.name for outcome in outcomes if not outcome.killed]
    shown = f", {first} of them by the first violation listed" if full else ""
    console.print(f"{len(killed)} of {len(outcomes)} faults killed{shown}")
    if survivors:
        console.print("Survivors: " + ", ".join(survivors), markup=False)
    if complete:
        left = untouched(outcomes)
        console.print("MUSTs that no fault violates: " + (", ".join(left) or "none"), markup=False)


def print_variations(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print the end of a run over the variations."""
    good = sum(outcome.conformant for outcome in outcomes)
    console.print(f"{good} of {len(outcomes)} permitted variations found conformant")
    bad = [outcome.name for outcome in outcomes if not outcome.conformant]
    if bad:
        console.print("Reproached: " + ", ".join(bad), markup=False)


def to_json(outcomes: Sequence[Outcome]) -> str:
    """The outcomes as JSON."""
    rows = [
        {**asdict(outcome), "killed": outcome.killed, "first": outcome.first, "conformant": outcome.conformant}
        for outcome in outcomes
    ]
    return json.dumps({"schema": "spot-conformance/matrix/1", "outcomes": rows}, indent=1) + "\n"


def faults_markdown(outcomes: Sequence[Outcome], faults: Mapping[str, Fault]) -> str:
    """The kill matrix of whole runs as Markdown: a table a chapter of the catalogue, and one by requirement.

    It shows what a fault breaks and not what that entails, so that two runs give the same text.
    """
    killed = sum(outcome.killed for outcome in outcomes)
    lines = [
        "# Kill matrix",
        "",
        "Each row is a deliberate violation that the reference exchange can be started with",
        "(`spot-conformance serve --fault NAME`), and the requirements that it breaks by itself and that a whole",
        "run finds violated. **Bold** is what the run's summary shows first, which is what a user reads first.",
        "Where that is another requirement, it is told. Without one of its own found, a fault has survived.",
        "Made by `spot-conformance faults run --markdown docs/kill-matrix.md`.",
        "",
        f"{killed} of {len(outcomes)} faults killed, "
        f"{sum(o.first for o in outcomes)} of them by the first violation listed.",
        f"MUSTs that a client can see and no fault violates: {', '.join(untouched(outcomes)) or 'none'}.",
    ]
    chapter = ""
    for outcome in outcomes:
        fault = faults[outcome.name]
        if fault.chapter != chapter:
            chapter = fault.chapter
            lines += [
                "",
                f"## {chapter.capitalize()}",
                "",
                "| fault | what a client sees | found |",
                "|---|---|---|",
            ]
        lines.append(f"| `{fault.name}` | {_cell(fault.text)} | {_found(outcome)} |")
    lines += ["", "## By requirement", "", "| requirement | found violated with |", "|---|---|"]
    for name in load_contract().requirements:
        found = [f"`{outcome.name}`" for outcome in outcomes if name in outcome.own and name in _all(outcome)]
        if found:
            lines.append(f"| {name} | {', '.join(found)} |")
    return "\n".join(lines) + "\n"


def _found(outcome: Outcome) -> str:
    found = _all(outcome)
    own = [_short(name) for name in found if name in outcome.own]
    if not own:
        return f"survived ({', '.join(map(_short, found)) or _cell(outcome.reason)})"
    if outcome.first:
        return ", ".join([f"**{own[0]}**", *own[1:]])
    return f"{', '.join(own)} (first: {_short(found[0])})"


def _short(requirement: str) -> str:
    return requirement.removeprefix("cancel.")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
