"""The money behind orders: what they lock, what a fill moves, what comes free again."""

from __future__ import annotations

from decimal import Decimal

from .accounts import FEE_ACCOUNT
from .money import ZERO, Balances, fee_of
from .orders import Order, Role, Trade
from .settings import Market


class Settlement:
    """Moves the money of one market's orders.

    An order's ``locked`` and its account's balance change together.
    """

    def __init__(self, market: Market, balances: Balances) -> None:
        self.market = market
        self.balances = balances

    def trade_side(
        self, trade_id: str, order: Order, role: Role, price: Decimal, quantity: Decimal, ts: int
    ) -> Trade:
        """Return one side of a match, with its fee, taken from what that side receives.

        ``ts``: Unix seconds.
        """
        received, token = quantity, self.market.base_token
        if order.side == "sell":
            received, token = price * quantity, self.market.quote_token
        fee = fee_of(received, self.fee_bps(role))
        ids = (trade_id, order.account, order.id, order.symbol)
        return Trade(*ids, order.side, role, price, quantity, fee, token, ts)

    def fee_bps(self, role: Role) -> int:
        """Return a role's fee in basis points."""
        return self.market.maker_fee_bps if role == "maker" else self.market.taker_fee_bps

    def settle(self, order: Order, trade: Trade) -> None:
        """Move one side's money: spend from its lock, credit what it receives, pay the fee."""
        notional = trade.price * trade.quantity
        received, given = (trade.quantity, notional) if order.side == "buy" else (notional, trade.quantity)
        self.balances.spend(order.account, self.lock_token(order), given)
        order.locked -= given
        self.balances.credit(order.account, trade.fee_token, received - trade.fee)
        self.balances.credit(FEE_ACCOUNT, trade.fee_token, trade.fee)
        self.release_improvement(order, trade)

    def release_improvement(self, order: Order, trade: Trade) -> None:
        """Free what a limit buy locked at its own price and did not pay, for a better one."""
        if order.side == "buy" and order.price is not None and order.price > trade.price:
            self.unlock(order, (order.price - trade.price) * trade.quantity)

    def lock_token(self, order: Order) -> str:
        """Return the token that an order spends."""
        return self.market.quote_token if order.side == "buy" else self.market.base_token

    def lock_amount(self, order: Order) -> Decimal:
        """Return what an order must lock to be able to fill what it has left."""
        if order.quote_quantity is not None:
            return order.quote_quantity - order.filled_quote
        if order.side == "sell":
            return order.remaining
        assert order.price is not None, "a buy by quantity has a price"
        return order.price * order.remaining

    def lock_funds(self, order: Order) -> None:
        """Lock what an order needs. Raises INSUFFICIENT_BALANCE, with nothing changed."""
        amount = self.lock_amount(order)
        self.balances.lock(order.account, self.lock_token(order), amount)
        order.locked = amount

    def release_lock(self, order: Order) -> None:
        """Free all that an order still locks."""
        if order.locked != ZERO:
            self.unlock(order, order.locked)

    def unlock(self, order: Order, amount: Decimal) -> None:
        """Free a part of what an order locks."""
        self.balances.release(order.account, self.lock_token(order), amount)
        order.locked -= amount
