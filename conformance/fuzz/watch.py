"""Tells a driver whether what it just did has broken a MUST."""

from __future__ import annotations

from conformance.contract import Level
from conformance.oracle.judge import Judge


class Watch:
    """Looks again and again at what a judge has found; other threads may feed it rows meanwhile."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._seen = judge.times_broken()

    def fresh(self) -> set[str]:
        """The MUSTs that were found broken since the last call."""
        before, self._seen = self._seen, self._judge.times_broken()
        requirements = self._judge.contract.requirements
        return {
            name
            for (name, key), times in self._seen.items()
            if times > before.get((name, key), 0) and requirements[name].level is Level.MUST
        }
