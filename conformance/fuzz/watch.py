"""Tells a driver whether what it just did has broken a MUST."""

from __future__ import annotations

from conformance.contract import Level
from conformance.oracle.judge import Judge


class Watch:
    """Looks at a judge's tallies again and again."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._seen = self._count()

    def _count(self) -> dict[tuple[str, str], int]:
        requirements = self._judge.contract.requirements
        return {
            (name, key): group.times
            for name, tally in self._judge.tallies.items()
            if tally.groups and requirements[name].level is Level.MUST
            for key, group in tally.groups.items()
        }

    def fresh(self) -> set[str]:
        """The MUSTs that were found broken since the last call."""
        before, self._seen = self._seen, self._count()
        return {kind[0] for kind, times in self._seen.items() if times > before.get(kind, 0)}
