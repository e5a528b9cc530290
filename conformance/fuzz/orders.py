"""The orders that generated cancels name: fresh ones, and ones that are kept for several requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial

from conformance.fuzz.generated import PARTIAL
from conformance.oracle.ledger import Order, State
from conformance.target.overlap import in_turns
from conformance.target.states import States
from conformance.target.trouble import Trouble, Undecidable
from conformance.target.venue import Venue

_SIDES = ("buy", "sell")
Had = Order | Exception | None  # an order, why there is none, or no need of one


class Orders:
    """Has an order for each target of a generated cancel."""

    def __init__(self, venue: Venue, states: States) -> None:
        self.venue, self.states = venue, states
        self._kept: dict[str, Order] = {}

    @property
    def kept(self) -> list[Order]:
        """The orders that stay from one batch to the next."""
        return list(self._kept.values())

    def get(self, target: str) -> Order | None:
        """An order for a request: fresh where the request ends it, kept where it should stay as it is."""
        target = self._possible(target)
        if target == "generated":
            return None
        if target == "own open":
            return self.states.open(self._side())
        if target == PARTIAL:
            return self.states.partially_filled(self._side())
        return self.keep(target)

    def keep(self, kind: str) -> Order:
        """The order of this kind that is kept for several requests, made anew when it is not as it was."""
        account = "counterparty" if kind.startswith("foreign") else "owner"
        wanted = State.CANCELED if kind.endswith("ended") else State.LIVE
        order = self._kept.get(kind)
        if order is None or order.state is not wanted:
            make = self.states.canceled if wanted is State.CANCELED else self.states.open
            order = self._kept[kind] = make("buy", account=account)
        return order

    def get_all(self, targets: Sequence[str]) -> list[Had]:
        """As `get`, for each of several requests, placed in turns; what went wrong stands in place of an order.

        The partially filled ones of a side are placed one after the other, each at a better price than the last:
        so it is the first that the order meets which takes from it. Buys rest below all sells.
        """
        found: list[Had] = [None] * len(targets)
        targets = [self._possible(target) for target in targets]
        filled: dict[str, list[int]] = {side: [] for side in _SIDES}
        tasks: list[Callable[[], object]] = []

        def put(index: int, make: Callable[[], Order]) -> bool:
            try:
                found[index] = make()
            except (Trouble, Undecidable) as problem:
                found[index] = problem
            return isinstance(found[index], Order)

        for index, target in enumerate(targets):
            if target == PARTIAL:
                filled[self._side()].append(index)
            elif target == "own open":
                side = self._side()
                price = self.venue.band.resting(side, self.venue.step())
                tasks.append(partial(put, index, partial(self.states.open, side, price=price)))
            elif target != "generated":
                put(index, partial(self.keep, target))
        prices = self._prices(max(map(len, filled.values())))

        def place_filled(side: str) -> None:
            for index in filled[side]:
                found[index] = Undecidable(
                    "no room for it in the book, or one before it that is not as it should be"
                )
            for index, price in zip(filled[side], prices[side], strict=False):
                if not put(index, partial(self.states.partially_filled, side, at=price)):
                    break

        chains: list[Callable[[], object]] = [partial(place_filled, side) for side in _SIDES]
        in_turns(chains + tasks)
        return found

    def _prices(self, count: int) -> dict[str, list[Decimal]]:
        """For `count` orders of each side: ascending ones for buys, and descending ones above them for sells."""
        levels = sorted(set(self.venue.band.levels(2 * count))) if count else []
        half = len(levels) // 2
        return {"buy": levels[:half], "sell": levels[half:][::-1]}

    def _possible(self, target: str) -> str:
        if "counterparty" in self.venue.settings.accounts:
            return target
        return "own open" if target == PARTIAL else target.replace("foreign", "own")

    def _side(self) -> str:
        return "sell" if self.venue.step() % 2 else "buy"
