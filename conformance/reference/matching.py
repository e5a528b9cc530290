"""Matching in one market: filters, the plan of matches, fills and cancels.

All of it is synchronous and runs in the market's engine task, so no two commands ever interleave. Each step
that changes anything ends in ``commit``: first the acceptance, then each fill by itself, then the end of the
order.
"""

from __future__ import annotations

from copy import copy
from decimal import Decimal
from typing import Literal

from .book import Book
from .clock import Clock, IdGenerator
from .errors import Forbidden, OrderNotFound, OrderRefused
from .money import Balances
from .orders import NewOrder, Order, Status, Trade
from .settings import Market
from .settlement import Settlement
from .store import Store

Match = tuple[Order, Decimal]
"""A resting order, and the base amount that it is to fill."""


class MatchingEngine:
    """The book of one market and what may happen to it."""

    def __init__(self, market: Market, balances: Balances, store: Store, clock: Clock, ids: IdGenerator) -> None:
        self.market = market
        self.balances = balances
        self.funds = Settlement(market, balances)
        self.store = store
        self.clock = clock
        self.ids = ids
        self.book = Book()
        self.live: dict[str, Order] = {}

    def clear(self) -> None:
        """Forget the book, to rebuild it."""
        self.book = Book()
        self.live = {}

    # Place

    def place(self, account: str, new: NewOrder) -> tuple[Order, list[Trade]]:
        """Accept an order, match it, and rest or end it; return a snapshot of it and its own fills.

        Raises OrderRefused, with nothing changed, when a rule of the market forbids it.
        """
        self.check_filters(new)
        order = self.make_order(account, new)
        matches = self.plan(order)
        self.check_post_only(order, matches)
        self.check_self_trade(order, matches)
        self.accept(order, rests=not matches and self.may_rest(order))
        return self.run(order, matches)

    def check_filters(self, new: NewOrder) -> None:
        """Refuse prices off the tick, quantities off the lot, and too small orders."""
        self.check_tick(new)
        self.check_lot(new)
        self.check_min_notional(new)

    def check_tick(self, new: NewOrder) -> None:
        """Refuse a price that is no multiple of the tick."""
        if new.price is not None and new.price % self.market.tick_size != 0:
            raise OrderRefused("INVALID_TICK")

    def check_lot(self, new: NewOrder) -> None:
        """Refuse a quantity that is no multiple of the lot."""
        if new.quantity is not None and new.quantity % self.market.lot_size != 0:
            raise OrderRefused("INVALID_LOT")

    def check_min_notional(self, new: NewOrder) -> None:
        """Refuse an order worth less than the minimum. A market sell has no price to tell its worth by."""
        notional = new.quote_quantity
        if new.price is not None and new.quantity is not None:
            notional = new.price * new.quantity
        if notional is not None and notional < self.market.min_notional:
            raise OrderRefused("BELOW_MIN_NOTIONAL")

    def make_order(self, account: str, new: NewOrder) -> Order:
        """Return the order that a request asks for, not accepted yet."""
        now = self.clock.now_s()
        order_id = self.ids.new_order_id()
        amounts = (new.price, new.quantity, new.quote_quantity)
        return Order(order_id, account, new.symbol, new.side, new.type, new.tif, *amounts, now, now)

    def plan(self, order: Order) -> list[Match]:
        """Return the matches that an order would make now, best price first, then oldest first."""
        matches: list[Match] = []
        quantity = None if order.quantity is None else order.remaining
        quote = self.quote_left(order)
        for maker in self.book.against(order.side):
            if not self.crosses(order, maker):
                break
            part = self.match_quantity(maker, quantity, quote)
            if part <= 0:
                break
            matches.append((maker, part))
            if quantity is not None:
                quantity -= part
            elif quote is not None:
                quote -= part * self.trade_price(maker)
        return matches

    def crosses(self, order: Order, maker: Order) -> bool:
        """Whether an incoming order would trade at a resting order's price."""
        if order.price is None or maker.price is None:
            return True
        return order.price >= maker.price if order.side == "buy" else order.price <= maker.price

    def quote_left(self, order: Order) -> Decimal | None:
        """Return what a market buy may still spend, None for any other order."""
        return None if order.quote_quantity is None else order.quote_quantity - order.filled_quote

    def match_quantity(self, maker: Order, quantity: Decimal | None, quote: Decimal | None) -> Decimal:
        """Return how much of a resting order is taken by what is left to fill, in base or in quote."""
        if quantity is None:
            assert quote is not None, "an order has a quantity or a quote quantity"
            quantity = self.affordable(quote, self.trade_price(maker))
        return min(maker.remaining, quantity)

    def affordable(self, quote: Decimal, price: Decimal) -> Decimal:
        """Return the whole lots that a quote amount buys."""
        return quote // (price * self.market.lot_size) * self.market.lot_size

    def check_post_only(self, order: Order, matches: list[Match]) -> None:
        """Refuse a post_only order that would take."""
        if order.tif == "post_only" and matches:
            raise OrderRefused("POST_ONLY_REJECT")

    def check_self_trade(self, order: Order, matches: list[Match]) -> None:
        """Refuse, as a whole, an order that would reach an own resting one: nothing fills before it."""
        if any(maker.account == order.account for maker, _ in matches):
            raise OrderRefused("SELF_TRADE")

    def may_rest(self, order: Order) -> bool:
        """Whether what is left of an order stays on the book."""
        return order.tif in ("gtc", "post_only") and order.type == "limit"

    def accept(self, order: Order, *, rests: bool) -> None:
        """Lock what an order needs and commit it. One that ``rests`` at once is on the book with that."""
        self.funds.lock_funds(order)
        order.in_flight = not rests
        self.commit(new=order)
        self.live[order.id] = order
        if rests:
            self.book.add(order)

    def run(self, order: Order, matches: list[Match]) -> tuple[Order, list[Trade]]:
        """Carry out planned matches of an accepted order, then rest or end it."""
        fills = [self.fill(order, maker, quantity) for maker, quantity in matches]
        if order.in_flight:
            self.finish(order)
        return copy(order), fills

    # Fill

    def fill(self, taker: Order, maker: Order, quantity: Decimal) -> Trade:
        """Trade ``quantity`` between two orders, commit it, and return the taker's side."""
        price, now = self.trade_price(maker), self.clock.now_s()
        trade_id = self.ids.new_trade_id()
        trades = [
            self.funds.trade_side(trade_id, taker, "taker", price, quantity, now),
            self.funds.trade_side(trade_id, maker, "maker", price, quantity, now),
        ]
        for order, trade in zip((taker, maker), trades, strict=True):
            self.funds.settle(order, trade)
            self.apply_fill(order, price, quantity)
        if maker.remaining == 0:
            self.book.remove(maker)
            self.end(maker, "filled")
        self.commit(taker, maker, trades=trades)
        return trades[0]

    def trade_price(self, maker: Order) -> Decimal:
        """Return the price of a match: the resting order's."""
        assert maker.price is not None, "only limit orders rest"
        return maker.price

    def apply_fill(self, order: Order, price: Decimal, quantity: Decimal) -> None:
        """Count a fill on an order."""
        order.filled_qty += quantity
        order.filled_quote += price * quantity
        order.status = self.status_after_fill(order)
        self.touch(order)

    def status_after_fill(self, order: Order) -> Status:
        """Return the status of an order that has just been filled in part."""
        return "partially_filled"

    def finish(self, order: Order) -> None:
        """Rest or end an order that has made its matches."""
        if self.is_filled(order):
            self.end(order, "filled")
        elif self.may_rest(order):
            order.in_flight = False
            self.book.add(order)
        else:
            self.touch(order)
            self.end(order, "canceled")
        self.commit(order)

    def is_filled(self, order: Order) -> bool:
        """Whether nothing is left to fill. A market buy is filled when what it has left buys no lot more.

        That change is judged at the average price that it paid, which needs no further liquidity to be known.
        """
        left = self.quote_left(order)
        if left is None:
            return order.remaining == 0
        return order.filled_qty > 0 and left * order.filled_qty < self.market.lot_size * order.filled_quote

    # Cancel

    def cancel(self, account: str, order_id: str) -> Order:
        """Cancel one live order of ``account`` and return it in its final state.

        Raises OrderNotFound (404) or Forbidden (403), with nothing changed. Another user's order gets 403
        live or terminal: the page's row for 403 makes no difference.
        """
        order = self.find(order_id)
        if order is None:
            raise OrderNotFound
        self.check_owner(order, account)
        self.check_live(order)
        return self.cancel_order(order)

    def cancel_all(self, account: str) -> list[Order]:
        """Cancel all live orders of ``account``, oldest first, each in a commit of its own."""
        return [self.cancel_order(order) for order in list(self.live.values()) if order.account == account]

    def find(self, order_id: str) -> Order | None:
        """Return an order of any state, or None."""
        return self.live.get(order_id) or self.store.load_order(order_id)

    def check_owner(self, order: Order, account: str) -> None:
        """Refuse another user's order."""
        if order.account != account:
            raise Forbidden

    def check_live(self, order: Order) -> None:
        """Refuse a terminal order."""
        if not order.live:
            raise OrderNotFound

    def cancel_order(self, order: Order) -> Order:
        """Take a live order off the book, free its lock, mark it and commit that."""
        self.remove_from_book(order)
        self.touch(order)
        self.end(order, "canceled")
        self.commit(order)
        return order

    def remove_from_book(self, order: Order) -> None:
        """Take an order off the book, if it rests."""
        if order.price is not None:
            self.book.remove(order)

    # Steps shared by the above

    def touch(self, order: Order) -> None:
        """Note the time of a change."""
        order.updated_at = self.clock.now_s()

    def end(self, order: Order, status: Literal["filled", "canceled"]) -> None:
        """Make an order terminal: nothing of it stays locked."""
        self.funds.release_lock(order)
        self.set_status(order, status)
        order.in_flight = False
        self.live.pop(order.id, None)

    def set_status(self, order: Order, status: Status) -> None:
        """Give an order a status."""
        order.status = status

    def commit(self, *changed: Order, new: Order | None = None, trades: list[Trade] | None = None) -> None:
        """Write what changed, together with the balances that it changed, in one transaction."""
        with self.store.transaction():
            if new is not None:
                self.store.insert_order(new)
            for order in changed:
                self.store.update_order(order)
            for trade in trades or ():
                self.store.insert_trade(trade)
            self.store.save_balances(self.balances.take_changed())
