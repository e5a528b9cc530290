"""Orders that get old while other cases run, for the checks that need seconds to pass."""

from __future__ import annotations

import copy
import time
from contextlib import suppress
from functools import partial

from conformance.oracle.ledger import Order, State
from conformance.target.states import OTHER_ACCOUNT, States
from conformance.target.trouble import NotExercised, Trouble, Undecidable
from conformance.target.venue import Venue

AGE = 3.4  # s: longer than the two whole seconds by which times may seem off, and the round trips
_ROOM = 4  # prices of its own that a kind with fills needs at the edge of the band
_GONE = 1.5  # s after which a canceled order must not have come back
KINDS = ("open buy", "open sell post_only", "partially filled buy", "partially filled sell")
NEAR = ("near buy", "near sell")  # open, and with a better price than those above: they can be filled


class Aged:
    """A set of orders, of each kind for each credential, placed when the run begins, and one canceled then.

    `witness` is one more, which no case cancels: what others do must not change it.
    """

    def __init__(self, venue: Venue, states: States) -> None:
        self.venue, self.states = venue, states
        self._orders: dict[tuple[str, str], Order] = {}
        self._problem: dict[str, Exception] = {}
        self._steps = {"buy": 0, "sell": 0}
        self._canceled: list[Order] = []
        self.witness: Order | None = None

    def on(self, venue: Venue, states: States) -> Aged:
        """The same orders, for a case that overlaps with others on a venue of its own."""
        aged = copy.copy(self)
        aged.venue, aged.states = venue, states
        return aged

    def provide(self) -> None:
        """Place the orders. What cannot be had is told when it is asked for."""
        self.venue.restart("aged::provide")
        # in a tight book they would be in the way of other cases, and are placed when asked for instead
        kinds = (*KINDS, *NEAR) if self.venue.band.edge >= _ROOM else KINDS[:2]
        self.venue.client.together([partial(self._provide, kind) for kind in kinds])
        with suppress(Trouble, Undecidable, NotExercised):
            self._canceled.append(self._cancel())
        with suppress(Trouble, Undecidable, NotExercised):
            self.witness = self.states.open("sell")
            self.venue.look(self.witness)

    def _provide(self, kind: str) -> None:
        schemes = self.venue.account("owner").schemes
        for scheme in schemes[:1] if kind in NEAR else schemes:
            try:
                self._orders[kind, scheme] = self._make(kind)
            except (Trouble, Undecidable, NotExercised) as problem:
                self._problem[kind] = problem

    def _cancel(self) -> Order:
        (price,) = self.venue.band.levels(1)
        order = self.states.open("buy", price=price, quantity=self.states.units("1"))
        self.venue.cancel(order)
        return order

    def canceled(self) -> Order:
        """An order that was canceled a while ago, at a price of the band; it is handed out once."""
        order = self._canceled.pop() if self._canceled else None
        if order is None or order.state is not State.CANCELED or order.canceled is None:
            order = self._cancel()
        if order.canceled is None:
            raise Undecidable("the order that was to be canceled a while ago was not")
        order.case = self.venue.case
        time.sleep(max(0.0, order.canceled[1] + _GONE - time.monotonic()))
        return order

    def _make(self, kind: str) -> Order:
        side = "sell" if "sell" in kind else "buy"
        if kind.startswith("open"):
            return self.states.open(side, tif="post_only" if kind.endswith("post_only") else "gtc")
        band, step = self.venue.band, self._steps[side]
        if kind in NEAR:
            step = _ROOM - 1
        else:
            self._steps[side] += 1
        # at the edge of the band, each better than the one before, so that later cases never meet them
        shift = band.rules.tick * step
        price = band.low_edge + shift if side == "buy" else band.high_edge - shift
        self.venue.account(OTHER_ACCOUNT["owner"])
        if kind in NEAR:
            return self.states.open(side, price=price, quantity=self.states.units("3"))
        order = self.states.open(side, price=price, quantity=self.states.units("6"))
        self.states.take(order, self.states.units("2"))
        return order

    def get(self, kind: str, scheme: str) -> Order:
        """The aged order of this kind that is meant for this credential, old enough; it is handed out once.

        If it was lost on the way, another is placed and waited for.
        """
        self.venue.credential("owner", scheme)
        order = self._orders.pop((kind, scheme), None)
        if order is None or order.state is not State.LIVE:
            if kind in self._problem and not isinstance(self._problem[kind], Trouble):
                raise self._problem[kind]
            order = self._make(kind)
        order.case = self.venue.case
        time.sleep(max(0.0, order.placed[1] + AGE - time.monotonic()))
        return order
