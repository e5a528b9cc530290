"""Completion in the shell: click's scripts, and our words for requirements, faults and findings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ci_files import clean_environment, fake_venv
from click.shell_completion import CompletionItem, ShellComplete

from conformance.cli import cli
from conformance.contract import load_contract
from conformance.report.result import SCHEMA, Finding, RequirementResult, Result, write_results


def offered(*words: str) -> list[CompletionItem]:
    """What is offered for the last of `words`."""
    shell = ShellComplete(cli, {}, "spot-conformance", "_SPOT_CONFORMANCE_COMPLETE")
    return shell.get_completions(list(words[:-1]), words[-1])


def names(*words: str) -> list[str]:
    return [str(item.value) for item in offered(*words)]


def script(shell: str) -> str:
    """The script for a shell, as the README makes it."""
    command = [sys.executable, "-c", "from conformance.cli import main; main()"]
    env = {**clean_environment(), "_SPOT_CONFORMANCE_COMPLETE": f"{shell}_source"}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script_for_each_shell(shell: str) -> None:
    text = script(shell)
    assert f"_SPOT_CONFORMANCE_COMPLETE={shell}_complete" in text
    assert "spot-conformance" in text


@pytest.mark.parametrize(
    ("line", "first", "last"),
    [
        ("spot-conformance dia", None, None),
        ("spot-conformance req", "requirements", "requirements"),
        ("spot-conformance run --bas", "--base-url", "--baseline"),
        ("spot-conformance run --profile ", "quick", "thorough"),
        ("spot-conformance run --only cancel.errors.forb", "cancel.errors.forbidden", None),
        ("spot-conformance requirements explain cancel.key.replay", "cancel.key.replay", "cancel.key.replay"),
        ("spot-conformance serve --fault average-is-not-w", "average-is-not-weighted", "average-is-not-weighted"),
    ],
)
def test_bash_completes(line: str, first: str | None, last: str | None, tmp_path: Path) -> None:
    """The script in a real bash, called as bash calls it when Tab is pressed."""
    words = line.split(" ")
    env = {**clean_environment(), "PATH": f"{fake_venv(tmp_path / 'venv') / 'bin'}:{os.environ['PATH']}"}
    press_tab = f"""
        COMP_WORDS=({" ".join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}
        compopt() {{ :; }}
        _spot_conformance_completion spot-conformance
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    command = ["bash", "--noprofile", "--norc", "-c", script("bash") + press_tab]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    found = done.stdout.split()
    if first is None:
        assert found == []
        return
    assert found[0] == first
    assert last is None or found[-1] == last
    assert all(word.startswith(words[-1]) for word in found)


def test_only_takes_chapters_and_requirements_and_none_twice() -> None:
    found = names("run", "--only", "")
    assert set(load_contract().requirements) <= set(found)
    assert {f"cancel.{chapter}" for chapter in load_contract().chapters} <= set(found)
    assert "cancel.key" not in names("run", "--only", "cancel.key", "--only", "cancel.k")
    for name in found:
        assert load_contract().select([name])


def test_explain_takes_single_requirements() -> None:
    assert names("requirements", "explain", "") == list(load_contract().requirements)
    item = offered("requirements", "explain", "cancel.errors.forbidden")[0]
    assert item.help == load_contract().requirements["cancel.errors.forbidden"].text


def test_faults_and_variations_are_offered() -> None:
    assert "average-is-not-weighted" in names("faults", "run", "open-orders-not-found", "")
    assert "open-orders-not-found" not in names("faults", "run", "open-orders-not-found", "")
    assert names("faults", "variations", "tiny") == names("serve", "--variation", "tiny") == ["tiny-tick"]


def test_findings_come_from_the_report(tmp_path: Path) -> None:
    assert names("replay", "--report-dir", str(tmp_path), "") == []
    (tmp_path / "results.json").write_text("{")
    assert names("replay", "--report-dir", str(tmp_path), "") == []
    findings = [Finding(f"F{n}", "evil \x1b[2J", "a", "b", "case", "curl", [1]) for n in (1, 2)]
    row = RequirementResult("cancel.jwt.expired", "MUST", "violated", "jwt", "text", [], "", 1, findings=findings)
    whole = Result(SCHEMA, "0", "0", "violated", 1, "", "http://x", "S", 0, "quick", "", 0.0, 1, "", {}, [row])
    write_results(whole, tmp_path / "results.json")
    assert names("replay", "--report-dir", str(tmp_path), "") == ["F1", "F2"]
    # the message has what the target said: what does not show is spelled out
    assert offered("replay", "--report-dir", str(tmp_path), "F1")[0].help == "evil \\x1b[2J"
