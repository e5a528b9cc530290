"""The GitLab template: fits GitLab's schema, and its script does what it says, as it stands."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from ci_files import INPUT, ROOT, clean_environment, fake_venv, gitlab_job, schema_errors

TEMPLATE = ROOT / "templates" / "spot-conformance.yml"
PACKAGE = {"package": "git+https://git.example/spot-conformance"}
VENV = "/tmp/spot-conformance"


def run_job(place: Path, inputs: Mapping[str, Any], env: Mapping[str, str] | None = None) -> Any:
    """Carry out the job's script in sh; the package is taken for installed."""
    job = gitlab_job({**PACKAGE, **inputs})["spot-conformance"]
    fake_venv(place / "venv")
    assert VENV in job["script"][0]
    script = "set -eu\n" + "\n".join(job["script"]).replace(VENV, str(place / "venv"))
    assert all(isinstance(value, str) for value in job["variables"].values())
    return subprocess.run(
        ["sh"],
        input=script,
        env={**clean_environment(), **job["variables"], **(env or {})},
        cwd=place,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_it_fits_the_schema(tmp_path: Path) -> None:
    header, _ = yaml.safe_load_all(TEMPLATE.read_text())
    path = tmp_path / ".gitlab-ci.yml"
    path.write_text(yaml.safe_dump({**header, **gitlab_job(PACKAGE)}))
    assert schema_errors("gitlab-ci", path) == []
    path.write_text(yaml.safe_dump({**header, **gitlab_job(PACKAGE), "other": {"scrip": ["true"]}}))
    assert schema_errors("gitlab-ci", path) != []


def test_no_script_holds_an_input() -> None:
    _, jobs = yaml.safe_load_all(TEMPLATE.read_text())
    (job,) = jobs.values()
    assert not INPUT.search("\n".join(job["script"] + job["before_script"]))


def test_it_runs_and_leaves_what_gitlab_collects(tmp_path: Path) -> None:
    done = run_job(
        tmp_path, {"args": "--only=fields\n--only=cancel.errors.invalid-id", "report-dir": "out", "seed": 7}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    artifacts = gitlab_job({**PACKAGE, "report-dir": "out"})["spot-conformance"]["artifacts"]
    assert artifacts["when"] == "always"
    assert artifacts["paths"] == ["out/"]
    assert (tmp_path / "out" / "report.html").is_file()
    junit = ElementTree.parse(tmp_path / artifacts["reports"]["junit"]).getroot()
    assert int(junit.attrib["tests"]) > 90
    assert "seed 7" in done.stdout


@pytest.mark.parametrize("given", [True, False])
def test_trading_is_allowed_on_request(given: bool, tmp_path: Path) -> None:
    inputs = {"base-url": "https://127.0.0.1.invalid/api/v1", "allow-trading": given}
    done = run_job(tmp_path, inputs, {"SPOT_CONFORMANCE_OWNER_JWT": "header.claims.signature"})
    assert done.returncode == (3 if given else 2)
    assert ("pass --allow-trading" in done.stderr) is not given


@pytest.mark.parametrize("name", ["base-url", "symbol", "baseline", "args"])
def test_an_input_is_never_a_command(name: str, tmp_path: Path) -> None:
    evil = "$(touch owned)`touch owned`'; touch owned; \"; touch owned #"
    done = run_job(tmp_path, {"base-url": "nowhere", name: evil})
    assert done.returncode == 2
    assert not list(tmp_path.rglob("owned"))
