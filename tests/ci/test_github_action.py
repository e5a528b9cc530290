"""`action.yml`: fits GitHub's schema, and its steps' scripts do what they say, as they stand."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from ci_files import EXPRESSION, ROOT, action, clean_environment, fake_venv, schema_errors, step, step_environment

from conformance.reference.server import start
from conformance.reference.settings import simple_settings

BASH = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail"]  # as GitHub runs `shell: bash`


def run_step(
    place: Path, inputs: Mapping[str, str], env: Mapping[str, str] | None = None
) -> tuple[subprocess.CompletedProcess[str], dict[str, str], str]:
    """Carry out the step "Run"; its end, its outputs and the job summary."""
    (place / "script.sh").write_text(step("Run")["run"])
    if not (place / "spot-conformance").is_dir():
        fake_venv(place / "spot-conformance")
    for name in ("output", "summary"):
        (place / name).write_text("")
    runner = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(place / "output"),
        "GITHUB_STEP_SUMMARY": str(place / "summary"),
        "RUNNER_TEMP": str(place),
    }
    (place / "workspace").mkdir(exist_ok=True)
    done = subprocess.run(
        [*BASH, str(place / "script.sh")],
        env={**clean_environment(), **runner, **step_environment("Run", inputs), **(env or {})},
        cwd=place / "workspace",
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    outputs = dict(line.split("=", 1) for line in (place / "output").read_text().splitlines())
    return done, outputs, (place / "summary").read_text()


def test_it_fits_the_schema() -> None:
    assert schema_errors("github-actions", ROOT / "action.yml") == []


def test_the_schema_refuses_a_wrong_action(tmp_path: Path) -> None:
    path = tmp_path / "action.yml"
    path.write_text((ROOT / "action.yml").read_text().replace("shell: bash", "shel: bash"))
    assert schema_errors("github-actions", path) != []


def test_no_script_holds_an_expression() -> None:
    """What stands in `${{ }}` becomes part of a script before bash sees it: only `env` may have it."""
    scripts = [s["run"] for s in action()["runs"]["steps"] if "run" in s]
    assert len(scripts) == 2
    assert [script for script in scripts if EXPRESSION.search(script)] == []


def test_every_input_is_used() -> None:
    used = {
        name.strip() for found in EXPRESSION.findall((ROOT / "action.yml").read_text()) for name in found.split()
    }
    used |= {"inputs.python-version"}  # in an `if`, too
    assert {f"inputs.{name}" for name in action()["inputs"]} <= used


@pytest.mark.parametrize("name", ["Install", "Run"])
def test_bash_can_read_the_scripts(name: str) -> None:
    done = subprocess.run(["bash", "-n"], input=step(name)["run"], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_conformant_run_passes(tmp_path: Path) -> None:
    done, outputs, summary = run_step(tmp_path, {"only": "cancel.errors.invalid-id\nfields", "profile": "quick"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert outputs == {
        "exit-status": "0",
        "verdict": "conformant",
        "report": "reports/report.html",
        "results": "reports/results.json",
    }
    assert (tmp_path / "workspace" / outputs["report"]).is_file()
    assert summary == (tmp_path / "workspace" / "reports" / "summary.md").read_text()
    results = json.loads((tmp_path / "workspace" / outputs["results"]).read_text())
    assert results["profile"] == "quick"
    assert "--only=cancel.errors.invalid-id --only=fields" in results["command"]


def test_a_violation_fails_and_a_baseline_lets_it_pass(tmp_path: Path) -> None:
    with start(simple_settings(hooks=("conformance.reference.faults.amounts:average_is_not_weighted",))) as faulty:
        secrets = {
            f"SPOT_CONFORMANCE_{account.upper()}_{name.upper()}": value
            for account, values in faulty.accounts.items()
            for name, value in values.items()
        }
        inputs = {"base-url": faulty.base_url, "only": "fields", "seed": "7", "symbol": "DFUSDT"}
        done, outputs, summary = run_step(tmp_path, inputs, secrets)
        assert (done.returncode, outputs["exit-status"], outputs["verdict"]) == (1, "1", "violated")
        assert "::error file=openapi/requirements.yaml" in done.stdout
        assert "Violated" in summary
        again, _, _ = run_step(tmp_path, {**inputs, "baseline": "reports/results.json"}, secrets)
    assert again.returncode == 0, again.stdout + again.stderr
    text = done.stdout + done.stderr + summary
    assert not [name for name, value in secrets.items() if value in text]


@pytest.mark.parametrize(
    "name", ["base-url", "profile", "symbol", "seed", "only", "baseline", "args", "report-dir"]
)
def test_an_input_is_never_a_command(name: str, tmp_path: Path) -> None:
    evil = "$(touch owned)`touch owned`'; touch owned; \"; touch owned #"
    done, _, _ = run_step(tmp_path, {"base-url": "nowhere", name: evil})
    assert done.returncode == 2
    assert not list(tmp_path.rglob("owned"))


def test_an_old_report_is_not_taken_for_this_runs(tmp_path: Path) -> None:
    (tmp_path / "workspace" / "reports").mkdir(parents=True)
    (tmp_path / "workspace" / "reports" / "results.json").write_text('{"verdict": "conformant"}')
    done, outputs, _ = run_step(
        tmp_path,
        {"base-url": "https://exchange.example/api/v1"},
        {"SPOT_CONFORMANCE_OWNER_JWT": "header.claims.signature"},
    )
    assert done.returncode == 2
    assert "--allow-trading" in done.stderr
    assert outputs == {"exit-status": "2"}


@pytest.mark.parametrize(("given", "status"), [("yes", "must be true or false"), ("false", "--allow-trading")])
def test_allow_trading_is_true_or_false(given: str, status: str, tmp_path: Path) -> None:
    inputs = {"base-url": "https://exchange.example/api/v1", "allow-trading": given}
    done, _, _ = run_step(tmp_path, inputs, {"SPOT_CONFORMANCE_OWNER_JWT": "header.claims.signature"})
    assert done.returncode == 2
    assert status in done.stdout + done.stderr


def test_more_arguments_come_one_a_line(tmp_path: Path) -> None:
    done, _, _ = run_step(tmp_path, {"args": "--only\ncancel.nothing at all\n"})
    assert done.returncode == 2
    assert "cancel.nothing at all" in done.stderr
