"""Cancels that get no answer, or half of one, 429 or a 503 without an error, where all other requests are served.

A network that loses answers loses those to placings and reads as well, and a gateway that limits requests limits
all of them. So it is put down to the target only if it is most unlikely that chance has picked cancels alone: it
happened in many cases, and to no other kind of request.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from conformance.oracle.answers import TRANSIENT
from conformance.oracle.bodies import is_infrastructure, is_transient
from conformance.oracle.extras import also_right
from conformance.oracle.ids import IdKind, id_segment, read_id
from conformance.oracle.unavailable import is_hang
from conformance.record import Exchange

if TYPE_CHECKING:
    from conformance.oracle.judge import Judge

_OTHERS = ("new_order", "query_order", "open_orders", "my_trades")
_GATEWAY = frozenset({502, 504, *range(520, 525)})  # what stands before the exchange has had no answer from it
_FEWEST = 8  # cases
_FEW = 2  # cancels
_MANY, _LONG_S = 20, 30.0  # cancels, and s
_CHANCE = 1e-3
_MOST = 12  # refusals in a row: more are not waited for
_SHOWN = 5  # exchanges in the finding
_KINDS = {  # what it breaks, and how it is told
    "lost": ("cancel.answers.in-time", "a cancel got no answer, or no whole one", "an answer"),
    "limited": ("cancel.answers.status", "a cancel got 429", "a documented answer: cancels have no weight"),
    "speechless": (
        "cancel.unavailable.form",
        "a cancel got a 503 that does not say which",
        "the error of the 503: " + " or ".join(TRANSIENT),
    ),
}


class Silence:
    """Counts requests by whether they were served. What failed several times in one case counts once."""

    def __init__(self) -> None:
        self.cancels = self.others = 0
        self._lost = 0  # cancels without an answer
        self._busy = 0  # cancels with a documented 503, but for those that were told of already
        self._succeeded = False  # whether any cancel has
        # 503s since a cancel has succeeded: how many, the start of the first, the end of the last
        self._refused = (0, 0.0, 0.0)
        self.spared = set(_KINDS)  # the kinds of trouble that no other request has met
        self.met: dict[str, dict[str, Exchange]] = {kind: {} for kind in _KINDS}  # by case: a cancel that met it
        self._lets_flaws_by = False  # whether a cancel with a spoiled credential got another answer than 429

    def add(self, exchange: Exchange, base_path: str) -> None:
        """Count an exchange, but for those that are sent at once or may be dropped on the way for what they are."""
        response = exchange.response
        kind = "" if response is not None and response.status < 429 else _trouble(exchange)
        if exchange.op in _OTHERS:
            self.others += 1
            self.spared.discard(kind)
        elif exchange.op == "cancel_order" and exchange.driver != "overload":
            self.cancels += 1
            self._lost += response is None
            self._busy += response is not None and is_transient(response)
            if response is not None and response.status in (200, 503):
                self._count_refusal(exchange, response.status == 503)
            self._succeeded = self._succeeded or (response is not None and response.status == 200)
            self._lets_flaws_by |= response is not None and response.status != 429 and _is_flawed(exchange)
            if kind and exchange.request.body is None and _is_plain(exchange, base_path):
                self.met[kind].setdefault(exchange.case, exchange)

    def _count_refusal(self, exchange: Exchange, refused: bool) -> None:
        count, began, _ = self._refused
        self._refused = (count + 1, began if count else exchange.start, exchange.end) if refused else (0, 0.0, 0.0)

    def attempts(self, fewest: int, made: int = 0) -> int:
        """How many refusals in a row are no chance, where so many cancels get 503 (but for those just `made`)."""
        share = (self._busy - made) / max(self.cancels - made, 1)
        if share <= 0:
            return fewest
        likely = math.log(_CHANCE / self.cancels) / math.log(share) if share < 1 else _MOST
        return min(max(fewest, math.ceil(likely)), _MOST)

    def forget(self, refusals: int) -> None:
        """Of so many cancels that got 503 it is known why: they tell nothing of how often any other one does."""
        self._busy -= refusals

    @property
    def is_refusing(self) -> bool:
        """Whether cancels have been answered 503 for half a minute, many of them, and none has succeeded."""
        count, began, ended = self._refused
        return count >= _MANY and ended - began >= _LONG_S

    @property
    def is_likely(self) -> bool:
        """Whether some cancels got no answer, and none has succeeded so far."""
        return self._lost >= _FEW and not self._succeeded

    @property
    def is_certain(self) -> bool:
        """Whether chance has no part in it."""
        return any(map(self._is_certain, _KINDS))

    @property
    def is_silent(self) -> bool:
        """Whether that is certain of cancels without an answer."""
        return self._is_certain("lost")

    @property
    def is_total(self) -> bool:
        """Whether that is certain, and no cancel at all has been answered."""
        return self._lost == self.cancels and self.is_silent

    def _counted(self, kind: str) -> list[Exchange]:
        """Those that met it, without bad logins of which only so many a second are answered."""
        met = list(self.met[kind].values())  # another thread may add to it
        return [e for e in met if not (kind == "limited" and self._lets_flaws_by and _is_flawed(e))]

    def _is_certain(self, kind: str) -> bool:
        count = len(self._counted(kind))
        if kind not in self.spared or count < _FEWEST:
            return False
        return (self.cancels / (self.cancels + self.others)) ** count < _CHANCE

    def judge(self, judge: Judge) -> None:
        """Say so at the end of a record."""
        for kind, (requirement, what, expected) in _KINDS.items():
            if not self._is_certain(kind):
                continue
            met = self._counted(kind)
            seen = met[0].error or str(met[0].response.status if met[0].response else None)
            judge.broken(
                requirement,
                met[0],
                f"in {len(met)} cases {what}, and {self.others} other requests did not meet that",
                expected,
                seen,
                exchanges=[exchange.n for exchange in met][:_SHOWN],
                key=kind,
            )


def _trouble(exchange: Exchange) -> str:
    """Which kind of trouble a request met, empty if none of these."""
    response = exchange.response
    if response is None:
        return "lost" if is_hang(exchange) else ""
    if response.status == 503:
        return "speechless" if is_infrastructure(response) else ""
    return "lost" if response.status in _GATEWAY else "limited" if response.status == 429 else ""


def _is_flawed(exchange: Exchange) -> bool:
    return exchange.auth is None or exchange.auth.flaw is not None


def _is_plain(exchange: Exchange, base_path: str) -> bool:
    if also_right(exchange):  # it can be refused in some way for what it carries beyond the page
        return False
    segment = id_segment(exchange.request.target, base_path)
    return segment is not None and read_id(segment).kind is IdKind.UUID
