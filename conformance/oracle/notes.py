"""The notes of a record that a verdict or a report may speak of."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from conformance.record import Note

_OF_A_CASE = ("case-begin", "case-end")
_EACH = ("driver", "lacks", "undecided")  # all of them count, not the newest alone


class Notes:
    """Keeps the newest note of each kind, and of each case how it began and ended; in the order of the first."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str | int], Note] = {}
        self._numbers = itertools.count()

    def add(self, note: Note) -> None:
        """Keep a note, in place of what it makes pointless."""
        if note.what == "case-begin":  # again: how it ended before says nothing any more
            self._kept.pop(("case-end", note.case), None)
        which = note.case if note.what in _OF_A_CASE else next(self._numbers) if note.what in _EACH else ""
        self._kept[note.what, which] = note

    def __iter__(self) -> Iterator[Note]:
        return iter(self._kept.values())
