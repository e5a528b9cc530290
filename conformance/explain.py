"""`spot-conformance requirements`: the contract for people and programs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from conformance.contract import load_contract
from conformance.errors import ConfigError

CASES = Path(__file__).parent / "suite"


def as_rows(patterns: Iterable[str]) -> str:
    """The selected requirements as a JSON array."""
    rows = [
        {
            "id": r.id,
            "level": r.level,
            "text": r.text,
            "source": list(r.source),
            "needs": sorted(r.needs),
            "trader": r.trader,
        }
        for r in load_contract().select(patterns)
    ]
    return json.dumps(rows, indent=1, ensure_ascii=False)


def print_list(patterns: Iterable[str], console: Console) -> None:
    """The selected requirements as a table."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    selected = load_contract().select(patterns)
    for requirement in selected:
        table.add_row(requirement.id, str(requirement.level), requirement.text)
    console.print(table)
    console.print(f"{len(selected)} requirements", markup=False)


def print_requirement(name: str, console: Console) -> None:
    """One requirement with all that is known of it; raises ConfigError with the nearest ids for an unknown one."""
    contract = load_contract()
    found = contract.select([name])
    if len(found) != 1:
        raise ConfigError(
            f"{name} names {len(found)} requirements", f"one of {', '.join(r.id for r in found[:5])}…"
        )
    requirement = found[0]
    rows = [
        (requirement.id, requirement.text),
        ("if it fails", requirement.trader),
        ("source", "; ".join(requirement.source)),
        ("needs", ", ".join(sorted(requirement.needs)) or "nothing special"),
        ("cases", "\n".join(cases_by_requirement().get(requirement.id, [])) or "judged on every exchange"),
    ]
    if requirement.unseen:
        rows.append(("not visible", requirement.unseen))
    for row in contract.disagreements:
        if requirement.id in row.requirements:
            rows.append(("disagreement", f"{row.question}: {row.cancel_order}. Elsewhere: {row.elsewhere}"))
    for entry in contract.left_open:
        if requirement.id in entry.requirements:
            rows.append(("left open", f"{entry.question}. Accepted: {entry.accepted}"))
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in rows:
        table.add_row(label, text)
    console.print(table)


def cases_by_requirement() -> dict[str, list[str]]:
    """The cases that say they exercise each requirement, as their marks have it."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(CASES.glob("test_*.py")):
        module = import_module(f"conformance.suite.{path.stem}")
        for name, function in vars(module).items():
            if name.startswith("test_") and callable(function):
                for requirement, suffix in _exercised(function):
                    found[requirement].append(f"{path.stem.removeprefix('test_')}::{name}{suffix}")
    return {requirement: list(dict.fromkeys(cases)) for requirement, cases in found.items()}


def _exercised(function: object) -> Iterator[tuple[str, str]]:
    """(requirement, suffix) for each mark on a case, and on the parameters that it is given."""
    for mark in getattr(function, "pytestmark", ()):
        if mark.name == "exercises":
            yield from ((name, "") for name in mark.args)
        elif mark.name == "parametrize":
            for value in mark.args[1]:
                for inner in getattr(value, "marks", ()):
                    yield from ((name, f" ({value.id})") for name in inner.args if inner.name == "exercises")
