"""The closing summary at several widths and in poor terminals; `UPDATE_SNAPSHOTS=1` writes the snapshots anew."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
import samples
from rich.console import Console

from conformance.report.result import Result
from conformance.report.terminal import print_summary

SNAPSHOTS = Path(__file__).parent / "snapshots"
REPORT = Path("reports") / "run"


def shown(result: Result, width: int = 80, *, colour: bool = False, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding=encoding, newline="") as file:
        console = Console(
            file=file, width=width, force_terminal=colour, color_system="standard" if colour else None
        )
        print_summary(result, console, REPORT)
        file.flush()
        return raw.getvalue().decode(encoding)


def check(name: str, text: str) -> None:
    place = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        place.parent.mkdir(exist_ok=True)
        place.write_text(text, "utf-8")
    assert text == place.read_text("utf-8")


@pytest.mark.parametrize("width", [80, 200])
def test_snapshot(width: int) -> None:
    check(f"small-{width}", shown(samples.small(), width))


def test_snapshot_in_ascii() -> None:
    text = shown(samples.small(), encoding="ascii")
    assert text.isascii()
    check("small-ascii", text)


def test_a_dumb_terminal_gets_no_escapes_and_plain_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    text = shown(samples.small(), colour=True)
    assert "x Violated: 2 of 19" in re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "✕" not in text


def test_no_color_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.search(r"\x1b\[[0-9;]*3[0-9]", shown(samples.small(), colour=True))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*(3[0-9]|9[0-7])", shown(samples.small(), colour=True))


@pytest.mark.parametrize("width", [40, 80, 120, 200])
@pytest.mark.parametrize("name", ["violated", "conformant", "undecided", "hostile", "small"])
def test_no_line_is_wider_than_the_terminal(name: str, width: int, results: dict[str, Result]) -> None:
    lines = shown(results[name], width).splitlines()
    assert [line for line in lines if len(line) > width and "Report:" not in line] == []
    assert [line for line in lines if line != line.rstrip()] == []


def test_the_verdict_comes_last_and_the_report_before_it(results: dict[str, Result]) -> None:
    lines = shown(results["violated"]).splitlines()
    assert lines[-1].startswith("✕ Violated: 3 of ")
    assert lines[-2] == f"Report: {REPORT / 'report.html'}"


def test_the_reason_of_an_undecided_run_is_told(results: dict[str, Result]) -> None:
    text = shown(results["undecided"])
    assert text.rstrip().endswith("No counterparty was given")
    assert "? Undecided: 2 of " in text


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_a_target_cannot_write_to_the_terminal(encoding: str, results: dict[str, Result]) -> None:
    text = shown(results["hostile"], encoding=encoding)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2066]", text.replace("\r\n", "\n"))
    coloured = shown(results["hostile"], colour=True)
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert "[bold red]markup[/bold red]" in " ".join(shown(results["hostile"], 400).split())


def test_annotations_and_a_log_without_commands(
    monkeypatch: pytest.MonkeyPatch, results: dict[str, Result]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    lines = shown(results["hostile"]).splitlines()
    token = re.fullmatch(r"::stop-commands::([0-9a-f]{32})", lines[0])
    assert token
    end = lines.index(f"::{token[1]}::")
    assert "##[" not in "\n".join(lines)[: len("\n".join(lines[:end]))]
    assert all(line.startswith(("::error ", "::warning ")) for line in lines[end + 1 :])
    assert re.match(
        r"::error file=openapi/requirements\.yaml,line=\d+,"
        r"title=cancel\.errors\.forbidden \(MUST\) is violated::MUST ",
        lines[end + 1],
    )


def test_no_more_than_ten_annotations_of_a_kind(
    monkeypatch: pytest.MonkeyPatch, results: dict[str, Result]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    lines = [line for line in shown(results["large"]).splitlines() if line.startswith("::error ")]
    assert len(lines) == 10
    assert re.search(r"title=\d+ more::", lines[-1])


def test_no_annotations_outside_of_a_job(results: dict[str, Result]) -> None:
    assert not any(line.startswith("::") for line in shown(results["violated"]).splitlines())
