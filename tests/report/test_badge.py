"""The badge is green for a whole, conformant run with nothing undecided, and for no other."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
import samples

from conformance.contract import load_contract
from conformance.report.badge import AMBER, GREEN, GREY, RED, badge_colour, badge_text, render_badge
from conformance.report.overview import Overview
from conformance.report.result import Result


def overview(result: Result) -> Overview:
    return Overview(result, load_contract())


def with_one(verdict: str, identifier: str = samples.A_SHOULD) -> Result:
    return samples.result({identifier: samples.requirement(identifier, verdict, reason="so")})


@pytest.mark.parametrize(
    ("result", "colour"),
    [
        (samples.conformant(), GREEN),
        (samples.violated(), RED),
        (samples.undecided(), AMBER),
        (samples.result(partial=True), AMBER),
        (with_one("undecided"), AMBER),
        (with_one("waived"), AMBER),
        (with_one("violated"), AMBER),
        (samples.result(verdict="not_exercised", partial=True), GREY),
        (samples.result(requirements=[]), AMBER),
    ],
)
def test_colour(result: Result, colour: str) -> None:
    assert badge_colour(overview(result)) == colour


def test_text() -> None:
    assert badge_text(overview(samples.small())) == "MUST 4/19 held, 2 undecided, 1 waived"
    assert badge_text(overview(samples.result(partial=True))).endswith("held, partial")


def test_it_is_an_image_with_a_name_and_no_address() -> None:
    image = render_badge(overview(samples.violated()))
    root = ElementTree.fromstring(image)
    assert root.attrib["role"] == "img"
    assert "MUST 87/" in root.attrib["aria-label"]
    assert image.count(b"http") == 1  # the namespace
