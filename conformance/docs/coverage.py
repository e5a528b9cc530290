"""`docs coverage`: each statement of the page beside its requirements and their last verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from conformance.contract import Contract, load_contract
from conformance.docs.differences import load_digests
from conformance.docs.page import PAGE, Page, read_page
from conformance.report.markdown import escaped
from conformance.report.result import read_results
from conformance.report.text import one_line, plural, shorten, visible

_WORST_FIRST = ("violated", "undecided", "not_exercised", "waived", "held")
_TEXT = 160  # characters of a statement that are shown


@dataclass(frozen=True)
class Line:
    """One statement: its source row, the words of the page (if any), and each (requirement, level, verdict)."""

    row: str
    text: str
    requirements: tuple[tuple[str, str, str], ...]

    @property
    def verdict(self) -> str:
        """The worst verdict among the statement's requirements; "no requirement" if it has none, "" if no run."""
        if not self.requirements:
            return "no requirement"
        verdicts = {verdict for _, _, verdict in self.requirements}
        return next((verdict for verdict in _WORST_FIRST if verdict in verdicts), "")


def lines_of(contract: Contract, page: Page | None, results: Path | None) -> list[Line]:
    """The statements, in the page's order; without a page those that the requirements were written from.

    Raises ConfigError for a file that is no results.json.
    """
    verdicts: dict[str, str] = {}
    if results is not None:
        verdicts = {row.id: row.verdict for row in read_results(results).requirements}
    rows = dict(page.rows) if page is not None else dict.fromkeys(load_digests(), "")
    # a source row that the page no longer has still has requirements: it is shown at the end
    for requirement in contract.requirements.values():
        for source in requirement.source:
            if source.startswith(f"{PAGE} / "):
                rows.setdefault(source, "(not on this page)" if page is not None else "")
    return [
        Line(
            row,
            text,
            tuple(
                (requirement.id, str(requirement.level), verdicts.get(requirement.id, ""))
                for requirement in contract.requirements.values()
                if row in requirement.source
            ),
        )
        for row, text in rows.items()
    ]


def _words(verdict: str) -> str:
    return verdict.replace("_", " ") or "no run"


def render_markdown(lines: Sequence[Line]) -> str:
    """The table in Markdown: a line for each requirement of each statement."""
    out = ["| statement | the page says | requirement | level | verdict |", "|---|---|---|---|---|"]
    for line in lines:
        first = f"{escaped(line.row)} | {escaped(shorten(visible(one_line(line.text)), _TEXT))}"
        if not line.requirements:
            out.append(f"| {first} | – | – | no requirement |")
        for name, level, verdict in line.requirements:
            out.append(f"| {first} | `{name}` | {level} | {_words(verdict)} |")
            first = " | "
    return "\n".join([*out, "", _summary(lines), ""])


def _summary(lines: Sequence[Line]) -> str:
    counts = Counter(_words(line.verdict) for line in lines)
    return f"{plural(len(lines), 'statement')}: {', '.join(f'{n} {word}' for word, n in counts.most_common())}"


def _table(lines: Sequence[Line]) -> Table:
    table = Table()
    table.add_column("statement", max_width=34)
    table.add_column("requirement", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for line in lines:
        table.add_section()
        said = visible(one_line(line.text))
        requirements, verdicts = Text(), Text()
        for name, _, verdict in line.requirements:
            requirements.append(f"{name}\n")
            verdicts.append(f"{_words(verdict)}\n")
        if not line.requirements:
            requirements.append("–")
            verdicts.append("no requirement")
        requirements.rstrip()
        verdicts.rstrip()
        statement = Text(line.row.removeprefix(f"{PAGE} / "), style="bold")
        if said:
            statement.append(f"\n{shorten(said, _TEXT)}", style="not bold")
        table.add_row(statement, requirements, verdicts)
    return table


def coverage(page: Path | None, results: Path | None, console: Console, *, markdown: bool) -> int:
    """Print the table, for a terminal or in Markdown; returns 0.

    Raises PageError for a page that cannot be read and ConfigError for results that are none.
    """
    lines = lines_of(load_contract(), read_page(page) if page is not None else None, results)
    if markdown:
        print(render_markdown(lines), end="")
    else:
        console.print(_table(lines))
        console.print(_summary(lines), markup=False)
    return 0
