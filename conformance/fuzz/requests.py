"""Sends generated cancels to a venue: at orders that exist, signed over the wire, looked at afterwards."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from conformance.fuzz.generated import PARTIAL, Generated
from conformance.fuzz.watch import Watch
from conformance.fuzz.widened import PLACES_OF_AN_ID
from conformance.oracle.bodies import is_infrastructure, is_transient
from conformance.oracle.ids import IdKind, read_id
from conformance.oracle.ledger import Order, State
from conformance.record import Auth, Exchange
from conformance.target.signing import ApiKeyAuth, Draft
from conformance.target.states import States
from conformance.target.trouble import Trouble, Undecidable
from conformance.target.venue import Credential, Venue

EXERCISES = (
    "cancel.answers.status",
    "cancel.answers.json",
    "cancel.success.open",
    "cancel.errors.invalid-id",
    "cancel.errors.invalid-id.hostile",
    "cancel.identity.path-only",
)
_BATCH = 12  # requests before the orders are looked at
_STARTS = 4  # how often one request may start over
_SHRINKS = 24  # requests spent on making one finding small
_SHRUNK = 3  # findings of a case that are made small
_UNANSWERED = 3  # after that many the rest would only cost time


class Fuzzer:
    """Sends generated requests as one case. `counts` says what they were aimed at."""

    def __init__(self, venue: Venue, states: States) -> None:
        self.venue, self.states = venue, states
        self.counts: Counter[str] = Counter(existing=0, cancels=0, live=0, others=0)
        self._watch = Watch(venue.judge)
        self._kept: dict[str, Order] = {}
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
                for item in items[begin : begin + _BATCH]:
                    if len(self._unanswered) < _UNANSWERED:
                        self._one(item)
                self._look_around()
                if len(self._unanswered) >= _UNANSWERED:
                    break
        finally:
            self.venue.recorder.note("driver", self.venue.case, driver="schemathesis", **self.counts)
        if self._unanswered:
            raise Undecidable(f"{len(self._unanswered)} generated requests were not served: {self._unanswered[0]}")

    def _one(self, item: Generated) -> None:
        broken = self._attempt(item)
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

    # ------------------------------------------------------------------ one request

    def _send(self, item: Generated) -> None:
        try:
            order = self._order(item.target)
            if item.decoy:
                item = self._with_decoy(item, order)
        except Undecidable as problem:
            raise Trouble(str(problem)) from None
        segment = order.id if order is not None else item.id
        live = order is not None and order.state is State.LIVE and order.account == "owner"
        if item.method == "DELETE":
            self.counts.update(cancels=1, existing=int(order is not None), live=int(live))
        else:
            self.counts.update(others=1)
        self._cancel(item, order, segment)
        if order is None:
            return
        self._touched[order.id] = order
        if order.fills and order.state in (State.LIVE, State.UNSURE):
            # it rests where the next one is to be filled, and stands before it
            self.venue.look(order)
            self.venue.sweep(lambda other: other is order)

    def _cancel(self, item: Generated, order: Order | None, segment: str) -> None:
        venue, credential = self.venue, self._credential(item)
        how: dict[str, Any] = {
            "credential": credential,
            "query": item.query_string,
            "headers": dict(item.headers),
            "aim": "cancel.identity.path-only" if _names_another(item) and not _is_spoiled(credential) else None,
        }
        fragile = item.body is not None or read_id(segment).kind in (IdKind.HOSTILE, IdKind.EMPTY)
        if item.method == "DELETE" and not fragile:
            venue.cancel(order if order is not None else segment, **how)
            return
        # what may be dropped without an answer (RFC 9110, section 9.3.5), or be refused on the way, is sent once
        exchange = venue.send(venue.cancel_call(segment, **how, body=item.body, method=item.method))
        if order is not None and not _answered(exchange):
            venue.look(order)

    def _credential(self, item: Generated) -> Credential:
        venue, account = self.venue, self.venue.account("owner")
        if item.credential == "none":
            return Credential(None, None)
        if item.credential == "unsigned" and "api_key" in account.schemes:
            flaw = Auth("owner", "api_key", "cancel.key.signature.missing", how="only the key")
            return Credential(flaw, ApiKeyAuth(account, venue.clock.now_ms, after=_bare))
        scheme = item.credential if item.credential in account.schemes else account.schemes[0]
        good = venue.credential("owner", scheme)
        if item.is_unusual and good.auth is not None:
            return Credential(Auth("owner", scheme, either=True), good.signer)
        return good

    def _with_decoy(self, item: Generated, order: Order | None) -> Generated:
        """Name another live order of the caller wherever an id stands beside the path."""
        decoy = self._keep("decoy")
        if order is decoy:
            return item
        query = tuple((name, decoy.id if name in PLACES_OF_AN_ID else value) for name, value in item.query)
        body = re.sub(r'"id": ?"[^"\\]*"', f'"id": "{decoy.id}"', item.body) if item.body else item.body
        self._touched[decoy.id] = decoy
        return replace(item, query=query, body=body)

    # ------------------------------------------------------------------ orders

    def _order(self, target: str) -> Order | None:
        """An order for a request: fresh where the request ends it, kept where it should stay as it is."""
        foreign = target.startswith("foreign")
        if foreign and "counterparty" not in self.venue.settings.accounts:
            target = target.replace("foreign", "own")
        if target == "generated":
            return None
        if target == "own open":
            return self.states.open("sell" if self.venue.step() % 2 else "buy")
        if target == PARTIAL:
            if "counterparty" not in self.venue.settings.accounts:
                return self.states.open()
            return self.states.partially_filled("sell" if self.venue.step() % 2 else "buy")
        return self._keep(target)

    def _keep(self, kind: str) -> Order:
        """The order of this kind that is kept for several requests, made anew when it is not as it was."""
        account = "counterparty" if kind.startswith("foreign") else "owner"
        wanted = State.CANCELED if kind.endswith("ended") else State.LIVE
        order = self._kept.get(kind)
        if order is None or order.state is not wanted:
            make = self.states.canceled if wanted is State.CANCELED else self.states.open
            order = self._kept[kind] = make("buy", account=account)
        return order

    def _look_around(self) -> None:
        """Look at every order that a request of this batch named or might have hit, then clear up."""
        orders = {**self._touched, **{order.id: order for order in self._kept.values()}}
        self._touched.clear()
        self.venue.look_all(orders.values())
        if not self._unanswered:  # each request that met trouble was sent again
            self.venue.judge.troubled.discard(self.venue.case)
        self._clear()

    def _clear(self) -> None:
        """Cancel the orders of this case, but for those that are kept."""
        kept = {order.id for order in self._kept.values()}
        case = self.venue.case
        self.venue.sweep(lambda order: order.case == case and order.id not in kept)

    # ------------------------------------------------------------------ shrinking

    def _shrink(self, item: Generated, broken: set[str]) -> None:
        """Leave out of a request whatever the finding does not need, on fresh orders, and show what remains."""
        recorder, left = self.venue.recorder, _SHRINKS
        smallest, progress = item, True
        while progress and left > 0:
            progress = False
            for candidate in _smaller(smallest)[:left]:
                left -= 1
                if self._attempt(candidate) & broken:
                    smallest, progress = candidate, True
                    break
        begin = recorder.next_number
        if not self._attempt(smallest) & broken:
            return  # it does not come every time: the first one is shown as it was
        story = f"Smallest request found: {_describe(smallest)}"
        recorder.note("shrunk", self.venue.case, begin=begin, end=recorder.next_number - 1, story=story)


def _bare(draft: Draft) -> None:
    draft.signature = draft.timestamp = None


def _is_spoiled(credential: Credential) -> bool:
    return credential.auth is None or credential.auth.flaw is not None


def _names_another(item: Generated) -> bool:
    """Whether an id stands beside the path, too."""
    return any(name in PLACES_OF_AN_ID for name, _ in item.query) or '"id"' in (item.body or "")


def _answered(exchange: Exchange) -> bool:
    response = exchange.response
    return response is not None and not is_infrastructure(response) and not is_transient(response)


def _smaller(item: Generated) -> list[Generated]:
    """Requests that are the given one without some of it, the shortest first."""
    found = []
    if item.body is not None:
        headers = tuple(pair for pair in item.headers if pair[0].lower() != "content-type")
        found.append(replace(item, body=None, headers=headers))
    found += [replace(item, headers=())] if item.body is None and item.headers else []
    found += [replace(item, query=())] if item.query else []
    if len(item.query) > 1:
        found += [replace(item, query=(pair,)) for pair in item.query]
    for index, (name, value) in enumerate(item.query):
        found += [
            replace(item, query=(*item.query[:index], (name, part), *item.query[index + 1 :]))
            for part in _halves(value)
        ]
    if len(item.headers) > 1 and item.body is None:
        found += [replace(item, headers=(pair,)) for pair in item.headers]
    if item.target == "generated":
        found += [replace(item, id=part) for part in _halves(item.id)]
    if item.target not in ("own open", "generated"):
        found.append(replace(item, target="own open"))
    return found


def _halves(text: str) -> list[str]:
    """Both halves of a percent-encoded text, cut between characters."""
    parts = re.findall(r"(?:%[89A-F][0-9A-F])+|%[0-9A-Fa-f]{2}|.", text)
    middle = len(parts) // 2
    if not middle:
        return []
    return ["".join(parts[:middle]), "".join(parts[middle:])]


def _describe(item: Generated) -> str:
    what = f"{item.method} of {'the id ' + item.id if item.target == 'generated' else item.target + ' order'}"
    parts = [
        *([f"query {item.query_string}"] if item.query else []),
        *(f"header {name}: {value}" for name, value in item.headers),
        *([f"body {item.body[:80]}"] if item.body is not None else []),
        f"credential {item.credential}",
    ]
    return f"{what}, {', '.join(parts)}"
