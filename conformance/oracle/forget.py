"""Lets a judge forget what no row will speak of again, so that its memory does not grow with the record."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from conformance.oracle.ledger import State

if TYPE_CHECKING:
    from conformance.oracle.judge import Judge

_ANSWERS = 20_000  # exchanges whose bare outcome is kept: notes speak of the latest only
_LISTINGS = 100
KEPT = 20_000  # orders; a whole run places fewer
_AT_ONCE = 2_000  # orders that are forgotten together


def forget(judge: Judge, order_id: str) -> None:
    """Drop an order that has ended and that nobody will name again; what is undecided about it is settled first.

    An order that may still be on the book stays. To be called only by who keeps the promise: a later request for
    the order would be judged as one for an order that never was.
    """
    order = judge.ledger.get(order_id)
    if order is None or order.state in (State.LIVE, State.UNSURE):
        return
    judge.settle(order.id)
    judge.unlisted.discard(order.id)
    judge.refused_for_now.discard(order.id)
    tables: tuple[dict[str, Any], ...] = (judge.missing, judge.well_listed, judge.misshown, judge.attempted)
    for table in (*tables, judge.met, judge.unmet, judge.passed_over):
        table.pop(order.id, None)
    judge.ledger.orders.pop(order.id, None)


def retire(judge: Judge) -> None:
    """Forget the oldest of more than `KEPT` orders that have ended, and whose case has.

    What still names one of them is not judged: its id is remembered, and nothing else.
    """
    orders = judge.ledger.orders
    if len(orders) < KEPT + _AT_ONCE:
        return
    for order in list(itertools.islice(orders.values(), _AT_ONCE)):
        if order.state not in (State.LIVE, State.UNSURE) and not judge.is_under_way(order.case):
            judge.retired.add(hash(order.id))
            forget(judge, order.id)


def trim(judge: Judge) -> None:
    """Drop the oldest of what is kept for each exchange and each listing."""
    _shorten(judge.answers, _ANSWERS)
    _shorten(judge.traded, _LISTINGS)


def _shorten(table: dict[int, Any], most: int) -> None:
    for key in list(itertools.islice(table, max(0, len(table) - most))):
        del table[key]
