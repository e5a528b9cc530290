"""The parts of the drivers that are pure: the matching model, what requests leave open, and the schema check."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from conformance.contract import load_contract
from conformance.fuzz.matching import plan
from conformance.oracle.extras import also_right
from conformance.oracle.ledger import Order
from conformance.oracle.schema import check_schema
from conformance.record import Auth, Exchange, Request

DOCUMENT = load_contract().openapi
ANSWERS = DOCUMENT["paths"]["/spot/orders/{id}"]["delete"]["responses"]
CANCELED = ANSWERS["200"]["content"]["application/json"]["examples"]["partlyFilled"]["value"]


def order(name: str, side: str, price: str, quantity: str, account: str = "counterparty") -> Order:
    amounts = (Decimal(price), Decimal(quantity), None)
    return Order(name, account, "DFUSDT", side, "limit", "gtc", *amounts, (0.0, 0.0), "case")


def takes(*arguments: Any) -> list[tuple[str, str, str]]:
    return [(take.order, take.price, take.quantity) for take in plan(*arguments).takes]


def test_best_price_first_then_oldest_first() -> None:
    book = [order("a", "sell", "0.52", "5"), order("b", "sell", "0.50", "5"), order("c", "sell", "0.50", "5")]
    assert takes("owner", "buy", Decimal("0.51"), Decimal(7), book) == [("b", "0.50", "5"), ("c", "0.50", "2")]
    assert plan("owner", "buy", Decimal("0.51"), Decimal(12), book).rest == 2
    assert takes("owner", "buy", None, Decimal(11), book)[-1] == ("a", "0.52", "1")
    assert takes("owner", "buy", Decimal("0.49"), Decimal(1), book) == []
    bids = [order("d", "buy", "0.40", "1"), order("e", "buy", "0.41", "1")]
    sold = takes("owner", "sell", Decimal("0.40"), Decimal(2), [*book, *bids])
    assert sold == [("e", "0.41", "1"), ("d", "0.40", "1")]


def test_own_orders_within_reach_are_told() -> None:
    book = [order("a", "sell", "0.50", "5"), order("b", "sell", "0.51", "5", "owner")]
    assert plan("owner", "buy", Decimal("0.51"), Decimal(1), book).meets_own
    assert not plan("owner", "buy", Decimal("0.50"), Decimal(1), book).meets_own


def exchange(query: str = "", body: str | None = None, auth: Auth | None = None, **more: Any) -> Exchange:
    headers = [("Host", "x"), ("Accept", "application/json"), *more.pop("headers", [])]
    request = Request("DELETE", "/spot/orders/x" + (f"?{query}" if query else ""), headers, body)
    auth = auth or Auth("owner", "jwt")
    return Exchange(1, "case", "suite", "cancel_order", 0.0, 0.0, 0.0, request, auth, **more)


def test_only_what_a_request_carries_beyond_the_page_is_left_open() -> None:
    key = Auth("owner", "api_key")
    assert also_right(exchange()) == frozenset()
    assert also_right(exchange("timestamp=1&signature=2", auth=key)) == frozenset()
    assert 400 in also_right(exchange("timestamp=1&timestamp=1&signature=2", auth=key))
    assert 400 in also_right(exchange("note=1"))
    assert 415 in also_right(exchange(body=""))
    assert 431 in also_right(exchange(headers=[("Cookie", "a=b")]))
    assert not also_right(exchange("note=1")) & {200, 401, 403, 404, 500}
    assert also_right(exchange(auth=Auth("owner", "jwt", "cancel.jwt.garbage"))) == frozenset()
    assert 400 in also_right(exchange("note=1", auth=Auth("owner", "jwt", "cancel.jwt.garbage")))


@pytest.mark.parametrize(
    ("change", "requirement"),
    [
        ({"side": "BUY"}, "cancel.fields.side"),
        ({"tif": "GTC"}, "cancel.fields.tif"),
        ({"id": "x"}, "cancel.fields.id"),
        ({"symbol": ""}, "cancel.fields.symbol"),
        ({"quote_quantity": 5}, "cancel.fields.decimal-strings"),
        ({"price": None}, "cancel.fields.decimal-strings"),
        ({"updated_at": 1778400120000}, "cancel.fields.unix-seconds"),
        ({"filled_qty": "0"}, "cancel.fields.avg-fill-price-zero"),
        ({"status": "open"}, "cancel.fields.status"),
    ],
)
def test_the_schema_names_the_field(change: dict[str, Any], requirement: str) -> None:
    found = list(check_schema(DOCUMENT, {**CANCELED, **change}))
    assert [check.requirement for check in found] == [requirement]
    assert list(check_schema(DOCUMENT, {**CANCELED, **change}, {found[0].field})) == []


def test_the_schema_allows_what_the_pages_leave_open() -> None:
    for change in ({}, {"price": "0.5"}, {"more": 1}, {"avg_fill_price": "0.49900000001"}):
        assert list(check_schema(DOCUMENT, {**CANCELED, **change})) == []
