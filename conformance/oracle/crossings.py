"""Crossing the price of a canceled order and filling there: against that one, or against somebody else's.

A stranger's order at the same price is no mistake of the target, and neither is one of ours of which we do not
know (an answer to New Order was lost). So such a fill is a finding only if the canceled order shows it, in a query
or in its owner's trades, or if it comes again and again after a cancel and never without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from conformance.record import Exchange, Note

if TYPE_CHECKING:
    from conformance.oracle.judge import Judge

REPEATS = 3  # crossings with a control each that must all be alike


@dataclass(slots=True)
class Surprise:
    """A crossing that filled where nothing was left: the order canceled there, and what was tried since."""

    exchange: Exchange
    order: str
    exchanges: list[int] = field(default_factory=list)
    repeats: int = 0


def note_crossing(judge: Judge, note: Note) -> None:
    """The next crossing of a case comes after the cancel of this order, or of none (a control)."""
    judge.crossing[note.case] = str(note.data.get("after"))


def judge_crossing(judge: Judge, exchange: Exchange, filled: Decimal) -> None:
    """A crossing found nothing, as it must, or filled."""
    after = judge.crossing.pop(exchange.case, None)
    surprise = judge.surprises.get(exchange.case)
    if surprise is None:
        if filled == 0:
            judge.held(exchange.aim or "", exchange)
        elif after is not None:
            judge.surprises[exchange.case] = Surprise(exchange, after, [exchange.n])
        return
    surprise.exchanges.append(exchange.n)
    if (filled > 0) == (after == "nothing"):
        surprise.repeats = -REPEATS  # a control that fills, or a cancel that does not show it: no proof any more
    elif filled > 0:
        surprise.repeats += 1
        if surprise.repeats >= REPEATS:
            _broken(judge, surprise, exchange)


def judge_volumes(judge: Judge, exchange: Exchange, volume: Mapping[str, Decimal]) -> None:
    """A list of own fills: whether it has more of a canceled order than there were before the cancel."""
    surprise = judge.surprises.get(exchange.case)
    if surprise is None or exchange.auth is None:
        return
    for order_id, quantity in volume.items():
        order = judge.ledger.get(order_id)
        if order is None or order.account != exchange.auth.account or quantity <= order.filled:
            continue
        if order.id == surprise.order or (order.exact and order.canceled_by == "cancel"):
            surprise.order = order.id  # perhaps one that was canceled long before, at a better price
            _broken(judge, surprise, exchange)
            return


def explained(judge: Judge, case: str) -> None:
    """The canceled order itself has been seen to have filled, which is a finding of its own."""
    judge.surprises.pop(case, None)


def _broken(judge: Judge, surprise: Surprise, exchange: Exchange) -> None:
    judge.broken(
        surprise.exchange.aim or "",
        exchange,
        "an order that crosses the canceled order's price fills against it",
        "no fill",
        "filled",
        exchanges=sorted({*surprise.exchanges, exchange.n}),
        order=surprise.order,
    )
    judge.surprises.pop(exchange.case, None)
