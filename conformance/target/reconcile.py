"""Leaves nothing behind: cancels what the journal says may be live, and finds orders whose answer was lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from conformance.oracle.bodies import try_parse
from conformance.record import Exchange
from conformance.target.journal import Left
from conformance.target.trouble import Trouble
from conformance.target.venue import Venue

_LIVE = ("open", "partially_filled")
_TRIES = 8


@dataclass
class Outcome:
    """What a clean-up came to.

    `left` orders of ours could not be seen to have ended; `canceled` were still live; `foreign` orders on the
    accounts are none of ours and were left alone; `listed` says whether the target listed its open orders.
    """

    left: int = 0
    canceled: int = 0
    foreign: int = 0
    listed: bool = True

    def note(self) -> dict[str, Any]:
        """What the record says of it."""
        return {"canceled": self.canceled, "foreign": self.foreign, "listed": self.listed}


def reconcile(venue: Venue, left: Left) -> Outcome:
    """End every order that the journal leaves open, and only those; ask the target for the rest."""
    outcome = Outcome()
    venue.restart("cleanup", "cleanup")
    for name in venue.settings.accounts:
        try:
            rows = venue.open_orders(name)
        except Trouble:
            rows = None
        mine = {order_id for order_id, account in left.orders.items() if account == name}
        if rows is None:
            outcome.listed = False
        else:
            listed = {str(row.get("id")).lower(): row for row in rows}
            ours = {i for i, row in listed.items() if i in left.ids or left.lost(name, row)}
            outcome.foreign += len(listed) - len(ours)
            mine = {i.lower() for i in mine} | ours
        for order_id in sorted(mine):
            ended, was_live = _end(venue, name, order_id)
            outcome.left += not ended
            outcome.canceled += was_live
    return outcome


def _end(venue: Venue, name: str, order_id: str) -> tuple[bool, bool]:
    """Whether an order is seen to have ended, and whether it took a cancel of ours to end it."""
    canceled = False
    for attempt in range(_TRIES):
        try:
            status = _status(venue.get("query_order", f"/spot/orders/{order_id}", name))
            if status is not None and status not in _LIVE:
                return True, canceled
            exchange = venue.send(venue.cancel_call(order_id, by=name))
            answer = exchange.response.status if exchange.response else None
            if answer == 200:
                canceled = True
            if answer in (200, 404) and status is None:
                return True, canceled
        except Trouble:
            pass
        if attempt and not canceled:
            venue.pause(min(attempt, 3))
    return False, canceled


def _status(exchange: Exchange) -> str | None:
    body = try_parse(exchange.response) if exchange.response is not None else None
    return str(body["status"]) if isinstance(body, dict) and "status" in body else None
