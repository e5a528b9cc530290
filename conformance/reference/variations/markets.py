"""Other markets, other fees, and other people's orders in the book."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from ..faults.tools import engines, wrap
from ..orders import NewOrder, Side
from ..reference import Reference
from ..settings import Market
from . import variation

STRANGER = "stranger"
_tasks: set[asyncio.Task[None]] = set()


def market(tick: str, lot: str, least: str, **more: Any) -> tuple[Market]:
    """Return the one market of an exchange."""
    return (Market(tick_size=Decimal(tick), lot_size=Decimal(lot), min_notional=Decimal(least), **more),)


@variation(markets=market("0.01", "0.00001", "10"))
def coarse_tick_and_fine_lot(ref: Reference) -> None:
    """Tick 0.01, lot 0.00001, least order 10."""


@variation(markets=market("0.5", "1", "5"))
def tick_of_a_half(ref: Reference) -> None:
    """Tick 0.5, lot 1, least order 5."""


@variation(markets=market("0.00000001", "0.01", "1"))
def tiny_tick(ref: Reference) -> None:
    """Tick 0.00000001."""


@variation(markets=market("0.0001", "1000", "100"))
def large_lot(ref: Reference) -> None:
    """Lot 1000, least order 100."""


@variation(markets=market("0.0001", "0.01", "0"))
def no_least_order(ref: Reference) -> None:
    """No minimum notional."""


@variation(markets=market("0.0001", "0.01", "1", maker_fee_bps=0, taker_fee_bps=0))
def no_fees(ref: Reference) -> None:
    """No fees at all."""


@variation(markets=market("0.0001", "0.01", "1", maker_fee_bps=100, taker_fee_bps=250))
def high_fees(ref: Reference) -> None:
    """Fees of 1 % and 2.5 %."""


@variation(
    markets=(
        Market.of("BTCUSDT", status="delisted"),
        Market.of("ETHUSDT", status="halted", tick_size=Decimal("0.01")),
        Market(),
        Market.of("ETHBTC", tick_size=Decimal("0.00001")),
    )
)
def several_markets(ref: Reference) -> None:
    """Four markets, the first delisted and the second halted."""


def populate(ref: Reference, bids: Sequence[str], asks: Sequence[str]) -> None:
    """Rest orders of a third account at these prices once the book is loaded."""

    async def recover(original: Any) -> None:
        await original()
        matching = engines(ref)[0]
        fund(ref)
        sides: tuple[tuple[Side, Sequence[str]], ...] = (("buy", bids), ("sell", asks))
        for side, prices in sides:
            for price in prices:
                order = NewOrder(matching.market.symbol, side, "limit", "gtc", Decimal(price), Decimal(100_000))
                matching.place(STRANGER, order)

    wrap(list(ref.exchange.engines.values()), "recover", recover)


def fund(ref: Reference) -> None:
    """Give the third account what it trades with."""
    for token in ref.settings.tokens:
        ref.exchange.balances.credit(STRANGER, token, Decimal(1_000_000_000))


@variation()
def others_in_the_book(ref: Reference) -> None:
    """Other people's orders rest on both sides, with room between them."""
    populate(ref, ["0.4", "0.35", "0.3"], ["0.6", "0.65", "0.7"])


@variation()
def others_close_together(ref: Reference) -> None:
    """Other people's orders leave only a dozen free price levels between the best bid and the best ask."""
    populate(ref, ["0.4993", "0.499", "0.45"], ["0.5006", "0.501", "0.55"])


@variation()
def others_elsewhere(ref: Reference) -> None:
    """The market trades at 27, far from the example's prices."""
    populate(ref, ["26.9", "26", "20"], ["27.2", "28", "35"])


@variation()
def others_on_one_side(ref: Reference) -> None:
    """Other people only sell."""
    populate(ref, [], ["0.5", "0.52"])


@variation()
def others_trade_now_and_then(ref: Reference) -> None:
    """Every 5 s somebody else takes a lot from the best order of the book."""
    _take(ref, every_s=5.0, share=0)


@variation()
def others_take_what_is_good(ref: Reference) -> None:
    """Ten times a second somebody else takes a third of an order to trade with at 0.5, or better."""
    _take(ref, every_s=0.1, share=Decimal("0.33"), good=Decimal("0.5"))


def _take(ref: Reference, *, every_s: float, share: Decimal | int, good: Decimal | None = None) -> None:
    """A stranger takes a share of the best order, by turns on each side, if its price is at least that good."""

    async def trade() -> None:
        matching = engines(ref)[0]
        lot = matching.market.lot_size
        for turn in range(100_000):
            await asyncio.sleep(every_s)
            side: Side = "buy" if turn % 2 else "sell"
            best = next(iter(matching.book.against(side)), None)
            if best is None or best.price is None:
                continue
            if good is not None and (best.price > good if side == "buy" else best.price < good):
                continue
            least = matching.market.min_notional / best.price // lot * lot + lot
            part = ((best.quantity or 0) - best.filled_qty) * share // lot * lot
            matching.place(
                STRANGER, NewOrder(matching.market.symbol, side, "limit", "ioc", best.price, max(least, part))
            )

    async def recover(original: Any) -> None:
        await original()
        fund(ref)
        task = asyncio.get_running_loop().create_task(trade())
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)

    wrap(list(ref.exchange.engines.values()), "recover", recover)
