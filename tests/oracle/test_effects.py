"""What reads show after cancels and refusals, and who is blamed for a change."""

from __future__ import annotations

import msgspec
import pytest

from conformance.record import Exchange, Note

from .rows import CREATED, ORDER, OTHER, Paper, canceled, order


@pytest.mark.parametrize("status", ["open", "partially_filled", "filled", "cancelled"])
def test_canceled_order_is_shown_otherwise(paper: Paper, status: str) -> None:
    paper.place()
    paper.cancel()
    paper.query(order(status=status))
    assert paper.found() == ["cancel.effects.terminal"]


@pytest.mark.parametrize(
    "changed", [{"updated_at": CREATED + 60}, {"filled_qty": "0.5"}, {"avg_fill_price": "0.5"}]
)
def test_canceled_order_changes_later(paper: Paper, changed: dict[str, object]) -> None:
    paper.place()
    paper.cancel()
    paper.query(canceled(paper.now - 0.1) | changed)
    expected = "cancel.effects.off-book" if "filled_qty" in changed else "cancel.effects.final"
    assert paper.found() == [expected]


def test_one_wrong_field_is_found_once(paper: Paper) -> None:
    """A field that the cancel showed wrong is not blamed again on the query that shows it right."""
    paper.place()
    paper.cancel(200, canceled(paper.now) | {"tif": "ioc"})
    paper.query(canceled(paper.now - 0.1))
    assert paper.found() == ["cancel.fields.tif"]


@pytest.mark.parametrize(
    ("status", "how", "requirement"),
    [
        (401, {"flaw": "cancel.jwt.garbage"}, "cancel.refusals.unauthorized"),
        (403, {"by": "counterparty"}, "cancel.refusals.forbidden"),
    ],
)
def test_refusal_with_effect(paper: Paper, status: int, how: dict[str, str], requirement: str) -> None:
    paper.place()
    paper.cancel(status, **how)
    paper.query(canceled(paper.now))
    assert paper.found() == [requirement]


def test_second_cancel_with_effect(paper: Paper) -> None:
    paper.place()
    paper.cancel()
    paper.query(canceled(paper.now - 0.1))
    paper.cancel(404)
    paper.query(canceled(paper.now, reject_reason=None) | {"updated_at": CREATED + 9})
    assert paper.found() == ["cancel.refusals.not-found"]


def _two(paper: Paper, by: str = "owner") -> None:
    paper.place()
    paper.place(order(id=OTHER), by=by)


@pytest.mark.parametrize(
    ("by", "requirement"),
    [("owner", "cancel.effects.own-orders"), ("counterparty", "cancel.effects.foreign-orders")],
)
def test_another_order_is_canceled_as_well(paper: Paper, by: str, requirement: str) -> None:
    _two(paper, by)
    paper.cancel()
    paper.query(canceled(paper.now, id=OTHER), order_id=OTHER, by=by)
    assert paper.found() == [requirement]


def test_another_order_is_left_alone(paper: Paper) -> None:
    _two(paper)
    paper.cancel()
    paper.query(order(id=OTHER), order_id=OTHER)
    assert paper.found() == []
    assert paper.judge().tallies["cancel.effects.own-orders"].checks


def test_bad_id_cancels_something(paper: Paper) -> None:
    paper.place()
    paper.cancel(400, order_id="abc")
    paper.query(canceled(paper.now))
    assert paper.found() == ["cancel.refusals.invalid-id"]


def test_parameter_cancels_the_order_it_names(paper: Paper) -> None:
    _two(paper)
    paper.cancel(query=f"id={OTHER}", aim="cancel.identity.path-only")
    paper.query(canceled(paper.now, id=OTHER), order_id=OTHER)
    assert paper.found() == ["cancel.identity.path-only"]


@pytest.mark.parametrize("status", [None, 200, 401, 404, 500])
@pytest.mark.parametrize("live", [True, False])
def test_a_path_that_no_page_names(paper: Paper, status: int | None, live: bool) -> None:
    """It may answer anything, and not cancel."""
    paper.place()
    path = f"/spot//orders/{ORDER}"
    paper.add("other_path", "DELETE", path, status, flaw="cancel.jwt.missing", aim="cancel.jwt.missing")
    paper.query(None if live else canceled(paper.now))
    assert paper.found() == ([] if live else ["cancel.jwt.missing"])


def test_other_method_cancels(paper: Paper) -> None:
    paper.place()
    paper.add("other_method", "POST", f"/spot/orders/{ORDER}", 200, canceled(paper.now))
    paper.query(canceled(paper.now))
    assert paper.found() == ["cancel.errors.other-methods"]


def test_canceled_order_is_listed(paper: Paper) -> None:
    paper.place()
    paper.cancel()
    paper.add("open_orders", "GET", "/spot/orders", 200, [order()])
    assert paper.found() == ["cancel.effects.not-listed"]


@pytest.mark.parametrize("shape", ["array", "object"])
def test_canceled_order_is_not_listed(paper: Paper, shape: str) -> None:
    _two(paper)
    paper.cancel()
    rows = [order(id=OTHER)]
    paper.add("open_orders", "GET", "/spot/orders", 200, rows if shape == "array" else {"orders": rows})
    assert paper.found() == []
    assert paper.judge().tallies["cancel.effects.not-listed"].checks


FILLS_KEPT = "cancel.effects.fills-kept"


def _trades(paper: Paper, rows: list[tuple[str, str, str]], **more: object) -> None:
    listed = [{"trade_id": t, "order_id": o, "price": "0.5", "quantity": q, "ts": 1} for t, o, q in rows]
    paper.add("my_trades", "GET", "/spot/trades/me", 200, listed, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("newer", [0, 1])
def test_fills_that_slid_off_the_page(paper: Paper, newer: int) -> None:
    """A list of the newest fills only loses the oldest ones when there are newer ones."""
    paper.place()
    paper.fill("30")
    _trades(paper, [("t2", OTHER, "1"), ("t1", ORDER, "30")])
    paper.cancel(200, canceled(paper.now, filled_qty="30", avg_fill_price="0.5"))
    _trades(paper, [*[("t3", OTHER, "1")][:newer], ("t2", OTHER, "1")], aim=FILLS_KEPT)
    assert paper.found() == ([] if newer else [FILLS_KEPT])


@pytest.mark.parametrize(
    ("late", "found"),
    [
        pytest.param([], True, id="gone"),
        pytest.param(["t8", "t9"], True, id="gone, although there is room"),
        pytest.param(["t7", "t8", "t9"], False, id="perhaps cut off"),
        pytest.param(["t9", "t1"], False, id="there"),
    ],
)
def test_fills_of_a_span_of_time(paper: Paper, late: list[str], found: bool) -> None:
    """A span that is asked for again has the fills that it had, unless its list is as long as lists get."""
    paper.place()
    paper.fill("30")
    _trades(paper, [("t1", ORDER, "30")], query="symbol=DFUSDT&limit=3&start=1&end=2")
    paper.cancel(200, canceled(paper.now, filled_qty="30", avg_fill_price="0.5"))
    paper.rows = [
        msgspec.structs.replace(row, case="earlier::case") if isinstance(row, Exchange) else row
        for row in paper.rows
    ]
    _trades(paper, [(f"t{n}", OTHER, "1") for n in (7, 8, 9)], query="symbol=DFUSDT&limit=3")
    _trades(paper, [(f"t{n}", OTHER, "1") for n in range(20, 30)], query="symbol=DFUSDT&limit=10")
    rows = [(t, ORDER if t == "t1" else OTHER, "30") for t in late]
    _trades(paper, rows, query="symbol=DFUSDT&limit=3&start=1&end=2", aim=FILLS_KEPT)
    assert paper.found() == ([FILLS_KEPT] if found else [])


@pytest.mark.parametrize(("others", "found"), [(99, True), (100, False), (110, False), (102, True), (128, False)])
def test_a_long_list_that_may_be_a_page(paper: Paper, others: int, found: bool) -> None:
    """A list of a span that is shorter than another one may be a page if its length is a round number."""
    paper.place()
    paper.fill("30")
    span = "symbol=DFUSDT&limit=500&start=1&end=2"
    _trades(paper, [("t1", ORDER, "30")], query=span)
    paper.cancel(200, canceled(paper.now, filled_qty="30", avg_fill_price="0.5"))
    _trades(paper, [(f"t{n}", OTHER, "1") for n in range(2, 302)], query="symbol=DFUSDT&limit=500")
    _trades(paper, [(f"t{n}", OTHER, "1") for n in range(2, 2 + others)], query=span, aim=FILLS_KEPT)
    assert paper.found() == ([FILLS_KEPT] if found else [])


@pytest.mark.parametrize(("earlier", "found"), [(True, True), (False, False)])
def test_fills_of_a_span_that_another_order_had(paper: Paper, earlier: bool, found: bool) -> None:
    """An order that the span's earlier list had not may be another case's, of which an answer was lost."""
    paper.place()
    paper.fill("30")
    span = "symbol=DFUSDT&limit=3&start=1&end=2"
    _trades(paper, [("t1", ORDER, "30")][: int(earlier)], query=span)
    paper.cancel(200, canceled(paper.now, filled_qty="30", avg_fill_price="0.5"))
    _trades(paper, [("t1", ORDER, "30"), ("t2", ORDER, "5")], query=span, aim=FILLS_KEPT)
    assert paper.found() == (["cancel.effects.off-book"] if found else [])


@pytest.mark.parametrize("name", ["price", "fee", "ts"])
def test_fills_that_change(paper: Paper, name: str) -> None:
    paper.place()
    paper.fill("30")
    _trades(paper, [("t1", ORDER, "30")])
    paper.cancel(200, canceled(paper.now, filled_qty="30", avg_fill_price="0.5"))
    row = {"trade_id": "t1", "order_id": ORDER, "price": "0.5", "quantity": "30", "ts": 1} | {name: 2}
    paper.add("my_trades", "GET", "/spot/trades/me", 200, [row], aim=FILLS_KEPT)
    assert paper.found() == [FILLS_KEPT]


@pytest.mark.parametrize(("name", "other", "found"), [("t9", "t1", True), ("t2", "t1", False), ("t9", "t8", False)])
def test_fills_under_other_ids(paper: Paper, name: str, other: str, found: bool) -> None:
    """Ids that are new in each list say nothing."""
    paper.place()
    paper.fill("30")
    _trades(paper, [("t2", ORDER, "30"), ("t1", OTHER, "1")])
    paper.cancel(200, canceled(paper.now, filled_qty="30", avg_fill_price="0.5"))
    _trades(paper, [(name, ORDER, "30"), (other, OTHER, "1")], aim=FILLS_KEPT)
    assert paper.found() == ([FILLS_KEPT] if found else [])


@pytest.mark.parametrize(("quantity", "found"), [("30", False), ("20", True), ("40", False)])
def test_fills_of_a_live_order_are_kept(paper: Paper, quantity: str, found: bool) -> None:
    """They may become more: somebody else may trade with it."""
    paper.place()
    paper.place(order(id=OTHER, price="0.51"))
    paper.fill("30", price="0.51", maker=OTHER)
    _trades(paper, [("t1", OTHER, "30")])
    paper.cancel()
    _trades(paper, [("t1", OTHER, quantity)], aim=FILLS_KEPT)
    assert paper.found() == ([FILLS_KEPT] if found else [])


@pytest.mark.parametrize(("rows", "requirement"), [([], "fills-kept"), (["30", "30"], "off-book"), (["30"], None)])
def test_fills_after_the_cancel(paper: Paper, rows: list[str], requirement: str | None) -> None:
    paper.place()
    paper.fill("30")
    _trades(paper, [("t1", ORDER, "30")])
    paper.cancel(200, canceled(paper.now, filled_qty="30", avg_fill_price="0.5"))
    _trades(paper, [(f"t{n}", ORDER, quantity) for n, quantity in enumerate(rows, 1)], aim=FILLS_KEPT)
    assert paper.found() == ([f"cancel.effects.{requirement}"] if requirement else [])


@pytest.mark.parametrize(("first", "second", "found"), [(1, 1, False), (2, 2, True), (0, 1, True), (1, 2, True)])
def test_updated_at_moves(paper: Paper, first: int, second: int, found: bool) -> None:
    """The first look may show the second before or after the cancel's own; from then on nothing moves."""
    paper.place()
    paper.cancel(200, order(status="canceled", updated_at=CREATED))
    paper.query(order(status="canceled", updated_at=CREATED + first))
    paper.query(order(status="canceled", updated_at=CREATED + second))
    assert paper.found() == (["cancel.effects.final"] if found else [])


@pytest.mark.parametrize(("quantity", "found"), [("0", True), ("30", False)])
def test_fills_of_the_other_side_are_kept(paper: Paper, quantity: str, found: bool) -> None:
    """What the canceled order traded with keeps its fills too."""
    paper.place()
    taker = paper.fill("30")
    _trades(paper, [("t1", taker, "30")], by="counterparty")
    paper.cancel(200, canceled(paper.now, filled_qty="30", avg_fill_price="0.5"))
    _trades(paper, [("t1", taker, quantity)], by="counterparty", aim=FILLS_KEPT)
    assert paper.found() == (["cancel.effects.fills-kept"] if found else [])


@pytest.mark.parametrize(
    ("expect", "status", "aim"),
    [("accepted", 400, "cancel.effects.lock-released"), ("refused", 200, "cancel.effects.lock-released-once")],
)
def test_funds(paper: Paper, expect: str, status: int, aim: str) -> None:
    _probe_funds(paper, expect, status, aim, trades_after=["t1"])
    assert paper.found() == [aim]


@pytest.mark.parametrize(("expect", "status"), [("accepted", 400), ("refused", 200)])
def test_funds_say_nothing_if_somebody_traded(paper: Paper, expect: str, status: int) -> None:
    _probe_funds(paper, expect, status, "cancel.effects.lock-released", trades_after=["t2", "t1"])
    assert paper.found() == []


def _probe_funds(paper: Paper, expect: str, status: int, aim: str, trades_after: list[str]) -> None:
    def trades(ids: list[str]) -> int:
        return paper.add("my_trades", "GET", "/spot/trades/me", 200, [{"trade_id": name} for name in ids]).n

    before = trades(["t1"])
    paper.place()
    paper.cancel()
    answer = {"error": "INSUFFICIENT_BALANCE"} if status == 400 else order(id=OTHER)
    probe = paper.add("new_order", "POST", "/spot/orders", status, answer, sent=order(), aim=aim, expect=expect)
    note = {"attempt": probe.n, "before": before, "after": trades(trades_after)}
    paper.rows.append(Note("funds", probe.case, note))


def test_a_change_that_nothing_explains_is_no_finding(paper: Paper) -> None:
    """A market may be delisted, a stranger may trade: only what we did can be blamed for a change."""
    paper.place()
    paper.query(canceled(paper.now))
    assert paper.found() == []


def test_a_refusal_that_ended_the_order_is_blamed_at_the_next_cancel(paper: Paper) -> None:
    paper.place()
    paper.cancel(403, by="counterparty")
    paper.cancel(404)
    assert paper.found() == ["cancel.refusals.forbidden"]


def test_an_after_effect_is_dropped_where_its_cause_is_found(paper: Paper) -> None:
    _two(paper)
    paper.place(order(id="00000000-0000-4000-8000-000000000009"))
    paper.cancel()
    paper.cancel(404, order_id=OTHER)
    assert paper.found() == ["cancel.success.open"]
    nine = "00000000-0000-4000-8000-000000000009"
    paper.query(canceled(paper.now, id=nine), order_id=nine)
    assert paper.found() == ["cancel.effects.own-orders"]


def _lists(paper: Paper, *rows: str) -> None:
    _two(paper)
    paper.add("open_orders", "GET", "/spot/orders", 200, [order(), order(id=OTHER)])
    paper.cancel()
    paper.add("open_orders", "GET", "/spot/orders", 200, [order(id=name) for name in rows])
    paper.query(order(id=OTHER), order_id=OTHER)


def test_a_live_order_vanishes_from_the_list(paper: Paper) -> None:
    _lists(paper)
    assert paper.found() == ["cancel.effects.own-orders"]


def test_a_live_order_stays_in_the_list(paper: Paper) -> None:
    _lists(paper, OTHER)
    assert paper.found() == []


def test_a_list_of_all_markets(paper: Paper) -> None:
    """A canceled order may not be in it; what it leaves out is left open."""
    _two(paper)
    paper.add("open_orders", "GET", "/spot/orders", 200, [order(), order(id=OTHER)])
    paper.cancel()
    paper.add("open_orders", "GET", "/spot/orders", 200, [], query="limit=9")
    paper.query(order(id=OTHER), order_id=OTHER)
    assert paper.found() == []
    paper.add("open_orders", "GET", "/spot/orders", 200, [order()], query="limit=9")
    assert paper.found() == ["cancel.effects.not-listed"]


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ([{}], [{"filled_qty": "30"}], True),
        ([{}], [{"quantity": "50"}], True),
        ([{}], [{"price": "0.4"}], True),
        ([{}], [{"side": "sell"}], True),
        ([{}], [{}, {}], True),
        ([{}], [{"quantity": "100.00", "price": "0.5"}], False),
        ([{}], [{"updated_at": CREATED + 9, "status": "pending"}], False),
        pytest.param([], [{"quantity": "50"}], False, id="never right"),
        pytest.param([{"quantity": "70"}], [{"quantity": "50"}], False, id="of another form"),
        pytest.param([{}, {}], [{}, {}], False, id="always twice"),
    ],
)
def test_a_live_order_is_listed_otherwise(
    paper: Paper, before: list[dict[str, str]], after: list[dict[str, str]], found: bool
) -> None:
    _two(paper)
    paper.add("open_orders", "GET", "/spot/orders", 200, [order(id=OTHER, **row) for row in before])
    paper.cancel()
    paper.add("open_orders", "GET", "/spot/orders", 200, [order(id=OTHER, **row) for row in after])
    assert paper.found() == []  # somebody else may have done that, or it was read in between
    paper.query(order(id=OTHER), order_id=OTHER)
    assert paper.found() == (["cancel.effects.own-orders"] if found else [])


@pytest.mark.parametrize("canceled_between", [True, False])
def test_an_order_that_fills_is_listed_otherwise(paper: Paper, canceled_between: bool) -> None:
    """What a list makes of its fills is the list's own affair; and what no request can have done is nobody's."""
    _two(paper)
    paper.add("open_orders", "GET", "/spot/orders", 200, [order(id=OTHER)])
    if canceled_between:
        paper.cancel()
        paper.fill("30", maker=OTHER)
    shown = order(id=OTHER, quantity="70")
    paper.add("open_orders", "GET", "/spot/orders", 200, [shown])
    filled = {"filled_qty": "30", "avg_fill_price": "0.5", "status": "partially_filled"}
    paper.query(order(id=OTHER, **(filled if canceled_between else {})), order_id=OTHER)
    assert paper.found() == []


@pytest.mark.parametrize(
    ("cases", "others_fail", "found"), [(5, False, True), (4, False, False), (8, True, False)], ids=str
)
def test_queries_of_canceled_orders_that_fail(paper: Paper, cases: int, others_fail: bool, found: bool) -> None:
    """That is no passing trouble if it happens in several cases, and to no order that is not canceled."""
    paper.place()
    paper.query()
    if others_fail:
        paper.add("query_order", "GET", f"/spot/orders/{ORDER}", 500, "Internal Server Error")
    paper.cancel()
    for number in range(cases):
        paper.add("query_order", "GET", f"/spot/orders/{ORDER}", 500, "Internal Server Error").case = f"a::{number}"
    assert paper.found() == (["cancel.effects.terminal"] if found else [])


def test_what_is_believed_is_what_later_looks_are_compared_with(paper: Paper) -> None:
    """A lost answer, and a stranger's fill: the order is as it was found then."""
    partly = order(status="partially_filled", filled_qty="10", avg_fill_price="0.5")
    more = partly | {"filled_qty": "30", "updated_at": CREATED + 20}
    paper.place()
    paper.fill("10")
    paper.query(partly)
    paper.cancel(None)
    for _ in range(2):
        paper.query(more)
        paper.cancel(503)
    assert paper.found() == []


@pytest.mark.parametrize("known", [True, False])
def test_what_a_query_shows_otherwise_from_the_beginning(paper: Paper, known: bool) -> None:
    """It has not changed where it was shown of an order that nobody had tried to change."""
    paper.place()
    shown = order(quote_quantity="50")
    if known:
        paper.add("whose_order", "GET", f"/spot/orders/{ORDER}", 200, shown)
    paper.cancel(403, by="counterparty")
    paper.query(shown)
    assert bool(paper.found()) != known
