"""The order journal: on disk before each placing, so that no order is left behind whatever happens to us.

`orders.ndjson` in the report directory: a line before an order is sent, one when its answer came (the id, or
that it was refused), one when the order has ended,
one when all was reconciled. `spot-conformance cleanup` reads it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.errors import ConfigError
from conformance.oracle.amounts import decimal_of

NAME = "orders.ndjson"
_ASIDE = "orders.{}.ndjson"
SLACK_S = 30.0  # how long after it was sent a lost placing may still be accepted: timeouts, queues, whole seconds
UNKNOWN_CLOCK_S = 86_400.0  # the same where the target's clock was never seen
_ECHOED = ("symbol", "side", "price", "quantity")


class Journal:
    """Appends to the journal of a run; every line is handed to the system before the call returns.

    `embedded` says that the target is the reference that the run itself started: it ends with the run.
    """

    def __init__(self, directory: Path, base_url: str, *, embedded: bool = False) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = (directory / NAME).open("wb", buffering=0)
        self._lock = threading.Lock()
        self._unanswered: dict[int, dict[str, Any]] = {}
        self._known: set[str] = set()
        self._write({"schema": "spot-conformance/orders/1", "base_url": base_url, "embedded": embedded})

    def _write(self, row: dict[str, Any]) -> None:
        with self._lock:
            if not self._file.closed:
                self._file.write(json.dumps(row).encode() + b"\n")

    def placing(
        self, n: int, account: str, body: str, at: float, within: float = SLACK_S, *, case: str = ""
    ) -> None:
        """An order is about to be sent: exchange `n`, at Unix time `at` on the target's clock, ± `within` s."""
        row = {"place": n, "case": case, "account": account, "order": json.loads(body), "at": at, "within": within}
        self._unanswered[n] = row
        self._write(row)

    def placed(self, n: int, order_id: str | None) -> None:
        """The answer to placing `n`: the order's id, or None if it was refused."""
        self._unanswered.pop(n, None)
        if order_id is not None:
            self._known.add(order_id.lower())
        self._write({"placed": n, "id": order_id})

    def unanswered(self, case: str | None = None) -> list[dict[str, Any]]:
        """The placings (of one case) whose answer was lost and that are still looked for."""
        return [row for row in list(self._unanswered.values()) if case in (None, row["case"])]

    def known(self) -> set[str]:
        """The ids (lower case) of all orders of the run that an answer told."""
        return set(self._known)

    def forget(self, intents: list[dict[str, Any]]) -> None:
        """Look for these lost placings no more while the run goes on (the file keeps them to its end)."""
        for intent in intents:
            self._unanswered.pop(intent["place"], None)

    def found(self, ids: set[str]) -> None:
        """Orders that lost placings made: ours, and dealt with."""
        self._known |= ids

    def ended(self, order_id: str, *, seen: bool = True) -> None:
        """The order is off the book: `seen` by a query, or only said by the answer to a cancel or a placing."""
        self._write({"ended": order_id, "seen": seen})

    def reconciled(self, left: int) -> None:
        """All that the journal told of was looked after; `left` orders could not be seen to have ended."""
        self._write({"reconciled": left})

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass
class Left:
    """What a journal leaves to be looked after.

    `orders` (id → account) may be live; `said` have ended by the target's word alone; `unanswered` placings may
    have made orders whose ids nobody saw; `ids` are all orders of the run.
    """

    base_url: str
    embedded: bool = False
    orders: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    unanswered: list[dict[str, Any]] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    symbol: str | None = None

    @property
    def anything(self) -> bool:
        """Whether an order of ours may be live."""
        return bool(self.orders or self.unanswered)

    def lost(self, account: str, rows: list[dict[str, Any]]) -> set[str]:
        """The ids (lower case) among an account's open orders that are orders of ours whose answer we never saw.

        Each lost placing stands for one order at most: same market, side, price and quantity, made within moments
        of when it was sent, and nothing filled or changed that speaks against it. The nearest in time is taken.
        """
        found: set[str] = set()
        for intent in self.unanswered:
            if intent["account"] != account:
                continue
            near = [
                (abs(_distance(row, intent)), str(row.get("id")).lower())
                for row in rows
                if str(row.get("id")).lower() not in self.ids | found and _is_of(row, intent)
            ]
            if near:
                found.add(min(near)[1])
        return found


def _distance(row: dict[str, Any], intent: dict[str, Any]) -> float:
    created = row.get("created_at")
    return created + 0.5 - float(intent["at"]) if isinstance(created, int) else 0.0


def _is_of(row: dict[str, Any], intent: dict[str, Any]) -> bool:
    sent = intent["order"]
    same = all(row.get(name) == sent.get(name) or _same_number(row.get(name), sent.get(name)) for name in _ECHOED)
    return same and abs(_distance(row, intent)) <= float(intent.get("within", SLACK_S))


def _same_number(a: Any, b: Any) -> bool:
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


def read_journal(path: Path) -> Left:
    """What a journal leaves open; raises ConfigError if it is none."""
    left: Left | None = None
    intents: dict[int, dict[str, Any]] = {}
    for row in _rows(path):
        if "schema" in row:
            left = Left(str(row.get("base_url")), bool(row.get("embedded")))
        elif left is None:
            break
        elif "reconciled" in row:
            if row["reconciled"] == 0:
                left.orders, left.said, intents = {}, {}, {}
        else:
            _take(left, intents, row)
    if left is None:
        raise ConfigError(f"{path} is no order journal", "give the --report-dir of the run that was cut off")
    left.unanswered = list(intents.values())
    return left


def _take(left: Left, intents: dict[int, dict[str, Any]], row: dict[str, Any]) -> None:
    if "place" in row:
        intents[row["place"]] = row
        left.symbol = row["order"].get("symbol")
    elif "placed" in row:
        intent = intents.pop(row["placed"], None)
        if row["id"] is not None and intent is not None:
            left.orders[row["id"].lower()] = intent["account"]
            left.ids.add(row["id"].lower())
    elif "ended" in row:
        order_id = str(row["ended"]).lower()
        account = left.orders.pop(order_id, None) or left.said.pop(order_id, None)
        if account is not None and not row.get("seen", True):
            left.said[order_id] = account


def set_aside(directory: Path) -> Path | None:
    """Keep a journal that still leaves orders open from being overwritten by a new run; where it is kept.

    `cleanup` looks after every journal of a report directory.
    """
    if not (directory / NAME).is_file():
        return None
    try:
        left = read_journal(directory / NAME)
    except ConfigError:
        return None
    if not left.anything or left.embedded:
        return None
    number = next(n for n in range(1, 10**6) if not (directory / _ASIDE.format(n)).exists())
    return (directory / NAME).rename(directory / _ASIDE.format(number))


def journals(directory: Path) -> list[Path]:
    """All journals of a report directory, those that were set aside first; raises ConfigError if there are none."""
    found = [
        *sorted(directory.glob(_ASIDE.format("*"))),
        *([directory / NAME] if (directory / NAME).is_file() else []),
    ]
    if not found:
        raise ConfigError(f"there is no order journal in {directory}", "name the --report-dir of the run")
    return found


def mark_reconciled(path: Path) -> None:
    """Note at the end of a journal that nothing is left of it."""
    with path.open("ab") as file:
        file.write(b"\n" + json.dumps({"reconciled": 0}).encode() + b"\n")
