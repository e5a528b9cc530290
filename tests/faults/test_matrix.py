"""The suite kills faults and spares permitted variations: a few here, all of them by `tox -e matrix`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from conformance import matrix_run
from conformance.matrix_run import Collected
from tests.processes import is_alive
from tests.suite.test_run import CLI

FEW_FAULTS = ("average-is-not-weighted", "legacy-header-accepted")
FEW_VARIATIONS = ("eight-decimals",)


def faults(*arguments: str, tmp_path: Path, limit_s: int) -> tuple[int, list[dict[str, Any]], str]:
    """Run `spot-conformance faults …`; its exit status, the outcomes, and what it printed."""
    path = tmp_path / "outcomes.json"
    done = subprocess.run(
        [*CLI, "faults", *arguments, "--json", str(path)],
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("SPOT_")},
    )
    outcomes = json.loads(path.read_text("utf-8"))["outcomes"] if path.exists() else []
    return done.returncode, outcomes, done.stdout + done.stderr


def test_a_few_faults_are_killed(tmp_path: Path) -> None:
    status, outcomes, output = faults("run", *FEW_FAULTS, tmp_path=tmp_path, limit_s=300)
    assert [outcome["name"] for outcome in outcomes if not outcome["killed"]] == [], output
    assert len(outcomes) == len(FEW_FAULTS)
    assert status == 0


def test_what_is_no_fault_survives(tmp_path: Path) -> None:
    """The matrix can fail: where nothing provokes a fault, it is reported as a survivor, with exit status 1."""
    markdown = tmp_path / "matrix.md"
    arguments = ("run", "restart-loses-orders", "--full", "--limit", "0.2", "--markdown", str(markdown))
    status, outcomes, output = faults(*arguments, tmp_path=tmp_path, limit_s=60)
    assert status == 1
    assert [outcome["killed"] for outcome in outcomes] == [False]
    assert "SURVIVED" in output
    assert "survived" in markdown.read_text("utf-8")


def test_an_interrupted_matrix_leaves_nothing_behind(tmp_path: Path) -> None:
    env = {**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "200"}
    with subprocess.Popen([*CLI, "faults", "run"], env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "killed" in process.stdout.readline()
        tries = [int(path.read_text()) for path in tmp_path.glob("spot-matrix-*/*/server.pid")]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert tries
    assert list(tmp_path.glob("spot-matrix-*")) == []
    until = time.monotonic() + 30
    while any(map(is_alive, tries)):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_cases_that_cannot_be_collected_are_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix_run, "run_cases", lambda options, report_dir, plugin: 2)
    with pytest.raises(RuntimeError, match="cannot be collected"):
        Collected("quick").tries(lambda carry_out: [])


def test_a_few_variations_are_spared(tmp_path: Path) -> None:
    status, outcomes, output = faults("variations", *FEW_VARIATIONS, tmp_path=tmp_path, limit_s=300)
    assert [outcome["name"] for outcome in outcomes if not outcome["conformant"]] == [], output
    assert status == 0


def test_unknown_fault_is_a_usage_error(tmp_path: Path) -> None:
    status, _, output = faults("run", "average-not-weighted", tmp_path=tmp_path, limit_s=60)
    assert status == 2
    assert "average-is-not-weighted" in output
