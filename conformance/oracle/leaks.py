"""What an answer must not give away."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from conformance.oracle.amounts import decimal_of
from conformance.oracle.ledger import Order
from conformance.record import Response

# How the record masks a secret; one that stands in an answer was sent by the target.
MASKED_SECRET = re.compile(r"«(?:owner|counterparty)\.(?:api_secret|jwt|expired_jwt)[^»]*»")

_INTERNALS = re.compile(
    r"Traceback \(most recent call last\)|\bpanicked at\b|\bgoroutine \d+ \[|Exception in thread"
    r"|^\s+at [\w.$<>]+ ?\(.{1,200}:\d+(?::\d+)?\)|File \"[^\"]{1,200}\", line \d+|\bSQLSTATE\b|\bpsycopg2?\b"
    r"|\b(?:org\.postgresql|java\.lang|sqlx::|tokio_postgres|sqlite3\.\w*Error)|node_modules/"
    r"|\b(?:SELECT\s.{1,80}\sFROM|INSERT\s+INTO|UPDATE\s.{1,80}\sSET|DELETE\s+FROM)\s+\w+"
    r"|/(?:home|usr|srv|opt|var|app|src)/[\w.-]+/[\w./-]+|\bsrc/\w+\.(?:rs|go|py|js|ts|java)\b",
    re.MULTILINE,
)
_SIGNATURE = re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{64}(?![0-9A-Fa-f])")
_NUMBER = re.compile(r"(?<![\w.-])\d{1,30}(?:\.\d{1,30})?(?![\w-]|\.\w)", re.ASCII)
_LINKS = re.compile(
    r"""\b[a-z][a-z0-9+.-]*://[^\s"'<>]+|\b(?:src|href)=\\?["'][^"'\\]*|"(?:type|help|docs|href|link)"\s*:\s*"/[^"]*""",
    re.IGNORECASE,
)
_NAMED_ID = re.compile(r'"[\w-]*id"\s*:\s*"[0-9A-Fa-f]{64}"', re.IGNORECASE)  # of the request, say
_WHOSE = frozenset({"user", "user_id", "owner", "owner_id", "account", "account_id"})
# what the fields of an order would say of it: the same name may stand for something else, say a rate limit's
_OF_ORDER: dict[str, Callable[[Order], object]] = {
    "side": lambda order: order.side,
    "tif": lambda order: order.tif,
    "price": lambda order: order.price,
    "quantity": lambda order: order.quantity,
    "quote_quantity": lambda order: order.quote_quantity,
    "filled_qty": lambda order: order.filled,
    "avg_fill_price": lambda order: None if order.fills else Decimal(0),
    "created_at": lambda order: order.created_at,
    "updated_at": lambda order: order.shown[2] if order.shown else order.created_at,
    "remaining": lambda order: order.remaining,
}

# parts of the names of headers, and the fields that these would be; what else the name of one for an owner may have
_IN_HEADERS = {"owner": "owner", "price": "price", "quantity": "quantity", "filled": "filled_qty"}
_OF_OWNER = frozenset({"x", "order", "owner", "id", "user", "account"})


def leak_in(response: Response, body: Any, order: Order | None, *, foreign: bool, target: str) -> str | None:
    """What the answer gives away, in words, or None.

    A refusal about another user's `order` (`foreign`) may not carry its data or its owner, nor may a 401, and this
    may not tell how it should have been signed. Fields that no page names are allowed otherwise, such as one that
    repeats the request's own `target`.
    """
    for text in (response.body, *[value for _, value in response.headers]):
        if "«" in text and (found := MASKED_SECRET.search(text)) is not None:
            return f"a credential ({found[0]})"
    if response.status >= 400:
        for internals in _internals_in(response.body):
            if internals not in target and internals not in unquote(target):
                return f"internals ({internals[:80]!r})"
    if (foreign and response.status in (403, 404)) or response.status == 401:
        fields = [*_fields(body), *(_in_headers(response) if foreign else ())]
        names = sorted({name for name, value in fields if _gives_away(name, value, order)})
        if not names and foreign and order is not None and _tells_of(order, response.body):
            names = ["price", "quantity"]
        if names:
            whose = "an order to somebody unknown" if response.status == 401 else "another user's order"
            return f"data of {whose} ({', '.join(names)})"
    if response.status == 401:
        rest = _NAMED_ID.sub("", response.body)
        if any(found not in target for found in _SIGNATURE.findall(rest)):
            return "what looks like the signature that was expected"
    return None


def _gives_away(name: str, value: Any, order: Order | None) -> bool:
    if value is None or name in _WHOSE:
        return value is not None
    of_order = _OF_ORDER.get(name)
    if of_order is None or order is None or (known := of_order(order)) is None:
        return False
    return value == known or (isinstance(known, Decimal) and decimal_of(value) == known)


def _tells_of(order: Order, text: str) -> bool:
    """Whether a text has both price and quantity of an order; not if these are whole: that may be chance."""
    if order.price is None or order.quantity is None or order.price == order.price.to_integral_value():
        return False
    return {order.price, order.quantity} <= {Decimal(number) for number in _NUMBER.findall(text)}


def _in_headers(response: Response) -> Iterator[tuple[str, str]]:
    """The headers whose names have a part that is a field's, as fields."""
    for name, value in response.headers:
        parts = set(name.lower().split("-"))
        for part in _IN_HEADERS.keys() & parts:
            if part != "owner" or parts <= _OF_OWNER:
                yield _IN_HEADERS[part], value


@lru_cache(64)  # refusals are alike
def _internals_in(text: str) -> tuple[str, ...]:
    # what a browser is to load or open is meant for everybody
    return tuple(match[0].strip() for match in _INTERNALS.finditer(_LINKS.sub("", text)))


def _fields(value: Any, depth: int = 4) -> Iterator[tuple[str, Any]]:
    """All fields of a JSON value by name, also those of objects within it."""
    if isinstance(value, dict) and depth:
        yield from value.items()
    inner = value.values() if isinstance(value, dict) else value[:50] if isinstance(value, list) else ()
    for one in inner if depth else ():
        yield from _fields(one, depth - 1)
