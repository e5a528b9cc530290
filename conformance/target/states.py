"""Brings orders into named states: open, partially filled, filled, canceled, ended at once.

Everything is as small as the market allows. Orders that must only rest do so far from the market; fills happen
between our two accounts at prices of the band, where nobody else rests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from conformance.oracle.ledger import Order, State
from conformance.record import Take
from conformance.target.convoy import Placing, place_in_turn
from conformance.target.trouble import Undecidable
from conformance.target.venue import Venue

OTHER_SIDE = {"buy": "sell", "sell": "buy"}
OTHER_ACCOUNT = {"owner": "counterparty", "counterparty": "owner"}


@dataclass(frozen=True)
class Fills:
    """How an order gets its fills.

    `improved` are units that meet better-priced resting orders while it is placed, one price each; `resting` are
    units that others take from it afterwards, at its own price. `total` is its whole size in units, `gap` how many
    ticks lie between two prices, if there is room for so many.
    """

    improved: tuple[str, ...] = ()
    resting: tuple[str, ...] = ()
    total: str = "12"
    gap: int = 40

    @property
    def count(self) -> int:
        """How many fills that makes."""
        return len(self.improved) + len(self.resting)


ONE_FILL = Fills(resting=("3",))
SEVERAL_FILLS = Fills(improved=("1", "2.37"), resting=("1.5",))


class States:
    """Makes orders in states on a venue."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue

    @property
    def _band_quantity(self) -> Decimal:
        band = self.venue.band
        return band.rules.quantity(band.floor)

    def units(self, units: str | Decimal) -> Decimal:
        """A quantity that is valid anywhere in the band, times `units`, on the lot."""
        rules = self.venue.rules
        lots = (self._band_quantity / rules.lot * Decimal(units)).to_integral_value()
        return max(lots, Decimal(1)) * rules.lot

    def open(
        self,
        side: str = "buy",
        *,
        account: str = "owner",
        tif: str | None = "gtc",
        price: Decimal | None = None,
        units: str = "1",
        scheme: str | None = None,
        quantity: Decimal | None = None,
    ) -> Order:
        """An open order, far from the market unless a price is given."""
        venue = self.venue
        price = price or venue.band.resting(side, venue.step())
        quantity = quantity or venue.rules.quantity(price, Decimal(units))
        order = venue.place(side, price, quantity, account=account, tif=tif, scheme=scheme)
        if order.state is not State.LIVE:
            raise Undecidable(f"an order that should rest ended as {order.state}")
        return order

    def partially_filled(
        self,
        side: str = "buy",
        fills: Fills = ONE_FILL,
        *,
        account: str = "owner",
        tif: str | None = "gtc",
        at: Decimal | None = None,
    ) -> Order:
        """A partially filled order in the band; the fills are planned to the last lot.

        It rests at the price `at`, if one is given; then none of its fills can be at a better one.
        """
        venue, other = self.venue, OTHER_ACCOUNT[account]
        venue.account(other)
        if at is None:
            resting = None if fills.improved else side
            levels = venue.band.levels(len(fills.improved) + 1, gap=fills.gap, resting=resting)
        else:
            levels = [at]
            venue.band.alone_at(at, resting=side)
        if side == "sell":
            levels.reverse()
        price, size = levels[-1], self.units(fills.total)
        ahead = [(level, self.units(units)) for level, units in zip(levels, fills.improved, strict=False)]
        placings = [Placing(OTHER_SIDE[side], *amounts, other) for amounts in ahead]
        meets = tuple((index, quantity) for index, (_, quantity) in enumerate(ahead))
        placings.append(Placing(side, price, size, account, tif, meets))
        sizes = [self.units(units) for units in fills.resting]
        if sizes:  # where lots are coarse the last one must leave one of them
            met = sum((quantity for _, quantity in ahead), sum(sizes[:-1], Decimal(0)))
            sizes[-1] = min(sizes[-1], size - met - venue.rules.lot)
        order = self._placed(placings, sizes)
        if order.state is not State.LIVE:
            raise Undecidable(f"an order that should rest partially filled ended as {order.state}")
        venue.done_trading()
        return order

    def _placed(self, placings: list[Placing], sizes: Sequence[Decimal]) -> Order:
        """Place orders; the last one rests, and the other account trades with it, in parts of these sizes."""
        last = placings[-1]
        takers = [
            Placing(
                *(OTHER_SIDE[last.side], last.price, size, OTHER_ACCOUNT[last.account], "ioc"),
                meets=((len(placings) - 1, size),),
            )
            for size in sizes
        ]
        return place_in_turn(self.venue, [*placings, *takers])[len(placings) - 1]

    def rested(
        self, side: str, price: Decimal, quantity: Decimal, sizes: Sequence[Decimal], *, account: str = "owner"
    ) -> Order:
        """An order at a price of the band of which parts of these sizes have been taken."""
        return self._placed([Placing(side, price, quantity, account)], sizes)

    def take(
        self,
        order: Order,
        quantity: Decimal,
        *,
        kind: str = "limit",
        aim: str | None = None,
        price: Decimal | None = None,
    ) -> Order:
        """Let the other account trade `quantity` against a resting order, at its price, and nothing else.

        `aim` is the requirement that is broken if an earlier cancel keeps it from filling; `price` is a worse one,
        up to which the taker would go. A market buy offers half a lot's worth more than it can spend.
        """
        assert order.price is not None
        take = Take(order.id, format(order.price, "f"), format(quantity, "f"))
        side, lot = OTHER_SIDE[order.side], self.venue.rules.lot
        by_quote = kind == "market" and side == "buy"
        tick = self.venue.rules.tick
        change = order.price / 2 // tick * tick * lot  # as many digits as a price has
        return self.venue.place(
            side,
            (price or order.price) if kind == "limit" else None,
            None if by_quote else quantity,
            account=OTHER_ACCOUNT[order.account],
            tif="ioc" if kind == "limit" else None,
            kind=kind,
            quote_quantity=order.price * quantity + change if by_quote else None,
            takes=[take],
            aim=aim,
            expect="filled" if aim else None,
        )

    def filled(self, side: str = "buy", *, account: str = "owner", tif: str | None = "gtc") -> Order:
        """An order that rested and was filled in two parts."""
        (price,) = self.venue.band.levels(1, resting=side)
        first, whole = self.units("1"), self.units("3")
        return self._placed([Placing(side, price, whole, account, tif)], [first, whole - first])

    def filled_at_once(self, side: str = "sell") -> Order:
        """An order of the owner that was filled while it was placed."""
        (price,) = self.venue.band.levels(1, resting=OTHER_SIDE[side])
        size = self.units("2")
        ahead = Placing(OTHER_SIDE[side], price, size, "counterparty")
        return place_in_turn(self.venue, [ahead, Placing(side, price, size, "owner", meets=((0, size),))])[1]

    def market_filled(self, side: str = "sell") -> Order:
        """A market order of the owner that was filled; what it met was ours. A buy had more to spend."""
        other = OTHER_SIDE[side]
        (price,) = self.venue.band.levels(1, resting=other)
        maker = self.venue.place(other, price, self.units("2"), account="counterparty")
        return self.take(maker, self.units("2"), kind="market")

    def market_remainder(self) -> Order:
        """A market sell of the owner of which a part found no bid. Only where nobody else is in the book."""
        if not self.venue.band.quiet:
            raise Undecidable("other orders rest in the book, so a market order cannot be left over")
        (price,) = self.venue.band.levels(1)
        maker = self.venue.place("buy", price, self.units("2"), account="counterparty")
        take = Take(maker.id, format(price, "f"), format(self.units("2"), "f"))
        return self.venue.place("sell", None, self.units("5"), kind="market", tif=None, takes=[take])

    def canceled(self, side: str = "buy", *, account: str = "owner", scheme: str | None = None) -> Order:
        """An order that was open and that its owner canceled."""
        order = self.open(side, account=account)
        self.venue.cancel(order, by=account, scheme=scheme)
        return order

    def ioc_remainder(self, side: str = "buy", *, filled: bool = False) -> Order:
        """An immediate-or-cancel order that found nothing, or not enough."""
        venue = self.venue
        if not filled:
            price = venue.band.levels(1, resting=OTHER_SIDE[side])[0]
            return venue.place(side, price, self.units("2"), tif="ioc")
        (price,) = venue.band.levels(1, resting=OTHER_SIDE[side])
        size = self.units("1")
        ahead = Placing(OTHER_SIDE[side], price, size, "counterparty")
        remainder = Placing(side, price, self.units("4"), "owner", "ioc", ((0, size),))
        return place_in_turn(venue, [ahead, remainder])[1]
