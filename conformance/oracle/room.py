"""Whether a canceled order is still in the way of others: of post-only orders, and of its owner's own."""

from __future__ import annotations

from collections.abc import Container
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from conformance.oracle import lists
from conformance.oracle.amounts import decimal_of
from conformance.oracle.bodies import sent_in
from conformance.oracle.ledger import Order, State
from conformance.record import Exchange

if TYPE_CHECKING:
    from conformance.oracle.judge import Judge

REJECTIONS = 2  # refused post-only orders, each followed by one that finds nothing, before that is believed


def judge_rest_probe(judge: Judge, exchange: Exchange, accepted: bool, error: Any) -> None:
    """A post-only order where a canceled one stood. Refused, it waits for orders that find nothing there."""
    if accepted:
        judge.rejected.pop(exchange.case, None)
        judge.held(exchange.aim or "", exchange)
    elif error == "POST_ONLY_REJECT":
        judge.rejected.setdefault(exchange.case, []).append(exchange)


def judge_rejected(judge: Judge, exchange: Exchange) -> None:
    """An order found nothing at a price: twice after a post-only order was refused there, that was wrong."""
    rejected = judge.rejected.get(exchange.case, [])
    if len(rejected) < REJECTIONS or any(not _alike(one, exchange) for one in rejected):
        return
    judge.broken(
        exchange.aim or "",
        rejected[-1],
        "a post-only order is refused where only the canceled order stood; others find nothing there",
        "the order rests",
        "POST_ONLY_REJECT",
        exchanges=[*(one.n for one in rejected), exchange.n],
        key="post-only",
    )
    del judge.rejected[exchange.case]


def judge_self_trade_probe(judge: Judge, exchange: Exchange, accepted: bool, error: Any) -> None:
    """An order of the caller across the price of its canceled one; before that was placed, it was accepted."""
    earlier = judge.controls.get(exchange.case)
    if accepted:
        judge.controls[exchange.case] = exchange
        if earlier is not None:
            judge.held(exchange.aim or "", exchange)
    elif error == "SELF_TRADE" and earlier is not None and _alike(earlier, exchange):
        judge.broken(
            exchange.aim or "",
            exchange,
            "the caller's order is refused as a self-trade with the canceled order",
            "the order is accepted, as it was before",
            "SELF_TRADE",
            exchanges=[earlier.n, exchange.n],
            key="self-trade",
        )


def is_self_trade(
    judge: Judge, exchange: Exchange, sent: dict[str, Any], besides: Container[Decimal | None] = ()
) -> bool:
    """Whether an order crossed one of its own account (`besides` those at some prices), even behind another one."""
    price = decimal_of(sent.get("price"))
    return exchange.auth is not None and any(
        order.price not in besides and _meets_order(sent, price, order)
        for order in reversed(judge.ledger.orders.values())  # the one in the way is mostly a new one
        if order.account == exchange.auth.account
        and (order.canceled[1] >= exchange.start if order.canceled else order.state in (State.LIVE, State.UNSURE))
    )


def take_clash(judge: Judge, exchange: Exchange, sent: dict[str, Any]) -> None:
    """Remember an order that was refused as a self-trade, unless it was sent while one stood in its way."""
    assert exchange.auth is not None
    if not is_self_trade(judge, exchange, sent):
        judge.clashes[exchange.auth.account] = exchange


def judge_clashes(judge: Judge, exchange: Exchange) -> None:
    """Look through a list of open orders for what orders would have met that were refused as self-trades.

    If none on the list would, twice in a row, then it was a canceled one that is still in the book.
    """
    if exchange.auth is None or exchange.response is None or exchange.response.status != 200:
        return
    if not lists.is_of_market(exchange):
        return
    clash = judge.clashes.pop(exchange.auth.account, None)
    items = lists.listed_in(exchange) if clash is not None else None
    if clash is None or items is None or len(items) >= lists.SHORT:
        return
    sent = sent_in(clash)
    price = decimal_of(sent.get("price"))
    met = [item for item in items if _meets(sent, price, item)]
    gone = [
        order
        for order in judge.ledger.orders.values()
        if order.account == exchange.auth.account
        and order.canceled_by == "cancel"
        and _meets_order(sent, price, order)
    ]
    unexplained = judge.unexplained.pop(exchange.auth.account, None)
    if met or not gone or price is None:
        return
    if unexplained is None or not _alike(unexplained, clash):
        judge.unexplained[exchange.auth.account] = clash
        return
    judge.broken(
        "cancel.effects.off-book",
        clash,
        "an order is refused as a self-trade although none of the caller's open orders is in its way",
        "the order is accepted",
        "SELF_TRADE",
        exchanges=[unexplained.n, clash.n, exchange.n],
        order=gone[-1].id,
        key="self-trade",
    )


def _meets(sent: dict[str, Any], price: Decimal | None, item: dict[str, Any]) -> bool:
    """Whether an order that is sent would trade with a resting one."""
    theirs = decimal_of(item.get("price"))
    if sent.get("symbol") != item.get("symbol") or sent.get("side") == item.get("side"):
        return False
    if price is None or theirs is None:
        return True
    return theirs <= price if sent.get("side") == "buy" else theirs >= price


def _meets_order(sent: dict[str, Any], price: Decimal | None, order: Order) -> bool:
    """The same for one that the ledger has."""
    return _meets(sent, price, {"symbol": order.symbol, "side": order.side, "price": str(order.price)})


def _alike(one: Exchange, other: Exchange) -> bool:
    """Whether two orders are of the same side and price."""
    a, b = sent_in(one), sent_in(other)
    return all(a.get(name) == b.get(name) for name in ("symbol", "side", "price"))
