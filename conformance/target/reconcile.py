"""Leaves nothing behind: cancels what the journal says may be live, and finds orders whose answer was lost."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from conformance import stop
from conformance.oracle.bodies import is_infrastructure, is_transient, try_parse
from conformance.oracle.lists import items_of
from conformance.record import Exchange
from conformance.target.client import Call
from conformance.target.journal import Left
from conformance.target.market import of_market
from conformance.target.recover import cancel_ghost
from conformance.target.trouble import Trouble, Undecidable
from conformance.target.venue import Venue

_LIVE = ("open", "partially_filled")
_TRIES = 8
_PACE_S = 0.002  # with answers slower than that orders are looked after several at a time
_AT_ONCE = 32  # cancels at a time in a hurry
_GIVE_UP = 2  # orders in a row that the target could not be asked about, after which it is not asked any more
_SETTLE_S, _SHORTLY_S = (
    3.0,
    1.0,
)  # a placing that was cut off may still arrive: it is waited so long for it, in a hurry shorter


@dataclass
class Outcome:
    """What a clean-up came to.

    `left` orders of ours could not be seen to have ended; `canceled` were still live; `foreign` orders on the
    accounts are none of ours and were left alone; `listed` says whether the target listed its open orders; `silent`
    and `stuck` count how often patience ended: in a row, by account, and at all.
    """

    left: int = 0
    canceled: int = 0
    foreign: int = 0
    listed: bool = True
    silent: Counter[str] = field(default_factory=Counter)
    stuck: int = 0

    def note(self) -> dict[str, Any]:
        """What the record says of it."""
        return {"canceled": self.canceled, "foreign": self.foreign, "listed": self.listed}


class _Hurry(Exception):
    """A signal has asked the process to end."""


def reconcile(venue: Venue, left: Left) -> Outcome:
    """End every order that the journal leaves open, and only those; ask the target for the rest.

    Once a signal has asked the process to end, that is done without patience, and ended `stop.HURRY_S` s after it.
    """
    venue.restart("cleanup", "cleanup")
    with suppress(Undecidable):  # with an old one if there is no other
        venue.credentials.give_up_expiring()
    try:
        return _patiently(venue, left)
    except _Hurry:
        return _quickly(venue, left)


def _patiently(venue: Venue, left: Left) -> Outcome:
    outcome = Outcome()
    _settle(venue, left, _SETTLE_S)
    if stop.requested():
        raise _Hurry
    accounts = list(venue.settings.accounts)
    lists = venue.client.together([partial(_listed, venue, name, left.symbol, outcome) for name in accounts])
    ours = [
        (name, order_id)
        for name, rows in zip(accounts, lists, strict=True)
        for order_id in sorted(_ours(left, name, rows, outcome))
    ]
    # where cancels get no answer they are what is waited for, however soon other answers come
    at_once = _AT_ONCE if venue.judge.silence.is_silent else int(venue.client.pace / _PACE_S)
    with ThreadPoolExecutor(max(1, min(_AT_ONCE, at_once))) as pool:
        ends = list(pool.map(lambda order: _end_unless(venue, order[0], order[1], outcome), ours))
    outcome.left += sum(not ended for ended, _ in ends) + _without_credentials(venue, left)
    outcome.canceled += sum(was_live for _, was_live in ends)
    return outcome


def _listed(venue: Venue, name: str, symbol: str | None, outcome: Outcome) -> list[dict[str, Any]] | None:
    """The open orders of an account, None if the target does not tell."""
    try:
        return venue.open_orders(name, symbol)
    except Trouble:
        outcome.silent[name] += 1
        return None


def _ours(left: Left, name: str, rows: list[dict[str, Any]] | None, outcome: Outcome) -> set[str]:
    """The ids of the orders of an account that are ours and may be live."""
    mine = {order_id for order_id, account in left.orders.items() if account == name}
    if rows is None:
        outcome.listed = False
        outcome.left += sum(
            intent["account"] == name for intent in left.unanswered
        )  # nobody can say what came to be
        return mine | {order_id for order_id, account in left.said.items() if account == name}
    listed = {str(row.get("id")).lower() for row in rows}
    ours = (listed & left.ids) | left.lost(name, rows)
    outcome.foreign += len(listed - ours)
    return mine | ours


def _settle(venue: Venue, left: Left, seconds: float) -> None:
    """Wait until what was sent `seconds` ago has arrived or never will."""
    youngest = max((float(intent["at"]) for intent in left.unanswered), default=0.0)
    wait = min(max(0.0, youngest + seconds - time.time() - venue.clock.offset), seconds)
    until = time.monotonic() + wait
    while (rest := until - time.monotonic()) > 0:
        if stop.requested() and seconds > _SHORTLY_S:
            raise _Hurry
        time.sleep(min(rest, 0.1))


def _without_credentials(venue: Venue, left: Left) -> int:
    """How many orders are of an account whose credentials are not at hand any more."""
    return sum(account not in venue.settings.accounts for account in left.orders.values())


def _end_unless(venue: Venue, name: str, order_id: str, outcome: Outcome) -> tuple[bool, bool]:
    """As `_end`, unless the target has fallen silent; raises _Hurry when a signal has asked for the end."""
    if stop.requested():
        raise _Hurry
    return _end(venue, name, order_id, outcome) if outcome.silent[name] < _GIVE_UP else (False, False)


def _end(venue: Venue, name: str, order_id: str, outcome: Outcome) -> tuple[bool, bool]:
    """Whether an order is seen to have ended, and whether it took a cancel of ours to end it."""
    canceled, refusals, known = False, 0, venue.judge.ledger.get(order_id)
    # where some orders are refused for the time being without end, the others are not waited for as long
    in_vain = venue.refuses_for_good or venue.judge.silence.is_total
    for attempt in range(_TRIES if outcome.stuck < _GIVE_UP else 1 if in_vain else 2):
        if attempt > 1 and not canceled:
            venue.pause(min(attempt - 1, 3))
        try:
            look = venue.get("query_order", f"/spot/orders/{known.path_id if known else order_id}", name)
            if look.response is not None and look.response.status == 401:
                outcome.silent[name] += 1  # these credentials will not be let in for the next order either
                return False, canceled
            outcome.silent[name], status = 0, _status(look)
            if status is not None and status not in _LIVE:
                return True, canceled
            if known is None:
                exchange = cancel_ghost(venue, name, order_id)
            else:
                exchange = venue.send(venue.cancel_call(known, by=name))
            answer = exchange.response.status if exchange.response else None
            if answer == 200:
                canceled = True
            if answer in (200, 404) and status is None:
                return True, canceled
            refusals += answer in (400, 401, 403, 404)
            if refusals >= 2:
                return False, canceled  # refused for good, though it is live: waiting does not help
        except Trouble:  # the query was patient already
            outcome.silent[name] += 1
            if outcome.silent[name] >= _GIVE_UP:
                break
    outcome.stuck += 1
    return False, canceled


def _status(exchange: Exchange) -> str | None:
    body = try_parse(exchange.response) if exchange.response is not None else None
    return str(body["status"]) if isinstance(body, dict) and "status" in body else None


def _quickly(venue: Venue, left: Left) -> Outcome:
    """Cancel all at once, then look for what is left: each as often as the time allows."""
    outcome, until = Outcome(), stop.hurry_until()
    done: set[str] = set()

    def end(orders: dict[str, str]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            ends = pool.map(lambda order: _end_quickly(venue, order[1], order[0], until), orders.items())
            for order_id, (ended, was_live) in zip(orders, ends, strict=True):
                outcome.canceled += was_live
                done.update({order_id} if ended else ())

    known = {order_id: name for order_id, name in left.orders.items() if name in venue.settings.accounts}
    end(known)
    _settle(venue, left, _SHORTLY_S)
    for name in venue.settings.accounts:
        rows = _list_quickly(venue, name, left.symbol, until)
        if rows is None:
            outcome.listed = False
            outcome.left += sum(intent["account"] == name for intent in left.unanswered)
            continue
        more = dict.fromkeys(_ours(left, name, rows, outcome) - done, name)
        end(more)
        known |= more
    outcome.left += len(known.keys() - done) + _without_credentials(venue, left)
    return outcome


def _end_quickly(venue: Venue, name: str, order_id: str, until: float) -> tuple[bool, bool]:
    """Like `_end`, until a moment of the monotonic clock."""
    while time.monotonic() < until:
        answer = cancel_ghost(venue, name, order_id).response
        if answer is not None and answer.status == 200:
            return True, True
        if answer is not None and answer.status in (400, 401, 403, 404):
            credential = venue.credential(name)
            path = f"/spot/orders/{order_id}"
            look = venue.send(Call("query_order", "GET", path, signer=credential.signer, auth=credential.auth))
            status = _status(look)
            if status is not None and status not in _LIVE:
                return True, False
            if answer.status == 404 and look.response is not None and look.response.status == 404:
                return True, False
        time.sleep(0.2)
    return False, False


def _list_quickly(venue: Venue, name: str, symbol: str | None, until: float) -> list[dict[str, Any]] | None:
    """The open orders of an account, None if the target does not tell before a moment of the monotonic clock."""
    while time.monotonic() < until:
        credential = venue.credential(name)
        query = of_market(symbol or "")
        call = Call("open_orders", "GET", "/spot/orders", query, signer=credential.signer, auth=credential.auth)
        response = venue.send(call).response
        if response is not None and not is_infrastructure(response) and not is_transient(response):
            return items_of(try_parse(response)) if response.status == 200 else None
        time.sleep(0.2)
    return None
