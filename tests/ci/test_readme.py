"""The examples of the README's "In CI": taken out of it, validated, and run where that can be done here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from ci_files import ROOT, action, clean_environment, fake_venv, gitlab_job, schema_errors
from click.testing import CliRunner

from conformance.cli import cli
from conformance.reference.server import start
from conformance.reference.settings import simple_settings

SECRETS = {
    f"SPOT_CONFORMANCE_{account}_{name}"
    for account in ("OWNER", "COUNTERPARTY")
    for name in ("JWT", "API_KEY", "API_SECRET")
}


def example(name: str) -> str:
    """The code block after the mark `name`."""
    found = re.findall(rf"<!-- {name} -->\n```\w+\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def test_the_github_example(tmp_path: Path) -> None:
    path = tmp_path / "spot-conformance.yml"
    path.write_text(example("ci: github"))
    assert schema_errors("github-workflows", path) == []
    ours, upload = yaml.safe_load(path.read_text())["jobs"]["conformance"]["steps"]
    assert set(ours["with"]) <= set(action()["inputs"])
    assert set(ours["env"]) == SECRETS
    assert all(re.fullmatch(r"\$\{\{ secrets\.\w+ \}\}", value) for value in ours["env"].values())
    assert upload["if"] == "always()"
    assert upload["with"]["path"].rstrip("/") == action()["inputs"]["report-dir"]["default"]


def test_the_gitlab_example(tmp_path: Path) -> None:
    path = tmp_path / ".gitlab-ci.yml"
    path.write_text(example("ci: gitlab"))
    assert schema_errors("gitlab-ci", path) == []
    (include,) = yaml.safe_load(path.read_text())["include"]
    assert (ROOT / include["file"]).is_file()
    job = gitlab_job(include["inputs"])["spot-conformance"]  # checks names and types
    assert job["variables"]["INPUT_PACKAGE"] == include["inputs"]["package"]


def docker_arguments(script: str, place: Path) -> list[list[str]]:
    """What the example's commands give to docker, with one that notes it in its place."""
    docker = place / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text('#!/bin/sh\nprintf "%s\\n" "$#" "$@" >>called\n')
    docker.chmod(0o755)
    env = {**clean_environment(), "PATH": f"{docker.parent}:{clean_environment()['PATH']}"}
    subprocess.run(["bash", "-euc", script], cwd=place, env=env, check=True)
    lines = (place / "called").read_text().splitlines()
    calls = []
    while lines:
        count = int(lines.pop(0))
        calls.append(lines[:count])
        del lines[:count]
    return calls


def test_the_docker_example(tmp_path: Path) -> None:
    build, run = docker_arguments(example("ci: docker"), tmp_path)
    assert build == ["build", "-t", "spot-conformance", "."]
    assert {run[n + 1] for n, word in enumerate(run) if word == "--env"} == SECRETS
    assert (tmp_path / "reports").is_dir()
    mount = run[run.index("--volume") + 1]
    assert mount == f"{tmp_path}/reports:/work/reports"
    assert "WORKDIR /work\n" in (ROOT / "Dockerfile").read_text()
    # after the image's name come the arguments of its entrypoint
    command: Any = cli.commands["run"]  # type: ignore[attr-defined]
    arguments = run[run.index("spot-conformance") + 1 :]
    assert arguments[0] == "run"
    assert command.make_context("run", arguments[1:]).params["allow_trading"] is True


def test_the_pytest_example(tmp_path: Path) -> None:
    with start(simple_settings()) as running:
        line = example("ci: pytest").strip().replace("http://127.0.0.1:8080/api/v1", running.base_url)
        assert running.base_url in line
        secrets = {
            f"SPOT_CONFORMANCE_{account.upper()}_{name.upper()}": value
            for account, values in running.accounts.items()
            for name, value in values.items()
        }
        venv = fake_venv(tmp_path / "venv")
        (venv / "bin" / "pytest").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pytest "$@" -k test_fields\n')
        (venv / "bin" / "pytest").chmod(0o755)
        env = {**clean_environment(), **secrets, "PATH": f"{venv / 'bin'}:{clean_environment()['PATH']}"}
        done = subprocess.run(
            ["bash", "-euc", line], cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=180
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert running.base_url in (tmp_path / "reports" / "results.json").read_text()


def test_the_completion_example(tmp_path: Path) -> None:
    env = {**clean_environment(), "PATH": f"{fake_venv(tmp_path / 'venv') / 'bin'}:{clean_environment()['PATH']}"}
    script = example("completion") + "complete -p spot-conformance\n"
    command = ["bash", "--noprofile", "--norc", "-euc", script]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "_spot_conformance_completion" in done.stdout


def test_every_command_of_the_table_exists() -> None:
    table = re.findall(r"^\| (`.*?) \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    lines = [line.split() for cell in table for line in re.findall(r"`([^`]*)`", cell)]
    assert len(lines) > 10
    for words in lines:
        path = [word for word in words if word.islower()]
        assert CliRunner().invoke(cli, [*path, "--help"]).exit_code == 0, path
