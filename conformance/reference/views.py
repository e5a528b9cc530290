"""What the exchange shows: orders, trades, markets and its health, as plain JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from .exchange import Exchange
from .orders import Order, Trade
from .settings import Market, Settings

ORDER_FIELDS = (
    *(
        "id",
        "symbol",
        "side",
        "type",
        "tif",
        "price",
        "quantity",
        "quote_quantity",
        "filled_qty",
        "avg_fill_price",
    ),
    *("status", "reject_reason", "created_at", "updated_at"),
)
FILL_FIELDS = ("trade_id", "price", "quantity", "fee", "fee_token", "role")
TRADE_FIELDS = (*("trade_id", "symbol", "side", "price", "quantity", "fee", "fee_token", "role", "order_id", "ts"),)
# Wide enough for any quotient of two amounts; ``average_digits`` rounds it afterwards.
DIVISION = Context(prec=80, rounding=ROUND_HALF_EVEN)


class OrderView:
    """Shows an order as the 14 fields of the Cancel Order page. Each field is a method of its name."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.markets = {market.symbol: market for market in settings.markets}

    def render(self, order: Order) -> dict[str, Any]:
        """Return the order's fields, and the extra ones of the settings, if any."""
        return {**{name: getattr(self, name)(order) for name in ORDER_FIELDS}, **self.settings.extra_fields}

    def id(self, order: Order) -> str:
        """Show the id as it was given out."""
        return order.id

    def symbol(self, order: Order) -> str:
        """Show the market."""
        return order.symbol

    def side(self, order: Order) -> str:
        """Show ``buy`` or ``sell``."""
        return order.side

    def type(self, order: Order) -> str:
        """Show ``limit`` or ``market``."""
        return order.type

    def tif(self, order: Order) -> str:
        """Show ``gtc``, ``ioc`` or ``post_only``."""
        return order.tif

    def price(self, order: Order) -> str | None:
        """Show the limit price, null for a market order."""
        return None if order.price is None else self.amount(order.price, self.tick(order))

    def quantity(self, order: Order) -> str | None:
        """Show the base amount ordered, null for a market buy."""
        return None if order.quantity is None else self.amount(order.quantity, self.lot(order))

    def quote_quantity(self, order: Order) -> str | None:
        """Show the quote amount to spend, null for all but a market buy."""
        return None if order.quote_quantity is None else normalised(order.quote_quantity)

    def filled_qty(self, order: Order) -> str:
        """Show the base amount filled, without trailing zeros."""
        return normalised(order.filled_qty)

    def avg_fill_price(self, order: Order) -> str:
        """Show the volume-weighted average price of the fills, ``0`` without any."""
        return self.average(order.filled_quote, order.filled_qty)

    def status(self, order: Order) -> str:
        """Show the status."""
        return order.status

    def reject_reason(self, order: Order) -> str | None:
        """Show why it was rejected: always null, as a refused order is not kept."""
        return order.reject_reason

    def created_at(self, order: Order) -> int:
        """Show when it was placed, in Unix seconds."""
        return order.created_at

    def updated_at(self, order: Order) -> int:
        """Show when it last changed, in Unix seconds."""
        return order.updated_at

    def average(self, quote: Decimal, quantity: Decimal) -> str:
        """Return quote by quantity, rounded to ``average_digits``, without trailing zeros."""
        if quantity == 0:
            return "0"
        exact = DIVISION.divide(quote, quantity)
        return normalised(exact.quantize(Decimal(1).scaleb(-self.settings.average_digits), context=DIVISION))

    def amount(self, value: Decimal, step: Decimal) -> str:
        """Show an amount padded to the digits of its step, or without trailing zeros, as the settings say."""
        return normalised(value) if self.settings.decimal_style == "normalised" else padded(value, step)

    def tick(self, order: Order) -> Decimal:
        """Return the tick of an order's market."""
        return self.markets[order.symbol].tick_size

    def lot(self, order: Order) -> Decimal:
        """Return the lot of an order's market."""
        return self.markets[order.symbol].lot_size


class TradeView:
    """Shows one side of a match: in short inside New Order's answer, in full in the list of own trades."""

    def fill(self, trade: Trade) -> dict[str, Any]:
        """Return the fields of an entry of ``fills``."""
        return self.fields(trade, FILL_FIELDS)

    def render(self, trade: Trade) -> dict[str, Any]:
        """Return the fields of an entry of own trades."""
        return self.fields(trade, TRADE_FIELDS)

    def fields(self, trade: Trade, names: Sequence[str]) -> dict[str, Any]:
        """Return the named fields; amounts as strings without trailing zeros."""
        values = ((name, getattr(trade, name)) for name in names)
        return {name: normalised(value) if isinstance(value, Decimal) else value for name, value in values}


def market_view(market: Market) -> dict[str, Any]:
    """Return a market as the Markets page lists it."""
    return {
        "id": market.symbol,
        "base_token": market.base_token,
        "quote_token": market.quote_token,
        "tick_size": plain(market.tick_size),
        "lot_size": plain(market.lot_size),
        "min_notional": plain(market.min_notional),
        "maker_fee_bps": market.maker_fee_bps,
        "taker_fee_bps": market.taker_fee_bps,
        "status": market.status,
    }


def health_view(exchange: Exchange) -> dict[str, Any]:
    """Return the engine's state as the Health page has it; ``books_loaded`` counts the books."""
    return {
        "engine": "running" if exchange.trading_enabled else "disabled",
        "queue_depth": exchange.queue_depth(),
        "books_loaded": exchange.books_loaded(),
    }


def plain(value: Decimal) -> str:
    """Return a number without exponent, its digits kept."""
    return format(value, "f")


def normalised(value: Decimal) -> str:
    """Return a number without exponent and without trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def padded(value: Decimal, step: Decimal) -> str:
    """Return a multiple of ``step`` with as many digits after the point as the step has, at least."""
    digits = max(0, -int(step.as_tuple().exponent))
    text = normalised(value)
    have = len(text.partition(".")[2])
    if have >= digits:
        return text
    return text + ("." if have == 0 else "") + "0" * (digits - have)
