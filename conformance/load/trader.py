"""What one user of a load run does: places orders, has them filled, cancels them, and tries what must be refused.

Nothing is asserted here: every exchange goes to the oracle, which knows from its ledger what each answer must be.
Orders of different users never meet: those that only rest do so far from the market, and inside the band, where
fills happen, one order rests at a time.
"""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Callable

from conformance.oracle.ledger import Order
from conformance.target.states import OTHER_ACCOUNT, Fills, States
from conformance.target.trouble import Trouble, Undecidable
from conformance.target.venue import Venue

_LOOK, _TWICE, _FOREIGN, _UNKNOWN = 0.2, 0.1, 0.1, 0.03  # shares of the orders that this is done with as well
_FILL, _FILL_ALL = 0.3, 0.3  # share of orders that get fills, and of these the share that is filled whole
_OWNER = 0.8  # share of the resting orders that are the owner's
_REFUSALS = 3  # fills in a row that cannot be had, after which no more are tried


class Turn:
    """Whose turn it is to rest an order between bid and ask.

    Nobody's if it is `closed`, or if `reason` says why it cannot be had any more.
    """

    def __init__(self) -> None:
        self.closed = False
        self.reason = ""
        self._lock = threading.Lock()
        self._refused = 0

    def take(self) -> bool:
        """Take the turn if nobody has it; never waits."""
        return not self.closed and not self.reason and self._lock.acquire(blocking=False)

    def give(self, *, clean: bool, refused: str = "") -> None:
        """Give it back. It was the last one if an order may still rest there, or if fills are refused each time."""
        self._refused = self._refused + 1 if refused else 0
        if not clean and not self.closed:
            self.reason = "an order could not be seen to have left the book"
        elif self._refused >= _REFUSALS:
            self.reason = f"fills cannot be had: {refused}"
        self._lock.release()


class Trader:
    """One user on a venue of its own."""

    def __init__(self, venue: Venue, turn: Turn, seed: str) -> None:
        self.venue, self.turn = venue, turn
        self.states = States(venue)
        self.random = random.Random(seed)

    def step(self) -> int:
        """One round; how many orders it placed. Raises Trouble and Undecidable when it could not be carried out.

        The orders of the round are canceled at the end of it, unless the user is killed.
        """
        before = self.venue.placed
        if self.venue.settings.counterparty is not None and self._chance(_FILL) and self.turn.take():
            self._filled()
        else:
            self._swept(self._rested)
        return self.venue.placed - before

    def _swept(self, round_: Callable[[], None]) -> bool:
        """Carry out a round and cancel what is left of it; whether that could be seen to have ended."""
        try:
            round_()
        except Exception:
            self.venue.sweep()
            raise
        return self.venue.sweep() == 0

    def _rested(self) -> None:
        account = "owner" if self.venue.settings.counterparty is None or self._chance(_OWNER) else "counterparty"
        order = self.states.open(self._side(), account=account, scheme=self._scheme(account))
        if self._chance(_FOREIGN):
            self._try_as_other(order)
        self._cancel(order)
        if self._chance(_UNKNOWN):
            unknown = uuid.UUID(int=self.random.getrandbits(128), version=4)
            self.venue.cancel(str(unknown), by=account, scheme=self._scheme(account))

    def _filled(self) -> None:
        """An order in the band that is filled; the turn lasts until it has left the book."""
        refused, clean = "", False
        try:
            clean = self._swept(self._fill)
        except (Trouble, Undecidable) as problem:
            refused = str(problem) if isinstance(problem, Undecidable) else ""
            clean = not any(self.venue.mine())
            raise
        except BaseException as problem:
            # a user that is killed at the end of the run; what it leaves is canceled then
            self.turn.closed |= not isinstance(problem, Exception)
            raise
        finally:
            self.turn.give(clean=clean, refused=refused)

    def _fill(self) -> None:
        """An order that is filled in part, or whole, and a cancel of it."""
        resting = ("1", "1.5")[: self.random.randint(1, 2)]
        account = self.random.choice(tuple(OTHER_ACCOUNT))
        order = self.states.partially_filled(self._side(), Fills(resting=resting), account=account)
        if self._chance(_FILL_ALL):
            self.states.take(order, order.remaining)
        elif self._chance(_FOREIGN):
            self._try_as_other(order)
        self._cancel(order)

    def _cancel(self, order: Order) -> None:
        self.venue.cancel(order, by=order.account, scheme=self._scheme(order.account))
        if self._chance(_TWICE):
            self.venue.cancel(order, by=order.account, scheme=self._scheme(order.account))
        if self._chance(_LOOK):
            self.venue.look(order)

    def _try_as_other(self, order: Order) -> None:
        other = OTHER_ACCOUNT[order.account]
        if other in self.venue.settings.accounts:
            self.venue.cancel(order, by=other, scheme=self._scheme(other))
            self.venue.look(order)

    def _side(self) -> str:
        return self.random.choice(("buy", "sell"))

    def _scheme(self, account: str) -> str:
        return self.random.choice(self.venue.account(account).schemes)

    def _chance(self, share: float) -> bool:
        return self.random.random() < share
