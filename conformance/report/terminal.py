"""The closing summary of a run in the terminal: what is wrong, what is not known, and where to read on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from conformance.contract import load_contract
from conformance.report.github import in_actions, no_commands, workflow_commands
from conformance.report.overview import VERDICTS, Overview, ReasonGroup, word
from conformance.report.result import Finding, RequirementResult, Result
from conformance.report.text import clean, duration, one_line, plural, shorten

STYLES = {
    "violated": "red",
    "undecided": "yellow",
    "not_exercised": "dim",
    "waived": "magenta",
    "held": "green",
    "conformant": "green",
}
_SIGNS = {"violated": "✕", "undecided": "?", "not_exercised": "○", "waived": "◇", "held": "✓", "conformant": "✓"}
_PLAIN_SIGNS = {
    "violated": "x",
    "undecided": "?",
    "not_exercised": "o",
    "waived": "-",
    "held": "+",
    "conformant": "+",
}
MOST_FINDINGS = 3  # of one requirement: the report has them all
MOST_NAMES = 8
WIDE = 150  # from this width on, Expected and Seen stand side by side
_READABLE = 120  # a longer line of prose is hard to follow back
# tables fill their cells with blanks, which only make a log larger and its lines wrap
_BLANKS = re.compile(r" +((?:\x1b\[[0-9;]*m)*)$", re.MULTILINE)
_GAPS = re.compile(r"\n{3,}")


class _Writer:
    """Makes text for one console: in its encoding, and with signs that it can show."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.plain = not (console.encoding or "").lower().startswith("utf") or console.is_dumb_terminal
        self.wide = console.width >= WIDE

    def text(self, words: str, style: str = "", limit: int = 0) -> Text:
        """`words` as they are: never markup, and never a line that a CI system takes for a command."""
        shown = shorten(words, limit) if limit else words
        encoding = self.console.encoding or "utf-8"
        shown = shown.replace("##[", "# #[").replace("##vso[", "# #vso[").replace("##teamcity[", "# #teamcity[")
        return Text(shown.encode(encoding, "backslashreplace").decode(encoding), style=style)

    def sign(self, verdict: str) -> Text:
        """The verdict's sign in its colour."""
        signs = _PLAIN_SIGNS if self.plain else _SIGNS
        return Text(signs.get(verdict, " "), style=f"bold {STYLES.get(verdict, '')}".strip())

    def dot(self) -> str:
        """What separates things on a line."""
        return " - " if self.plain else " · "

    def narrow(self, part: RenderableType) -> RenderableType:
        """`part` in lines that are not too long to read."""
        return Constrain(part, _READABLE)


def _pairs(rows: Sequence[tuple[str, Text]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold", ratio=1)
    for name, value in rows:
        grid.add_row(name, value)
    return grid


def _finding(writer: _Writer, finding: Finding) -> RenderableType:
    name = writer.text(finding.id, "bold")
    name.append(f"  {finding.times} of {finding.of}" if finding.of > 1 else "", style="dim")
    head = _hanging(name, writer.text(one_line(finding.message), limit=500), gap=2)
    expected = writer.text(finding.expected, limit=700)
    seen = writer.text(finding.seen, "red", limit=700)
    # a field that Expected and Seen name already needs no line of its own
    wrong = [
        d for d in finding.diff if not d.ok and not (d.expected in finding.expected and d.seen in finding.seen)
    ]
    rest = [(f"  {shorten(d.field, 24)}", writer.text(f"{d.seen}, not {d.expected}", limit=200)) for d in wrong[:6]]
    if len(wrong) > 6:
        rest.append(("", writer.text(f"and {plural(len(wrong) - 6, 'more field')}")))
    rest += [("Why", writer.text(finding.why, limit=500))] if finding.why else []
    rest += [("Again", writer.text(f"spot-conformance replay {finding.id}", "bold"))]
    if not writer.wide:
        return Group(writer.narrow(head), _indented(_pairs([("Expected", expected), ("Seen", seen), *rest])))
    beside = Table.grid(padding=(0, 4, 0, 0))
    for style in ("dim", "", "dim", ""):
        beside.add_column(no_wrap=style == "dim", style=style, overflow="fold")
    beside.add_row("Expected", expected, "Seen", seen)
    return Group(writer.narrow(head), _indented(Group(beside, writer.narrow(_pairs(rest)))))


def _hanging(name: Text, words: Text, gap: int) -> Table:
    grid = Table.grid(padding=(0, gap, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(name, words)
    return grid


def _indented(part: RenderableType) -> RenderableType:
    return Padding(part, (0, 0, 0, 4))


def _violated(writer: _Writer, overview: Overview) -> RenderableType:
    tree = Tree(Text("Violated", style="bold"), guide_style="dim", highlight=False)
    for chapter in overview.chapters:
        rows = [r for r in chapter.requirements if r.verdict == "violated"]
        if not rows:
            continue
        branch = tree.add(writer.text(chapter.title, "bold"))
        for requirement in rows:
            branch.add(_requirement(writer, requirement))
    return tree


def _requirement(writer: _Writer, requirement: RequirementResult) -> RenderableType:
    head = _hanging(writer.sign("violated"), writer.text(requirement.text, "bold"), gap=1)
    parts: list[RenderableType] = [
        writer.narrow(head),
        writer.text(f"{requirement.id}{writer.dot()}{requirement.level}", "dim"),
    ]
    parts += [_finding(writer, finding) for finding in requirement.findings[:MOST_FINDINGS]]
    if (more := len(requirement.findings) - MOST_FINDINGS) > 0:
        parts.append(writer.text(f"and {plural(more, 'more finding')} in the report", "dim"))
    if requirement.findings:
        parts.append(Text(""))
    return Group(*parts)


def _group(writer: _Writer, group: ReasonGroup) -> RenderableType:
    head = writer.text(f"{group.levels()}: ", "bold")
    head.append_text(writer.text(group.reason, limit=400))
    names = [r.id for r in group.requirements]
    shown = ", ".join(names[:MOST_NAMES])
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return writer.narrow(Group(head, writer.text(shown + more, "dim")))


def _reasons(writer: _Writer, verdict: str, groups: Sequence[ReasonGroup]) -> RenderableType:
    title = writer.sign(verdict)
    title.append(f" {word(verdict).capitalize()}", style="bold")
    tree = Tree(title, guide_style="dim", highlight=False)
    for group in groups:
        tree.add(_group(writer, group))
    return tree


def _counts(writer: _Writer, overview: Overview) -> RenderableType:
    order = ("held", *(v for v in VERDICTS if v != "held"))
    used = [v for v in order if any(tally.of(v) for tally in overview.tallies)]
    table = Table.grid(padding=(0, 3))
    table.add_column(style="bold")
    for _ in used:
        table.add_column(justify="right")
    table.add_row("", *(Text(word(verdict), style="dim") for verdict in used))
    for tally in overview.tallies:
        if tally.total:
            cells = (Text(f"{n:,}" if (n := tally.of(v)) else ".", style=STYLES[v] if n else "dim") for v in used)
            table.add_row(tally.level, *cells)
    return table


def _verdict(writer: _Writer, overview: Overview) -> Text:
    verdict = overview.result.verdict
    line = writer.sign(verdict)
    line.append(" ")
    line.append_text(writer.text(overview.headline(), f"bold {STYLES.get(verdict, '')}".strip()))
    return line


def print_summary(result: Result, console: Console, report_dir: Path | None) -> None:
    """Print the summary of `result` to `console`; `report_dir` is where the reports are (None: nowhere).

    Violated requirements come as a tree by chapter, the undecided and not exercised by reason, then the counts by
    level, the report and, last, the verdict. In a GitHub Actions job annotations follow.
    """
    contract = load_contract()
    overview = Overview(clean(result), contract)
    writer = _Writer(console)
    told = overview.result
    parts: list[RenderableType] = []
    if overview.violated():
        parts.append(_violated(writer, overview))
    parts += [
        _reasons(writer, verdict, groups)
        for verdict in ("undecided", "not_exercised", "waived")
        if (groups := overview.groups(verdict))
    ]
    about = writer.dot().join(
        [
            plural(told.requests, "request"),
            duration(told.duration_s),
            f"seed {told.seed}",
            f"profile {told.profile}",
        ]
    )
    with console.capture() as captured:
        for part in parts:
            console.print(part, highlight=False)
            console.print()
        console.print(_counts(writer, overview), highlight=False)
        console.print()
        console.print(writer.narrow(writer.text(f"{told.base_url} {told.symbol}{writer.dot()}{about}", "dim")))
        if report_dir is not None:
            console.print(writer.text(f"Report: {report_dir / 'report.html'}"), soft_wrap=True)
        console.print(_verdict(writer, overview))
        if told.reason and told.verdict != "violated":
            console.print(writer.narrow(writer.text(told.reason)))
    with no_commands(console.file):
        console.file.write(_GAPS.sub("\n\n", _BLANKS.sub(r"\1", captured.get())))
        console.file.flush()
    if in_actions():
        for line in workflow_commands(overview, contract):
            print(line, file=console.file, flush=True)
