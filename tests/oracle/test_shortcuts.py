"""Where the oracle takes a shorter way for what is nearly always so, it ends where the long one does."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from conformance.contract import FIELDS, load_contract
from conformance.oracle import fields, reads
from conformance.oracle.amounts import is_average, is_price_of_all, vwap
from conformance.oracle.answers import expect, with_left_open
from conformance.oracle.ids import id_segment, read_id
from conformance.oracle.judge import Judge
from conformance.oracle.ledger import Order, State
from conformance.record import Auth, Exchange, Request

from .rows import BASE, CREATED, ORDER, canceled

TICK = Decimal("0.0001")
_AMOUNT = st.sampled_from(["0", "0.0", "0.5", "0.5000", "0.4999", "100", "100.00", "60", "1e2", "", "x"])
_VALUE = st.one_of(
    _AMOUNT,
    st.none(),
    st.booleans(),
    st.integers(CREATED - 4, CREATED + 4),
    st.sampled_from(["canceled", "open", "buy", "sell", ORDER, ORDER.upper(), 0, 0.5, CREATED * 1000]),
)
_CHANGES = st.dictionaries(st.sampled_from(FIELDS), _VALUE, max_size=3)
_FILLS = st.lists(
    st.tuples(st.sampled_from(["0.5", "0.4999", "0.50001"]), st.sampled_from(["0", "10", "60"])), max_size=3
).map(lambda fills: [(Decimal(price), Decimal(quantity)) for price, quantity in fills])


def _order(fills: list[tuple[Decimal, Decimal]], state: State = State.LIVE, exact: bool = True) -> Order:
    made = Order(ORDER, "owner", "DFUSDT", "buy", "limit", "gtc", None, None, None, (1000.0, 1000.01), "a::case")
    made.price, made.quantity, made.created_at = Decimal("0.5"), Decimal(100), CREATED
    made.fills, made.state, made.exact = fills, state, exact
    return made


def _body(changes: dict[str, Any], dropped: list[str]) -> dict[str, Any]:
    return {name: value for name, value in (canceled(1000.0) | changes).items() if name not in dropped}


_BODY = st.builds(_body, _CHANGES, st.lists(st.sampled_from(FIELDS), max_size=2))


@given(_BODY, _FILLS, st.sampled_from(State), st.booleans(), st.booleans())
def test_fields_without_words_are_judged_as_with_them(
    body: dict[str, Any], fills: list[tuple[Decimal, Decimal]], state: State, exact: bool, known: bool
) -> None:
    order = _order(fills, state, exact) if known else fields.NOBODYS
    look = fields.Look(body, order, TICK, 1000.1, 1000.2)
    checks = list(fields.check_fields(look))
    told = tuple(check.requirement for check in checks) if all(check.ok for check in checks) else ()
    held = fields.all_held(look)
    assert held in ((), told)
    usual = state is State.LIVE and exact and known and body.keys() == set(FIELDS)
    assert bool(held) == bool(told) or not usual


@given(_BODY, st.sampled_from([None, "0.5"]), st.sampled_from([None, "30"]))
def test_what_an_order_repeats_is_found_rule_by_rule(
    body: dict[str, Any], price: str | None, quote: str | None
) -> None:
    order = _order([])
    order.price, order.quote_quantity = (Decimal(text) if text is not None else None for text in (price, quote))
    look = fields.Look(body, order)
    wrong = [rule.requirement for rule in fields._ECHO if rule.holds(look) is False]
    assert [check.requirement for check in fields.wrong_echo(order, body)] == wrong


_NUMBERED = st.lists(st.tuples(st.integers(1, 30), st.sampled_from("abc")), max_size=30)


@given(_NUMBERED, st.integers(0, 30), st.sampled_from([None, *"abcd"]))
def test_acts_are_found_by_case(acts: list[tuple[int, str]], after: int, case: str | None) -> None:
    request = Request("DELETE", BASE)
    with patch("conformance.oracle.judge._RECENT", 12):
        judge = Judge(load_contract())
        for n, name in acts:
            judge.act(Exchange(n, name, "suite", "cancel_order", 0.0, 1.0, 0.0, request), "x", None)
    found = [(act.n, act.case) for act in judge.since(after, case)]
    assert found == [(n, name) for n, name in acts[-12:] if n > after and case in (None, name)]


@given(_FILLS, st.sampled_from(["0", "0.5", "0.5000", "0.4999", "0.50001"]).map(Decimal))
def test_the_price_of_all_fills_is_their_average(fills: list[tuple[Decimal, Decimal]], shown: Decimal) -> None:
    if is_price_of_all(shown, fills):
        assert vwap(fills) == shown
        assert is_average(shown, vwap(fills), TICK)


@given(_BODY, _BODY)
def test_no_differences_are_those_of_which_none_matters(before: dict[str, Any], now: dict[str, Any]) -> None:
    changed = [name for name, was in before.items() if not reads._is_unchanged(name, was, now.get(name), TICK)]
    found = reads._differences(Judge(load_contract()), before, now)
    assert [difference.field for difference in found if not difference.ok] == changed
    assert bool(found) == bool(changed)


_TARGETS = st.sampled_from(
    [
        f"/spot/orders/{name}{query}"
        for name in (ORDER, ORDER.upper(), "x", "", "%00")
        for query in ("", "?a=1", "?" + "a" * 999)
    ]
)
_AUTHS = st.sampled_from(
    [
        None,
        Auth("owner", "jwt"),
        Auth("counterparty", "jwt"),
        Auth("owner", "jwt", "cancel.jwt.garbage"),
        Auth("owner", "api_key"),
        Auth("owner", "jwt", either=True),
    ]
)
_ERRORS = st.sampled_from([None, "invalid id", "FORBIDDEN", "ORDER_NOT_FOUND", "other"])


@given(_TARGETS, _AUTHS, st.sampled_from([200, 302, 400, 401, 403, 404, 414, 415, 500]), _ERRORS, st.booleans())
def test_a_documented_answer_is_right_whatever_is_left_open(
    target: str, auth: Auth | None, status: int, error: str | None, with_body: bool
) -> None:
    request = Request("DELETE", BASE + target, [("X-Other", "1")], "{}" if with_body else None)
    exchange = Exchange(1, "a::case", "suite", "cancel_order", 0.0, 1.0, 0.0, request, auth)
    named, body = read_id(id_segment(request.target, BASE) or ""), {"error": error}
    for order in (None, _order([]), _order([], State.FILLED)):
        short = expect(exchange, named, order)
        whole = with_left_open(short, exchange)
        if short.documents(status, body):
            assert short.accepts(status)
            assert whole.accepts(status)
        else:
            assert whole.accepts(status) == (short.accepts(status) or status in whole.also)
