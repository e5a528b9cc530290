"""The command line from end to end, as a user runs it: in a process of its own."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rich.console import Console

from conformance import runner
from conformance.record import Exchange, Footer, Header, read_rows, record_schema
from conformance.reference.server import Running, start
from conformance.reference.settings import simple_settings
from conformance.report.result import results_schema

CLI = [sys.executable, "-c", "from conformance.cli import main; main()"]


def spot(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line; settings of the tests' own environment are taken out."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SPOT_") and k != "GITHUB_ACTIONS"}
    return subprocess.run(
        [*CLI, *arguments],
        env={**clean, "NO_COLOR": "1", "COLUMNS": "200", **(env or {})},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def environment(running: Running) -> dict[str, str]:
    """The settings that point a run at a server."""
    found = {"SPOT_CONFORMANCE_BASE_URL": running.base_url}
    for account, secrets in running.accounts.items():
        for name, value in secrets.items():
            found[f"SPOT_CONFORMANCE_{account.upper()}_{name.upper()}"] = value
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A whole run on the embedded reference."""
    directory = tmp_path_factory.mktemp("reports")
    return spot("run", "--report-dir", str(directory)), directory


def _results(directory: Path) -> Any:
    return json.loads((directory / "results.json").read_text())


def test_the_reference_conforms(finished: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    run, directory = finished
    assert (run.returncode, run.stderr) == (0, "")
    assert _results(directory)["verdict"] == "conformant"
    assert "report.html" in run.stdout


def test_all_reports_are_there(finished: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    names = {path.name for path in finished[1].iterdir()}
    assert {"results.json", "report.html", "junit.xml", "results.sarif", "summary.md", "badge.svg"} <= names


def test_results_and_record_keep_their_schemas(finished: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    directory = finished[1]
    jsonschema.validate(_results(directory), results_schema())
    lines = (directory / "record.ndjson").read_text().splitlines()
    for line in (lines[0], lines[1], lines[-1], *lines[100:2000:100]):
        jsonschema.validate(json.loads(line), record_schema())


def test_every_visible_must_is_decided(finished: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    left = {r["id"]: r["reason"] for r in _results(finished[1])["requirements"] if r["verdict"] == "not_exercised"}
    allowed = ("no client can see it", "a burst is made on request only", "needs a target that may be restarted")
    assert [name for name, reason in left.items() if not reason.startswith(allowed)] == []


def test_the_record_is_whole(finished: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    rows = list(read_rows(finished[1] / "record.ndjson"))
    exchanges = [row for row in rows if isinstance(row, Exchange)]
    assert isinstance(rows[0], Header)
    assert isinstance(rows[-1], Footer)
    assert rows[-1].exchanges == len(exchanges) == _results(finished[1])["requests"]
    assert len({row.n for row in exchanges}) == len(exchanges)


def test_judging_again_has_the_same_outcome(
    finished: tuple[subprocess.CompletedProcess[str], Path], tmp_path: Path
) -> None:
    again = spot("judge", str(finished[1] / "record.ndjson"), "--report-dir", str(tmp_path))
    assert again.returncode == 0
    assert _results(tmp_path)["requirements"] == _results(finished[1])["requirements"]


def test_several_records_are_judged_side_by_side(
    finished: tuple[subprocess.CompletedProcess[str], Path], tmp_path: Path
) -> None:
    whole, part = finished[1] / "record.ndjson", tmp_path / "part.ndjson"
    part.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    alone = [spot("judge", str(path)) for path in (whole, part)]
    both = spot("judge", str(whole), str(part))
    assert both.stdout == f"{whole}:\n{alone[0].stdout}{part}:\n{alone[1].stdout}"
    assert [run.returncode for run in (*alone, both)] == [0, 3, 3]
    for more in (["missing.ndjson"], [str(part), "--report-dir", str(tmp_path)]):
        refused = spot("judge", str(whole), *more)
        assert (refused.returncode, refused.stderr.count("\n"), "Traceback" in refused.stderr) == (2, 2, False)


def test_a_broken_target_is_violated(tmp_path: Path) -> None:
    hook = "conformance.reference.faults.amounts:average_is_not_weighted"
    with start(simple_settings(hooks=(hook,))) as faulty:
        run = spot("run", "--only", "fields", "--report-dir", str(tmp_path), env=environment(faulty))
    results = _results(tmp_path)
    violated = [r for r in results["requirements"] if r["verdict"] == "violated"]
    assert run.returncode == 1
    assert violated[0]["id"] == "cancel.fields.avg-fill-price"
    finding = violated[0]["findings"][0]
    assert {"message", "expected", "seen", "case", "curl"} <= set(finding)
    assert "cancel.fields.avg-fill-price" in run.stdout


def test_a_closed_port_is_undecided(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {"SPOT_CONFORMANCE_BASE_URL": f"http://127.0.0.1:{port}/api/v1", "SPOT_CONFORMANCE_OWNER_JWT": "a.b.c"}
    run = spot("run", "--report-dir", str(tmp_path), env=env)
    assert run.returncode == 3
    assert "Traceback" not in run.stderr + run.stdout
    assert re.match(r"spot-conformance: .*no contact", run.stderr)


@pytest.mark.parametrize(
    ("arguments", "env", "status", "text"),
    [
        (["run", "--only", "cancel.errors.forbiden"], {}, 2, "did you mean"),
        (["run", "--config", "missing.toml"], {}, 2, "cannot read"),
        (["run", "--base-url", "nowhere"], {}, 2, "base URL is none"),
        (["run", "--base-url", "http://127.0.0.1:1/x"], {}, 2, "no credential"),
        (
            ["run", "--base-url", "https://exchange.example/x"],
            {"SPOT_CONFORMANCE_OWNER_JWT": "token"},
            2,
            "--allow-trading",
        ),
        (["run", "--profile", "fast"], {}, 2, "quick"),
        (["judge", "missing.ndjson"], {}, 2, "cannot read"),
        (["requirements", "explain", "cancel.nothing"], {}, 2, "did you mean"),
        (["nonsense"], {}, 2, "No such command"),
    ],
)
def test_mistakes_get_one_line_and_a_status(
    arguments: list[str], env: dict[str, str], status: int, text: str, tmp_path: Path
) -> None:
    run = spot(*arguments, env=env, cwd=tmp_path)
    assert run.returncode == status
    assert text in run.stderr
    assert "Traceback" not in run.stderr


def test_what_no_case_exercises_is_nothing_to_do(tmp_path: Path) -> None:
    run = spot("run", "--only", "cancel.success.no-weight", "--report-dir", str(tmp_path))
    assert run.returncode == 4


def test_records_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "record.ndjson"
    for content in (b"", b"{}\n", b"\xff\xfe\n", b'{"kind":"exchange"}\n'):
        path.write_bytes(content)
        run = spot("judge", str(path))
        assert (run.returncode, "Traceback" in run.stderr) == (2, False)


def test_a_record_that_was_cut_off_is_undecided(
    finished: tuple[subprocess.CompletedProcess[str], Path], tmp_path: Path
) -> None:
    whole = (finished[1] / "record.ndjson").read_bytes()
    path = tmp_path / "record.ndjson"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    assert spot("judge", str(path)).returncode == 3


def test_settings_for_other_tests_have_no_part_in_a_run(tmp_path: Path) -> None:
    """Neither do their options, which may be none of ours, nor their plugins, which may not be at hand."""
    others = {"PYTEST_ADDOPTS": "-x -n 2 -k nothing", "PYTEST_PLUGINS": "plugin_of_another_project"}
    arguments = ("run", "--only", "cancel.success.open", "--profile", "quick", "--report-dir", str(tmp_path))
    run = spot(*arguments, env=others)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    row = next(row for row in _results(tmp_path)["requirements"] if row["id"] == "cancel.success.open")
    assert row["verdict"] == "held"


@pytest.mark.parametrize("status", [pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERRUPTED])
def test_the_record_of_an_earlier_run_is_left_alone(
    finished: tuple[subprocess.CompletedProcess[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: pytest.ExitCode,
) -> None:
    """A run that ends before it records anything is not taken for the one whose record is there."""
    shutil.copy(finished[1] / "record.ndjson", tmp_path)
    monkeypatch.setattr(runner.Session, "recorded", False)
    monkeypatch.setattr(runner.Session, "failure", None)
    monkeypatch.setattr(runner, "_show_head", lambda options, console: None)
    monkeypatch.setattr(runner, "run_cases", lambda options, report_dir, plugin: int(status))
    told = io.StringIO()
    options = {"only": (), "report_dir": str(tmp_path)}
    if status == pytest.ExitCode.INTERRUPTED:
        with pytest.raises(KeyboardInterrupt):
            runner.run(options, Console(file=told))
    else:
        assert runner.run(options, Console(file=told)) == 70
    assert "onformant" not in told.getvalue()
    assert [path.name for path in tmp_path.iterdir()] == ["record.ndjson"]


def test_it_runs_as_plain_pytest(tmp_path: Path) -> None:
    with start(simple_settings()) as running:
        pytest_run = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "--pyargs", "conformance.suite", "-q", "-x", "-k", "unknown_id"),
                *("-p", "no:cacheprovider", "--base-url", running.base_url, "--report-dir", str(tmp_path)),
            ],
            env={**os.environ, **environment(running)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert pytest_run.returncode == 0, pytest_run.stdout + pytest_run.stderr
    assert "4 passed" in pytest_run.stdout
    assert (tmp_path / "record.ndjson").is_file()


def test_doctor_goes_through_its_steps() -> None:
    run = spot("doctor")
    assert run.returncode == 0
    assert run.stdout.count("✓") >= 9


def test_requirements_are_listed_and_explained() -> None:
    assert "cancel.key.unknown" in spot("requirements", "list", "cancel.key").stdout
    assert len(json.loads(spot("requirements", "list", "--json").stdout)) > 90
    text = spot("requirements", "explain", "cancel.errors.forbidden.partially-filled").stdout
    assert "Somebody else can stop your order halfway." in text
    assert "test_foreign_partially_filled" in text


@pytest.mark.parametrize("command", ["run", "judge", "doctor", "serve"])
def test_every_command_has_examples(command: str) -> None:
    text = spot(command, "--help").stdout
    assert "Example" in text
    assert f"spot-conformance {command}" in text
