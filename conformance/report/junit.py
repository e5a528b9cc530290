"""`junit.xml`: one test case a requirement, in the form that Jenkins, GitLab and GitHub actions read.

The elements and attributes are those of the XSD of Jenkins' xUnit plugin (junit-10), and no others.
"""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree

from conformance.report.overview import NO_REASON, ChapterView, Overview
from conformance.report.result import Finding, RequirementResult
from conformance.report.text import one_line, shorten

_DETAIL = 4000


def _finding(finding: Finding) -> str:
    lines = [
        finding.message,
        f"Expected: {finding.expected}",
        f"Seen:     {finding.seen}",
        f"Shown by {finding.times} of {finding.of} comparable exchanges, in {finding.case}",
        f"Again:    spot-conformance replay {finding.id}",
    ]
    lines += [f"Why:      {finding.why}"] if finding.why else []
    lines += [f"  {d.field}: expected {d.expected}, seen {d.seen}" for d in finding.diff if not d.ok]
    return shorten("\n".join(lines), _DETAIL)


def _outcome(parent: ElementTree.Element, requirement: RequirementResult) -> None:
    reason = one_line(requirement.reason or "")
    if requirement.verdict == "violated":
        first = one_line(requirement.findings[0].message) if requirement.findings else reason or NO_REASON
        failure = ElementTree.SubElement(parent, "failure", type=requirement.level, message=shorten(first, 300))
        found = "\n\n".join(_finding(f) for f in requirement.findings[:5])
        more = len(requirement.findings) - 5
        failure.text = f"{found}\n\nFor a trader: {requirement.trader}" + (
            f"\n\n{more} more in results.json" if more > 0 else ""
        )
    elif requirement.verdict == "undecided":
        ElementTree.SubElement(parent, "error", type="undecided", message=shorten(reason or NO_REASON, 300))
    elif requirement.verdict != "held":
        ElementTree.SubElement(
            parent, "skipped", type=requirement.verdict, message=shorten(reason or NO_REASON, 300)
        )


def _counts(chapters: tuple[ChapterView, ...]) -> dict[str, str]:
    return {
        "tests": str(sum(len(c.requirements) for c in chapters)),
        "failures": str(sum(c.count("violated") for c in chapters)),
        "errors": str(sum(c.count("undecided") for c in chapters)),
    }


def _stamp(started_at: str) -> dict[str, str]:
    try:
        when = datetime.fromisoformat(started_at)
    except ValueError:
        return {}
    return {
        "timestamp": (when.astimezone(UTC) if when.tzinfo else when).replace(tzinfo=None).isoformat("T", "seconds")
    }


def render_junit(overview: Overview) -> bytes:
    """The run as JUnit XML in UTF-8: a suite a chapter, violated as failure, undecided as error.

    Requirements that were not exercised or are waived are skipped, with the reason. Expects a `clean` result.
    """
    result = overview.result
    root = ElementTree.Element(
        "testsuites",
        {"name": "Cancel Order", "time": f"{result.duration_s:.3f}", **_counts(overview.chapters)},
    )
    for chapter in overview.chapters:
        skipped = str(chapter.count("not_exercised") + chapter.count("waived"))
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            {"name": chapter.title, **_counts((chapter,)), "skipped": skipped, **_stamp(result.started_at)},
        )
        properties = ElementTree.SubElement(suite, "properties")
        for name, value in (
            ("verdict", result.verdict),
            ("base_url", result.base_url),
            ("seed", str(result.seed)),
            ("profile", result.profile),
            ("suite_version", result.suite_version),
            ("contract", result.contract_digest),
        ):
            ElementTree.SubElement(properties, "property", name=name, value=value)
        for requirement in chapter.requirements:
            case = ElementTree.SubElement(
                suite, "testcase", classname=chapter.id, name=f"{requirement.id}: {requirement.text}"
            )
            _outcome(case, requirement)
    ElementTree.indent(root, " ")
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"
