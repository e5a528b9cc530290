"""`junit.xml` has the structure that the XSD of Jenkins' xUnit plugin (junit-10) allows, and tells the verdicts."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from conformance.report.result import Result

# element: (required attributes, optional attributes, children); what junit-10.xsd allows
STRUCTURE = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": (
        {"name"},
        {"time", "classname", "group"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "failure": (set(), {"type", "message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "skipped": (set(), {"type", "message"}, set()),
}
TAGS = {"violated": "failure", "undecided": "error", "not_exercised": "skipped", "waived": "skipped"}
NAMES = ["conformant", "violated", "undecided", "hostile", "large", "small"]


def parse(folder: Path) -> ElementTree.Element:
    return ElementTree.fromstring((folder / "junit.xml").read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_the_structure_is_that_of_the_schema(name: str, written: dict[str, Path]) -> None:
    for element in parse(written[name]).iter():
        required, optional, children = STRUCTURE[element.tag]
        assert required <= set(element.attrib) <= required | optional, element.tag
        assert {child.tag for child in element} <= children, element.tag
        if "time" in element.attrib:
            assert re.fullmatch(r"[0-9]+(\.[0-9]+)?", element.attrib["time"])


@pytest.mark.parametrize("name", NAMES)
def test_counts_agree_with_the_cases(name: str, written: dict[str, Path]) -> None:
    root = parse(written[name])
    for holder in (root, *root.iter("testsuite")):
        assert int(holder.attrib["tests"]) == len(list(holder.iter("testcase")))
        assert int(holder.attrib["failures"]) == len(list(holder.iter("failure")))
        assert int(holder.attrib["errors"]) == len(list(holder.iter("error")))
    for suite in root.iter("testsuite"):
        assert int(suite.attrib["skipped"]) == len(list(suite.iter("skipped")))


@pytest.mark.parametrize("name", NAMES)
def test_each_requirement_is_a_case_with_its_verdict(
    name: str, written: dict[str, Path], results: dict[str, Result]
) -> None:
    cases = {case.attrib["name"].split(": ", 1)[0]: case for case in parse(written[name]).iter("testcase")}
    for requirement in results[name].requirements:
        case = cases.pop(requirement.id)
        assert case.attrib["classname"] == requirement.chapter
        assert case.attrib["name"] == f"{requirement.id}: {requirement.text}"
        assert [child.tag for child in case] == ([TAGS[requirement.verdict]] if requirement.verdict in TAGS else [])
    assert cases == {}


def test_the_message_of_a_failure_is_the_first_findings(written: dict[str, Path]) -> None:
    failure = next(parse(written["small"]).iter("failure"))
    assert failure.attrib["message"] == "Another user's open order was answered as if it did not exist"
    assert "Expected: 403" in (failure.text or "")
    assert "spot-conformance replay F1" in (failure.text or "")


def test_why_a_case_was_skipped_is_told(written: dict[str, Path]) -> None:
    root = parse(written["small"])
    assert {skipped.attrib["message"] for skipped in root.iter("skipped")} == {"Needs --overload.", "Known."}
    assert {error.attrib["message"] for error in root.iter("error")} == {
        "The market would not match the crossing order."
    }


def test_no_character_that_xml_forbids(written: dict[str, Path]) -> None:
    text = (written["hostile"] / "junit.xml").read_text("utf-8")
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]", text)
    assert "\\x1b[2J" in text
    assert "<script" not in text
