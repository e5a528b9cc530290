"""The fourteen fields: right ones pass in every allowed form, wrong ones are found by their own requirement."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.contract import FIELDS
from conformance.oracle.amounts import is_average, plain, vwap
from conformance.record import Take

from .rows import CREATED, OTHER, Paper, canceled, order

WRONG: list[tuple[str, Any, str]] = [
    ("status", "cancelled", "status"),
    ("status", "CANCELED", "status"),
    ("status", "open", "status"),
    ("id", OTHER, "id"),
    ("symbol", "DF-USDT", "symbol"),
    ("side", "sell", "side"),
    ("side", "BUY", "side"),
    ("type", "market", "type"),
    ("tif", "ioc", "tif"),
    ("tif", None, "tif"),
    ("price", "0.4999", "price"),
    ("price", None, "price"),
    ("price", 0.5, "decimal-strings"),
    ("quantity", "70", "quantity"),
    ("quantity", "1e2", "decimal-strings"),
    ("quantity", "1,00", "decimal-strings"),
    ("quote_quantity", "0", "quote-quantity"),
    ("filled_qty", "1", "filled-qty"),
    ("filled_qty", 0, "decimal-strings"),
    ("filled_qty", None, "decimal-strings"),
    ("avg_fill_price", "0.0", "avg-fill-price-zero"),
    ("avg_fill_price", "", "avg-fill-price-zero"),
    ("avg_fill_price", None, "avg-fill-price-zero"),
    ("avg_fill_price", "0.5", "avg-fill-price-zero"),
    ("reject_reason", "", "reject-reason"),
    ("reject_reason", "USER_CANCELED", "reject-reason"),
    ("created_at", CREATED + 1, "created-at"),
    ("created_at", CREATED * 1000, "unix-seconds"),
    ("created_at", str(CREATED), "unix-seconds"),
    ("updated_at", CREATED * 1000, "unix-seconds"),
    ("updated_at", float(CREATED), "unix-seconds"),
    ("updated_at", "2026-05-10T08:00:00Z", "unix-seconds"),
    ("updated_at", None, "unix-seconds"),
    ("updated_at", True, "unix-seconds"),
    ("updated_at", CREATED - 5, "updated-at"),
    ("updated_at", CREATED + 30, "updated-at"),
]


@pytest.mark.parametrize(("field", "value", "requirement"), WRONG)
def test_wrong_value(paper: Paper, field: str, value: Any, requirement: str) -> None:
    paper.place()
    paper.cancel(200, canceled(paper.now) | {field: value})
    assert f"cancel.fields.{requirement}" in paper.found()


WORDS: list[tuple[str, Any, str]] = [
    ("status", "cancelled", "status is not canceled"),
    ("id", OTHER, "id is not the order's id"),
    ("side", "sell", "side is not as it was placed"),
    ("price", 0.5, "price is not a decimal string"),
    ("filled_qty", "1", "filled_qty is not the sum of the fills before the cancel"),
    ("avg_fill_price", "0.0", 'avg_fill_price is not "0", although nothing was filled'),
    ("reject_reason", "", "reject_reason is not null, although the order was canceled and not rejected"),
    ("created_at", CREATED + 1, "created_at is not the one that New Order answered"),
    ("created_at", str(CREATED), "created_at is not an integer in Unix seconds"),
    ("updated_at", CREATED - 5, "updated_at lies before the cancel"),
    ("updated_at", CREATED + 30, "updated_at lies after the cancel"),
]


def _messages(paper: Paper) -> set[str]:
    return {group.first.message for tally in paper.judge().tallies.values() for group in tally.groups.values()}


@pytest.mark.parametrize(("field", "value", "message"), WORDS)
def test_what_is_wrong_is_said_in_words(paper: Paper, field: str, value: Any, message: str) -> None:
    paper.place()
    paper.cancel(200, canceled(paper.now) | {field: value})
    assert message in _messages(paper)


def test_every_wrong_value_is_told(paper: Paper) -> None:
    for n, (field, value, _) in enumerate(WRONG):
        own = f"00000000-0000-4000-8000-{n:012d}"
        paper.place(order(id=own))
        paper.cancel(200, canceled(paper.now, id=own) | {field: value}, order_id=own)
    assert {message for message in _messages(paper) if message.split()[0] not in FIELDS} == set()


@pytest.mark.parametrize("field", FIELDS)
def test_missing_field(paper: Paper, field: str) -> None:
    paper.place()
    body = canceled(paper.now)
    del body[field]
    paper.cancel(200, body)
    assert paper.found() == ["cancel.fields.complete"]


@pytest.mark.parametrize(
    "spelled",
    [{"price": "0.5"}, {"price": "0.50000000"}, {"quantity": "100.00"}, {"filled_qty": "0.00"}, {"extra": [1]}],
)
def test_formatting_is_free(paper: Paper, spelled: dict[str, Any]) -> None:
    paper.place()
    paper.cancel(200, canceled(paper.now) | spelled)
    assert paper.found() == []


def test_updated_at_of_an_old_order(paper: Paper) -> None:
    paper.place()
    paper.now += 5
    paper.cancel(200, canceled(paper.now) | {"updated_at": CREATED})
    assert paper.found() == ["cancel.fields.updated-at"]


@pytest.mark.parametrize("shown", ["0.499", "0.4990", "0.499000000"])
def test_average_of_one_price(paper: Paper, shown: str) -> None:
    paper.place(order(price="0.499"))
    paper.fill("30", price="0.499")
    body = canceled(paper.now, price="0.499", filled_qty="30", avg_fill_price=shown)
    paper.cancel(200, body)
    assert paper.found() == []


def _three_fills(paper: Paper, average: str, filled: str = "60") -> None:
    for n, (price, quantity) in enumerate([("0.49", "10"), ("0.495", "20")]):
        maker = order(id=f"00000000-0000-4000-8000-00000000000{n}", side="sell", price=price, quantity=quantity)
        paper.place(maker, by="counterparty")
    takes = [
        Take("00000000-0000-4000-8000-000000000000", "0.49", "10"),
        Take("00000000-0000-4000-8000-000000000001", "0.495", "20"),
    ]
    paper.place(order(filled_qty="30", status="partially_filled"), takes=takes)
    paper.fill("30")
    paper.cancel(200, canceled(paper.now, filled_qty=filled, avg_fill_price=average))


@pytest.mark.parametrize(
    "average", ["0.4966666666666667", "0.4966666666666662", "0.49666667", "0.496667", "0.49667", "0.49666"]
)
def test_average_of_several_prices(paper: Paper, average: str) -> None:
    _three_fills(paper, average)
    assert paper.found() == []


@pytest.mark.parametrize(
    "average", ["0.495", "0.5", "0.49", "0.4925", "0.4967", "0.4968", "0.49666668", "0.4966666666686667"]
)
def test_wrong_average(paper: Paper, average: str) -> None:
    _three_fills(paper, average)
    assert paper.found() == ["cancel.fields.avg-fill-price"]


@pytest.mark.parametrize(
    ("average", "words"),
    [
        ("0.495", "the plain mean of the prices, not weighted by quantity"),
        ("0.5", "the order's own price"),
        ("0.49", "the price of the first fill"),
        ("0", "zero, although something was filled"),
        ("0.4968", "not the exact volume-weighted average of the fills"),
    ],
)
def test_what_a_wrong_average_is(paper: Paper, average: str, words: str) -> None:
    _three_fills(paper, average)
    assert _messages(paper) == {f"avg_fill_price is {words}"}


@pytest.mark.parametrize("filled", ["40", "30", "0"])
def test_wrong_amount_filled(paper: Paper, filled: str) -> None:
    _three_fills(paper, "0.496667", filled)
    assert paper.found()[0] == "cancel.fields.filled-qty"


def test_a_strangers_trade_is_no_finding(paper: Paper) -> None:
    paper.place()
    paper.cancel(200, canceled(paper.now, filled_qty="5", avg_fill_price="0.5"))
    trade = {"order_id": order()["id"], "price": "0.5", "quantity": "5"}
    paper.add("my_trades", "GET", "/spot/trades/me", 200, [trade])
    assert paper.found() == []


@pytest.mark.parametrize("trades", [1, 0])
def test_an_order_that_a_stranger_took_is_no_finding(paper: Paper, trades: int) -> None:
    """That a look shows it as filled in between does not make the fill a planned one."""
    paper.place()
    paper.cancel(404)
    paper.query(order(status="filled", filled_qty="10", avg_fill_price="0.5"))
    trade = {"order_id": order()["id"], "price": "0.5", "quantity": "10"}
    paper.add("my_trades", "GET", "/spot/trades/me", 200, [trade][:trades])
    assert paper.found() == ([] if trades else ["cancel.success.open"])


def test_more_filled_than_any_trade_says_is_a_finding(paper: Paper) -> None:
    paper.place()
    paper.cancel(200, canceled(paper.now, filled_qty="5", avg_fill_price="0.5"))
    paper.add("my_trades", "GET", "/spot/trades/me", 200, [])
    assert "cancel.fields.filled-qty" in paper.found()


amounts = st.decimals(min_value="0.0001", max_value="100000", places=4)


@given(st.lists(st.tuples(amounts, amounts), min_size=1, max_size=6), st.integers(5, 16))
def test_rounding_an_average_is_never_blamed(fills: list[tuple[Decimal, Decimal]], digits: int) -> None:
    exact = vwap(fills)
    for shown in (round(exact, digits), Fraction(int(exact * 10**digits), 10**digits)):
        text = Decimal(plain(Fraction(shown)))
        assert is_average(text.quantize(Decimal(1).scaleb(-digits)), exact, Decimal("0.0001"))


@given(st.lists(st.tuples(amounts, amounts), min_size=1, max_size=60))
def test_an_average_in_doubles_is_never_blamed(fills: list[tuple[Decimal, Decimal]]) -> None:
    """Computed in binary floating point and shown with all its digits, of which the last are not exact."""
    bought = sum(float(q) for _, q in fills)
    spent = sum(float(p) * float(q) for p, q in fills)
    for double in (spent / bought, sum(float(p) * (float(q) / bought) for p, q in fills)):
        assert is_average(Decimal(repr(double)), vwap(fills), Decimal("0.0001"))


@given(st.lists(st.tuples(amounts, amounts), min_size=1, max_size=6))
def test_what_is_rounded_to_the_tick_is_blamed(fills: list[tuple[Decimal, Decimal]]) -> None:
    wrong = Decimal(plain(round(vwap(fills), 4))) + Decimal("0.00007")
    assert not is_average(wrong, vwap(fills), Decimal("0.0001"))
