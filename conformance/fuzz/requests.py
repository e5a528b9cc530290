"""Sends generated cancels to a venue: at orders that exist, signed over the wire, looked at afterwards.

A batch has its orders placed first, then its cancels sent, then its orders looked at. The requests of each of these
steps take turns (`target/overlap.py`); no step begins before the last one has ended, so that whatever changed an
order was sent after it was placed and before it was looked at, and what named it is known. Where other cases are
under way beside this one, its requests go one after the other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import partial

from conformance.fuzz.generated import Generated
from conformance.fuzz.orders import Orders
from conformance.fuzz.smaller import describe, smaller
from conformance.fuzz.watch import Watch
from conformance.fuzz.widened import PLACES_OF_AN_ID
from conformance.oracle.bodies import is_infrastructure, is_transient
from conformance.oracle.ids import IdKind, read_id
from conformance.oracle.ledger import Order, State
from conformance.record import Auth, Exchange
from conformance.target.client import Call
from conformance.target.credentials import Credential
from conformance.target.overlap import in_turns
from conformance.target.signing import ApiKeyAuth, Draft
from conformance.target.states import States
from conformance.target.trouble import Trouble, Undecidable
from conformance.target.venue import Venue

EXERCISES = (
    "cancel.answers.status",
    "cancel.answers.json",
    "cancel.success.open",
    "cancel.errors.invalid-id",
    "cancel.errors.invalid-id.hostile",
    "cancel.identity.path-only",
)
_BATCH = 20  # requests before the orders are looked at
_STARTS = 4  # how often one request may start over
_SHRINKS = 24  # requests spent on making one finding small
_SHRUNK = 3  # findings of a case that are made small
_UNANSWERED = 3  # after that many the rest would only cost time


@dataclass
class _Shot:
    """A request of a batch, the order that it names (None: it names an id), and what came of it."""

    item: Generated
    order: Order | None = None
    exchange: Exchange | None = None
    broken: frozenset[str] = frozenset()  # MUSTs


class Fuzzer:
    """Sends generated requests as one case. `counts` says what they were aimed at."""

    def __init__(self, venue: Venue, states: States) -> None:
        self.venue = venue
        self.orders = Orders(venue, states)
        self.counts: Counter[str] = Counter(existing=0, cancels=0, live=0, others=0)
        self._watch = Watch(venue.judge)
        self._touched: dict[str, Order] = {}
        self._shrunk: set[str] = set()
        self._unanswered: list[str] = []

    def run(self, items: Sequence[Generated]) -> None:
        """Send all, look at the orders after each batch, and note what was counted.

        Trouble with one request starts that one over, with fresh orders, not the whole case. Raises Undecidable
        if requests were never answered, or no order could be had.
        """
        try:
            for begin in range(0, len(items), _BATCH):
                self._batch(items[begin : begin + _BATCH])
                if len(self._unanswered) >= _UNANSWERED:
                    break
        finally:
            self.venue.recorder.note("driver", self.venue.case, driver="schemathesis", **self.counts)
        if self._unanswered:
            raise Undecidable(f"{len(self._unanswered)} generated requests were not served: {self._unanswered[0]}")

    def _batch(self, items: Sequence[Generated]) -> None:
        alone = list(items) if self.venue.shared else self._in_turns(items)
        for item in alone:
            if len(self._unanswered) < _UNANSWERED:
                self._follow(item, self._attempt(item))
        if alone:
            self._look_around()

    def _follow(self, item: Generated, broken: AbstractSet[str]) -> None:
        """Make a request small that broke something new."""
        if broken and not broken <= self._shrunk and len(self._shrunk) < _SHRUNK:
            self._shrunk |= broken
            self._shrink(item, broken)

    def _attempt(self, item: Generated) -> set[str]:
        """Send one request, again after trouble; the MUSTs that it broke."""
        self._watch.fresh()
        reason = ""
        for attempt in range(_STARTS):
            try:
                self._send(item)
            except Trouble as trouble:
                reason = str(trouble)
                self._clear()  # what was placed without an answer, too
                if trouble.wait:
                    self.venue.pause(attempt)
                continue
            except Undecidable as problem:  # patience with this request has ended
                reason = str(problem)
            else:
                return self._watch.fresh()
            break
        self._unanswered.append(f"{item.about}: {reason}")
        return self._watch.fresh()

    # ------------------------------------------------------------------ requests that take turns

    def _in_turns(self, items: Sequence[Generated]) -> list[Generated]:
        """Send a batch and look at its orders; the requests that met trouble, to be sent again by themselves."""
        shots, left = self._provide(items)
        self._watch.fresh()
        in_turns([partial(self._shoot, shot) for shot in shots])
        for shot in shots:
            if not _answered(shot.exchange) and not _is_fragile(shot.item, _segment(shot.item, shot.order)):
                left.append(shot.item)
            if shot.order is not None and shot.order.id in self.venue.judge.pending:
                self.venue.trades(shot.order.account)  # not what was planned: did somebody else trade with it?
        self._look_around()
        for shot in shots:
            self._follow(shot.item, shot.broken)
        return left

    def _provide(self, items: Sequence[Generated]) -> tuple[list[_Shot], list[Generated]]:
        """The requests with their orders, and those for which no order could be had at once."""
        found = self.orders.get_all([item.target for item in items])
        shots, left = [], []
        for item, order in zip(items, found, strict=True):
            try:
                if isinstance(order, Exception):
                    raise order
                shots.append(_Shot(self._with_decoy(item, order), order))
            except (Trouble, Undecidable):
                left.append(item)
        if left:
            self._clear()
        return shots, left

    def _shoot(self, shot: _Shot) -> None:
        self._count(shot.item, shot.order)
        shot.exchange = self.venue.send(self._call(shot.item, shot.order))
        shot.broken = frozenset(self._watch.fresh())  # of this request: no other task goes on in between

    # ------------------------------------------------------------------ one request

    def _send(self, item: Generated) -> None:
        try:
            order = self.orders.get(item.target)
            item = self._with_decoy(item, order)
        except Undecidable as problem:
            raise Trouble(str(problem)) from None
        self._count(item, order)
        self._cancel(item, order)
        if order is not None and order.fills and order.state in (State.LIVE, State.UNSURE):
            # it rests where the next one is to be filled, and stands before it
            self.venue.look(order)
            self.venue.sweep(lambda other: other is order)

    def _count(self, item: Generated, order: Order | None) -> None:
        live = order is not None and order.state is State.LIVE and order.account == "owner"
        if item.method == "DELETE":
            self.counts.update(cancels=1, existing=int(order is not None), live=int(live))
        else:
            self.counts.update(others=1)
        if order is not None:
            self._touched[order.id] = order

    def _cancel(self, item: Generated, order: Order | None) -> None:
        """Send a cancel with patience, but what may be refused on the way once."""
        call = self._call(item, order)
        if not _is_fragile(item, _segment(item, order)):
            self.venue.cancel_by(call, order)
        elif not _answered(self.venue.send(call)) and order is not None:
            self.venue.look(order)

    def _call(self, item: Generated, order: Order | None) -> Call:
        credential = self._credential(item)
        return self.venue.cancel_call(
            _segment(item, order),
            credential=credential,
            query=item.query_string,
            headers=dict(item.headers),
            aim="cancel.identity.path-only" if _names_another(item) and not _is_spoiled(credential) else None,
            body=item.body,
            method=item.method,
        )

    def _credential(self, item: Generated) -> Credential:
        venue, account = self.venue, self.venue.account("owner")
        if item.credential == "none":
            return Credential(None, None)
        if item.credential == "unsigned" and "api_key" in account.schemes:
            flaw = Auth("owner", "api_key", "cancel.key.signature.missing", how="only the key")
            return Credential(flaw, ApiKeyAuth(account, venue.clock.stamp_ms, after=_bare))
        scheme = item.credential if item.credential in account.schemes else account.schemes[0]
        good = venue.credential("owner", scheme)
        if item.is_unusual and good.auth is not None:
            return Credential(Auth("owner", scheme, either=True), good.signer)
        return good

    def _with_decoy(self, item: Generated, order: Order | None) -> Generated:
        """Name another live order of the caller wherever an id stands beside the path, if that was asked for."""
        decoy = self.orders.keep("decoy") if item.decoy else order
        if decoy is None or order is decoy:
            return item
        query = tuple((name, decoy.id if name in PLACES_OF_AN_ID else value) for name, value in item.query)
        body = re.sub(r'"id": ?"[^"\\]*"', f'"id": "{decoy.id}"', item.body) if item.body else item.body
        self._touched[decoy.id] = decoy
        return replace(item, query=query, body=body)

    # ------------------------------------------------------------------ afterwards

    def _look_around(self) -> None:
        """Look at every order that a request of this batch named or might have hit, then clear up."""
        orders = {**self._touched, **{order.id: order for order in self.orders.kept}}
        self._touched.clear()
        self.venue.look_all(orders.values())
        if not self._unanswered:  # each request that met trouble was sent again
            self.venue.judge.troubled.discard(self.venue.case)
        self._clear()

    def _clear(self) -> None:
        """Cancel the orders of this case, but for those that are kept."""
        kept = {order.id for order in self.orders.kept}
        case = self.venue.case
        self.venue.sweep(lambda order: order.case == case and order.id not in kept)

    # ------------------------------------------------------------------ shrinking

    def _shrink(self, item: Generated, broken: AbstractSet[str]) -> None:
        """Leave out of a request whatever the finding does not need, on fresh orders, and show what remains."""
        recorder, left = self.venue.recorder, _SHRINKS
        smallest, progress = item, True
        while progress and left > 0:
            progress = False
            for candidate in smaller(smallest)[:left]:
                left -= 1
                if self._attempt(candidate) & broken:
                    smallest, progress = candidate, True
                    break
        begin = recorder.next_number
        if not self._attempt(smallest) & broken:
            return  # it does not come every time: the first one is shown as it was
        story = f"Smallest request found: {describe(smallest)}"
        recorder.note("shrunk", self.venue.case, begin=begin, end=recorder.next_number - 1, story=story)


def _bare(draft: Draft) -> None:
    draft.signature = draft.timestamp = None


def _is_spoiled(credential: Credential) -> bool:
    return credential.auth is None or credential.auth.flaw is not None


def _names_another(item: Generated) -> bool:
    """Whether an id stands beside the path, too."""
    return any(name in PLACES_OF_AN_ID for name, _ in item.query) or '"id"' in (item.body or "")


def _segment(item: Generated, order: Order | None) -> str:
    """The raw path segment."""
    return order.path_id if order is not None else item.id


def _is_fragile(item: Generated, segment: str) -> bool:
    """Whether it may be dropped without an answer (RFC 9110, section 9.3.5), or be refused on the way."""
    hostile = read_id(segment).kind in (IdKind.HOSTILE, IdKind.EMPTY)
    return item.method != "DELETE" or item.body is not None or hostile


def _answered(exchange: Exchange | None) -> bool:
    response = exchange.response if exchange is not None else None
    return response is not None and not is_infrastructure(response) and not is_transient(response)
