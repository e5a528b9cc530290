"""The server's clock and its source of ids, so that both can be shifted or replaced."""

from __future__ import annotations

import time
import uuid
from email.utils import formatdate


class Clock:
    """Wall-clock time, shifted by a fixed offset in ms.

    Every time the server shows or judges comes from here.
    """

    def __init__(self, offset_ms: int = 0) -> None:
        self.offset_ms = offset_ms

    def now_ms(self) -> int:
        """Return Unix milliseconds."""
        return time.time_ns() // 1_000_000 + self.offset_ms

    def now_s(self) -> int:
        """Return whole Unix seconds, rounded down."""
        return self.now_ms() // 1000

    def http_date(self) -> str:
        """Return the time of the call as an HTTP ``Date`` value (RFC 9110, section 5.6.7)."""
        return formatdate(self.now_s(), usegmt=True)


class IdGenerator:
    """Makes the ids of orders and trades."""

    def new_order_id(self) -> str:
        """Return a random UUID (version 4), lower case and hyphenated."""
        return str(uuid.uuid4())

    def new_trade_id(self) -> str:
        """Return a random UUID (version 4), lower case and hyphenated."""
        return str(uuid.uuid4())
