"""Whether orders keep their place in the book when another one is canceled: each fills in its turn."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from conformance.oracle.amounts import decimal_of, plain
from conformance.oracle.ledger import LIVE, Order
from conformance.record import Exchange

if TYPE_CHECKING:
    from conformance.oracle.judge import Judge


def stood_aside(judge: Judge, exchange: Exchange, order: Order, body: dict[str, Any]) -> None:
    """Whether an order that another one was to fill against is live after that, with nothing more filled.

    It was at the best price all the while, or at one as good. So if that other order found too little, then this
    one has left the book; and if it filled against one behind this one, then this one has lost its place. Or it is
    shown as canceled, and nobody has canceled it.
    """
    unmet, met = judge.unmet.pop(order.id, None), judge.met.pop(order.id, None)
    probe, ended = unmet or met, body.get("status") == "canceled" and order.canceled_by is None
    if probe is None or not (body.get("status") in LIVE or ended) or not judge.quiet:
        return  # where others trade, nobody knows what fills before it were those of strangers
    filled = decimal_of(body.get("filled_qty"))
    takes = (met.takes if met is not None else None) or []
    before = order.filled - sum(Decimal(take.quantity) for take in takes if take.order == order.id)
    meant = {take.order for take in probe.takes or ()}
    if filled is None or filled > before or judge.ledger.ahead_of(order, meant):
        return
    if ended:
        judge.broken(
            probe.aim or "",
            exchange,
            "a live order is canceled that no request named",
            "an order that crosses its price fills against it",
            f"it is canceled, filled_qty {plain(filled)}",
            exchanges=[probe.n, exchange.n],
            order=order.id,
            key="ended",
        )
        return
    if met is not None:
        judge.passed_over[order.id] = met
        return
    judge.broken(
        probe.aim or "",
        exchange,
        "nothing fills against a live order any more, at whose price another order was canceled",
        "an order that crosses its price fills against it",
        "it is live and has not filled",
        exchanges=[probe.n, exchange.n],
        order=order.id,
        key="unmet",
    )


def was_preferred(judge: Judge, exchange: Exchange, order: Order) -> bool:
    """Whether an order filled in place of an earlier one of its price, which is said of the target then."""
    for order_id, probe in list(judge.passed_over.items()):
        earlier = judge.ledger.orders[order_id]
        if probe.case == exchange.case and _comes_before(earlier, order):
            del judge.passed_over[order_id]
            judge.broken(
                probe.aim or "",
                exchange,
                "an order fills before one that was ahead of it in the book",
                "the order of the better price fills first, and of one price the earlier order",
                "the order ahead of it is live and has not filled",
                exchanges=[probe.n, exchange.n],
                order=order.id,
                key="turn",
            )
            return True
    return False


def _comes_before(one: Order, other: Order) -> bool:
    """Whether an order is ahead of another of the same account in the book, by price or else by time."""
    if (one.account, one.side) != (other.account, other.side) or one.price is None or other.price is None:
        return False
    if one.price == other.price:
        return one.placed[1] <= other.placed[0]
    return one.has_better_price_than(other)


def judge_fill_probe(judge: Judge, exchange: Exchange, filled: Decimal) -> None:
    """An order that must meet live orders of ours. Whether it did, a look at those tells (`stood_aside`)."""
    takes = exchange.takes or []
    met = filled >= sum(Decimal(take.quantity) for take in takes)
    for take in takes:
        judge.met.pop(take.order, None)
        judge.unmet.pop(take.order, None)
        (judge.met if met else judge.unmet)[take.order] = exchange
