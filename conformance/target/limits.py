"""The limits that the user set, kept at the one place through which every request goes."""

from __future__ import annotations

import json
import threading
import time
from decimal import Decimal
from typing import Any

from conformance import stop
from conformance.oracle.amounts import decimal_of
from conformance.target.settings import Safety
from conformance.target.trouble import LimitReached, Undecidable


class Limits:
    """Refuses what would go beyond the limits of `safety`, before anything is sent.

    Raises Undecidable for an order too large or too many, LimitReached when the time is over.

    `orders` and `largest` (quote token) tell how far a run has gone. Clean-up is never refused.
    """

    def __init__(self, safety: Safety) -> None:
        self.safety = safety
        self.orders = 0
        self.largest = Decimal(0)
        self._highest_price = Decimal(0)
        self._start = time.monotonic()
        self._lock = threading.Lock()

    def check(self, driver: str) -> None:
        """Refuse a request that starts after the longest duration, or when a signal has asked for the end.

        `driver` says who sends it.
        """
        if driver != "cleanup" and stop.requested():
            raise LimitReached("the run was interrupted")
        most = self.safety.max_duration_s
        if most is not None and driver != "cleanup" and time.monotonic() - self._start > most:
            raise LimitReached(f"the limit of {most:g} s is reached (safety.max_duration_s)")

    def check_order(self, body: str) -> None:
        """Count an order, or refuse it: too many, too large, or too late. `body` is the JSON that would be sent.

        Clean-up places none: one that is placed while it is under way comes from what has not heard of the end yet.
        """
        self.check("placing")
        safety = self.safety
        with self._lock:
            notional = self._notional(json.loads(body))
            if safety.max_notional is not None and notional > safety.max_notional:
                most = f"{safety.max_notional:f} (safety.max_notional)"
                raise Undecidable(f"an order over {notional:f} is above the limit of {most}")
            if self.orders >= safety.max_orders:
                raise Undecidable(f"the limit of {safety.max_orders} orders is reached (safety.max_orders)")
            self.orders += 1
            self.largest = max(self.largest, notional)

    def _notional(self, order: dict[str, Any]) -> Decimal:
        price, quantity = decimal_of(order.get("price")), decimal_of(order.get("quantity"))
        if price is not None:
            self._highest_price = max(self._highest_price, price)
        spent = decimal_of(order.get("quote_quantity"))
        if spent is not None:
            return spent
        # a market order meets orders of ours, so no higher price than one that was sent
        return (quantity or Decimal(0)) * (price if price is not None else self._highest_price)
