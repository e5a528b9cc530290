"""Orders and fills, and how a request body becomes an order to place."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, cast

from .errors import BadRequest

Side = Literal["buy", "sell"]
OrderType = Literal["limit", "market"]
TimeInForce = Literal["gtc", "ioc", "post_only"]
Status = Literal["open", "partially_filled", "filled", "canceled"]
Role = Literal["maker", "taker"]

LIVE: frozenset[str] = frozenset({"open", "partially_filled"})
# Bounded, so that no product of two amounts outgrows the exact context of ``money``.
AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,18})?")


@dataclass(slots=True)
class Order:
    """An order as the engine holds it. Times are Unix seconds; ``seq`` is its place in the market's history.

    ``filled_quote`` is the exact quote amount of its fills, ``locked`` what it still locks (quote for a buy,
    base for a sell). ``in_flight`` is true from its acceptance until it rests or ends.
    """

    id: str
    account: str
    symbol: str
    side: Side
    type: OrderType
    tif: TimeInForce
    price: Decimal | None
    quantity: Decimal | None
    quote_quantity: Decimal | None
    created_at: int
    updated_at: int
    filled_qty: Decimal = Decimal(0)
    filled_quote: Decimal = Decimal(0)
    locked: Decimal = Decimal(0)
    status: Status = "open"
    reject_reason: str | None = None
    in_flight: bool = True
    seq: int = 0

    @property
    def live(self) -> bool:
        """Whether it can still fill or be canceled."""
        return self.status in LIVE

    @property
    def remaining(self) -> Decimal:
        """The base amount still to fill; for a market buy, which has none, the call is an error."""
        assert self.quantity is not None, "a market buy has no quantity"
        return self.quantity - self.filled_qty


@dataclass(frozen=True, slots=True)
class Trade:
    """One side of a match: what one account's order got.

    ``ts`` is in Unix seconds; both sides share the id.
    """

    trade_id: str
    account: str
    order_id: str
    symbol: str
    side: Side
    role: Role
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_token: str
    ts: int


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A well-formed request to place an order; the market's rules are not checked yet."""

    symbol: str
    side: Side
    type: OrderType
    tif: TimeInForce
    price: Decimal | None = None
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None


def parse_new_order(body: bytes) -> NewOrder:
    """Read the JSON body of New Order. Raises BadRequest ``invalid <field>`` (or ``invalid body``).

    A limit order needs price and quantity, a market sell quantity, a market buy quote_quantity (New Order
    page). A field that its kind does not take must be absent or null: to ignore a price would surprise its
    sender.
    """
    raw = parse_object(body)
    symbol = raw.get("symbol")
    if not isinstance(symbol, str) or not symbol:
        raise BadRequest("invalid symbol")
    side = cast(Side, choice(raw, "side", ("buy", "sell")))
    kind = cast(OrderType, choice(raw, "type", ("limit", "market")))
    if kind == "limit":
        tif = choice(raw, "tif", ("gtc", "ioc", "post_only"), default="gtc")
        needed: tuple[str, ...] = ("price", "quantity")
    else:
        tif = choice(raw, "tif", ("ioc",), default="ioc")
        needed = ("quantity",) if side == "sell" else ("quote_quantity",)
    amounts = {name: amount(raw, name) for name in needed}
    for name in {"price", "quantity", "quote_quantity"} - set(needed):
        if raw.get(name) is not None:
            raise BadRequest(f"invalid {name}")
    return NewOrder(symbol, side, kind, cast(TimeInForce, tif), **amounts)


def parse_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object. Raises BadRequest ``invalid body``."""
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest("invalid body") from error
    if not isinstance(raw, dict):
        raise BadRequest("invalid body")
    return raw


def choice(raw: dict[str, Any], name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
    """Return an enumerated field; lower case only (Enums page). Raises BadRequest ``invalid <name>``."""
    value = raw.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str) or value not in allowed:
        raise BadRequest(f"invalid {name}")
    return value


def amount(raw: dict[str, Any], name: str) -> Decimal:
    """Return a positive amount, which must be a plain decimal string.

    Raises BadRequest ``invalid <name>``.
    """
    value = raw.get(name)
    if not isinstance(value, str) or not AMOUNT.fullmatch(value):
        raise BadRequest(f"invalid {name}")
    number = Decimal(value)
    if number <= 0:
        raise BadRequest(f"invalid {name}")
    return number
