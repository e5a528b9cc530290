"""A market's rules, and where in its book there is room: prices and sizes that are valid and as small as can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any
from urllib.parse import quote

from conformance.errors import TargetError
from conformance.oracle.amounts import decimal_of, plain
from conformance.target.trouble import BookNeeded

_EXAMPLE_PRICE = Decimal("0.5")  # where the page's own example trades; used while nothing better is known
_WIDE = Decimal("1.25")  # how far the band reaches at most on either side of the middle
_GALLOPS = 24
_LANE = 60  # ticks from the resting prices of one lane to those of the next
_NAME_ONE = "set price under [target] to about where the market trades"


def of_market(symbol: str) -> str:
    """The query parameter that names a market; empty for the empty name."""
    return f"symbol={quote(symbol, safe='')}" if symbol else ""


@dataclass(frozen=True)
class Rules:
    """Tick, lot and minimum notional of one market."""

    symbol: str
    tick: Decimal
    lot: Decimal
    min_notional: Decimal

    @classmethod
    def of(cls, row: dict[str, Any]) -> Rules:
        """The rules in a row of `GET /spot/markets`; raises TargetError if the row has none."""
        values = [decimal_of(row.get(name)) for name in ("tick_size", "lot_size", "min_notional")]
        if not isinstance(row.get("id"), str) or any(value is None for value in values):
            message = f"the market {row.get('id')!r} does not tell tick_size, lot_size and min_notional"
            raise TargetError(message, "choose another --symbol, or see what GET /spot/markets answers")
        tick, lot, notional = values
        assert tick is not None
        assert lot is not None
        assert notional is not None
        if not tick or not lot:
            raise TargetError(f"the market {row['id']} has a tick or lot of zero", "choose another --symbol")
        # without the zeros behind them: an order may have no more digits than these need
        return cls(row["id"], Decimal(plain(tick)), Decimal(plain(lot)), notional)

    def price(self, value: Decimal, *, up: bool = False) -> Decimal:
        """`value` on the tick, rounded down or up, and never below one tick."""
        ticks = (value / self.tick).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR)
        return max(ticks, Decimal(1)) * self.tick

    def quantity(self, price: Decimal, units: Decimal | int = 1) -> Decimal:
        """`units` times the smallest quantity that is surely enough at `price`, on the lot."""
        smallest = self.min_notional * Decimal("1.05") / price
        lots = (smallest / self.lot).to_integral_value(ROUND_CEILING) + 1
        return (lots * Decimal(units)).to_integral_value(ROUND_CEILING) * self.lot


@dataclass(frozen=True)
class Band:
    """Prices from `floor` to `ceil` at which nobody else rests: what we place there meets only our own orders."""

    rules: Rules
    floor: Decimal
    ceil: Decimal
    quiet: bool
    lane: int = 0

    def holds(self, price: Decimal | None) -> bool:
        """Whether a price lies inside the band."""
        return price is not None and self.floor <= price <= self.ceil

    @property
    def lanes(self) -> int:
        """For how many lanes there are resting prices below the band (above it there always are)."""
        return max(1, int(self.rules.price(self.floor * Decimal("0.8")) / self.rules.tick / 2) // _LANE)

    @property
    def ticks(self) -> int:
        """How many price levels the band has."""
        return int((self.ceil - self.floor) / self.rules.tick) + 1

    def levels(self, count: int, *, gap: int = 40, resting: str | None = None) -> list[Decimal]:
        """`count` ascending prices inside the middle of the band, up to `gap` ticks apart.

        `resting` says that orders of this side only will rest there, which matters to cases that overlap
        (`target/book.py`). In a book so tight that there are fewer free prices, some of them stand more than once.
        """
        edge = self.edge
        room = self.ticks - 2 * edge
        step = max(1, min(gap, (room - 1) // max(1, count - 1)))
        first = edge + max(0, room - 1 - step * (count - 1)) // 2
        return [self.floor + self.rules.tick * (first + min(step * i, room - 1)) for i in range(count)]

    def alone_at(self, price: Decimal, *, resting: str | None = None) -> None:
        """Wait until no other case has orders at `price`, or better ones, on this side or on both."""

    def trade(self, price: Decimal | None) -> None:
        """Wait until no other case's orders are in the way of an order at `price` (None: a market order)."""

    def park(self, spans: dict[str, tuple[Decimal, Decimal]]) -> None:
        """Let other cases trade: this one's orders only rest, between these prices by side."""

    @property
    def edge(self) -> int:
        """How many price levels at either end are kept for orders that must never be met by other cases."""
        return self.ticks // 10 if self.ticks >= 40 else 0

    @property
    def low_edge(self) -> Decimal:
        """The lowest price of the band: a buy there is met last."""
        return self.floor

    @property
    def high_edge(self) -> Decimal:
        """The highest price of the band: a sell there is met last."""
        return self.ceil

    def resting(self, side: str, step: int = 0) -> Decimal:
        """A price far from the market at which an order of `side` rests undisturbed, another one for each lane."""
        rules = self.rules
        step += self.lane * _LANE
        if side == "buy":
            return max(rules.price(self.floor * Decimal("0.8")) - step * rules.tick, rules.tick)
        return rules.price(self.ceil * Decimal("1.25"), up=True) + step * rules.tick


class SharedBand(Band):
    """The band as a case sees it that has not got the book: its orders may rest, and nothing else."""

    def levels(self, count: int, *, gap: int = 40, resting: str | None = None) -> list[Decimal]:
        """Raises BookNeeded."""
        raise BookNeeded(one_sided=resting is not None)


def default_band(rules: Rules, hint: Decimal | None = None) -> Band:
    """The band around the hint, or around the page's example, without asking whether it is free."""
    middle = _middle(rules, hint)
    return Band(rules, rules.price(middle / _WIDE), rules.price(middle * _WIDE), quiet=False)


def _middle(rules: Rules, hint: Decimal | None) -> Decimal:
    return rules.price(hint or max(_EXAMPLE_PRICE, rules.tick * 200))


def discover(rules: Rules, rests: Callable[[str, Decimal], bool], hint: Decimal | None = None) -> Band:
    """Find the band by asking: `rests(side, price)` tells whether a post-only order of that side would rest.

    There is no public book to read, so the best prices of others are found as a post-only order finds them: by
    being refused. Orders that are placed for this are as small as the market allows, and canceled at once.
    """
    middle = _middle(rules, hint)
    quiet = True
    for _ in range(4):
        ceil, met_ask = _highest_bid(rules, rests, middle)
        floor, met_bid = _lowest_ask(rules, rests, middle)
        quiet = quiet and not met_ask and not met_bid
        if floor <= ceil:
            return Band(rules, floor, ceil, quiet)
        middle = floor if met_bid else ceil
    raise TargetError("no free price between the best bid and the best ask was found", "try another market")


def _highest_bid(rules: Rules, rests: Callable[[str, Decimal], bool], middle: Decimal) -> tuple[Decimal, bool]:
    high = rules.price(middle * _WIDE)
    if rests("buy", high):
        return high, False
    low = middle
    for _ in range(_GALLOPS):
        if rests("buy", low):
            break
        high, low = low, rules.price(low / 2)
    else:
        raise TargetError("no price was found at which a buy would rest", _NAME_ONE)
    return _bisect(rules, low, high, lambda price: rests("buy", price)), True


def _lowest_ask(rules: Rules, rests: Callable[[str, Decimal], bool], middle: Decimal) -> tuple[Decimal, bool]:
    low = rules.price(middle / _WIDE)
    if rests("sell", low):
        return low, False
    high = middle
    for _ in range(_GALLOPS):
        if rests("sell", high):
            break
        low, high = high, rules.price(high * 2)
    else:
        raise TargetError("no price was found at which a sell would rest", _NAME_ONE)
    return _bisect(rules, high, low, lambda price: rests("sell", price)), True


def _bisect(rules: Rules, good: Decimal, bad: Decimal, is_good: Callable[[Decimal], bool]) -> Decimal:
    """The last good price on the way from `good` to `bad`, to the tick."""
    while abs(bad - good) > rules.tick:
        middle = rules.price((good + bad) / 2)
        if middle in (good, bad):
            break
        if is_good(middle):
            good = middle
        else:
            bad = middle
    return good
