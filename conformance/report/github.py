"""What a GitHub Actions job is told: annotations, and a log in which a target's text gives no commands."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from conformance.contract import Contract
from conformance.report.overview import NO_REASON, Overview
from conformance.report.sarif import URI, requirement_lines
from conformance.report.text import one_line, plural, shorten

# GitHub shows ten annotations of a kind for a step and drops the rest without a word
MOST = 10


def in_actions() -> bool:
    """Whether this process runs in a GitHub Actions job."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _command(kind: str, title: str, line: int | None, text: str) -> str:
    place = f"file={URI},line={line}," if line else ""
    return f"::{kind} {place}title={_property(shorten(title, 200))}::{_data(shorten(text, 1500))}"


def workflow_commands(overview: Overview, contract: Contract) -> list[str]:
    """The workflow commands for a `clean` result: a violated MUST is an error, all else a warning.

    At most ten of each kind, the last one saying how many more there are.
    """
    lines = requirement_lines(contract.requirements_path)
    found: dict[str, list[str]] = {"error": [], "warning": []}
    for requirement in overview.violated():
        kind = "error" if requirement.level == "MUST" else "warning"
        first = requirement.findings[0] if requirement.findings else None
        text = requirement.text
        if first:
            text += f"\nExpected: {first.expected}\nSeen: {first.seen}\nAgain: spot-conformance replay {first.id}"
        title = f"{requirement.id} ({requirement.level}) is violated"
        found[kind].append(_command(kind, title, lines.get(requirement.id), text))
    for group in overview.groups("undecided"):
        names = ", ".join(r.id for r in group.requirements)
        reason = group.reason or NO_REASON
        title = f"{plural(len(group.requirements), 'requirement')} undecided"
        found["warning"].append(_command("warning", title, None, f"{one_line(reason)}\n{names}"))
    told: list[str] = []
    for kind, commands in found.items():
        if len(commands) > MOST:
            more = len(commands) - MOST + 1
            commands = [*commands[: MOST - 1], _command(kind, f"{more} more", None, "See report.html.")]
        told += commands
    return told


@contextmanager
def no_commands(file: IO[str]) -> Iterator[None]:
    """Inside, GitHub takes no line of `file` for a workflow command, whatever a target made it say.

    Does nothing outside of a job.
    """
    if not in_actions():
        yield
        return
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}", file=file, flush=True)
    try:
        yield
    finally:
        print(f"::{token}::", file=file, flush=True)
