"""The statements of the contract (`openapi/requirements.yaml`) as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# of an order object, in the page's order (cancel-order.txt, Response Example)
FIELDS = (
    "id",
    "symbol",
    "side",
    "type",
    "tif",
    "price",
    "quantity",
    "quote_quantity",
    "filled_qty",
    "avg_fill_price",
    "status",
    "reject_reason",
    "created_at",
    "updated_at",
)


class Level(StrEnum):
    """How binding a requirement is (RFC 2119)."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


@dataclass(frozen=True, slots=True)
class Chapter:
    """A group of requirements: the second part of their ids, a title and what it is about."""

    id: str
    title: str
    about: str


@dataclass(frozen=True, slots=True)
class Requirement:
    """One checkable statement. `rank` is its place in the file: the more telling statement comes first."""

    id: str
    level: Level
    text: str
    source: tuple[str, ...]
    needs: frozenset[str]
    trader: str
    unseen: str | None
    rank: int

    @property
    def chapter(self) -> str:
        """The chapter's id: the second part of the dotted id."""
        return self.id.split(".")[1]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A question that the pages answer differently; the Cancel Order page wins."""

    id: str
    question: str
    cancel_order: str
    elsewhere: str
    requirements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeftOpen:
    """A question that no page answers; `accepted` says what is no violation."""

    id: str
    question: str
    accepted: str
    requirements: tuple[str, ...]
