"""The ledger: what each order must look like by now, from what the suite placed, filled and canceled."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any

import msgspec

from conformance.oracle.amounts import decimal_of, vwap
from conformance.record import Exchange, Take

_NOTHING = Decimal(0)
LIVE = ("open", "partially_filled")  # the statuses of an order that is on the book


class State(StrEnum):
    """What the ledger knows of an order. UNSURE: an answer was lost, or a stranger traded with it."""

    LIVE = "live"
    CANCELED = "canceled"
    FILLED = "filled"
    UNSURE = "unsure"


class Act(msgspec.Struct, eq=False):
    """A request that may have changed an order: the exchange, who sent it, and the requirement it would break.

    `peak` is the highest `n` of all acts so far: overlapping requests do not end in the order of their numbers.
    """

    n: int
    case: str
    account: str | None
    requirement: str
    peak: int = 0


class Order(msgspec.Struct, eq=False):
    """One order as it must be.

    Times are monotonic seconds on the suite's clock (`placed`, `canceled` are the windows in which it happened),
    `created_at` and `final` are the target's own words. `confirmed` is the exchange that last showed the order to
    be as the ledger has it; `acts` are those that could have changed it since. `shown` is what a query showed while
    it was live: how many fills it had then, its status and its updated_at. `id` is in lower case, `spelled` as New
    Order returned it, if that differs.
    """

    id: str
    account: str
    symbol: str
    side: str
    type: str
    tif: str
    price: Decimal | None
    quantity: Decimal | None
    quote_quantity: Decimal | None
    placed: tuple[float, float]
    case: str
    created_at: int | None = None
    state: State = State.LIVE
    fills: list[tuple[Decimal, Decimal]] = []
    exact: bool = True
    canceled: tuple[float, float] | None = None
    final: dict[str, Any] | None = None
    canceled_by: str | None = None
    confirmed: int = 0
    acts: list[Act] = []
    shown: tuple[int, Any, Any] | None = None
    spelled: str | None = None

    @property
    def path_id(self) -> str:
        """The id as it is to be sent: as New Order returned it."""
        return self.spelled or self.id

    @property
    def filled(self) -> Decimal:
        """What has filled so far."""
        if len(self.fills) < 2:
            return self.fills[0][1] if self.fills else _NOTHING
        return sum([quantity for _, quantity in self.fills], _NOTHING)

    @property
    def average(self) -> Fraction:
        """The exact volume-weighted average price of the fills so far."""
        return vwap(self.fills)

    @property
    def remaining(self) -> Decimal:
        """What is still to fill (0 for an order by quote amount)."""
        return (self.quantity or self.filled) - self.filled

    @property
    def status(self) -> str:
        """The status that the venue must show."""
        if self.state is State.LIVE:
            return "partially_filled" if self.fills else "open"
        return str(self.state)

    def has_better_price_than(self, other: Order) -> bool:
        """Whether it fills before another order of its side, because of its price."""
        if self.price is None or other.price is None:
            return False
        return self.price > other.price if self.side == "buy" else self.price < other.price

    def fill(self, price: Decimal, quantity: Decimal) -> None:
        """Book a fill; an order with nothing left is filled."""
        self.fills.append((price, quantity))
        if self.state is State.LIVE and self.quantity is not None and self.filled >= self.quantity:
            self.state = State.FILLED


class Ledger:
    """All orders that the record has shown to be placed."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        # those that were live, or handed out, since somebody last asked for the live ones
        self._current: dict[str, Order] = {}
        self.others_trade = False  # whether an order of ours has met somebody else's, by its price
        self._texts: dict[tuple[str, ...], tuple[str, ...]] = {}  # those that many orders share, kept once

    def get(self, order_id: str | None) -> Order | None:
        """The order with this id, if the record placed it."""
        order = self.orders.get(order_id.lower()) if order_id else None
        if order is not None:
            self._current[order.id] = order
        return order

    def live(self, account: str | None = None) -> Iterator[Order]:
        """The orders that may still be on the book."""
        for order in list(self._current.values()):
            if order.state not in (State.LIVE, State.UNSURE):
                self._current.pop(order.id, None)
            elif account in (None, order.account):
                yield order

    def place(self, exchange: Exchange, sent: dict[str, Any], answer: dict[str, Any]) -> Order | None:
        """Enter the order that a 200 to New Order answers, with the fills that were planned for it.

        The planned fills are booked on both sides if the answer agrees with them; otherwise somebody else traded
        and all orders involved are no longer exact.
        """
        order_id = answer.get("id")
        if not isinstance(order_id, str) or exchange.auth is None:
            return None
        kind, canonical = str(sent.get("type", "limit")), order_id.lower()
        tif = str(sent.get("tif") or ("ioc" if kind == "market" else "gtc"))
        texts = exchange.auth.account, str(sent.get("symbol")), str(sent.get("side")), kind, tif, exchange.case
        account, symbol, side, kind, tif, case = self._texts.setdefault(texts, texts)
        made = answer.get("created_at")
        order = Order(
            id=canonical,
            account=account,
            symbol=symbol,
            side=side,
            type=kind,
            tif=tif,
            price=decimal_of(sent.get("price")),
            quantity=decimal_of(sent.get("quantity")),
            quote_quantity=decimal_of(sent.get("quote_quantity")),
            placed=(exchange.start, exchange.end),
            case=case,
            created_at=made if type(made) is int else None,
            confirmed=exchange.n,
            spelled=order_id if order_id != canonical else None,
        )
        self.orders[order.id] = self._current[order.id] = order
        self._fill(order, exchange, answer)
        if order.state is State.LIVE and order.tif == "ioc":
            done = order.quantity is not None and order.filled >= order.quantity
            # a market buy by quote amount has no quantity to compare with: the answer says how it ended
            if order.quantity is None:
                done = answer.get("status") == "filled"
            order.state = State.FILLED if done else State.CANCELED
        return order

    def ahead_of(self, order: Order, besides: set[str]) -> list[Order]:
        """The orders, but for some, that may fill before this one: of a better price, or of its price and earlier.

        None is there as planned; but the cancel of one may have been refused for the time being, and given up.
        """
        return [
            other
            for other in self.live()
            if other.side == order.side
            and other.symbol == order.symbol
            and other.id not in besides
            and other is not order
            and (other.has_better_price_than(order) or (other.price == order.price and other.placed < order.placed))
        ]

    def doubt(self, exchange: Exchange, sent: dict[str, Any]) -> None:
        """A New Order got no answer, or met others than planned: what it may have met is no longer sure."""
        price = decimal_of(sent.get("price"))
        for order in self.live():
            if order.state is not State.LIVE or exchange.auth is None or order.account == exchange.auth.account:
                continue
            if order.side == sent.get("side") or order.symbol != sent.get("symbol"):
                continue
            if price is not None and order.price is not None:
                buy, sell = (price, order.price) if order.side == "sell" else (order.price, price)
                if buy < sell:
                    continue
            order.state = State.UNSURE

    def _meets_others(self, order: Order, planned: list[Take], answer: dict[str, Any]) -> bool:
        """Whether an order filled at a better price than planned, at which none of ours has ever been."""
        rows = answer.get("fills")
        if not isinstance(rows, list):
            return False
        prices = [decimal_of(row.get("price")) for row in rows if isinstance(row, dict)]
        meant = [Decimal(take.price) for take in planned]
        buys = order.side == "buy"
        better = [
            p for p in prices if p is not None and (p < max(meant) if buys else p > min(meant)) and p not in meant
        ]
        # an order of ours that was canceled, and is met all the same, is another matter
        return any(
            all(other.price != p or other.side == order.side for other in self.orders.values()) for p in better
        )

    def _fill(self, order: Order, exchange: Exchange, answer: dict[str, Any]) -> None:
        planned = exchange.takes or []
        answered = decimal_of(answer.get("filled_qty"))
        if not planned and not answered:
            return
        total = sum([Decimal(take.quantity) for take in planned], _NOTHING)
        met_others = bool(planned) and self._meets_others(order, planned, answer)
        self.others_trade |= met_others
        if answered is not None and (answered != total or met_others):
            order.exact = False
            if answered > 0:
                order.fills.append((order.price or Decimal(0), answered))
                if order.quantity is not None and answered >= order.quantity:
                    order.state = State.FILLED
            for take in planned:
                maker = self.get(take.order)
                if maker is not None:
                    maker.exact = False
                    maker.state = State.UNSURE
            return
        meant = {take.order for take in planned}
        for take in planned:
            price, quantity = Decimal(take.price), Decimal(take.quantity)
            order.fill(price, quantity)
            maker = self.get(take.order)
            if maker is None:
                continue
            maker.fill(price, quantity)
            maker.confirmed = exchange.n
            if ahead := self.ahead_of(maker, meant):  # one of these may have filled in its place
                for unsure in (maker, *ahead):
                    unsure.exact, unsure.state = False, State.UNSURE
