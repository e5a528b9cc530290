"""`write_reports`: which files, whole or not at all, and what the result is made safe for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import samples

import conformance.report as report
from conformance.errors import ConfigError
from conformance.report import write_reports
from conformance.report.result import Result, read_results
from conformance.report.text import clean, duration, milliseconds, moment, visible

FILES = {"results.json", "report.html", "junit.xml", "results.sarif", "summary.md", "badge.svg"}


def test_all_reports_are_written_and_nothing_else(written: dict[str, Path]) -> None:
    for folder in written.values():
        assert {entry.name for entry in folder.iterdir()} == FILES


def test_the_paths_are_returned_by_name(tmp_path: Path) -> None:
    paths = write_reports(samples.small(), tmp_path / "new" / "folder")
    assert {name: path.name for name, path in paths.items()} == {name: name for name in FILES}
    assert all(path.is_file() for path in paths.values())


def test_results_json_reads_back_as_the_same_result(written: dict[str, Path], results: dict[str, Result]) -> None:
    for name in ("conformant", "violated", "small"):
        assert read_results(written[name] / "results.json") == results[name]


def test_a_lone_surrogate_from_the_target_does_not_lose_the_result(written: dict[str, Path]) -> None:
    """json.loads makes one of a body with half of a pair; UTF-8 cannot hold it."""
    found = next(r for r in read_results(written["hostile"] / "results.json").requirements if r.findings)
    assert "lone \\ud800 surrogate, \uffff no character" in {f.expected for f in found.findings}


def test_a_file_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_reports(samples.small(), tmp_path)
    before = (tmp_path / "report.html").read_bytes()

    def full(content: bytes, path: Path) -> None:
        path.write_bytes(content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report, "_write", full)
    with pytest.raises(ConfigError, match="No space left on device"):
        write_reports(samples.violated(), tmp_path)
    assert (tmp_path / "report.html").read_bytes() == before
    assert {entry.name for entry in tmp_path.iterdir()} == FILES


def test_the_result_is_on_disk_even_if_a_report_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(report, "render_html", broken)
    with pytest.raises(ZeroDivisionError):
        write_reports(samples.small(), tmp_path)
    assert read_results(tmp_path / "results.json") == samples.small()


def test_a_place_that_cannot_be_written_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write the reports"):
        write_reports(samples.small(), tmp_path / "file" / "reports")


def test_the_summary_is_appended_to_the_step_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "step.md"
    place.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", os.fspath(place))
    paths = write_reports(samples.small(), tmp_path / "out")
    assert place.read_bytes() == b"before\n" + paths["summary.md"].read_bytes()


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain\ttext\nwith lines", "plain\ttext\nwith lines"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x00\x07\x7f\r", "\\x00\\x07\\x7f\\x0d"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\ud800", "\\ud800"),
        ("\ufffe\uffff\U000e0041", "\\ufffe\\uffff\\U000e0041"),
        ("größer 注文 ±5", "größer 注文 ±5"),
    ],
)
def test_what_does_not_show_is_spelled_out(raw: str, shown: str) -> None:
    assert visible(raw) == shown


def test_clean_reaches_every_string(results: dict[str, Result]) -> None:
    told = repr(clean(results["hostile"]))
    assert "\\\\x1b[2J" in told
    # repr would write a raw escape as \x1b with one backslash
    assert "\\x1b[2J" not in told.replace("\\\\x1b[2J", "")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0482, "48 ms"), (3.21, "3.2 s"), (59.97, "1 min 0 s"), (125, "2 min 5 s"), (3840, "1 h 4 min")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.8412, "0.84 ms"), (12.34, "12.3 ms"), (143, "143 ms"), (4100, "4.10 s")]
)
def test_milliseconds(value: float, shown: str) -> None:
    assert milliseconds(value) == shown


@pytest.mark.parametrize(
    ("stamp", "shown"),
    [
        ("2026-11-22T15:36:04Z", "2026-11-22 15:36 UTC"),
        ("2026-11-22T16:36:04+01:00", "2026-11-22 15:36 UTC"),
        ("yesterday", "yesterday"),
    ],
)
def test_moments(stamp: str, shown: str) -> None:
    assert moment(stamp) == shown
