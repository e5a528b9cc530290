"""Keeps the orders of concurrent users apart, on the book and in the journal."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from conformance.record import Exchange
from conformance.target.journal import SLACK_S, Journal
from conformance.target.market import Band, Rules

_PRICES = 400  # prices far from the market that users are spread over; beyond that they differ in quantity


@dataclass(frozen=True)
class UserRules(Rules):
    """A market's rules with `extra` lots on top of each quantity."""

    extra: int = 0

    def quantity(self, price: Decimal, units: Decimal | int = 1) -> Decimal:
        """The smallest quantity that is surely enough, plus this user's extra."""
        return super().quantity(price, units) + self.extra * self.lot


@dataclass(frozen=True)
class UserBand(Band):
    """A band with one price far from the market on each side that is this user's own."""

    slot: int = 0

    def resting(self, side: str, step: int = 0) -> Decimal:
        """The user's price far from the market, whatever the step."""
        return super().resting(side, self.slot)


def band_of(band: Band, number: int) -> UserBand:
    """The band of user `number`: no other user's resting orders have both its price and its quantity.

    So an order whose answer was lost is known again among the open orders.
    """
    room = int(band.resting("buy") / band.rules.tick / 2)
    prices = max(1, min(_PRICES, room))
    rules = UserRules(band.rules.symbol, band.rules.tick, band.rules.lot, band.rules.min_notional, number // prices)
    return UserBand(rules, band.floor, band.ceil, band.quiet, number % prices)


class UsersJournal(Journal):
    """A journal for concurrent users: each looks for its own lost orders only; ended ones are not kept in memory.

    An order that is under way is not lost: who took it for lost would cancel it behind its user's back.
    """

    def __init__(self, directory: Path, base_url: str, *, embedded: bool = False) -> None:
        self._owner: dict[int, int] = {}
        self._lost: set[int] = set()
        self._main = threading.get_ident()
        super().__init__(directory, base_url, embedded=embedded)

    def placing(self, n: int, account: str, body: str, at: float, within: float = SLACK_S) -> None:
        """As `Journal.placing`; the order belongs to the thread (or greenlet) that sends it."""
        self._owner[n] = threading.get_ident()
        super().placing(n, account, body, at, within)

    def placed(self, n: int, order_id: str | None) -> None:
        """As `Journal.placed`."""
        self._owner.pop(n, None)
        super().placed(n, order_id)

    def hear(self, exchange: Exchange) -> None:
        """An exchange has ended: a placing whose answer told nothing is lost from now on."""
        if exchange.op == "new_order" and exchange.n in self._owner:
            self._lost.add(exchange.n)

    def unanswered(self) -> list[dict[str, Any]]:
        """The lost placings of the caller; those of everybody for the thread that made this journal."""
        caller = threading.get_ident()
        return [
            intent
            for intent in super().unanswered()
            if intent["place"] in self._lost and caller in (self._main, self._owner[intent["place"]])
        ]

    def forget(self, intents: list[dict[str, Any]]) -> None:
        """As `Journal.forget`."""
        super().forget(intents)
        for intent in intents:
            self._owner.pop(intent["place"], None)
            self._lost.discard(intent["place"])

    def ended(self, order_id: str, *, seen: bool = True) -> None:
        """As `Journal.ended`; an order that has ended is not listed any more, so it need not be known."""
        super().ended(order_id, seen=seen)
        self._known.discard(order_id.lower())
