"""The schemas accept what the Cancel Order page shows, and refuse what would break its rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

Accepts = Callable[[str, Any], bool]

CANCELED_ORDER = "components/schemas/CanceledOrder"
ORDER = "components/schemas/Order"
REQUEST = "components/schemas/NewOrderRequest"

# The facts of the Cancel Order page's response example: a buy of 100 at 0.5, of which 30 filled at 0.499 on
# average, canceled two minutes after it was placed.
PAGE_EXAMPLE: dict[str, Any] = {
    "id": "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d10",
    "symbol": "DFUSDT",
    "side": "buy",
    "type": "limit",
    "tif": "gtc",
    "price": "0.5000",
    "quantity": "100",
    "quote_quantity": None,
    "filled_qty": "30",
    "avg_fill_price": "0.499",
    "status": "canceled",
    "reject_reason": None,
    "created_at": 1778400000,
    "updated_at": 1778400120,
}

UNFILLED = {"filled_qty": "0", "avg_fill_price": "0"}
MARKET_BUY = {"type": "market", "tif": "ioc", "price": None, "quantity": None, "quote_quantity": "15"}
LIMIT_REQUEST = {"symbol": "DFUSDT", "side": "buy", "type": "limit", "price": "0.5", "quantity": "1"}


def examples(node: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """Walk the document for media types, parameters and schemas with examples: (schema pointer, value)."""
    if isinstance(node, list):
        for index, child in enumerate(node):
            yield from examples(child, f"{pointer}/{index}")
        return
    if not isinstance(node, dict):
        return
    inner = f"{pointer}/schema" if "schema" in node else pointer
    shown = node.get("examples", [])
    for value in [entry["value"] for entry in shown.values()] if isinstance(shown, dict) else shown:
        yield inner.lstrip("/"), value
    if "example" in node:
        yield inner.lstrip("/"), node["example"]
    for key, child in node.items():
        if key not in {"examples", "example"}:
            yield from examples(child, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")


def test_every_example_of_the_document_is_valid(spec: dict[str, Any], accepts: Accepts) -> None:
    found = [*examples(spec["paths"], "paths"), *examples(spec["components"], "components")]
    assert len(found) > 20
    assert [(pointer, value) for pointer, value in found if not accepts(pointer, value)] == []


def test_page_example_is_a_canceled_order_and_in_the_document(spec: dict[str, Any], accepts: Accepts) -> None:
    assert accepts(CANCELED_ORDER, PAGE_EXAMPLE)
    content = spec["paths"]["/spot/orders/{id}"]["delete"]["responses"]["200"]["content"]["application/json"]
    assert content["examples"]["partlyFilled"]["value"] == PAGE_EXAMPLE


def test_the_page_shows_exactly_the_required_fields(spec: dict[str, Any]) -> None:
    order = spec["components"]["schemas"]["Order"]
    assert set(order["required"]) == set(order["properties"]) == set(PAGE_EXAMPLE)
    assert len(PAGE_EXAMPLE) == 14


@pytest.mark.parametrize("field", PAGE_EXAMPLE)
def test_each_field_is_required(accepts: Accepts, field: str) -> None:
    assert not accepts(CANCELED_ORDER, {name: PAGE_EXAMPLE[name] for name in PAGE_EXAMPLE if name != field})


@pytest.mark.parametrize(
    "field", [name for name in PAGE_EXAMPLE if name not in {"quote_quantity", "reject_reason"}]
)
def test_null_is_refused_in_a_limit_order(accepts: Accepts, field: str) -> None:
    assert not accepts(CANCELED_ORDER, PAGE_EXAMPLE | {field: None})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"extra": {"a": 1}}, id="unknown-field"),
        pytest.param({"price": "0.5"}, id="zeros-dropped"),
        pytest.param({"avg_fill_price": "0.49933333333333333333"}, id="long-average"),
        pytest.param(UNFILLED, id="no-fill"),
        pytest.param(UNFILLED | {"filled_qty": "0.00"}, id="no-fill-padded-quantity"),
        pytest.param({"filled_qty": "0.01"}, id="small-fill"),
        pytest.param({"id": PAGE_EXAMPLE["id"].upper()}, id="upper-case-uuid"),
        pytest.param({"tif": "post_only"}, id="post-only"),
        pytest.param({"updated_at": PAGE_EXAMPLE["created_at"]}, id="same-second"),
        pytest.param(MARKET_BUY, id="market-buy-remainder"),
    ],
)
def test_what_the_pages_leave_open_is_accepted(accepts: Accepts, change: dict[str, Any]) -> None:
    assert accepts(CANCELED_ORDER, PAGE_EXAMPLE | change)


@pytest.mark.parametrize(
    "change",
    [
        *[
            pytest.param({"status": status}, id=f"status-{status}")
            for status in (
                "filled",
                "open",
                "partially_filled",
                "rejected",
                "expired",
                "CANCELED",
                "cancelled",
                "",
            )
        ],
        *[
            pytest.param({field: number}, id=f"{field}-as-number")
            for field, number in [
                ("price", 0.5),
                ("quantity", 100),
                ("filled_qty", 30),
                ("avg_fill_price", 0.499),
            ]
        ],
        *[
            pytest.param({"filled_qty": text}, id=f"amount-{text or 'empty'}")
            for text in ("", "-30", "+30", "3e1", ".5", "30.", "1,000", "0x1e", " 30", "NaN", "٣٠")
        ],
        pytest.param({"created_at": 1778400000000}, id="created-in-ms"),
        pytest.param({"updated_at": 1778400120000}, id="updated-in-ms"),
        pytest.param({"updated_at": 1778400120.5}, id="fraction-of-a-second"),
        pytest.param({"updated_at": "1778400120"}, id="time-as-string"),
        pytest.param({"updated_at": "2026-05-10T08:02:00Z"}, id="time-as-iso"),
        pytest.param({"created_at": -1}, id="negative-time"),
        pytest.param({"id": "42"}, id="id-not-a-uuid"),
        pytest.param({"side": "BUY"}, id="upper-case-side"),
        pytest.param({"type": "LIMIT"}, id="upper-case-type"),
        pytest.param({"tif": "fok"}, id="unknown-tif"),
        pytest.param({"symbol": ""}, id="empty-symbol"),
        pytest.param({"quote_quantity": 50}, id="quote-as-number"),
        pytest.param({"reject_reason": False}, id="reason-not-a-string"),
        pytest.param(UNFILLED | {"avg_fill_price": "0.0000"}, id="zero-average-padded"),
        pytest.param(UNFILLED | {"avg_fill_price": "0.5"}, id="average-without-fill"),
        pytest.param(UNFILLED | {"avg_fill_price": None}, id="null-average-without-fill"),
    ],
)
def test_a_broken_canceled_order_is_refused(accepts: Accepts, change: dict[str, Any]) -> None:
    assert not accepts(CANCELED_ORDER, PAGE_EXAMPLE | change)


def test_only_a_canceled_order_must_be_canceled(accepts: Accepts) -> None:
    live = PAGE_EXAMPLE | {"status": "partially_filled"}
    assert accepts(ORDER, live)
    assert not accepts(ORDER, live | {"status": "cancelled"})


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ("ErrorInvalidId", ["invalid id"], ["Invalid ID", "INVALID_ID", "", None]),
        ("ErrorForbidden", ["FORBIDDEN"], ["forbidden", "ORDER_NOT_FOUND"]),
        ("ErrorOrderNotFound", ["ORDER_NOT_FOUND"], ["order not found", "FORBIDDEN"]),
        (
            "ErrorUnavailable",
            ["ENGINE_BUSY", "ENGINE_RESTARTING", "spot trading disabled"],
            ["engine_busy", "SPOT TRADING DISABLED", "unavailable"],
        ),
    ],
)
def test_error_strings_are_told_apart(accepts: Accepts, schema: str, good: list[Any], bad: list[Any]) -> None:
    pointer = f"components/schemas/{schema}"
    assert [text for text in good if not accepts(pointer, {"error": text, "further": 1})] == []
    assert [text for text in bad if accepts(pointer, {"error": text})] == []
    assert not accepts(pointer, {"message": good[0]})
    assert not accepts(pointer, good[0])


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({}, True),
        ({"tif": "post_only"}, True),
        ({"price": 0.5}, False),
        ({"type": "market", "side": "sell"}, True),
        ({"type": "market"}, False),
        ({"type": "market", "quote_quantity": "15"}, True),
        ({"type": "stop"}, False),
    ],
)
def test_new_order_requests(accepts: Accepts, change: dict[str, Any], valid: bool) -> None:
    assert accepts(REQUEST, LIMIT_REQUEST | change) is valid
