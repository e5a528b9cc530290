"""Which cases trade, seen before anything is sent, so that the book is never idle for want of knowing."""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Callable
from typing import Any

from conformance.target.states import States
from conformance.target.trouble import BookNeeded
from conformance.target.venue import Venue


class _Sends(Exception):
    """A case has come to where it would send something, or put something down."""


class _Nothing:
    """Stands for what sends and records: whatever a case wants of it, the look ahead has ended."""

    def __init__(self, pace: float) -> None:
        self.pace = pace

    def __getattr__(self, name: str) -> Any:
        raise _Sends


class Foresight:
    """Carries cases out up to their first request. `venue` is one whose band is not to be traded in."""

    def __init__(self, venue: Venue) -> None:
        nothing: Any = _Nothing(venue.client.pace)
        self._venue = copy.copy(venue)
        self._venue.client = self._venue.recorder = nothing
        self._venue.random, self._venue._steps = (
            random.Random(0),
            itertools.count(1),
        )  # what chance brings is unspent
        self._given = {"venue": self._venue, "states": States(self._venue), "arena": nothing}

    def give(self, name: str) -> Any:
        """As `Lane.give`, for the arguments that a case can have before anything is sent."""
        if name not in self._given:
            raise _Sends
        return self._given[name]

    def needs(self, call: Callable[[Any], object]) -> BookNeeded | None:
        """How a case, carried out by `call` with what `give` gives, asks for the book before it sends anything.

        None if it does not: one that asks for it later is found when it is carried out.
        """
        try:
            call(self)
        except BookNeeded as needed:
            return needed
        except Exception:  # that will come again, and be dealt with, when the case is carried out
            return None
        return None
