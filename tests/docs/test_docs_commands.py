"""The commands as a user calls them: their exit statuses, and the table of statements and verdicts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from docs_pages import PAGES, TWIN, at_hand, twin
from markdown_it import MarkdownIt

from conformance.cli import cli
from conformance.contract import load_contract
from conformance.docs.coverage import Line, lines_of, render_markdown
from conformance.docs.page import parse_page


def call(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["docs", *arguments], terminal_width=100)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.txt"
    path.write_text(at_hand().text, "utf-8")
    return path


def test_check_says_1_for_something_and_0_if_only_known_ones_are_accepted(page: Path) -> None:
    whole = at_hand() != twin()  # the twin has other words, so all of its rows are changed
    status, output = call("check", str(page))
    assert status == 1
    assert "· known status.401.document-only" in output
    assert ("0 new differences, 3 known" in output) == whole
    assert call("check", str(page), "--accept-known")[0] == (0 if whole else 1)


def test_check_says_2_for_a_page_that_it_cannot_read(tmp_path: Path) -> None:
    path = tmp_path / "page.txt"
    path.write_text("Not Found\n", "utf-8")
    status, output = call("check", str(path))
    assert status == 2
    assert "not found: method and path" in output
    assert call("check", str(tmp_path / "nothing.html"))[0] == 2


def test_check_as_json(page: Path) -> None:
    status, output = call("check", str(page), "--json")
    assert status == 1
    assert "status.401.document-only" in {row["id"] for row in json.loads(output)}


def test_digests_are_what_check_reads(tmp_path: Path) -> None:
    from conformance.docs.differences import load_digests

    path = tmp_path / "source-rows.yaml"
    path.write_text(call("check", str(TWIN), "--digests")[1], "utf-8")
    assert load_digests(path) == twin().digests


def test_control_characters_of_a_page_do_not_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "page.txt"
    path.write_text(TWIN.read_text("utf-8").replace('"side": "sell"', '"side": "\\u001b[31m"'), "utf-8")
    status, output = call("check", str(path))
    assert status == 1
    assert "\x1b" not in output
    assert "\\x1b[31m" in output


def test_coverage_has_every_statement_and_every_requirement_of_the_page() -> None:
    contract = load_contract()
    lines = lines_of(contract, parse_page(at_hand().text), None)
    assert all(line.requirements for line in lines)
    assert {name for line in lines for name, _, _ in line.requirements} == {
        r.id for r in contract.requirements.values() if any(row.startswith("Cancel Order / ") for row in r.source)
    }
    assert [line.row for line in lines] == [line.row for line in lines_of(contract, None, None)]


def test_coverage_takes_the_worst_verdict() -> None:
    line = Line("row", "", (("a", "MUST", "held"), ("b", "MUST", "violated"), ("c", "MUST", "undecided")))
    assert line.verdict == "violated"
    assert Line("row", "", ()).verdict == "no requirement"


def test_coverage_with_the_results_of_a_run(page: Path, tmp_path: Path) -> None:
    assert call("run", str(page), "--report-dir", str(tmp_path / "report"))[0] == 0
    results = str(tmp_path / "report" / "results.json")
    status, output = call("coverage", str(page), "--results", results)
    assert status == 0
    assert "cancel.success.by-jwt" in output
    assert "27 statements" in output
    status, markdown = call("coverage", str(page), "--results", results, "--markdown")
    assert status == 0
    assert "`cancel.success.by-jwt` | MUST | held |" in markdown
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    rows = sum(1 for token in tokens if token.type == "tr_open")
    assert rows == 1 + sum(len(line.requirements) for line in lines_of(load_contract(), None, None))
    assert call("coverage", "--results", str(page))[0] == 2


def test_coverage_in_markdown_shows_the_pages_words_as_they_are() -> None:
    text = (PAGES / "twin.md").read_text("utf-8").replace("It is somebody else's.", "<b>not</b> yours\\|")
    assert "\\|" in render_markdown(lines_of(load_contract(), parse_page(text), None))
    assert "<b>" not in render_markdown(lines_of(load_contract(), parse_page(text), None))
