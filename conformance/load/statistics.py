"""Latencies and answers, counted in memory that does not grow with their number, and added up over processes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from conformance.record import Exchange

_GROWTH = 1.01  # each bucket is 1 % wider than the one before: that is how exact a percentile is
_LOG = math.log(_GROWTH)
_FLOOR_MS = 0.001


@dataclass
class Latencies:
    """A histogram of latencies in ms with buckets of 1 %. `largest` is exact."""

    buckets: dict[int, int] = field(default_factory=dict)
    count: int = 0
    largest: float = 0.0

    def add(self, ms: float) -> None:
        """Count one latency."""
        bucket = math.ceil(math.log(max(ms, _FLOOR_MS) / _FLOOR_MS) / _LOG)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        self.count += 1
        self.largest = max(self.largest, ms)

    def merge(self, other: Latencies) -> None:
        """Add another histogram to this one."""
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count
        self.count += other.count
        self.largest = max(self.largest, other.largest)

    def percentile(self, share: float) -> float:
        """The latency in ms that `share` (0 to 1) of all do not exceed, to 1 %; 0 if there are none."""
        wanted, seen = math.ceil(share * self.count), 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= wanted:
                return min(_FLOOR_MS * _GROWTH**bucket, self.largest)
        return 0.0

    def summary(self) -> dict[str, float]:
        """Count and percentiles for people (ms)."""
        shares = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99}
        found = {name: round(self.percentile(share), 2) for name, share in shares.items()}
        return {"count": self.count, **found, "max_ms": round(self.largest, 2)}


@dataclass
class Statistics:
    """What the exchanges of a load run came to, by operation and by answer ("none": there was none)."""

    operations: dict[str, Latencies] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    placed: int = 0

    def add(self, exchange: Exchange) -> None:
        """Count an exchange."""
        status = str(exchange.response.status) if exchange.response is not None else "none"
        self.answers[status] = self.answers.get(status, 0) + 1
        if exchange.response is not None:
            took = (exchange.end - exchange.start) * 1000
            self.operations.setdefault(exchange.op, Latencies()).add(took)
        self.placed += exchange.op == "new_order" and status == "200"

    def merge(self, other: Statistics) -> None:
        """Add those of another process."""
        for name, latencies in other.operations.items():
            self.operations.setdefault(name, Latencies()).merge(latencies)
        for status, count in other.answers.items():
            self.answers[status] = self.answers.get(status, 0) + count
        self.placed += other.placed

    @property
    def exchanges(self) -> int:
        """How many exchanges there were."""
        return sum(self.answers.values())

    def share(self, status: str) -> float:
        """The share of exchanges with this answer, 0 to 1."""
        return self.answers.get(status, 0) / self.exchanges if self.exchanges else 0.0

    def overall(self) -> Latencies:
        """The latencies of all operations together."""
        total = Latencies()
        for latencies in self.operations.values():
            total.merge(latencies)
        return total
