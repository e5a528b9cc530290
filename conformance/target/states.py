"""Brings orders into named states: open, partially filled, filled, canceled, ended at once.

Everything is as small as the market allows. Orders that must only rest do so far from the market; fills happen
between our two accounts at prices of the band, where nobody else rests.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from conformance.oracle.ledger import Order, State
from conformance.record import Take
from conformance.target.trouble import Undecidable
from conformance.target.venue import Venue

OTHER_SIDE = {"buy": "sell", "sell": "buy"}
OTHER_ACCOUNT = {"owner": "counterparty", "counterparty": "owner"}


@dataclass(frozen=True)
class Fills:
    """How an order gets its fills.

    `improved` are units that meet better-priced resting orders while it is placed, one price each; `resting` are
    units that others take from it afterwards, at its own price. `total` is its whole size in units.
    """

    improved: tuple[str, ...] = ()
    resting: tuple[str, ...] = ()
    total: str = "12"

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
        """A partially filled order in the band; the fills are planned to the last lot."""
        venue, other = self.venue, OTHER_ACCOUNT[account]
        venue.account(other)
        levels = venue.band.levels(len(fills.improved) + 1, resting=None if fills.improved else side)
        if side == "sell":
            levels.reverse()
        price = at or levels[-1]
        ahead = [(level, self.units(units)) for level, units in zip(levels, fills.improved, strict=False)]
        makers = venue.client.together(
            [partial(venue.place, OTHER_SIDE[side], *amounts, account=other) for amounts in ahead]
        )
        takes = [
            Take(maker.id, format(level, "f"), format(size, "f"))
            for maker, (level, size) in zip(makers, ahead, strict=True)
        ]
        order = venue.place(side, price, self.units(fills.total), account=account, tif=tif, takes=takes)
        sizes = [self.units(units) for units in fills.resting]
        if sizes:  # where lots are coarse the last one must leave one of them
            sizes[-1] = min(sizes[-1], order.remaining - sum(sizes[:-1]) - venue.rules.lot)
        venue.client.together([partial(self.take, order, size) for size in sizes])
        if order.state is not State.LIVE:
            raise Undecidable(f"an order that should rest partially filled ended as {order.state}")
        venue.done_trading()
        return order

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
        up to which the taker would go.
        """
        assert order.price is not None
        take = Take(order.id, format(order.price, "f"), format(quantity, "f"))
        return self.venue.place(
            OTHER_SIDE[order.side],
            (price or order.price) if kind == "limit" else None,
            quantity,
            account=OTHER_ACCOUNT[order.account],
            tif="ioc" if kind == "limit" else None,
            kind=kind,
            takes=[take],
            aim=aim,
            expect="filled" if aim else None,
        )

    def filled(self, side: str = "buy", *, account: str = "owner", tif: str | None = "gtc") -> Order:
        """An order that rested and was filled in two parts."""
        (price,) = self.venue.band.levels(1, resting=side)
        order = self.venue.place(side, price, self.units("3"), account=account, tif=tif)
        self.take(order, self.units("1"))
        self.take(order, order.remaining)
        return order

    def filled_at_once(self, side: str = "sell") -> Order:
        """An order of the owner that was filled while it was placed."""
        (price,) = self.venue.band.levels(1, resting=OTHER_SIDE[side])
        maker = self.venue.place(OTHER_SIDE[side], price, self.units("2"), account="counterparty")
        take = Take(maker.id, format(price, "f"), format(self.units("2"), "f"))
        return self.venue.place(side, price, self.units("2"), takes=[take])

    def market_filled(self) -> Order:
        """A market sell of the owner that was filled; the bid it met was ours."""
        (price,) = self.venue.band.levels(1, resting="buy")
        maker = self.venue.place("buy", price, self.units("2"), account="counterparty")
        take = Take(maker.id, format(price, "f"), format(self.units("2"), "f"))
        return self.venue.place("sell", None, self.units("2"), kind="market", tif=None, takes=[take])

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
        maker = venue.place(OTHER_SIDE[side], price, self.units("1"), account="counterparty")
        take = Take(maker.id, format(price, "f"), format(self.units("1"), "f"))
        return venue.place(side, price, self.units("4"), tif="ioc", takes=[take])
