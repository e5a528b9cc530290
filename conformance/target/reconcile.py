"""Leaves nothing behind: cancels what the journal says may be live, and finds orders whose answer was lost."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from conformance.oracle.bodies import try_parse
from conformance.record import Exchange
from conformance.target.journal import Left
from conformance.target.recover import cancel_ghost
from conformance.target.trouble import Trouble
from conformance.target.venue import Venue

_LIVE = ("open", "partially_filled")
_TRIES = 8
_GIVE_UP = 2  # orders in a row that the target could not be asked about, after which it is not asked any more
_SETTLE_S = 3.0  # a placing that was cut off may still arrive: the open orders are listed again after this time


@dataclass
class Outcome:
    """What a clean-up came to.

    `left` orders of ours could not be seen to have ended; `canceled` were still live; `foreign` orders on the
    accounts are none of ours and were left alone; `listed` says whether the target listed its open orders; `silent`
    and `stuck` count how often patience ended: in a row, and at all.
    """

    left: int = 0
    canceled: int = 0
    foreign: int = 0
    listed: bool = True
    silent: int = 0
    stuck: int = 0

    def note(self) -> dict[str, Any]:
        """What the record says of it."""
        return {"canceled": self.canceled, "foreign": self.foreign, "listed": self.listed}


def reconcile(venue: Venue, left: Left) -> Outcome:
    """End every order that the journal leaves open, and only those; ask the target for the rest."""
    outcome = Outcome()
    venue.restart("cleanup", "cleanup")
    youngest = max((float(intent["at"]) for intent in left.unanswered), default=0.0)
    time.sleep(min(max(0.0, youngest + _SETTLE_S - time.time() - venue.clock.offset), _SETTLE_S))
    for name in venue.settings.accounts:
        _reconcile(venue, left, name, outcome)
    # orders of an account whose credentials are not at hand any more
    outcome.left += sum(account not in venue.settings.accounts for account in left.orders.values())
    return outcome


def _reconcile(venue: Venue, left: Left, name: str, outcome: Outcome) -> None:
    mine = {order_id for order_id, account in left.orders.items() if account == name}
    lost = [intent for intent in left.unanswered if intent["account"] == name]
    rows = None
    if outcome.silent < _GIVE_UP:
        try:
            rows = venue.open_orders(name, left.symbol)
        except Trouble:
            outcome.silent += 1
    if rows is None:
        outcome.listed = False
        mine |= {order_id for order_id, account in left.said.items() if account == name}
        outcome.left += len(lost)  # nobody can say whether these came to be
    else:
        listed = {str(row.get("id")).lower() for row in rows}
        ours = (listed & left.ids) | left.lost(name, rows)
        outcome.foreign += len(listed - ours)
        mine |= ours
    for order_id in sorted(mine):
        ended, was_live = _end(venue, name, order_id, outcome) if outcome.silent < _GIVE_UP else (False, False)
        outcome.left += not ended
        outcome.canceled += was_live


def _end(venue: Venue, name: str, order_id: str, outcome: Outcome) -> tuple[bool, bool]:
    """Whether an order is seen to have ended, and whether it took a cancel of ours to end it."""
    canceled, refusals = False, 0
    # where some orders are refused for the time being without end, the others are not waited for as long
    for attempt in range(_TRIES if outcome.stuck < _GIVE_UP else 2):
        try:
            look = venue.get("query_order", f"/spot/orders/{order_id}", name)
            if look.response is not None and look.response.status == 401:
                outcome.silent += 1  # these credentials will not be let in for the next order either
                return False, canceled
            outcome.silent, status = 0, _status(look)
            if status is not None and status not in _LIVE:
                return True, canceled
            if venue.judge.ledger.get(order_id) is None:
                exchange = cancel_ghost(venue, name, order_id)
            else:
                exchange = venue.send(venue.cancel_call(order_id, by=name))
            answer = exchange.response.status if exchange.response else None
            if answer == 200:
                canceled = True
            if answer in (200, 404) and status is None:
                return True, canceled
            refusals += answer in (400, 401, 403, 404)
            if refusals >= 2:
                return False, canceled  # refused for good, though it is live: waiting does not help
        except Trouble:  # the query was patient already
            outcome.silent += 1
            if outcome.silent >= _GIVE_UP:
                break
        if attempt and not canceled:
            venue.pause(min(attempt, 3))
    outcome.stuck += 1
    return False, canceled


def _status(exchange: Exchange) -> str | None:
    body = try_parse(exchange.response) if exchange.response is not None else None
    return str(body["status"]) if isinstance(body, dict) and "status" in body else None
