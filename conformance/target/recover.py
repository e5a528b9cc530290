"""Finds orders again whose placing was not answered, while the run goes on: they would stand in its way."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from conformance.oracle.amounts import decimal_of
from conformance.oracle.bodies import is_infrastructure, is_transient, try_parse
from conformance.record import Exchange
from conformance.target.client import again
from conformance.target.journal import Left
from conformance.target.trouble import Trouble

if TYPE_CHECKING:
    from conformance.target.venue import Venue

GHOST = "cancel_lost"  # the oracle does not judge these: it never saw the order placed
_TRIES = 8
_LATE_S = 5.0  # how long a placing without an answer is still looked for


def recover(venue: Venue) -> bool:
    """Cancel orders of ours that are open although no answer told their ids.

    Returns whether all is as if the lost placings had never been sent: the target was asked, and what was found
    had no fills and is canceled.
    """
    journal = venue.client.journal
    lost = journal.unanswered(venue.case if venue.shared else None)
    clean = True
    for name in {str(intent["account"]) for intent in lost}:
        mine = [intent for intent in lost if intent["account"] == name]
        try:
            rows = venue.open_orders(name)
        except Trouble:
            rows = None
        if rows is None:
            clean = False
            continue
        now = time.time() + venue.clock.offset
        found = Left("", unanswered=mine, ids=journal.known()).lost(name, rows)
        for row in rows:
            if str(row.get("id")).lower() in found:
                clean = _cancel(venue, name, row) and clean
        journal.forget([intent for intent in mine if now - float(intent["at"]) > _LATE_S])
        journal.found(found)
    return clean


def _cancel(venue: Venue, name: str, row: dict[str, Any]) -> bool:
    for attempt in range(_TRIES):
        exchange = cancel_ghost(venue, name, str(row["id"]))
        response = exchange.response
        if response is not None and not is_infrastructure(response) and not is_transient(response):
            body = try_parse(response)
            filled = decimal_of(body.get("filled_qty")) if isinstance(body, dict) else None
            return response.status == 200 and filled == Decimal(0)
        venue.pause(min(attempt, 3), exchange)
    return False


def cancel_ghost(venue: Venue, name: str, order_id: str) -> Exchange:
    """Cancel an order of ours that the ledger does not know, as clean-up."""
    driver, venue.driver = venue.driver, "cleanup"
    try:
        return venue.send(again(venue.cancel_call(order_id, by=name), op=GHOST))
    finally:
        venue.driver = driver
