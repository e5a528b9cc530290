"""The exchange as its HTTP routes see it: all markets, all accounts, and the state that they are in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from .accounts import ACCOUNT_NAMES
from .clock import Clock, IdGenerator
from .engine import EngineTask
from .errors import (
    EngineRestarting,
    MarketDelisted,
    MarketHalted,
    MarketNotFound,
    OrderNotFound,
    TradingDisabled,
)
from .matching import MatchingEngine
from .money import Balances
from .orders import NewOrder, Order, Trade
from .settings import Market, Settings
from .store import Store

T = TypeVar("T")


class Exchange:
    """Finds the engine that a call concerns, and reads what needs none."""

    def __init__(self, settings: Settings, store: Store, clock: Clock, ids: IdGenerator) -> None:
        self.settings = settings
        self.store = store
        self.trading_enabled = settings.trading_enabled
        self.balances = Balances()
        self.engines = {
            market.symbol: EngineTask(MatchingEngine(market, self.balances, store, clock, ids), settings)
            for market in settings.markets
        }
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Load the balances and start each market's task, which rebuilds its book first."""
        self.balances.load(self.store.load_balances())
        self.open_accounts()
        self._tasks = [asyncio.create_task(engine.run()) for engine in self.engines.values()]

    async def stop(self) -> None:
        """End the tasks. Commands that still wait are dropped: they were not answered."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def open_accounts(self) -> None:
        """Give each account its initial balance of every token that it never held."""
        for account in ACCOUNT_NAMES:
            for token in self.settings.tokens:
                if (account, token) not in self.balances.table:
                    self.balances.credit(account, token, self.settings.initial_balance)
        with self.store.transaction():
            self.store.save_balances(self.balances.take_changed())

    # Commands

    async def place(self, account: str, new: NewOrder) -> tuple[Order, list[Trade]]:
        """Place an order; return it as it stood after its own matches, and those."""
        self.check_trading()
        engine = self.engine_of(new.symbol)
        self.check_market(engine.matching.market)
        return await self.submit(engine, lambda: engine.matching.place(account, new))

    async def cancel(self, account: str, order_id: str) -> Order:
        """Cancel one order, by its canonical id; return it in its final state."""
        self.check_trading()
        self.check_ready()
        engine = self.engine_holding(order_id)
        return await self.submit(engine, lambda: engine.matching.cancel(account, order_id))

    async def cancel_all(self, account: str, symbol: str) -> list[Order]:
        """Cancel an account's live orders in one market; return them in their final state."""
        self.check_trading()
        engine = self.engine_of(symbol)
        return await self.submit(engine, lambda: engine.matching.cancel_all(account))

    async def submit(self, engine: EngineTask, action: Callable[[], T]) -> T:
        """Queue a command on an engine and wait for its outcome."""
        return await engine.submit(action)

    def check_trading(self) -> None:
        """Refuse commands while trading is switched off."""
        if not self.trading_enabled:
            raise TradingDisabled

    def check_ready(self) -> None:
        """Refuse order calls until every book is rebuilt."""
        if not self.books_loaded() == len(self.engines):
            raise EngineRestarting

    def check_market(self, market: Market) -> None:
        """Refuse orders in a market that takes none."""
        if market.status == "halted":
            raise MarketHalted
        if market.status == "delisted":
            raise MarketDelisted

    def engine_of(self, symbol: str) -> EngineTask:
        """Return a market's engine. Raises MarketNotFound."""
        engine = self.engines.get(symbol)
        if engine is None:
            raise MarketNotFound
        return engine

    def engine_holding(self, order_id: str) -> EngineTask:
        """Return the engine of the market that an order is in. Raises OrderNotFound."""
        for engine in self.engines.values():
            if order_id in engine.matching.live:
                return engine
        order = self.store.load_order(order_id)
        if order is None or order.symbol not in self.engines:
            raise OrderNotFound
        return self.engines[order.symbol]

    # Reads

    def order(self, account: str, order_id: str) -> Order:
        """Return an own order of any state. Raises OrderNotFound, also for another user's (Errors page)."""
        self.check_ready()
        order = self.find_order(order_id)
        if order is None or order.account != account:
            raise OrderNotFound
        return order

    def find_order(self, order_id: str) -> Order | None:
        """Return anyone's order of any state, or None."""
        for engine in self.engines.values():
            if order_id in engine.matching.live:
                return engine.matching.live[order_id]
        return self.store.load_order(order_id)

    def open_orders(self, account: str, symbol: str | None) -> list[Order]:
        """Return an account's live orders, oldest first, of one market or of all."""
        self.check_ready()
        engines = list(self.engines.values()) if symbol is None else [self.engine_of(symbol)]
        found = [order for engine in engines for order in engine.matching.live.values() if order.account == account]
        return sorted(found, key=lambda order: order.seq)

    def trades(
        self, account: str, symbol: str | None, start_s: int | None, end_s: int | None, limit: int
    ) -> list[Trade]:
        """Return an account's trades, newest first; bounds in Unix seconds, both inclusive."""
        if symbol is not None:
            self.engine_of(symbol)
        return self.store.load_trades(account, symbol, start_s, end_s, limit)

    def queue_depth(self) -> int:
        """Return how many commands wait in all engines."""
        return sum(engine.depth() for engine in self.engines.values())

    def books_loaded(self) -> int:
        """Return how many books are rebuilt and take commands."""
        return sum(engine.ready for engine in self.engines.values())
