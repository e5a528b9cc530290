"""Cancels that get no answer, or half of one, where all other requests get theirs.

A network that loses answers loses those to placings and reads as well. So it is put down to the target only if it
is most unlikely that chance has picked cancels alone: lost in many cases, while no other kind of request was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.oracle.ids import IdKind, id_segment, read_id
from conformance.oracle.unavailable import is_hang
from conformance.record import Exchange

if TYPE_CHECKING:
    from conformance.oracle.judge import Judge

_OTHERS = ("new_order", "query_order", "open_orders", "my_trades")
_GATEWAY = (502, 504)  # what stands before the exchange has had no answer from it
_FEWEST = 8  # cases
_CHANCE = 1e-3
_SHOWN = 5  # exchanges in the finding


class Silence:
    """Counts requests by whether they were answered. What failed at once in one case counts once."""

    def __init__(self) -> None:
        self.cancels = self.others = self.others_lost = 0
        self.lost: dict[str, Exchange] = {}  # by case: a cancel without an answer

    def add(self, exchange: Exchange, base_path: str) -> None:
        """Count an exchange, but for those that are sent at once or may be dropped on the way for what they are."""
        if exchange.op in _OTHERS:
            self.others += 1
            self.others_lost += _is_lost(exchange)
        elif exchange.op == "cancel_order" and exchange.driver != "overload":
            self.cancels += 1
            if _is_lost(exchange) and exchange.request.body is None and _is_plain(exchange, base_path):
                self.lost.setdefault(exchange.case, exchange)

    @property
    def is_certain(self) -> bool:
        """Whether chance has no part in it."""
        if self.others_lost or len(self.lost) < _FEWEST:
            return False
        return (self.cancels / (self.cancels + self.others)) ** len(self.lost) < _CHANCE

    def judge(self, judge: Judge) -> None:
        """Say so at the end of a record."""
        if not self.is_certain:
            return
        first = next(iter(self.lost.values()))
        judge.broken(
            "cancel.answers.in-time",
            first,
            f"in {len(self.lost)} cases a cancel got no answer, or no whole one; {self.others} other requests did",
            "an answer",
            first.error or f"{first.response.status if first.response else 'none'}",
            exchanges=[exchange.n for exchange in self.lost.values()][:_SHOWN],
            key="silence",
        )


def _is_lost(exchange: Exchange) -> bool:
    response = exchange.response
    return is_hang(exchange) if response is None else response.status in _GATEWAY


def _is_plain(exchange: Exchange, base_path: str) -> bool:
    segment = id_segment(exchange.request.target, base_path)
    return segment is not None and read_id(segment).kind is IdKind.UUID
