"""The Dockerfile and its context: what is copied is there, is enough to install from, and is no more."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ci_files import ROOT, clean_environment, step, step_environment


def instructions() -> list[tuple[str, str]]:
    """(instruction, arguments) of the Dockerfile, in order."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(word, rest) for line in joined.splitlines() if line for word, _, rest in [line.partition(" ")]]


def sources() -> list[str]:
    """What is copied out of the context."""
    copies = [rest.split() for word, rest in instructions() if word == "COPY" and not rest.startswith("--from")]
    return [name for parts in copies for name in parts[:-1]]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build's working directory after its COPY instructions."""
    place = tmp_path_factory.mktemp("context")
    for name in sources():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, place / name)
    return place


def test_the_context_is_what_is_copied() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:].rstrip("/") for rule in rules if rule.startswith("!")} == set(sources())


def test_it_runs_as_nobody_special() -> None:
    words = [word for word, _ in instructions()]
    last = dict(instructions())
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert re.fullmatch(r"[1-9]\d*", last["USER"])
    assert last["ENTRYPOINT"] == '["spot-conformance"]'
    assert words.count("FROM") == 2
    assert all(rest.startswith("python:3.11-slim") for word, rest in instructions() if word == "FROM")


def test_what_is_copied_makes_the_whole_package(context: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), "."]
    subprocess.run(command, cwd=context, env=clean_environment(), check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "conformance").rglob("*")
        if path.is_file() and not {"__pycache__", ".pytest_cache"} & set(path.parts)
    }
    wanted |= {f"conformance/openapi/{path.name}" for path in (ROOT / "openapi").iterdir() if path.is_file()}
    assert wanted - packed == set()


@pytest.mark.slow
def test_the_build_installs_and_runs(context: Path, tmp_path: Path) -> None:
    """The RUN instruction of the build as it stands, but for the place."""
    (command,) = (rest for word, rest in instructions() if word == "RUN" and "pip install" in rest)
    place = "/opt/spot-conformance"
    script = command.replace(place, str(tmp_path / "venv"))
    subprocess.run(["sh", "-euc", script], cwd=context, env=clean_environment(), check=True, timeout=600)
    runs(tmp_path / "venv", tmp_path)


@pytest.mark.slow
def test_the_action_installs_and_runs(tmp_path: Path) -> None:
    env = {**clean_environment(), **step_environment("Install", {}), "RUNNER_TEMP": str(tmp_path)}
    subprocess.run(["bash", "-euo", "pipefail", "-c", step("Install")["run"]], env=env, check=True, timeout=600)
    runs(tmp_path / "spot-conformance", tmp_path)


def runs(venv: Path, place: Path) -> None:
    """The installed command line checks the embedded reference."""
    command = [str(venv / "bin" / "spot-conformance"), "run", "--only", "fields"]
    done = subprocess.run(
        command, cwd=place, env=clean_environment(), capture_output=True, text=True, check=False, timeout=180
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (place / "reports" / "report.html").is_file()
