"""The suite kills faults and spares permitted variations: a few here, all of them by `tox -e matrix`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

FEW_FAULTS = ("average-is-not-weighted", "legacy-header-accepted")
FEW_VARIATIONS = ("eight-decimals",)


def faults(*arguments: str, tmp_path: Path, limit_s: int) -> tuple[int, list[dict[str, Any]], str]:
    """Run `spot-conformance faults …`; its exit status, the outcomes, and what it printed."""
    path = tmp_path / "outcomes.json"
    command = [sys.executable, "-c", "from conformance.cli import main; main()", "faults", *arguments]
    done = subprocess.run(
        [*command, "--json", str(path)],
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


def test_a_few_variations_are_spared(tmp_path: Path) -> None:
    status, outcomes, output = faults("variations", *FEW_VARIATIONS, tmp_path=tmp_path, limit_s=300)
    assert [outcome["name"] for outcome in outcomes if not outcome["conformant"]] == [], output
    assert status == 0


def test_unknown_fault_is_a_usage_error(tmp_path: Path) -> None:
    status, _, output = faults("run", "average-not-weighted", tmp_path=tmp_path, limit_s=60)
    assert status == 2
    assert "average-is-not-weighted" in output
