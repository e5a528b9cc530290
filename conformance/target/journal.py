"""The order journal: on disk before each placing, so that no order is left behind whatever happens to us.

`orders.ndjson` in the report directory: a line before an order is sent, one when its answer came (the id, or
that it was refused), one when the order has ended. `spot-conformance cleanup` reads it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.errors import ConfigError

NAME = "orders.ndjson"


class Journal:
    """Appends to the journal of a run; every line is handed to the system before the call returns."""

    def __init__(self, directory: Path, base_url: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = (directory / NAME).open("wb", buffering=0)
        self._lock = threading.Lock()
        self._write({"schema": "spot-conformance/orders/1", "base_url": base_url})

    def _write(self, row: dict[str, Any]) -> None:
        with self._lock:
            if not self._file.closed:
                self._file.write(json.dumps(row).encode() + b"\n")

    def placing(self, n: int, account: str, body: str, at: float) -> None:
        """An order is about to be sent: exchange `n`, Unix time `at` (s)."""
        self._write({"place": n, "account": account, "order": json.loads(body), "at": at})

    def placed(self, n: int, order_id: str | None) -> None:
        """The answer to placing `n`: the order's id, or None if it was refused."""
        self._write({"placed": n, "id": order_id})

    def ended(self, order_id: str) -> None:
        """The order is known to be off the book."""
        self._write({"ended": order_id})

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass
class Left:
    """What a journal leaves to be looked after: orders that may be live, and placings without an answer."""

    base_url: str
    orders: dict[str, str] = field(default_factory=dict)
    unanswered: list[dict[str, Any]] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)

    def lost(self, account: str, row: dict[str, Any]) -> bool:
        """Whether an open order (as the target lists it) is one whose answer we never saw."""
        for intent in self.unanswered:
            sent = intent["order"]
            same = all(
                str(row.get(name)) == str(sent.get(name)) or _same_number(row.get(name), sent.get(name))
                for name in ("symbol", "side", "price", "quantity")
            )
            created = row.get("created_at")
            near = not isinstance(created, int) or created >= intent["at"] - 900
            if intent["account"] == account and same and near:
                return True
        return False


def _same_number(a: Any, b: Any) -> bool:
    from conformance.oracle.amounts import decimal_of

    left, right = decimal_of(a), decimal_of(b)
    return left is not None and left == right


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", "name the --report-dir of the run") from None
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue  # a line that was cut off: what it would have said was not done
        if isinstance(row, dict):
            yield row


def read_journal(directory: Path) -> Left:
    """What the journal in a report directory leaves open; raises ConfigError if there is none."""
    path = directory / NAME
    left: Left | None = None
    intents: dict[int, dict[str, Any]] = {}
    for row in _rows(path):
        if "schema" in row:
            left = Left(str(row.get("base_url")))
        elif left is None:
            break
        elif "place" in row:
            intents[row["place"]] = row
        elif "placed" in row:
            intent = intents.pop(row["placed"], None)
            if row["id"] is not None and intent is not None:
                left.orders[row["id"]] = intent["account"]
                left.ids.add(row["id"])
        elif "ended" in row:
            left.orders.pop(row["ended"], None)
    if left is None:
        raise ConfigError(f"{path} is no order journal")
    left.unanswered = list(intents.values())
    return left
