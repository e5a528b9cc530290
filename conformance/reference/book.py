"""A price-time-priority book for one market."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

from .orders import Order, Side


class BookSide:
    """The resting orders of one side: levels by price, and within a level by arrival."""

    def __init__(self, best: Literal["highest", "lowest"]) -> None:
        self.best = best
        self.levels: dict[Decimal, dict[str, Order]] = {}
        self.prices: list[Decimal] = []

    def __len__(self) -> int:
        return sum(len(level) for level in self.levels.values())

    def add(self, price: Decimal, order: Order) -> None:
        """Queue an order behind all others of its price."""
        level = self.levels.get(price)
        if level is None:
            level = self.levels[price] = {}
            insort(self.prices, price)
        level[order.id] = order

    def remove(self, price: Decimal, order_id: str) -> None:
        """Take an order out; one that does not rest here is left alone."""
        level = self.levels.get(price)
        if level is None:
            return
        level.pop(order_id, None)
        if not level:
            del self.levels[price]
            del self.prices[bisect_left(self.prices, price)]

    def by_priority(self) -> Iterator[Order]:
        """Yield the orders in the sequence in which they would fill. The side must not change meanwhile."""
        for price in reversed(self.prices) if self.best == "highest" else self.prices:
            yield from self.levels[price].values()


class Book:
    """The two sides of a market."""

    def __init__(self) -> None:
        self.sides: dict[Side, BookSide] = {"buy": BookSide("highest"), "sell": BookSide("lowest")}

    def __len__(self) -> int:
        return sum(len(side) for side in self.sides.values())

    def add(self, order: Order) -> None:
        """Rest a limit order."""
        assert order.price is not None, "only limit orders rest"
        self.sides[order.side].add(order.price, order)

    def remove(self, order: Order) -> None:
        """Take a limit order off; nothing happens when it does not rest."""
        assert order.price is not None, "only limit orders rest"
        self.sides[order.side].remove(order.price, order.id)

    def against(self, side: Side) -> Iterator[Order]:
        """Yield the resting orders that an incoming order of ``side`` would meet, best first."""
        return self.sides["sell" if side == "buy" else "buy"].by_priority()
