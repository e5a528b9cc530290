"""A finding tried again, two runs compared, and a run held against a baseline."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty_targets import Target, command, peer, suite

from conformance.compare import RECORD, RESULTS, compare, identities, load_side
from conformance.contract import load_contract
from conformance.report.result import read_results

ONLY = ("cancel.key.signature.missing", "cancel.errors.not-found.canceled", "cancel.jwt.alg-none")
MISSING = "cancel.key.signature.missing"


@pytest.fixture(scope="module")
def unsigned() -> Iterator[Target]:
    """A server that takes requests without a signature."""
    with peer("signature-missing-passes") as target:
        yield target


@pytest.fixture(scope="module")
def sound() -> Iterator[Target]:
    """A server without any fault."""
    with peer() as target:
        yield target


@pytest.fixture(scope="module")
def broken_run(unsigned: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that found the missing signature accepted."""
    path = tmp_path_factory.mktemp("broken")
    assert suite(unsigned, path, *ONLY) == 1
    return path


@pytest.fixture(scope="module")
def sound_run(sound: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that found nothing."""
    path = tmp_path_factory.mktemp("sound")
    assert suite(sound, path, *ONLY) == 0
    return path


def names(changes: list[Any]) -> list[str]:
    return [change.requirement for change in changes]


# ---------------------------------------------------------------------- replay


def test_a_finding_that_still_fails(unsigned: Target, broken_run: Path) -> None:
    run = command("replay", "F1", "--report-dir", str(broken_run), env=unsigned.env)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "F1 still fails" in run.stdout
    assert "owner, api_key, spoiled: no signature" in run.stdout
    assert "signed: timestamp=" in run.stdout
    assert "POST /api/v1/spot/orders" in run.stdout
    assert not [secret for secret in unsigned.secrets if secret in run.stdout + run.stderr]
    assert max(map(len, run.stdout.splitlines())) <= 80
    assert "\x1b" not in run.stdout


def test_a_finding_that_fails_no_longer(sound: Target, broken_run: Path) -> None:
    run = command("replay", "f1", "--report-dir", str(broken_run), "--base-url", sound.base_url, env=sound.env)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "no longer fails" in run.stdout
    assert "< 401" in run.stdout


def test_an_unknown_finding(sound: Target, broken_run: Path, sound_run: Path) -> None:
    run = command("replay", "F77", "--report-dir", str(broken_run), env=sound.env)
    assert (run.returncode, "nearest are F1" in run.stderr) == (2, True)
    run = command("replay", "F1", "--report-dir", str(sound_run), env=sound.env)
    assert (run.returncode, "the run has none" in run.stderr) == (2, True)
    assert command("replay", "F1", "--report-dir", "/nowhere", env=sound.env).returncode == 2


def test_no_target_is_ever_taken_from_the_report(sound: Target, broken_run: Path, tmp_path: Path) -> None:
    env = {name: value for name, value in sound.env.items() if name != "SPOT_CONFORMANCE_BASE_URL"}
    run = command("replay", "F1", "--report-dir", str(broken_run), env=env)
    assert (run.returncode, "--base-url" in run.stderr) == (2, True)


def test_a_target_that_is_away_is_no_answer(sound: Target, broken_run: Path) -> None:
    arguments = ("--report-dir", str(broken_run), "--base-url", "http://127.0.0.1:9/api/v1")
    assert command("replay", "F1", *arguments, env=sound.env).returncode == 3


def test_a_case_that_the_suite_has_not_cannot_be_tried(sound: Target, broken_run: Path, tmp_path: Path) -> None:
    document = json.loads((broken_run / RESULTS).read_text())
    for row in document["requirements"]:
        for finding in row.get("findings", []):
            finding["case"] = "key::test_of_another_suite"
    (tmp_path / RESULTS).write_text(json.dumps(document))
    run = command("replay", "F1", "--report-dir", str(tmp_path), env=sound.env)
    assert (run.returncode, "no case" in run.stderr) == (3, True)


# ---------------------------------------------------------------------- diff


def test_what_broke_and_what_was_fixed(broken_run: Path, sound_run: Path) -> None:
    contract = load_contract()
    broken, sound = load_side(broken_run, contract), load_side(sound_run / RECORD, contract)
    worse, better, same = compare(sound, broken), compare(broken, sound), compare(broken, broken)
    assert (names(worse.broke), worse.regressions, names(better.fixed)) == ([MISSING], 1, [MISSING])
    assert (better.regressions, same.regressions, names(same.still)) == (0, 0, [MISSING])
    assert not (worse.fixed)
    assert not (worse.lost)
    assert not (worse.newly)
    assert not worse.suite


def test_diff_on_the_command_line(broken_run: Path, sound_run: Path, sound: Target) -> None:
    run = command("diff", str(sound_run), str(broken_run / RESULTS), env=sound.env)
    assert run.returncode == 1, run.stdout + run.stderr
    assert f"Broke (1)\n  MUST   {MISSING}" in run.stdout
    assert "1 MUST violation in B that A did not have" in run.stdout
    assert max(map(len, run.stdout.splitlines())) <= 80
    assert command("diff", str(broken_run), str(sound_run), env=sound.env).returncode == 0


@pytest.mark.parametrize("text", ["", "{}", "no json", '{"kind":"header"}\n', '{"kind":"header","schema":"x"}\n{'])
def test_what_cannot_be_compared(text: str, tmp_path: Path, sound_run: Path, sound: Target) -> None:
    (tmp_path / "x.json").write_text(text)
    run = command("diff", str(tmp_path / "x.json"), str(sound_run), env=sound.env)
    assert run.returncode == 2, run.stdout + run.stderr
    assert command("diff", str(tmp_path), str(sound_run), env=sound.env).returncode == 2


def altered(source: Path, target: Path, **changes: Any) -> Path:
    """A copy of a run whose results were changed by hand."""
    target.mkdir(exist_ok=True)
    document = json.loads((source / RESULTS).read_text())
    for row in document["requirements"]:
        row.update(changes.get(row["id"].replace(".", "_").replace("-", "_"), {}))
    document.update({key: value for key, value in changes.items() if key in document})
    (target / RESULTS).write_text(json.dumps(document))
    return target


def test_what_was_or_is_not_checked(sound_run: Path, broken_run: Path, tmp_path: Path) -> None:
    undecided = {"verdict": "undecided", "reason": "no contact"}
    partly = altered(sound_run, tmp_path / "partly", cancel_key_signature_missing=undecided)
    contract = load_contract()
    less, whole, broken = (load_side(path, contract) for path in (partly, sound_run, broken_run))
    assert names(compare(whole, less).lost) == [MISSING]
    assert names(compare(less, whole).newly) == [MISSING]
    assert names(compare(broken, less).lost) == [MISSING]
    assert not compare(broken, less).fixed
    unseen = compare(less, broken)
    assert (names(unseen.broke), unseen.regressions) == ([MISSING], 1)
    assert "was undecided" in unseen.broke[0].text


def test_the_suite_and_the_target_are_told_apart(sound_run: Path, broken_run: Path, tmp_path: Path) -> None:
    """An older suite did not see the violation: judged again, its record shows that the target had it already."""
    blind = {"verdict": "held", "findings": []}
    old = altered(broken_run, tmp_path / "old", suite_version="0.0.1", cancel_key_signature_missing=blind)
    contract = load_contract()
    alone = load_side(old, contract)
    assert "changes may be the suite's" in alone.caution
    assert compare(alone, load_side(broken_run, contract)).regressions == 1
    (old / RECORD).write_bytes((broken_run / RECORD).read_bytes())
    again = load_side(old, contract)
    told = compare(again, load_side(broken_run, contract))
    assert (again.again, told.regressions, names(told.suite), names(told.still)) == (True, 0, [MISSING], [MISSING])
    (old / RECORD).write_bytes((sound_run / RECORD).read_bytes())
    assert "another run" in load_side(old, contract).caution


def test_a_finding_is_the_same_in_the_next_run(broken_run: Path, unsigned: Target, tmp_path: Path) -> None:
    assert suite(unsigned, tmp_path, *ONLY) == 1
    first, second = (identities(read_results(path / RESULTS)) for path in (broken_run, tmp_path))
    assert first.keys() == second.keys() != set()


def test_a_crash_is_no_regression(sound_run: Path, sound: Target, tmp_path: Path) -> None:
    program = (
        "import conformance.compare as c; c.load_side = lambda *a: 1 / 0\nfrom conformance.cli import main; main()"
    )
    arguments = [sys.executable, "-c", program, "diff", str(sound_run), str(sound_run)]
    run = subprocess.run(arguments, env=sound.env, capture_output=True, text=True, check=False)
    assert (run.returncode, "ZeroDivisionError" in run.stderr) == (70, True)


# ---------------------------------------------------------------------- run --baseline


@pytest.mark.parametrize("known", [True, False])
def test_a_baseline(known: bool, broken_run: Path, sound_run: Path, unsigned: Target, tmp_path: Path) -> None:
    baseline = (broken_run if known else sound_run) / RESULTS
    arguments = ("run", "--profile", "quick", "--only", MISSING, "--report-dir", str(tmp_path))
    run = command(*arguments, "--baseline", str(baseline), env=unsigned.env)
    assert run.returncode == (0 if known else 1), run.stdout + run.stderr
    counts = "1 known, 0 new" if known else "0 known, 1 new"
    assert f"Baseline results.json: {counts}, 0 gone" in run.stdout
    result = read_results(tmp_path / RESULTS)
    assert (result.verdict, result.exit_status) == ("violated", run.returncode)
    assert "known from results.json" in result.reason


def test_what_the_baseline_had_and_is_gone(broken_run: Path, sound: Target, tmp_path: Path) -> None:
    arguments = ("run", "--profile", "quick", "--only", MISSING, "--report-dir", str(tmp_path))
    run = command(*arguments, "--baseline", str(broken_run), env=sound.env)
    assert run.returncode == 0
    assert "0 known, 0 new, 1 gone" in run.stdout


def test_a_baseline_that_is_none(sound: Target, tmp_path: Path) -> None:
    run = command("run", "--baseline", str(tmp_path / "none.json"), "--report-dir", str(tmp_path), env=sound.env)
    assert (run.returncode, (tmp_path / RECORD).exists()) == (2, False)
