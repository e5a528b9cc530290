"""What every form of a page is read into: headings, text, tables and code, in the order of the page."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a block is. A `TAB` is the label of one of several code blocks that share a place on the page."""

    HEADING = "heading"
    TEXT = "text"
    TABLE = "table"
    CODE = "code"
    TAB = "tab"


@dataclass(frozen=True)
class Block:
    """One part of a page. `rows` are a table's cells, header first; `language` is a code block's, if it is told."""

    kind: Kind
    text: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    language: str = ""


_SAME = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "−": "-"})


def normalised(text: str) -> str:
    """`text` without what differs between a page's forms: white space, kinds of dashes and quotes."""
    text = unicodedata.normalize("NFKC", text).translate(_SAME)
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c) != "Cf")


def digest(text: str) -> str:
    """Sixteen hex digits that stand for the wording of `text`, the same for every form of a page."""
    return hashlib.sha256(normalised(text).encode()).hexdigest()[:16]


def one_line(text: str) -> str:
    """`text` on one line, without invisible characters."""
    return " ".join("".join(c for c in text if unicodedata.category(c) != "Cf").split())
