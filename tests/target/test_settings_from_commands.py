"""A value that a command prints is asked for once in an invocation, however often the settings are read."""

from __future__ import annotations

from pathlib import Path

import pytest
from suite_process import Ended, Running, Target, reference, suite

SELECTED = ("--profile", "quick", "--only", "cancel.errors.invalid-id")


def _config(directory: Path, target: Target) -> None:
    """Settings whose two secrets come from commands, each of which leaves a line in a file of its own."""
    owner = target.accounts["owner"]
    base_url = target.base_url.replace(
        "127.0.0.1", "0.0.0.0"
    )  # this machine, and not known to be: the plan is told
    (directory / "conformance.toml").write_text(
        f'[target]\nbase_url = "{base_url}"\n[safety]\nallow_trading = true\n'
        f'[accounts.owner]\napi_key = "!echo >> key; echo {owner["api_key"]}"\n'
        f'api_secret = "!echo >> secret; echo {owner["api_secret"]}"\n'
    )


@pytest.mark.parametrize("command", ["run", "doctor", "plan"])
def test_each_command_runs_once(command: str, tmp_path: Path) -> None:
    """`run` reads the settings for the plan and for itself."""
    with reference() as target:
        _config(tmp_path, target)
        ended: Ended
        if command == "plan":
            ended = Running(["plan", *SELECTED], {}, tmp_path).wait()
        else:
            ended = suite(command, *(SELECTED if command == "run" else ()), env={}, cwd=tmp_path)
    assert ended.status == 0, ended.text
    assert ("Plan: about" in ended.out) == (command != "doctor")
    assert [(tmp_path / name).read_text().count("\n") for name in ("key", "secret")] == [1, 1]
