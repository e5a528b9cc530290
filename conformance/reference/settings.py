"""What a reference exchange is started with. Everything here is plain data that survives JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, Self

KNOWN_QUOTE_TOKENS = ("USDT", "USDC", "DAI", "USD", "EUR", "BTC", "ETH")
MarketStatus = Literal["listed", "halted", "delisted"]
DecimalStyle = Literal["padded", "normalised"]


@dataclass(frozen=True)
class Market:
    """One market and its filters. ``tick_size`` and ``min_notional`` are in quote, ``lot_size`` in base."""

    symbol: str = "DFUSDT"
    base_token: str = "DF"
    quote_token: str = "USDT"
    tick_size: Decimal = Decimal("0.0001")
    lot_size: Decimal = Decimal("0.01")
    min_notional: Decimal = Decimal(1)
    maker_fee_bps: int = 10
    taker_fee_bps: int = 20
    status: MarketStatus = "listed"

    def __post_init__(self) -> None:
        if not self.symbol or not self.base_token or not self.quote_token:
            raise ValueError("a market needs a symbol and two tokens")
        if self.base_token == self.quote_token:
            raise ValueError("base and quote token must differ")
        if self.tick_size <= 0 or self.lot_size <= 0 or self.min_notional < 0:
            raise ValueError("tick and lot must be positive, the minimum notional must not be negative")
        if not (0 <= self.maker_fee_bps < 10_000 and 0 <= self.taker_fee_bps < 10_000):
            raise ValueError("fees must be between 0 and 9999 basis points")

    @classmethod
    def of(cls, symbol: str, **values: Any) -> Self:
        """Make a market whose tokens are read off its symbol, as in ``DFUSDT`` → ``DF`` and ``USDT``."""
        base, quote = split_symbol(symbol)
        return cls(symbol=symbol, base_token=base, quote_token=quote, **values)


def split_symbol(symbol: str) -> tuple[str, str]:
    """Split a symbol into base and quote token: by a separator, a known quote token, else in the middle."""
    for separator in "-_/":
        base, found, quote = symbol.partition(separator)
        if found and base and quote:
            return base, quote
    for quote in KNOWN_QUOTE_TOKENS:
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return symbol[: -len(quote)], quote
    middle = max(1, len(symbol) // 2)
    return symbol[:middle], symbol[middle:] or "QUOTE"


@dataclass(frozen=True)
class Settings:
    """All that shapes one exchange. Times are in ms unless the name says seconds.

    ``db`` is the path of the SQLite file, or None for a temporary one that is removed at the end.
    ``clock_offset_ms`` shifts the server's whole idea of the time. ``engine_delay_ms`` slows every command
    down, so that a small ``queue_size`` overflows on demand; ``recovery_delay_ms`` stretches the time in
    which order calls answer ``ENGINE_RESTARTING``. ``decimal_style`` pads price and quantity to the tick's
    and lot's digits, or strips trailing zeros. ``extra_fields`` are added to every order object.
    ``unauthorized_body`` is the text of a 401 body (None: empty, as the Errors page has it). ``hooks`` are
    ``module:function`` names, each called with the wired ``Reference`` before it starts, free to replace any
    method of any part.
    """

    markets: tuple[Market, ...] = (Market(),)
    base_path: str = "/api/v1"
    db: str | None = None
    queue_size: int = 256
    clock_offset_ms: int = 0
    trading_enabled: bool = True
    initial_balance: Decimal = Decimal(1_000_000_000)
    auth_window_ms: int = 5000
    jwt_lifetime_s: int = 24 * 3600
    decimal_style: DecimalStyle = "padded"
    average_digits: int = 12
    extra_fields: Mapping[str, Any] = field(default_factory=dict)
    unauthorized_body: str | None = None
    engine_delay_ms: int = 0
    recovery_delay_ms: int = 0
    hooks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.markets:
            raise ValueError("an exchange needs a market")
        if len({market.symbol for market in self.markets}) != len(self.markets):
            raise ValueError("two markets share a symbol")
        if self.queue_size < 1:
            raise ValueError("the command queue must hold at least one command")
        if self.base_path and (not self.base_path.startswith("/") or self.base_path.endswith("/")):
            raise ValueError("the base path must begin with a slash and not end with one (or be empty)")

    @property
    def market(self) -> Market:
        """The first market: the one that is announced."""
        return self.markets[0]

    @property
    def tokens(self) -> tuple[str, ...]:
        """Every token of every market, each once, in order."""
        return tuple(dict.fromkeys(t for m in self.markets for t in (m.base_token, m.quote_token)))

    def to_json(self) -> str:
        """Return the settings as JSON text that ``from_json`` takes back."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote. Raises ValueError or TypeError when it is something else."""
        raw = json.loads(text)
        raw["markets"] = tuple(_market_from(values) for values in raw["markets"])
        raw["initial_balance"] = Decimal(raw["initial_balance"])
        raw["hooks"] = tuple(raw["hooks"])
        return cls(**raw)


def _market_from(values: Mapping[str, Any]) -> Market:
    decimals = {name: Decimal(values[name]) for name in ("tick_size", "lot_size", "min_notional")}
    return Market(**{**values, **decimals})


def simple_settings(
    *,
    symbol: str = "DFUSDT",
    tick: str = "0.0001",
    lot: str = "0.01",
    min_notional: str = "1",
    base_path: str = "/api/v1",
    db: str | None = None,
    clock_offset_ms: int = 0,
    trading_disabled: bool = False,
    queue_size: int = 256,
    hooks: tuple[str, ...] = (),
) -> Settings:
    """Return settings of one market from command-line values. Raises ValueError when they make no sense."""
    try:
        market = Market.of(
            symbol, tick_size=Decimal(tick), lot_size=Decimal(lot), min_notional=Decimal(min_notional)
        )
    except InvalidOperation as error:
        raise ValueError("tick, lot and minimum notional must be decimal numbers") from error
    path = base_path.strip("/")
    return Settings(
        markets=(market,),
        base_path=f"/{path}" if path else "",
        db=db,
        clock_offset_ms=clock_offset_ms,
        trading_enabled=not trading_disabled,
        queue_size=queue_size,
        hooks=hooks,
    )
