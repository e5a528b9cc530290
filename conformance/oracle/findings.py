"""What the oracle says: checks that held, and findings that did not."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Difference:
    """One field: what it must be, what was seen, and whether the two agree."""

    field: str
    expected: str
    seen: str
    ok: bool


@dataclass(slots=True)
class Finding:
    """A requirement that exchanges break: what was expected (and why), what was seen, and where.

    `key` is the same for findings that show the same mistake, so that repeats are counted and not listed.
    `scheme` is the credential that the request carried; `order` the order it was about.
    A `doubtful` one may be the after-effect of another mistake, and is dropped where one is found that explains it.
    """

    requirement: str
    message: str
    expected: str
    seen: str
    exchanges: list[int]
    case: str
    why: str = ""
    key: str = ""
    scheme: str | None = None
    order: str | None = None
    diff: list[Difference] = field(default_factory=list)
    doubtful: bool = False


@dataclass(slots=True)
class Check:
    """One exchange that could have broken one requirement. `finding` is None where it held."""

    requirement: str
    n: int
    case: str
    finding: Finding | None = None


@dataclass(slots=True)
class Suspicion:
    """Findings on an order that wait for its trades, and what was to have filled of it, at which average price."""

    filled: Decimal
    average: Fraction
    checks: list[Check] = field(default_factory=list)

    def is_of(self, case: str) -> bool:
        """Whether any of them was made in this case."""
        return any(check.case == case for check in self.checks)
