"""`summary.md`: the run on one page of Markdown, for the summary of a CI job.

What came from the target stands in code spans or is escaped to the letter: it makes no link, picture or tag.
"""

from __future__ import annotations

import re

from conformance.report.overview import Overview, ReasonGroup, word
from conformance.report.result import Finding, RequirementResult
from conformance.report.text import duration, moment, one_line, plural, shorten

# a job summary may be 1 MiB and is read at one sitting: the rest is in report.html
MOST_FINDINGS = 40
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~:@$^=])")
_COLUMNS = ("held", "violated", "undecided", "not_exercised", "waived")


def escaped(text: str) -> str:
    """`text` as Markdown that shows exactly it, on one line."""
    html = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", html)


def span(text: str, limit: int = 300) -> str:
    """`text` as a code span, whatever backticks it holds; at most about `limit` characters."""
    flat = shorten(one_line(text), limit)
    fence = "`" * (max((len(run) for run in re.findall(r"`+", flat)), default=0) + 1)
    return f"{fence} {flat or '(nothing)'} {fence}"


def block(text: str) -> list[str]:
    """`text` as a fenced code block, whatever fences it holds."""
    fence = "`" * max(3, max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    return [f"{fence}sh", text.rstrip("\n"), fence]


def _finding(finding: Finding) -> list[str]:
    seen_in = "" if finding.of <= 1 else f" ({finding.times} of {finding.of})"
    return [
        f"- **{escaped(finding.id)}** {escaped(shorten(finding.message, 400))}{seen_in}",
        f"  - Expected: {span(finding.expected)}",
        f"  - Seen: {span(finding.seen)}",
        *(
            f"  - {span(d.field, 60)} expected {span(d.expected, 100)}, seen {span(d.seen, 100)}"
            for d in finding.diff[:20]
            if not d.ok
        ),
        f"  - Again: {span(f'spot-conformance replay {finding.id}')}",
    ]


def _violated(rows: list[RequirementResult]) -> list[str]:
    lines, told = ["## Violated", ""], 0
    for requirement in rows:
        found = requirement.findings[:3]
        if told + len(found) > MOST_FINDINGS:
            lines += [f"… and more: the report has all {plural(len(rows), 'violated requirement')}.", ""]
            break
        told += len(found)
        lines += [
            f"### {escaped(requirement.text)}",
            "",
            f"{span(requirement.id)} For a trader: {escaped(requirement.trader)}",
            "",
        ]
        for finding in found:
            lines += _finding(finding)
        lines += [""]
    return lines


def _groups(title: str, groups: list[ReasonGroup]) -> list[str]:
    lines = [f"## {title}", ""]
    for group in groups:
        names = ", ".join(span(r.id) for r in group.requirements[:30])
        more = f" and {len(group.requirements) - 30} more" if len(group.requirements) > 30 else ""
        lines += [f"- {group.levels()}: {escaped(shorten(group.reason, 400))}", f"  - {names}{more}"]
    return [*lines, ""]


def render_markdown(overview: Overview) -> bytes:
    """The summary in UTF-8. Expects a `clean` result."""
    result = overview.result
    lines = [
        f"# {escaped(overview.headline())}",
        "",
        f"Cancel Order against {span(result.base_url)}, {escaped(result.symbol)}, {moment(result.started_at)}: "
        f"{plural(result.requests, 'request')} in {duration(result.duration_s)}, seed {span(str(result.seed))}.",
        "",
    ]
    lines += [escaped(result.reason), ""] if result.reason else []
    lines += [
        "| Level | " + " | ".join(word(column).capitalize() for column in _COLUMNS) + " |",
        "|---|" + "---:|" * len(_COLUMNS),
    ]
    for tally in overview.tallies:
        lines.append(f"| {tally.level} | " + " | ".join(f"{tally.of(c)}" for c in _COLUMNS) + " |")
    lines.append("")
    if rows := overview.violated():
        lines += _violated(rows)
    for verdict in ("undecided", "not_exercised", "waived"):
        if groups := overview.groups(verdict):
            lines += _groups(word(verdict).capitalize(), groups)
    if result.command:
        lines += ["## Run it again", "", *block(result.command), ""]
    return "\n".join(lines).encode()
