"""The suite inside a project that has tests, plugins and settings of its own: two options are enough."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.reference.server import Running, start
from conformance.reference.settings import simple_settings

OWN = """\
import pytest

@pytest.mark.parametrize("n", range(5))
def test_own(n, scheme):
    assert scheme == "of this project"

@pytest.fixture
def scheme():
    return "of this project"
"""
# a plugin that wants the same short names for other things
GREEDY = """\
def pytest_addoption(parser):
    parser.addoption("--profile", action="store_true")
    parser.addoption("--only", type=int, default=3)
    parser.addoption("--report-dir", default="elsewhere")

def pytest_report_header(config):
    return f"greedy: {config.option.profile} {config.option.only} {config.option.report_dir}"
"""
SETTINGS = """\
[tool.pytest.ini_options]
testpaths = ["tests"]
addopts = "--strict-markers --strict-config"
filterwarnings = ["error"]
"""
REPORTS = {"results.json", "report.html", "junit.xml", "results.sarif", "summary.md", "badge.svg", "record.ndjson"}


@pytest.fixture(scope="module")
def exchange() -> Iterator[Running]:
    with start(simple_settings()) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_errors.py").write_text(OWN)  # a name that the suite has too
    (tmp_path / "pyproject.toml").write_text(SETTINGS)
    (tmp_path / "greedy.py").write_text(GREEDY)
    return tmp_path


def accounts(running: Running) -> dict[str, str]:
    return {
        f"SPOT_CONFORMANCE_{account.upper()}_{name.upper()}": value
        for account, secrets in running.accounts.items()
        for name, value in secrets.items()
    }


def run(project: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    # with CI set, pytest repeats each message whole in its summary
    clean = {k: v for k, v in os.environ.items() if k != "CI" and not k.startswith(("SPOT_", "PYTEST_", "GITHUB_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=project,
        env={**clean, "PYTHONPATH": str(project), **(env or {})},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def verdict(project: Path, directory: str = "reports") -> tuple[str, str]:
    """(verdict, base URL) that a run left; all of its reports must be there."""
    assert {path.name for path in (project / directory).iterdir()} >= REPORTS
    results = json.loads((project / directory / "results.json").read_text())
    return results["verdict"], results["base_url"]


ONE = "cancel.fields.reject-reason"
FEW = ("--conformance-only", ONE, "--conformance-profile", "quick")


def test_two_options_run_the_suite(project: Path, exchange: Running) -> None:
    """pytest-base-url, which has a --base-url of its own, is installed here: the option means the same to both."""
    url = exchange.base_url
    done = run(project, "--pyargs", "conformance.suite", "--base-url", url, *FEW, env=accounts(exchange))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"baseurl: {url}" in done.stdout  # said by pytest-base-url
    assert verdict(project) == ("conformant", url)
    assert "Conformant: " in done.stdout
    assert "report: reports/report.html" in done.stdout
    assert "test_own" not in done.stdout


@pytest.mark.parametrize("without", [(), ("-p", "no:base_url", "-p", "no:xdist")])
def test_own_tests_run_beside_it(without: tuple[str, ...], project: Path, exchange: Running) -> None:
    arguments = ("-v", "tests", "--pyargs", "conformance.suite", *FEW, *without)
    done = run(project, *arguments, "--conformance-base-url", exchange.base_url, env=accounts(exchange))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("::test_own[") == 5
    assert verdict(project) == ("conformant", exchange.base_url)


@pytest.mark.parametrize("dist", ["load", "loadscope"])
def test_pytest_xdist_keeps_it_in_one_worker(dist: str, project: Path, exchange: Running) -> None:
    arguments = ("-n", "2", "--dist", dist, "-v", "tests", "--pyargs", "conformance.suite", *FEW)
    done = run(project, *arguments, "--base-url", exchange.base_url, env=accounts(exchange))
    assert done.returncode == 0, done.stdout + done.stderr
    ours = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("[gw") and "fields" in line}
    assert len(ours) == 1
    assert sum("test_own" in line for line in done.stdout.splitlines() if line.startswith("[gw")) == 5
    assert verdict(project) == ("conformant", exchange.base_url)
    assert "report: reports/report.html" in done.stdout


def test_one_account_is_not_tested_by_each_worker(project: Path) -> None:
    done = run(project, "-n", "2", "--dist", "each", "--pyargs", "conformance.suite")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "several workers" in done.stderr + done.stdout


def test_other_plugins_keep_their_options(project: Path, exchange: Running) -> None:
    arguments = ("-p", "greedy", "--profile", "--only", "7", "--pyargs", "conformance.suite", *FEW)
    more = ("--conformance-report-dir", "ours", "--base-url", exchange.base_url)
    done = run(project, *arguments, *more, env=accounts(exchange))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "greedy: True 7 elsewhere" in done.stdout
    assert verdict(project, "ours") == ("conformant", exchange.base_url)
    assert not (project / "elsewhere").exists()


def test_the_command_line_is_not_led_astray_by_plugins(project: Path, exchange: Running) -> None:
    """pytest-base-url without a URL gives an empty one, which must not mean: the embedded reference."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SPOT_", "PYTEST_", "GITHUB_"))}
    more = {"SPOT_CONFORMANCE_BASE_URL": exchange.base_url, "PYTHONPATH": str(project), "PYTEST_PLUGINS": "greedy"}
    command = [sys.executable, "-c", "from conformance.cli import main; main()", "run", "--only", ONE]
    done = subprocess.run(
        command, cwd=project, env={**env, **accounts(exchange), **more}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert verdict(project) == ("conformant", exchange.base_url)


def test_a_project_without_our_cases_is_left_alone(project: Path) -> None:
    done = run(project, "-n", "2", "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
    assert "= spot-conformance =" not in done.stdout
    assert not (project / "reports").exists()


def test_a_violation_fails_the_run(project: Path) -> None:
    with start(simple_settings(hooks=("conformance.reference.faults.fields:reject_reason_is_set",))) as faulty:
        arguments = ("-n", "2", "tests", "--pyargs", "conformance.suite", *FEW, "--base-url", faulty.base_url)
        done = run(project, *arguments, env=accounts(faulty))
    assert done.returncode == 1
    assert "cancel.fields.reject-reason: " in done.stdout
    assert "Violated: 1 of " in done.stdout
    assert verdict(project)[0] == "violated"


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_target_that_is_away_is_said_once_and_own_tests_run(workers: str, project: Path) -> None:
    arguments = ("-n", workers, "tests", "--pyargs", "conformance.suite", *FEW)
    env = {"SPOT_CONFORMANCE_OWNER_JWT": "a.b.c"}
    done = run(project, *arguments, "--base-url", "http://127.0.0.1:9/api/v1", env=env)
    assert done.returncode == 1
    assert done.stdout.count("no contact with http://127.0.0.1:9/api/v1") == 1
    assert "5 passed" in done.stdout
    assert "1 error" in done.stdout


def test_a_wrong_requirement_is_a_usage_error(project: Path) -> None:
    done = run(project, "--pyargs", "conformance.suite", "--only", "cancel.errors.forbiden")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "did you mean cancel.errors.forbidden" in done.stderr
