"""Mutation testing: what an attempt on a mutant is told as, and what is mutated at all."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ci_files import ROOT


@pytest.fixture(scope="module")
def mutants() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutants", ROOT / ".ci" / "mutants.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def printed(*statuses: int | str) -> str:
    """What the test of a mutant prints when its runs end like this."""
    rows = zip(("quick", "standard"), statuses, strict=False)
    return "".join(json.dumps({"profile": p, "status": s, "why": []}) + "\n" for p, s in rows)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((1,), "violated"),
        ((0, 1), "violated"),
        ((0, 0), "survived"),
        ((3,), "unusable"),
        ((0, 4), "unusable"),
        ((2,), "unusable"),
        (("timeout",), "unusable"),
        ((), "unusable"),
    ],
)
def test_outcome(mutants: ModuleType, statuses: tuple[int | str, ...], expected: str) -> None:
    assert mutants.outcome(printed(*statuses)) == expected


@pytest.mark.parametrize(
    ("statuses", "tried", "code"),
    [([0, 0], 2, 0), ([0, 1], 2, 1), ([3], 1, 1), ([1], 1, 1), ([2], 1, 1), (["timeout"], 1, 1)],
)
def test_only_what_was_not_found_is_tried_again(
    mutants: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    statuses: list[Any],
    tried: int,
    code: int,
) -> None:
    left = list(statuses)
    monkeypatch.setattr(mutants, "run_suite", lambda profile: (left.pop(0), []))
    assert mutants.try_mutant() == code
    assert not left
    assert len(capsys.readouterr().out.splitlines()) == tried


def test_the_summary_shows_what_a_survivor_changes(mutants: ModuleType) -> None:
    row = {"module": "auth", "line": 7, "operator": "AddNot", "diff": "--- a\n+++ b\n same\n-old\n+new\n"}
    told = mutants.summary([{**row, "outcome": "survived"}, {**row, "outcome": "violated"}], {"auth": 5})
    assert "| auth | 5 | 2 | 1 | 0 | 1 |" in told
    assert told.endswith("auth.py:7 AddNot\n    -old\n    +new")


def test_what_is_mutated_exists() -> None:
    config = tomllib.loads((ROOT / ".ci" / "mutants.toml").read_text())["cosmic-ray"]
    assert [path for path in config["module-path"] if not (ROOT / path).is_file()] == []


def test_its_help_needs_no_mutation_tool() -> None:
    script = Path(".ci") / "mutants.py"
    done = subprocess.run([sys.executable, script, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--sample N" in done.stdout


def test_the_survivors_that_are_explained_are_in_the_source() -> None:
    page = (ROOT / "docs" / "mutants.md").read_text()
    chapters = re.split(r"^`(\w+\.py)` \((\d+)\):$", page, flags=re.MULTILINE)[1:]
    assert chapters
    for module, count, text in zip(chapters[::3], chapters[1::3], chapters[2::3], strict=True):
        assert sum(map(int, re.findall(r"^\| .*?`.+? \| (\d+) \|", text, re.MULTILINE))) == int(count), module
        source = (ROOT / "conformance" / "reference" / module).read_text()
        cells = re.findall(r"^\| (.*?`.+?) \|", text, re.MULTILINE)
        quoted = [part for cell in cells for code in re.findall(r"`(.+?)`", cell) for part in code.split("…")]
        assert quoted
        assert [code for code in quoted if code.strip() not in source] == []


def test_the_documented_command_exists() -> None:
    assert "[testenv:mutants]" in (ROOT / "tox.ini").read_text()
    assert "tox -e mutants" in (ROOT / "docs" / "mutants.md").read_text()
