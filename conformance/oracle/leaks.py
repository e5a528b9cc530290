"""What an answer must not give away."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

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
_OTHERS_DATA = frozenset(
    [
        "side",
        "tif",
        "price",
        "quantity",
        "quote_quantity",
        "filled_qty",
        "avg_fill_price",
        "created_at",
        "updated_at",
        "user",
        "user_id",
        "owner",
        "owner_id",
        "account",
        "account_id",
        "remaining",
    ]
)

_IN_HEADERS = frozenset({"owner", "price", "quantity", "filled"})  # parts of names


def leak_in(response: Response, body: Any, *, foreign: bool, target: str) -> str | None:
    """What the answer gives away, in words, or None.

    A refusal about another user's order (`foreign`) may not carry its data or its owner, nor may a 401, and this
    may not tell how it should have been signed. Fields that no page names are allowed otherwise, such as one that
    repeats the request's own `target`.
    """
    for text in (response.body, *[value for _, value in response.headers]):
        if "«" in text and (found := MASKED_SECRET.search(text)) is not None:
            return f"a credential ({found[0]})"
    if response.status >= 400:
        for internals in _internals_in(response.body):
            if internals not in target:
                return f"internals ({internals[:80]!r})"
    if (foreign and response.status in (403, 404)) or response.status == 401:
        names = sorted((_OTHERS_DATA & _keys(body)) | (_IN_HEADERS & _parts(response) if foreign else set()))
        if names:
            whose = "an order to somebody unknown" if response.status == 401 else "another user's order"
            return f"data of {whose} ({', '.join(names)})"
    if response.status == 401 and any(found not in target for found in _SIGNATURE.findall(response.body)):
        return "what looks like the signature that was expected"
    return None


def _parts(response: Response) -> set[str]:
    """The parts of the names of its headers."""
    return {part for name, _ in response.headers for part in name.lower().split("-")}


@lru_cache(64)  # refusals are alike
def _internals_in(text: str) -> tuple[str, ...]:
    return tuple(match[0].strip() for match in _INTERNALS.finditer(text))


def _keys(value: Any, depth: int = 4) -> set[str]:
    if isinstance(value, dict) and depth:
        return set(value).union(*(_keys(inner, depth - 1) for inner in value.values()))
    if isinstance(value, list) and depth:
        return set().union(*(_keys(inner, depth - 1) for inner in value[:50]))
    return set()
