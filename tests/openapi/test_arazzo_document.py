"""The Arazzo workflows use operations that exist, act as the right user, and leave nothing on the book."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

WORKFLOWS = ["cancelRestingOrder", "cancelPartlyFilledOrder", "refuseForeignCancel"]
OWNER, COUNTERPARTY = "Bearer {$inputs.ownerJwt}", "Bearer {$inputs.counterpartyJwt}"


@pytest.fixture(scope="module")
def arazzo(documents: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((documents / "cancel-order.arazzo.yaml").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(params=WORKFLOWS)
def workflow(arazzo: dict[str, Any], request: pytest.FixtureRequest) -> dict[str, Any]:
    by_id: dict[str, dict[str, Any]] = {entry["workflowId"]: entry for entry in arazzo["workflows"]}
    assert list(by_id) == WORKFLOWS
    return by_id[request.param]


def caller(step: dict[str, Any]) -> str:
    """Tell whose token a step sends."""
    values: list[str] = [p["value"] for p in step["parameters"] if p["name"] == "Authorization"]
    (value,) = values
    return value


def test_document_is_arazzo_1_0_over_the_openapi_document(arazzo: dict[str, Any], documents: Path) -> None:
    assert arazzo["arazzo"] == "1.0.1"
    assert [(documents / source["url"]).is_file() for source in arazzo["sourceDescriptions"]] == [True]


def test_steps_use_documented_operations_and_statuses(workflow: dict[str, Any], spec: dict[str, Any]) -> None:
    responses = {
        operation["operationId"]: operation["responses"]
        for item in spec["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict)
    }
    for step in workflow["steps"]:
        (expected,) = [c["condition"] for c in step["successCriteria"] if c["condition"].startswith("$statusCode")]
        assert expected.removeprefix("$statusCode == ") in responses[step["operationId"]]


def test_inputs_are_declared_and_tokens_are_secret(workflow: dict[str, Any], arazzo: dict[str, Any]) -> None:
    inputs = arazzo["components"]["inputs"][workflow["inputs"]["$ref"].rpartition("/")[2]]
    used = {name for name in inputs["properties"] if f"$inputs.{name}" in str(workflow["steps"])}
    assert used == set(inputs["required"]) == set(inputs["properties"])
    tokens = [schema for name, schema in inputs["properties"].items() if name.endswith("Jwt")]
    assert [schema.get("format") for schema in tokens] == ["password"] * len(tokens)


def test_the_owner_places_and_the_owner_clears_up(workflow: dict[str, Any]) -> None:
    """Every failure between the two goes to the owner's cancel."""
    steps = workflow["steps"]
    names = [step["stepId"] for step in steps]
    assert (steps[0]["operationId"], caller(steps[0])) == ("newOrder", OWNER)
    cleared = names.index("cancel")
    assert (steps[cleared]["operationId"], caller(steps[cleared])) == ("cancelOrder", OWNER)
    for step in steps[1:cleared]:
        assert [(action["type"], action["stepId"]) for action in step["onFailure"]] == [("goto", "cancel")]
    for step in steps:
        if step["operationId"] == "newOrder" and caller(step) == COUNTERPARTY:
            assert step["requestBody"]["payload"]["tif"] == "ioc"
