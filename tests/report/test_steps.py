"""What came back, in a word or two, as the sequence of a finding tells it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.evidence import steps_of
from conformance.oracle.findings import Finding
from conformance.record import Auth, Exchange, Request, Response

ORDER = "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d10"


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, {"status": "filled", "filled_qty": "5.28"}, "200 filled, filled_qty 5.28"),
        (200, {"status": "canceled", "filled_qty": "30"}, "200 canceled, filled_qty 30"),
        (200, {"status": "canceled", "filled_qty": "0.00"}, "200 canceled, filled_qty 0.00"),
        (200, {"status": "open", "filled_qty": "0"}, "200 open"),
        (404, {"error": "ORDER_NOT_FOUND"}, "404 ORDER_NOT_FOUND"),
        (401, None, "401"),
        (200, [1], "200"),
    ],
)
def test_an_outcome_reads_well(status: int, body: Any, told: str) -> None:
    exchange = Exchange(
        n=1,
        case="errors::one",
        driver="suite",
        op="cancel_order",
        start=0.0,
        end=0.01,
        sent_at=0.0,
        request=Request("DELETE", f"/api/v1/spot/orders/{ORDER}", [], None),
        auth=Auth("owner", "jwt", None, False),
        response=Response(status, [], "" if body is None else json.dumps(body)),
    )
    finding = Finding("cancel.success.open", "message", "this", "that", [1], "errors::one")
    assert [step.outcome for step in steps_of([exchange], finding)] == [told]
