"""Writes the record as it happens, and passes every row on (to the oracle)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from conformance.record import Exchange, Footer, Header, Note, Row, encode


class Recorder:
    """Appends rows to `record.ndjson`; each row is on its way to the disk before the next request is sent.

    `listener` sees every row in the order in which it was written, one at a time.
    """

    def __init__(self, path: Path, header: Header, listener: Callable[[Row], None]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("wb", buffering=0)
        self._listener = listener
        self._lock = threading.RLock()
        self._next = 0
        self.exchanges = 0
        self._write(header)

    def _write(self, row: Row) -> None:
        self._file.write(encode(row))
        self._listener(row)

    def number(self) -> int:
        """The number of the next exchange; numbers are given when a request is sent."""
        with self._lock:
            self._next += 1
            return self._next

    @property
    def next_number(self) -> int:
        """The number that the next request to be sent will have, if nobody else sends one."""
        with self._lock:
            return self._next + 1

    def exchange(self, exchange: Exchange) -> None:
        """Record an exchange that has ended."""
        with self._lock:
            self.exchanges += 1
            self._write(exchange)

    def note(self, what: str, case: str = "", **data: object) -> None:
        """Record something that no exchange shows."""
        with self._lock:
            self._write(Note(what, case, dict(data)))

    def close(self) -> None:
        """Write the footer, once, and close the file."""
        with self._lock:
            if not self._file.closed:
                self._write(Footer(self.exchanges, time.time()))
                self._file.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
