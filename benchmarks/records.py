"""Makes long records out of a real one: its rows again and again, with ids, numbers and times of their own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from conformance.record import Exchange, Footer, Header, Note, encode, read_rows

_HEAD = re.compile(rb"[0-9a-fA-F]{8}")
_NUMBERS = ("attempt", "before", "after", "begin", "end")  # in notes: numbers of exchanges


def placed(path: Path) -> set[str]:
    """The first eight digits of the ids of all orders that a record shows to be placed."""
    found = set()
    for row in read_rows(path):
        if isinstance(row, Exchange) and row.op == "new_order" and row.response and row.response.status == 200:
            answer = json.loads(row.response.body)
            found.add(str(answer["id"])[:8].lower())
    return found


def lengthen(source: Path, target: Path, exchanges: int) -> int:
    """Write the rows of `source` to `target` over and over until there are `exchanges`; how many there are.

    Each time, every order has another id, wherever and however it is spelled, exchanges are numbered on, and times
    go on. Cases are carried out again, and the last one to its end, beyond the number asked for.
    """
    heads, rows = placed(source), list(read_rows(source))
    header = rows[0]
    own = [row for row in rows if isinstance(row, Exchange)]
    assert isinstance(header, Header)
    width = max(row.n for row in own)
    span = max(row.end for row in own) - min(row.start for row in own) + 10
    lines = [(row, encode(row)) for row in rows if isinstance(row, Exchange | Note)]
    count = 0
    with target.open("wb") as file:
        file.write(encode(header))
        for turn in range(10**6):
            for row, line in lines:
                if isinstance(row, Exchange):
                    count += 1
                file.write(line if turn == 0 else _again(line, heads, turn, width, span))
                if count >= exchanges and isinstance(row, Note) and row.what == "case-end":
                    file.write(encode(Footer(count, header.started_at)))
                    return count
    return count


def _again(line: bytes, heads: set[str], turn: int, width: int, span: float) -> bytes:
    def fresh(match: re.Match[bytes]) -> bytes:
        text = match[0].decode()
        if text.lower() not in heads:
            return match[0]
        number = f"{(int(text, 16) + turn * 0x01000193) % 2**32:08x}"
        return (number.upper() if text.isupper() else number).encode()

    row: dict[str, Any] = json.loads(_HEAD.sub(fresh, line))
    if row["kind"] == "exchange":
        row["n"] += turn * width
        for key in ("start", "end", "sent_at"):
            row[key] += turn * span
        if row.get("race"):
            row["race"] += f"#{turn}"
    else:
        _renumber(row, turn, width)
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"


def _renumber(note: dict[str, Any], turn: int, width: int) -> None:
    data = note.get("data", {})
    for key in _NUMBERS:
        if isinstance(data.get(key), int):
            data[key] += turn * width
    for key in ("attempts", "controls"):
        if isinstance(data.get(key), list):
            data[key] = [n + turn * width for n in data[key]]
    if isinstance(data.get("race"), str):
        data["race"] += f"#{turn}"
