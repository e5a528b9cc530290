"""What trading at a canceled order's price shows, and whom a surprise is blamed on."""

from __future__ import annotations

import pytest

from conformance.record import Note, Take

from .rows import ORDER, OTHER, Paper, canceled, order

OFF_BOOK = "cancel.effects.off-book"
OWN = "cancel.effects.own-orders"
THIRD = "2c5ea4c0-4067-41fe-8bad-1b1b4d6b5a11"


def _cross(paper: Paper, after: str, filled: str, *, n: int = 0) -> None:
    paper.rows.append(Note("crossing", "paper::case", {"after": after}))
    taker = order(
        id=f"00000000-0000-4000-8000-{n:012d}",
        side="sell",
        tif="ioc",
        quantity="10",
        filled_qty=filled,
        status="canceled",
    )
    paper.place(taker, takes=[], by="counterparty", aim=OFF_BOOK, expect="unfilled")


def _trades(paper: Paper, *ids: str) -> None:
    paper.add("my_trades", "GET", "/spot/trades/me", 200, [{"order_id": one, "quantity": "10"} for one in ids])


def test_canceled_order_does_not_fill(paper: Paper) -> None:
    paper.place()
    paper.cancel()
    _cross(paper, ORDER, "0")
    assert paper.found() == []
    assert paper.judge().tallies[OFF_BOOK].checks


@pytest.mark.parametrize("shown_by", ["trades", "query"])
def test_canceled_order_fills_and_shows_it(paper: Paper, shown_by: str) -> None:
    paper.place()
    paper.cancel()
    final = canceled(paper.now - 0.1)
    _cross(paper, ORDER, "10")
    if shown_by == "trades":
        _trades(paper, ORDER)
    else:
        paper.query(final | {"filled_qty": "10", "avg_fill_price": "0.5"})
    assert paper.found() == [OFF_BOOK]


def _again(paper: Paper, control: str, after: str, times: int) -> None:
    paper.place()
    paper.cancel()
    _cross(paper, ORDER, "10")
    _trades(paper)
    for n in range(times):
        _cross(paper, "nothing", control, n=2 * n + 1)
        _cross(paper, ORDER, after, n=2 * n + 2)


@pytest.mark.parametrize(
    ("control", "after", "times", "found"),
    [
        pytest.param("0", "10", 3, True, id="after a cancel only, each time"),
        pytest.param("0", "10", 2, False, id="not often enough"),
        pytest.param("10", "10", 3, False, id="without a cancel as well"),
        pytest.param("0", "0", 3, False, id="never again"),
    ],
)
def test_a_fill_that_no_read_explains(paper: Paper, control: str, after: str, times: int, found: bool) -> None:
    """A stranger's order, or one of ours whose placing was never answered, may have been in the way."""
    _again(paper, control, after, times)
    assert paper.found() == ([OFF_BOOK] if found else [])


def _take(paper: Paper, maker: str, filled: str) -> None:
    taker = order(
        id="00000000-0000-4000-8000-000000000099",
        side="sell",
        tif="ioc",
        quantity="10",
        filled_qty=filled,
        status="filled" if filled == "10" else "canceled",
    )
    takes = [Take(maker, "0.5", "10")]
    paper.place(taker, takes=takes, by="counterparty", aim=OWN, expect="filled")


@pytest.mark.parametrize("filled", ["0", "3"])
def test_live_order_that_nothing_fills_against(paper: Paper, filled: str) -> None:
    paper.place()
    paper.place(order(id=OTHER))
    paper.cancel()
    _take(paper, OTHER, filled)
    paper.query(order(id=OTHER), order_id=OTHER)
    assert paper.found() == [OWN]


@pytest.mark.parametrize(
    "shown", [{"filled_qty": "4", "status": "partially_filled"}, {"filled_qty": "100", "status": "filled"}]
)
def test_live_order_that_somebody_else_took(paper: Paper, shown: dict[str, str]) -> None:
    paper.place()
    paper.place(order(id=OTHER))
    paper.cancel()
    _take(paper, OTHER, "0")
    paper.query(order(id=OTHER, avg_fill_price="0.5", **shown), order_id=OTHER)
    assert paper.found() == []


@pytest.mark.parametrize(("price", "found"), [("0.5000", False), ("0.6000", False), ("0.4000", True)])
def test_one_whose_cancel_was_given_up_may_be_ahead(paper: Paper, price: str, found: bool) -> None:
    """An order of another case that is still live may have filled in place of this one, if its price is as good."""
    paper.place(order(id=THIRD, price=price))
    paper.cancel(503, order_id=THIRD)
    for row in paper.rows[2:]:
        row.case = "another::case"  # type: ignore[union-attr]
    paper.place()
    paper.place(order(id=OTHER))
    paper.cancel()
    _take(paper, OTHER, "3")
    paper.query(order(id=OTHER), order_id=OTHER)
    assert paper.found() == ([OWN] if found else [])


@pytest.mark.parametrize(("price", "found"), [("0.5000", False), ("0.6000", False), ("0.4000", True)])
def test_what_was_planned_to_fill_behind_another_order_may_not_have(paper: Paper, price: str, found: bool) -> None:
    """The fill was another order's, one that was given up: of the planned one's fills nothing is known then."""
    paper.place(order(id=OTHER, price=price))
    paper.cancel(503, order_id=OTHER)
    paper.place()
    paper.fill("10")
    paper.cancel()  # answers that nothing has filled
    assert bool(paper.found()) == found


@pytest.mark.parametrize("quiet", [True, False])
def test_a_fill_that_was_not_planned_may_be_that_of_a_live_order(paper: Paper, quiet: bool) -> None:
    """Where others trade, the order that was to fill may have been another one, and so has not."""
    paper.rows.append(Note("market", data={"tick": "0.0001", "quiet": quiet}))
    paper.place()
    _cross(paper, "nothing", "10")
    paper.cancel(404)
    assert bool(paper.found()) == quiet


@pytest.mark.parametrize("price", ["0.5000", "0.4000", "0.6000"])
def test_later_order_fills_first(paper: Paper, price: str) -> None:
    """That is right for one of a better price only."""
    paper.place()
    paper.place(order(id=OTHER))
    paper.place(order(id=THIRD, price=price))
    paper.cancel()
    _take(paper, OTHER, "10")
    paper.query(order(id=OTHER), order_id=OTHER)
    shown = order(id=THIRD, price=price, filled_qty="10", avg_fill_price=price, status="partially_filled")
    paper.query(shown, order_id=THIRD)
    assert paper.found() == ([] if price == "0.6000" else [OWN])


def test_an_order_that_was_to_fill_is_canceled_unasked(paper: Paper) -> None:
    paper.place()
    paper.place(order(id=OTHER))
    paper.place(order(id=THIRD))
    paper.cancel()
    _take(paper, OTHER, "10")
    paper.query(order(id=OTHER, status="canceled"), order_id=OTHER)
    assert paper.found() == [OWN]


@pytest.mark.parametrize(("own", "found"), [(True, False), (False, True)])
def test_a_probe_that_is_refused_as_a_self_trade(paper: Paper, own: bool, found: bool) -> None:
    """A market order crosses every order of its own account, be it that it would meet another one first."""
    paper.place()
    paper.place(order(id=OTHER))
    if own:
        paper.place(order(id=THIRD, price="0.1000"), by="counterparty")
    paper.cancel()
    sent = {"symbol": "DFUSDT", "side": "sell", "type": "market", "quantity": "10"}
    probe = {
        "by": "counterparty",
        "sent": sent,
        "takes": [Take(OTHER, "0.5", "10")],
        "aim": OWN,
        "expect": "filled",
    }
    paper.add("new_order", "POST", "/spot/orders", 400, {"error": "SELF_TRADE"}, **probe)
    paper.query(order(id=OTHER), order_id=OTHER)
    assert bool(paper.found()) == found


def _post_only(paper: Paper, error: str | None) -> None:
    sent = {"symbol": "DFUSDT", "side": "sell", "type": "limit", "tif": "post_only", "price": "0.5000"}
    answer = {"error": error} if error else order(id=THIRD, side="sell", tif="post_only")
    status = 400 if error else 200
    args = {"by": "counterparty", "sent": sent, "aim": OFF_BOOK, "expect": "rests"}
    paper.add("new_order", "POST", "/spot/orders", status, answer, **args)


@pytest.mark.parametrize(
    ("errors", "filled", "found"),
    [
        pytest.param(["POST_ONLY_REJECT", "POST_ONLY_REJECT"], "0", True, id="twice, and nothing is there"),
        pytest.param(["POST_ONLY_REJECT", "POST_ONLY_REJECT"], "10", False, id="somebody is there"),
        pytest.param(["POST_ONLY_REJECT", None], "0", False, id="once"),
        pytest.param(["INVALID_TICK", "INVALID_TICK"], "0", False, id="for another reason"),
    ],
)
def test_no_room_where_an_order_was_canceled(
    paper: Paper, errors: list[str | None], filled: str, found: bool
) -> None:
    paper.place()
    paper.cancel()
    for n, error in enumerate(errors):
        _post_only(paper, error)
        if error:
            _cross(paper, ORDER, filled, n=n)
    assert paper.found() == ([OFF_BOOK] if found else [])


def _own_crossing(paper: Paper, error: str | None, n: int) -> None:
    sent = {"symbol": "DFUSDT", "side": "sell", "type": "limit", "tif": "ioc", "price": "0.5000"}
    answer = {"error": error} if error else order(id=f"{THIRD[:-1]}{n}", side="sell", tif="ioc", status="canceled")
    status = 400 if error else 200
    args = {"sent": sent, "takes": [], "aim": OFF_BOOK, "expect": "no self-trade"}
    paper.add("new_order", "POST", "/spot/orders", status, answer, **args)


@pytest.mark.parametrize(("before", "found"), [(None, True), ("SELF_TRADE", False)])
def test_self_trade_with_a_canceled_order(paper: Paper, before: str | None, found: bool) -> None:
    """Only if the same order was accepted before the canceled one was placed."""
    _own_crossing(paper, before, 1)
    paper.place()
    paper.cancel()
    _own_crossing(paper, "SELF_TRADE", 2)
    assert paper.found() == ([OFF_BOOK] if found else [])


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        pytest.param([], True, id="no open order"),
        pytest.param([order(id=OTHER, price="0.4")], True, id="none in the way"),
        pytest.param([order(id=OTHER)], False, id="one in the way"),
        pytest.param(
            [order(id=f"{n:08d}-0000-4000-8000-000000000000", price="0.4") for n in range(20)], False, id="cut"
        ),
    ],
)
def test_self_trades_that_no_open_order_explains(
    paper: Paper, listed: list[dict[str, object]], found: bool
) -> None:
    paper.place()
    paper.cancel()
    sent = {"symbol": "DFUSDT", "side": "sell", "type": "limit", "tif": "gtc", "price": "0.5000"}
    for _ in range(2):
        paper.add("new_order", "POST", "/spot/orders", 400, {"error": "SELF_TRADE"}, sent=sent)
        paper.add("open_orders", "GET", "/spot/orders", 200, listed)
    assert paper.found() == ([OFF_BOOK] if found else [])


def test_a_self_trade_with_an_order_that_was_canceled_afterwards(paper: Paper) -> None:
    """What stood in the way may be canceled before the open orders are listed."""
    sent = {"symbol": "DFUSDT", "side": "sell", "type": "limit", "tif": "gtc", "price": "0.5000"}
    for one in (ORDER, OTHER):
        paper.place(order(id=one))
        paper.add("new_order", "POST", "/spot/orders", 400, {"error": "SELF_TRADE"}, sent=sent)
        paper.cancel(answer=canceled(paper.now, id=one), order_id=one)
        paper.add("open_orders", "GET", "/spot/orders", 200, [])
    assert paper.found() == []
