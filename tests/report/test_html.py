"""`report.html` as text: well-formed, complete, self-contained, escaped and small."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from xml.etree import ElementTree

import html5lib
import pytest
import samples

from conformance.contract import load_contract
from conformance.report import write_reports
from conformance.report.charts import histograms
from conformance.report.html import field_rows
from conformance.report.result import CaseResult, Driver, FieldDiff, Latency, Result

NAMES = ["conformant", "violated", "undecided", "hostile", "large", "small"]
Element = ElementTree.Element


def text_of(folder: Path) -> str:
    return (folder / "report.html").read_text("utf-8")


def parse(folder: Path) -> Element:
    """The page's tree; raises for the first error that the HTML standard's parser finds."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    tree: Element = parser.parse(text_of(folder))
    return tree


def words(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


@pytest.fixture(scope="module")
def pages(written: dict[str, Path]) -> dict[str, Element]:
    return {name: parse(written[name]) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_it_is_well_formed_and_every_id_stands_once(name: str, pages: dict[str, Element]) -> None:
    ids = [element.attrib["id"] for element in pages[name].iter() if "id" in element.attrib]
    assert sorted(set(ids)) == sorted(ids)
    for element in pages[name].iter():
        link = element.attrib.get("href", "#")
        if link.startswith("#") and link != "#":
            assert link[1:] in ids, link
        for label in element.attrib.get("aria-labelledby", "").split():
            assert label in ids


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_loaded_from_anywhere(name: str, pages: dict[str, Element]) -> None:
    for element in pages[name].iter():
        assert element.tag not in ("img", "iframe", "object", "embed", "base", "audio", "video")
        for attribute, value in element.attrib.items():
            key = str(attribute).rsplit("}", 1)[-1]
            if key in ("src", "href", "srcset", "action", "data", "poster", "background", "xlink:href"):
                assert value.startswith("#") or value == "data:,", (element.tag, value)
            assert not key.startswith("on")
            assert key != "style"
    style = words(next(pages[name].iter("style")))
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize("name", NAMES)
def test_the_policy_allows_the_pages_own_style_and_script_only(name: str, pages: dict[str, Element]) -> None:
    root = pages[name]
    policy = next(m.attrib["content"] for m in root.iter("meta") if "http-equiv" in m.attrib)
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (only,) = list(root.iter(tag))
        digest = base64.b64encode(hashlib.sha256((only.text or "").encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_no_hostile_text_becomes_markup(pages: dict[str, Element], written: dict[str, Path]) -> None:
    """The same elements as a harmless page has, and every hostile string there to read."""
    tags = {str(element.tag) for element in pages["hostile"].iter()}
    assert tags <= {str(element.tag) for element in pages["violated"].iter()}
    text = words(pages["hostile"])
    for shown in (
        "<script>alert(1)</script>",
        "]]>",
        "\\x1b[2J\\x1b]0;owned\\x07",
        "\\u202egnp.exe\\u2066",
        "nul\\x00 bell\\x07 del\\x7f c1\\x9b31m",
        "lone \\ud800 surrogate, \\uffff no character",
        "{{ 7 * 7 }} {% raw %}",
        "' onmouseover='alert(1)' \" autofocus onfocus=\"alert(1)",
    ):
        assert shown in text
    assert not re.search(
        r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", text_of(written["hostile"])
    )


@pytest.mark.parametrize("name", ["conformant", "violated", "undecided", "large"])
def test_every_requirement_stands_there_with_its_verdict(
    name: str, pages: dict[str, Element], results: dict[str, Result]
) -> None:
    rows = {e.attrib["id"]: e for e in pages[name].iter("li") if "data-verdict" in e.attrib}
    assert set(rows) == set(load_contract().requirements)
    for requirement in results[name].requirements:
        row = rows[requirement.id]
        text = words(row)
        assert row.attrib["data-verdict"] == requirement.verdict
        assert row.attrib["data-level"] == requirement.level
        # in words, not in colour alone
        assert requirement.verdict.replace("_", " ") in text
        assert requirement.text in text
        assert requirement.trader in text
        for source in requirement.source:
            assert source in text
        if requirement.checks:
            assert f"{requirement.checks} check" in text


def test_every_finding_is_told(pages: dict[str, Element], results: dict[str, Result]) -> None:
    sections = {e.attrib.get("id", ""): words(e) for e in pages["violated"].iter("section")}
    for requirement in results["violated"].requirements:
        for finding in requirement.findings:
            text = sections[finding.id]
            for part in (
                finding.message,
                finding.expected,
                finding.seen,
                f"spot-conformance replay {finding.id}",
                finding.case,
            ):
                assert part in text
            for step in finding.steps:
                assert step.what in text
                assert step.outcome in text
            if finding.of > 1:
                assert f"{finding.times} of {finding.of}" in text


def test_what_is_violated_comes_before_all_else(pages: dict[str, Element]) -> None:
    (main,) = pages["violated"].iter("main")
    order = [section.attrib["id"] for section in main if section.tag == "section"]
    assert order == ["violated", "open", "contract", "pages", "page", "run", "races", "how"]
    slugs = [a.attrib["id"] for a in pages["violated"].iter("article")]
    assert slugs[0] == "violated-cancel.errors.forbidden"
    assert slugs.index(f"violated-{samples.A_SHOULD}") == 3  # the SHOULD, after the three MUST


def test_a_conformant_run_shows_no_section_of_violations(pages: dict[str, Element]) -> None:
    assert not list(pages["conformant"].iter("article"))
    assert words(next(pages["conformant"].iter("h1"))).startswith("Conformant: ")


def test_the_diff_names_each_field_and_what_differs(pages: dict[str, Element]) -> None:
    table = next(t for t in pages["violated"].iter("table") if t.attrib.get("class") == "diff")
    rows = [[words(cell) for cell in row] for row in table.iter("tr")]
    assert ["filled_qty: differs", "30", "0"] in rows
    assert ["symbol: as expected", "DFUSDT", "DFUSDT"] in rows
    assert sum(row[0].endswith(": as expected") for row in rows) == 12


def test_a_field_stands_once_in_the_pages_order() -> None:
    """Several rules look at one field: what differs is shown, else what the last of them expected."""
    rows = [
        FieldDiff("updated_at", "an integer", "5", True),
        FieldDiff("price", "a decimal string", "0.5", True),
        FieldDiff("venue_seq", "anything", "9", True),
        FieldDiff("filled_qty", "a decimal string", "0", True),
        FieldDiff("filled_qty", "30", "0", False),
        FieldDiff("price", "0.5000", "0.5", True),
    ]
    found = [(row.field, row.expected) for row in field_rows(rows)]
    assert found == [
        ("price", "0.5000"),
        ("filled_qty", "30"),
        ("updated_at", "an integer"),
        ("venue_seq", "anything"),
    ]


def test_latencies_share_one_axis_with_its_empty_buckets() -> None:
    quick = Latency("quick", 5, 1, 1, 1, 1, [(1.0, 4), (2.0, 1)])
    slow = Latency("slow", 3, 1, 1, 1, 1, [(10.0, 2), (1e9, 1)])
    first, second = histograms([quick, slow])
    assert first.slots == second.slots == 5  # 1, 2, 5, 10 ms and all above
    assert [(c.slot, c.height) for c in first.columns] == [(0, 100.0), (1, 25.0)]
    assert [c.slot for c in second.columns] == [3, 4]
    assert second.words() == "up to 10.0 ms: 2, over 10.0 ms: 1"


def test_a_large_run_stays_small(written: dict[str, Path]) -> None:
    assert (written["large"] / "report.html").stat().st_size < 3_000_000


def test_even_huge_answers_leave_the_page_small(tmp_path: Path) -> None:
    from conformance.report import write_reports

    row = samples.requirement("cancel.errors.forbidden", "violated")
    row.findings = [
        samples.finding(f"F{n}", steps=[samples.Step(n, "o", "w", "r", 0, 1, "act", "x" * 50_000, "y" * 2_000_000)])
        for n in range(30)
    ]
    paths = write_reports(samples.result({row.id: row}), tmp_path)
    assert paths["report.html"].stat().st_size < 1_000_000
    assert "more characters)" in paths["report.html"].read_text("utf-8")


def test_what_only_we_know_by_name_is_said_in_words(tmp_path: Path) -> None:
    result = samples.result(
        {"cancel.jwt.expired": samples.requirement("cancel.jwt.expired", "violated", findings=[samples.finding()])},
        cases=[
            CaseResult(f"{name}::a", name, "passed", 1.0, 0.0) for name in ("fuzz", "machine", "window", "mine")
        ],
        drivers=[Driver("suite", 3), Driver("control", 2), Driver("cleanup", 1, "its own words")],
    )
    result.cleanup = {"left": 0, "placed": 1286, "canceled": 2, "foreign": 0, "listed": True}
    write_reports(result, tmp_path)
    page = parse(tmp_path)
    lanes = [words(e) for e in page.iter("span") if e.attrib.get("class") == "lane-name"]
    assert lanes[:4] == ["Generated requests", "State machine", "Signing window", "mine"]
    rows = [words(row) for row in page.iter("tr")]
    assert "suite3the cases, a file a chapter" in rows
    assert "cleanup1its own words" in rows
    facts = [words(e) for e in page.iter("dt")]
    at = facts.index("Orders placed")
    assert facts[at : at + 5] == [
        "Orders placed",
        "Canceled afterwards",
        "Left open",
        "Open orders could be listed",
        "Open orders of others, left alone",
    ]
    assert "httpx" in facts
    assert "1,286" in [words(e) for e in page.iter("dd")]
    assert re.fullmatch(r"Violated: 1 of \d+ MUST requirements does not hold", words(next(page.iter("h1"))))
