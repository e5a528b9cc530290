"""Schemathesis can work from the document: it finds the operations and makes sensible requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.specs.openapi.schemas import OpenApiSchema

CASES = 15
SECURITY_PARTS = {"timestamp", "signature", "authorization", "x-mbx-apikey"}


@pytest.fixture(scope="module")
def schema(documents: Path) -> OpenApiSchema:
    # Credentials are put on by the caller, who alone can sign; generated ones would only get in the way.
    config = schemathesis.Config.from_dict(
        {"generation": {"deterministic": True, "database": "none", "with-security-parameters": False}}
    )
    return schemathesis.openapi.from_path(documents / "spot-orders.yaml", config=config)


def generate(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode) -> list[Case[Any]]:
    """Draw a few requests of one operation, in the order in which Hypothesis makes them."""
    drawn: list[Case[Any]] = []

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=CASES,
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def draw(case: Case[Any]) -> None:
        drawn.append(case)

    draw()
    return drawn


def is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def test_positive_cancels_have_a_uuid_and_no_made_up_credentials(schema: OpenApiSchema) -> None:
    operation = schema.find_operation_by_id("cancelOrder")
    assert operation.label == "DELETE /spot/orders/{id}"
    cases = generate(operation, GenerationMode.POSITIVE)
    assert len(cases) >= CASES
    assert [case.path_parameters for case in cases if not is_uuid(case.path_parameters["id"])] == []
    sent = {name.lower() for case in cases for name in [*case.query, *case.headers]}
    assert sent & SECURITY_PARTS == set()


def test_negative_cancels_break_the_id(schema: OpenApiSchema) -> None:
    cases = generate(schema.find_operation_by_id("cancelOrder"), GenerationMode.NEGATIVE)
    assert len(cases) >= CASES
    assert not all(is_uuid(str(case.path_parameters["id"])) for case in cases)


def test_positive_orders_are_well_formed(schema: OpenApiSchema) -> None:
    cases = generate(schema.find_operation_by_id("newOrder"), GenerationMode.POSITIVE)
    assert len(cases) >= CASES
    bodies = [case.body for case in cases if isinstance(case.body, dict)]
    assert len(bodies) == len(cases)
    assert {body["type"] for body in bodies} <= {"limit", "market"}


def test_links_make_a_state_machine(schema: OpenApiSchema) -> None:
    """An order that was placed can be queried and canceled by following the document's links."""
    steps = set(dir(schema.as_state_machine()))
    assert {
        "POST_spot_orders___200_queryPlacedOrder__GET_spot_orders_id_",
        "POST_spot_orders___200_cancelPlacedOrder__DELETE_spot_orders_id_",
        "DELETE_spot_orders_id___200_queryCanceledOrder__GET_spot_orders_id_",
    } <= steps
