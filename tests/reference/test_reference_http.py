"""Every operation answers as the contract says, and refuses with the documented strings."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from reference_client import BASE, Local, local

from conformance.reference.settings import Market, Settings, simple_settings
from conformance.reference.views import ORDER_FIELDS


@pytest.fixture
def exchange() -> Iterator[Local]:
    with local() as running:
        yield running


def test_cancel_answers_the_order_in_its_final_state(exchange: Local) -> None:
    order = exchange.place(price="0.5000").json
    exchange.place("counterparty", side="sell", price="0.499", quantity="30")
    exchange.reference.clock.offset_ms = 120_000
    answer = exchange.cancel(order["id"])
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert tuple(answer.json) == ORDER_FIELDS
    assert answer.json == {
        "id": order["id"],
        "symbol": "DFUSDT",
        "side": "buy",
        "type": "limit",
        "tif": "gtc",
        "price": "0.5000",
        "quantity": "100.00",
        "quote_quantity": None,
        "filled_qty": "30",
        "avg_fill_price": "0.5",
        "status": "canceled",
        "reject_reason": None,
        "created_at": order["created_at"],
        "updated_at": pytest.approx(order["created_at"] + 120, abs=1),
    }
    assert isinstance(answer.json["updated_at"], int)
    assert exchange.query(order["id"]).json == answer.json
    assert exchange.call("GET", "/spot/orders").json == []


def test_average_is_the_exact_vwap(exchange: Local) -> None:
    for price, quantity in (("0.3", "10"), ("0.4", "10"), ("0.41", "10")):
        exchange.place("counterparty", side="sell", price=price, quantity=quantity)
    order = exchange.place(price="0.41", quantity="40").json
    assert order["avg_fill_price"] == "0.37"
    assert [fill["price"] for fill in order["fills"]] == ["0.3", "0.4", "0.41"]
    other = exchange.place("counterparty", side="sell", price="0.3", quantity="4").json
    assert other["avg_fill_price"] == "0.41"
    exchange.cancel(order["id"])
    exchange.place("counterparty", side="sell", price="0.3", quantity="10")
    exchange.place("counterparty", side="sell", price="0.4", quantity="20")
    assert exchange.place(price="0.4", quantity="30").json["avg_fill_price"] == "0.366666666667"


@pytest.mark.parametrize(
    "decorate", [str.upper, str.title, lambda text: "%" + format(ord(text[0]), "x") + text[1:]]
)
def test_the_same_uuid_otherwise_spelled_is_the_same_order(exchange: Local, decorate: Any) -> None:
    order = exchange.place().json
    answer = exchange.cancel(decorate(order["id"]))
    assert answer.status == 200
    assert answer.json["id"] == order["id"]


BAD_IDS = [
    "x",
    "1",
    "null",
    "9f2a1c4e5b674d8abf932e1f4a6c8d10",
    "{9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d10}",
    "urn:uuid:9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d10",
    "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d1",
    "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d100",
    "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d1g",
    "9f2a1c4e_5b67_4d8a_bf93_2e1f4a6c8d10",
    "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d10%20",
    "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d10%0A",
    "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d10%00",
    "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d10;v=1",
    "a%2Fb",
    "%2F",
    "%2e%2e",
    "..",
    "%00",
    "%FF%FE",
    "%D9%A1" * 36,
    "%ZZ",
    "%",
    "x" * 100_000,
]


@pytest.mark.parametrize("bad", BAD_IDS, ids=lambda bad: bad[:40])
def test_anything_but_a_uuid_is_an_invalid_id(exchange: Local, bad: str) -> None:
    assert exchange.cancel(bad).error == (400, "invalid id")
    assert exchange.query(bad).error == (400, "invalid id")


def test_an_empty_id_is_no_operation_and_cancels_nothing(exchange: Local) -> None:
    order = exchange.place().json
    assert exchange.cancel("").error == (404, "NOT_FOUND")
    assert exchange.call("DELETE", "/spot/orders").error == (400, "invalid symbol")
    assert exchange.cancel("a/b").error == (404, "NOT_FOUND")
    assert exchange.query(order["id"]).json["status"] == "open"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "OPTIONS", "TRACE", "HEAD"])
def test_other_methods_are_not_allowed(exchange: Local, method: str) -> None:
    answer = exchange.call(method, f"/spot/orders/{uuid.uuid4()}")
    assert answer.error == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "DELETE, GET"


def test_the_order_of_another_user_is_forbidden_and_untouched(exchange: Local) -> None:
    order = exchange.place().json
    money = exchange.money()
    assert exchange.cancel(order["id"], "counterparty").error == (403, "FORBIDDEN")
    assert exchange.query(order["id"], "counterparty").error == (404, "ORDER_NOT_FOUND")
    assert exchange.query(order["id"]).json["status"] == "open"
    assert exchange.money() == money
    assert exchange.cancel(order["id"]).status == 200
    assert exchange.cancel(order["id"], "counterparty").error == (403, "FORBIDDEN")


def test_unknown_and_terminal_orders_are_not_found(exchange: Local) -> None:
    assert exchange.cancel(str(uuid.uuid4())).error == (404, "ORDER_NOT_FOUND")
    assert exchange.query(str(uuid.uuid4())).error == (404, "ORDER_NOT_FOUND")
    canceled = exchange.place().json
    assert exchange.cancel(canceled["id"]).status == 200
    assert exchange.cancel(canceled["id"]).error == (404, "ORDER_NOT_FOUND")
    filled = exchange.place().json
    exchange.place("counterparty", side="sell")
    assert exchange.query(filled["id"]).json["status"] == "filled"
    assert exchange.cancel(filled["id"]).error == (404, "ORDER_NOT_FOUND")
    ioc = exchange.place(tif="ioc").json
    assert ioc["status"] == "canceled"
    assert exchange.cancel(ioc["id"]).error == (404, "ORDER_NOT_FOUND")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"price": "0.50001"}, "INVALID_TICK"),
        ({"quantity": "100.001"}, "INVALID_LOT"),
        ({"quantity": "1.99"}, "BELOW_MIN_NOTIONAL"),
        ({"quantity": "99999999999"}, "INSUFFICIENT_BALANCE"),
        ({"type": "market", "price": None, "quantity": None, "quote_quantity": "0.5"}, "BELOW_MIN_NOTIONAL"),
        ({"side": "BUY"}, "invalid side"),
        ({"type": "stop"}, "invalid type"),
        ({"tif": "fok"}, "invalid tif"),
        ({"price": None}, "invalid price"),
        ({"price": "0"}, "invalid price"),
        ({"price": "-1"}, "invalid price"),
        ({"price": "NaN"}, "invalid price"),
        ({"price": "1e3"}, "invalid price"),
        ({"price": 0.5}, "invalid price"),
        ({"quantity": "9" * 5000}, "invalid quantity"),
        ({"quantity": ["1"]}, "invalid quantity"),
        ({"quote_quantity": "1"}, "invalid quote_quantity"),
        ({"symbol": 7}, "invalid symbol"),
        ({"type": "market"}, "invalid quantity"),
        ({"type": "market", "side": "sell", "price": None, "tif": "gtc"}, "invalid tif"),
    ],
)
def test_bad_orders_are_refused_without_a_trace(exchange: Local, changes: dict[str, Any], error: str) -> None:
    money = exchange.money()
    status, seen = exchange.place(**changes).error
    # A market buy lacks a quote_quantity and has a price and a quantity too many; any of the three may be named.
    expected = {error, "invalid quote_quantity", "invalid price"} if changes == {"type": "market"} else {error}
    assert (status, seen in expected) == (400, True), seen
    assert exchange.money() == money
    assert exchange.call("GET", "/spot/orders").json == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"null", b"[" * 60_000])
def test_a_body_that_is_no_object_is_refused(exchange: Local, body: bytes) -> None:
    answer = exchange.raw("POST", f"{BASE}/spot/orders", exchange.headers("owner"), body)
    assert answer.error == (400, "invalid body")


def test_too_large_a_body_is_refused(exchange: Local) -> None:
    answer = exchange.raw("POST", f"{BASE}/spot/orders", exchange.headers("owner"), b" " * 70_000)
    assert answer.error == (413, "BODY_TOO_LARGE")


def test_post_only_self_trade_and_markets(exchange: Local) -> None:
    exchange.place("counterparty", side="sell")
    assert exchange.place(tif="post_only").error == (400, "POST_ONLY_REJECT")
    assert exchange.place("counterparty").error == (400, "SELF_TRADE")
    assert exchange.place(tif="post_only", price="0.4").json["status"] == "open"
    assert exchange.place(symbol="ABC").error == (404, "MARKET_NOT_FOUND")
    assert exchange.call("GET", "/spot/orders?symbol=ABC").error == (404, "MARKET_NOT_FOUND")


def test_market_orders_take_what_there_is(exchange: Local) -> None:
    exchange.place("counterparty", side="sell", quantity="10")
    bought = exchange.place(type="market", price=None, quantity=None, quote_quantity="100").json
    assert (bought["status"], bought["filled_qty"], bought["price"]) == ("canceled", "10", None)
    assert (bought["tif"], bought["quantity"], bought["quote_quantity"]) == ("ioc", None, "100")
    exchange.place("counterparty", quantity="10")
    sold = exchange.place(type="market", side="sell", price=None, quantity="10").json
    assert (sold["status"], sold["avg_fill_price"]) == ("filled", "0.5")
    assert set(sold["fills"][0]) == {"trade_id", "price", "quantity", "fee", "fee_token", "role"}


def test_halted_and_delisted_markets() -> None:
    halted = Settings(markets=(Market(status="halted"), Market.of("ABCUSDT", status="delisted")))
    with local(halted) as exchange:
        assert exchange.place().error == (409, "MARKET_HALTED")
        assert exchange.place(symbol="ABCUSDT").error == (410, "MARKET_DELISTED")
        assert exchange.cancel(str(uuid.uuid4())).error == (404, "ORDER_NOT_FOUND")


def test_cancel_all_cancels_own_orders_of_the_market(exchange: Local) -> None:
    mine = [exchange.place().json["id"], exchange.place(price="0.4").json["id"]]
    other = exchange.place("counterparty", price="0.3").json["id"]
    canceled = exchange.call("DELETE", "/spot/orders?symbol=DFUSDT").json["canceled"]
    assert [order["id"] for order in canceled] == mine
    assert {order["status"] for order in canceled} == {"canceled"}
    assert exchange.query(other, "counterparty").json["status"] == "open"
    assert exchange.call("DELETE", "/spot/orders?symbol=ABC").error == (404, "MARKET_NOT_FOUND")


def test_own_trades_come_newest_first_and_can_be_bounded(exchange: Local) -> None:
    for quantity in ("10", "20", "30"):
        exchange.place(quantity=quantity)
        exchange.place("counterparty", side="sell", quantity=quantity)
    trades = exchange.call("GET", "/spot/trades/me?symbol=DFUSDT").json
    assert [trade["quantity"] for trade in trades] == ["30", "20", "10"]
    names = "trade_id symbol side price quantity fee fee_token role order_id ts"
    assert set(trades[0]) == set(names.split())
    assert (trades[0]["role"], trades[0]["side"], trades[0]["fee_token"]) == ("maker", "buy", "DF")
    assert len(exchange.call("GET", "/spot/trades/me?limit=2").json) == 2
    at = trades[0]["ts"]
    assert exchange.call("GET", f"/spot/trades/me?start={at + 100}").json == []
    assert exchange.call("GET", f"/spot/trades/me?end={at - 100}").json == []
    assert (
        len(exchange.call("GET", f"/spot/trades/me?start={at - 9}&end={at + 9}", account="counterparty").json) == 3
    )
    for name in ("start=x", "end=-1", "limit=0", "limit=1.5"):
        answer = exchange.call("GET", f"/spot/trades/me?{name}")
        assert answer.error == (400, f"invalid {name.partition('=')[0]}")


def test_public_operations_need_no_credentials(exchange: Local) -> None:
    health = exchange.raw("GET", f"{BASE}/spot/health", {})
    assert health.json == {"engine": "running", "queue_depth": 0, "books_loaded": 1}
    (market,) = exchange.raw("GET", f"{BASE}/spot/markets", {}).json
    assert (market["id"], market["base_token"], market["quote_token"]) == ("DFUSDT", "DF", "USDT")
    assert (market["tick_size"], market["lot_size"], market["min_notional"]) == ("0.0001", "0.01", "1")


def test_every_answer_is_dated_as_of_now(exchange: Local) -> None:
    for path in ("/spot/health", "/spot/orders", "/nowhere", "/spot/orders/x"):
        exchange.reference.clock.offset_ms += 3_600_000
        headers = exchange.raw("GET", BASE + path, {}).headers
        shown = parsedate_to_datetime(headers["date"]).timestamp()
        assert abs(shown - time.time() - exchange.reference.clock.offset_ms / 1000) < 2
        assert "server" not in headers


def test_conformant_variations() -> None:
    settings = Settings(
        markets=(Market.of("ABC-EUR", tick_size=Decimal("0.5"), lot_size=Decimal(1), min_notional=Decimal(5)),),
        base_path="",
        decimal_style="normalised",
        extra_fields={"client_order_id": None},
        unauthorized_body='{"error":"UNAUTHORIZED"}',
    )
    assert Settings.from_json(settings.to_json()) == settings
    with local(settings) as exchange:
        headers = exchange.headers("owner")
        body = b'{"symbol":"ABC-EUR","side":"sell","type":"limit","price":"10.50","quantity":"100"}'
        order = exchange.raw("POST", "/spot/orders", headers, body).json
        assert (order["price"], order["quantity"], order["client_order_id"]) == ("10.5", "100", None)
        assert exchange.raw("GET", "/spot/orders", {}).error == (401, "UNAUTHORIZED")


def test_command_line_values_become_settings() -> None:
    settings = simple_settings(symbol="XYZBTC", tick="0.1", base_path="v2/", trading_disabled=True)
    assert (settings.market.base_token, settings.market.quote_token) == ("XYZ", "BTC")
    assert (settings.base_path, settings.trading_enabled) == ("/v2", False)
    for wrong in ({"tick": "x"}, {"lot": "0"}, {"queue_size": 0}):
        with pytest.raises(ValueError, match="must"):
            simple_settings(**wrong)  # type: ignore[arg-type]
