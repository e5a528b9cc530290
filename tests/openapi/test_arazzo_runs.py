"""The Arazzo workflows run: they pass on a conformant server, and fail at the right step on a faulty one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

Redocly = Callable[..., "subprocess.CompletedProcess[str]"]
RunningServer = Callable[..., AbstractContextManager[dict[str, Any]]]


def respect(redocly: Redocly, info: dict[str, Any], report: Path) -> tuple[int, dict[str, Any]]:
    """Run the Arazzo workflows against a server; give the exit status and the JSON report."""
    inputs = {
        "ownerJwt": info["accounts"]["owner"]["jwt"],
        "counterpartyJwt": info["accounts"]["counterparty"]["jwt"],
        "symbol": info["symbol"],
        "price": "0.5000",
        "quantity": "100",
        "fillQuantity": "30",
    }
    arguments = [part for name, value in inputs.items() for part in ("--input", f"{name}={value}")]
    done = redocly(
        "respect",
        "cancel-order.arazzo.yaml",
        "--server",
        f"spotOrders={info['base_url']}",
        "--json-output",
        str(report),
        *arguments,
    )
    assert report.is_file(), done.stderr
    assert inputs["ownerJwt"] not in done.stdout + done.stderr + report.read_text(encoding="utf-8")
    told: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))["files"]["cancel-order.arazzo.yaml"]
    return done.returncode, told


def steps_of(nodes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Walk the steps that ran, in order. What a `goto` leads to is reported as a workflow in the workflow."""
    for node in nodes:
        if node["type"] == "step":
            yield node
        else:
            yield from steps_of(node["executedSteps"])


def failed_steps(told: dict[str, Any]) -> set[str]:
    """Name the steps that have a check that did not pass, as `workflow/step`."""
    return {
        f"{step['workflowId']}/{step['stepId']}"
        for step in steps_of(told["executedWorkflows"])
        if any(check["status"] != "success" for check in step["checks"])
    }


@pytest.mark.parametrize(
    ("server", "arguments"),
    [
        ("running_reference", ()),
        ("running_peer", ("--flavour", "a")),
        ("running_peer", ("--flavour", "b")),
    ],
    ids=["reference", "peer-a", "peer-b"],
)
def test_workflows_pass_on_a_conformant_server(
    redocly: Redocly,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    server: str,
    arguments: tuple[str, ...],
) -> None:
    running: RunningServer = request.getfixturevalue(server)
    with running(*arguments) as info:
        status, told = respect(redocly, info, tmp_path / "report.json")
    assert failed_steps(told) == set()
    assert status == 0
    assert [len(workflow["executedSteps"]) for workflow in told["executedWorkflows"]] == [4, 4, 4]


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        ("foreign-404", "refuseForeignCancel/cancelAsStranger"),
        ("foreign-403-cancels", "refuseForeignCancel/query"),
        ("filled-is-zero", "cancelPartlyFilledOrder/cancel"),
        ("query-forgets-fills", "cancelPartlyFilledOrder/query"),
        ("answered-but-nothing-done", "cancelRestingOrder/query"),
        ("repeat-200", "cancelRestingOrder/cancelAgain"),
        ("created-in-ms", "cancelRestingOrder/cancel"),
    ],
)
def test_workflows_see_a_fault(
    redocly: Redocly, running_peer: RunningServer, tmp_path: Path, fault: str, step: str
) -> None:
    with running_peer("--fault", fault) as info:
        status, told = respect(redocly, info, tmp_path / "report.json")
    assert step in failed_steps(told)
    assert status == 1


def test_a_failure_still_clears_up(redocly: Redocly, running_peer: RunningServer, tmp_path: Path) -> None:
    """The wrong refusal of the stranger ends the story, but not before the owner has canceled the order."""
    with running_peer("--fault", "foreign-404") as info:
        _, told = respect(redocly, info, tmp_path / "report.json")
    *_, stranger, last = steps_of(told["executedWorkflows"])
    assert [stranger["stepId"], last["stepId"]] == ["cancelAsStranger", "cancel"]
    assert last["response"]["body"]["status"] == "canceled"
