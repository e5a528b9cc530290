"""Reads the CI files as the systems that they are for do, as far as the tests need it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
INPUT = re.compile(r"\$\[\[ inputs\.([\w-]+) \]\]")
EXPRESSION = re.compile(r"\$\{\{ *([^}]*?) *\}\}")


def schema_errors(schema: str, path: Path) -> list[str]:
    """What check-jsonschema's copy of a well-known schema has against a file."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", "-o", "json"]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    assert (told["status"] == "ok") == (done.returncode == 0)
    return [f"{error['path']}: {error['message']}" for error in told.get("errors", [])] + told.get(
        "parse_errors", []
    )


def clean_environment() -> dict[str, str]:
    """The environment without what the tests' own job or user has set."""
    return {
        k: v for k, v in os.environ.items() if not k.startswith(("SPOT_", "PYTEST_", "GITHUB_", "INPUT_", "CI"))
    }


def fake_venv(place: Path) -> Path:
    """A directory that has the commands of the tests' own environment where the CI files look for them."""
    (place / "bin").mkdir(parents=True)
    python = place / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    command = place / "bin" / "spot-conformance"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "from conformance.cli import main; main()" "$@"\n')
    for script in (python, command):
        script.chmod(0o755)
    return place


def action() -> dict[str, Any]:
    """The GitHub action."""
    found = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def step(name: str) -> dict[str, Any]:
    """A step of the action."""
    return next(s for s in action()["runs"]["steps"] if s.get("name") == name)


def step_environment(name: str, inputs: Mapping[str, str]) -> dict[str, str]:
    """A step's environment, with `inputs` over the defaults put into its expressions."""
    defaults = {key: value.get("default", "") for key, value in action()["inputs"].items()}
    assert set(inputs) <= set(defaults)
    values = {f"inputs.{key}": value for key, value in {**defaults, **inputs}.items()}
    values["github.action_path"] = str(ROOT)
    return {key: EXPRESSION.sub(lambda m: values[m[1]], value) for key, value in step(name)["env"].items()}


def gitlab_job(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The jobs of the GitLab template, with `inputs` over the defaults put in as GitLab does it."""
    header, jobs = yaml.safe_load_all((ROOT / "templates" / "spot-conformance.yml").read_text("utf-8"))
    values = {}
    for name, about in header["spec"]["inputs"].items():
        assert name in inputs or "default" in about, f"{name} has to be given"
        value = inputs.get(name, about.get("default"))
        kinds: dict[str, type] = {"string": str, "number": int, "boolean": bool}
        assert type(value) is kinds[about.get("type", "string")], name
        assert value in about.get("options", [value]), name
        values[name] = value
    assert set(inputs) <= set(values)

    def fill(node: Any) -> Any:
        if isinstance(node, dict):
            return {fill(key): fill(value) for key, value in node.items()}
        if isinstance(node, list):
            return [fill(value) for value in node]
        if not isinstance(node, str):
            return node
        if whole := INPUT.fullmatch(node):
            return values[whole[1]]  # keeps its type
        return INPUT.sub(lambda m: json.dumps(values[m[1]]).strip('"'), node)

    found = fill(jobs)
    assert isinstance(found, dict)
    return found
