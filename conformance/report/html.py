"""`report.html`: the run as one page that needs nothing but itself.

Style and script are inlined and named by their hash in the page's Content-Security-Policy, so nothing that a
target said could run even if it were not escaped. Everything can be read without the script.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from conformance.contract import FIELDS, Contract
from conformance.report import charts
from conformance.report.overview import LEVELS, VERDICTS, Overview, word
from conformance.report.result import FieldDiff, Finding, RequirementResult, Step
from conformance.report.text import duration, milliseconds, moment, one_line, plural, shorten

_FOLDER = Path(__file__).resolve().parent
MOST_FINDINGS = 6  # told in full of one requirement; the others are in results.json
MOST_STEPS = 40  # of one finding
ALL_STEPS = 1_200  # of all findings together
MOST_CASES = 12  # named behind one requirement
MOST_CASE_ROWS = 400
MOST_RACES = 40
FIELD_LIMIT = 4_000  # characters of one request, answer or script
EVIDENCE_LIMIT = 1_000_000  # characters of requests, answers and scripts in the whole page


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@dataclass(frozen=True)
class StepView:
    """A step with its bar, and its request and answer where there is room for them on this page."""

    step: Step
    bar: charts.Bar
    request: str
    response: str
    told_above: bool


@dataclass(frozen=True)
class FindingView:
    """A finding in the form in which it is shown; `hidden_steps` were left out for length."""

    finding: Finding
    diff: tuple[FieldDiff, ...]
    steps: tuple[StepView, ...]
    hidden_steps: int
    curl: str


def field_rows(diff: Sequence[FieldDiff]) -> tuple[FieldDiff, ...]:
    """A diff in the page's order with each field once: all that differs, else what was expected last.

    Several rules may look at one field (its form, then its value); the later one knows more.
    """
    by_field: dict[str, list[FieldDiff]] = {}
    for row in diff:
        by_field.setdefault(row.field, []).append(row)
    rank = {name: n for n, name in enumerate(FIELDS)}
    names = sorted(by_field, key=lambda name: rank.get(name, len(rank)))
    return tuple(row for name in names for row in ([d for d in by_field[name] if not d.ok] or by_field[name][-1:]))


class _Evidence:
    """Hands out room for what was on the wire, so that the page keeps its size whatever a target sends."""

    def __init__(self) -> None:
        self.left = EVIDENCE_LIMIT
        self.steps_left = ALL_STEPS
        self.told: set[int] = set()

    def take(self, text: str) -> str:
        if not text or self.left <= 0:
            return ""
        shown = shorten(text, min(FIELD_LIMIT, self.left))
        self.left -= len(shown)
        return shown

    def step(self, step: Step, bar: charts.Bar) -> StepView:
        again = step.n in self.told and bool(step.request or step.response)
        if again:
            return StepView(step, bar, "", "", told_above=True)
        request, response = self.take(step.request), self.take(step.response)
        if request or response:
            self.told.add(step.n)
        return StepView(step, bar, request, response, told_above=False)

    def finding(self, finding: Finding) -> FindingView:
        bars = charts.step_bars(finding)
        # the end tells what went wrong: of a long story the beginning is left out
        shown = min(len(finding.steps), MOST_STEPS, self.steps_left)
        self.steps_left -= shown
        first = len(finding.steps) - shown
        steps = tuple(self.step(s, b) for s, b in list(zip(finding.steps, bars, strict=True))[first:])
        return FindingView(finding, field_rows(finding.diff), steps, first, self.take(finding.curl))


def _findings(rows: list[RequirementResult]) -> dict[str, list[FindingView]]:
    evidence = _Evidence()
    return {r.id: [evidence.finding(f) for f in r.findings[:MOST_FINDINGS]] for r in rows}


_PACKAGES = ("httpx", "pytest", "hypothesis", "schemathesis", "msgspec", "locust")  # written as they are
_CLEANUP = {
    "placed": "orders placed",
    "canceled": "canceled afterwards",
    "left": "left open",
    "listed": "open orders could be listed",
    "foreign": "open orders of others, left alone",
}
_DRIVERS = {
    "suite": "the cases, a file a chapter",
    "races": "operations that overlap on one order",
    "control": "cancels beside one that was not served, to tell a busy target from a broken one",
    "cleanup": "what was still open after a case",
}


def _label(key: str) -> str:
    words = key.replace("_", " ").replace("-", " ").strip()
    return key if key in _PACKAGES else words[:1].upper() + words[1:]


def _cleanup(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What became of the orders, in words and in the order in which it happened."""
    known = {words: facts[name] for name, words in _CLEANUP.items() if name in facts}
    return {**known, **{name: value for name, value in facts.items() if name not in _CLEANUP}}


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if not text or text[-1] in ".!?" else ".")


def _plain(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, (str, float)):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        duration=duration,
        ms=milliseconds,
        moment=moment,
        word=word,
        label=_label,
        plain=_plain,
        shorten=shorten,
        one_line=one_line,
        sentence_of=_sentence,
        kind=charts.kind_of,
    )
    environment.globals.update(plural=plural, LEVELS=LEVELS, VERDICTS=VERDICTS)
    return environment


def _needs(contract: Contract) -> dict[str, list[str]]:
    return {r.id: sorted(need.replace("_", " ") for need in r.needs) for r in contract.requirements.values()}


_PAGE = "Cancel Order / "
_SECTIONS = (
    "Description",
    "HTTP Request",
    "Weight",
    "Request Parameters",
    "Response Example",
    "Error Responses",
    "Code Examples",
)


def _page_rows(requirements: list[RequirementResult]) -> dict[str, list[RequirementResult]]:
    """The statements under each row of the normative page that they rest on, in the order of its sections."""
    found: dict[str, list[RequirementResult]] = {}
    for row in requirements:
        for source in row.source:
            if source.startswith(_PAGE):
                found.setdefault(source.removeprefix(_PAGE), []).append(row)

    def place(source: str) -> int:
        section = source.split(" / ", maxsplit=1)[0]
        return _SECTIONS.index(section) if section in _SECTIONS else len(_SECTIONS)

    return dict(sorted(found.items(), key=lambda item: place(item[0])))


def render_html(overview: Overview, contract: Contract) -> bytes:
    """The page in UTF-8. Expects an overview of a `clean` result."""
    result = overview.result
    style = (_FOLDER / "report.css").read_text("utf-8").strip()
    script = (_FOLDER / "report.js").read_text("utf-8").strip()
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    lanes, ticks = charts.timeline(overview)
    all_races = charts.races(result.races)
    told = [*overview.violated(), *overview.waived()]
    rank = {"failed": 0, "error": 1, "undecided": 2, "not_exercised": 3}
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            o=overview,
            r=result,
            policy=policy,
            style=Markup(style),  # our own files, not a target's words
            script=Markup(script),
            findings=_findings(told),
            finding_names={row.id: [f.id for f in row.findings] for row in told},
            most_findings=MOST_FINDINGS,
            most_cases=MOST_CASES,
            needs=_needs(contract),
            page_rows=_page_rows(result.requirements),
            known={row.id for row in result.requirements},
            lanes=lanes,
            ticks=ticks,
            histograms=charts.histograms(result.latency),
            races=all_races[:MOST_RACES],
            more_races=max(0, len(all_races) - MOST_RACES),
            cases=sorted(result.cases, key=lambda c: rank.get(c.outcome, 4))[:MOST_CASE_ROWS],
            more_cases=max(0, len(result.cases) - MOST_CASE_ROWS),
            scale=charts.SCALE,
            cleanup=_cleanup(result.cleanup),
            driver_words=_DRIVERS,
        )
    )
    return page.encode()
