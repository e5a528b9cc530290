"""More requests from a few: each has parts of two others, and some of its texts are cut, joined and added to. Pure.

Drawing a request costs Hypothesis and schemathesis milliseconds, most of all one that breaks the document; putting
parts together costs microseconds. What a part breaks stays broken, beside parts that it was not drawn with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random
from urllib.parse import quote
from uuid import UUID

from conformance.fuzz.generated import UUID as A_UUID
from conformance.fuzz.generated import Generated, Pairs, is_field

_MOST_PAIRS = 6
_JOINED = 0.6  # share of the texts that are joined of two
_ADDED = 0.6  # share of those that get a character more
_RENAMED = 0.3  # share of the undocumented names that are treated as texts
_CHARACTER = re.compile(r"(?:%[89A-F][0-9A-F])+|%[0-9A-Fa-f]{2}|.")
_PLANES = ((0x00, 0x7F), (0x00, 0x7F), (0x80, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF))
_CONTENT = "content-type"


class Recombined:
    """Makes requests of parts of `parents`. Parameters and headers of the names in `known` keep them."""

    def __init__(self, parents: Sequence[Generated], known: Iterable[str], random: Random) -> None:
        self._parents, self._random = parents, random
        self._known = {name.lower() for name in known}
        self._ids = [parent.id for parent in parents if not A_UUID.fullmatch(parent.id)]
        self._query = [pair for parent in parents for pair in parent.query]
        self._headers = [pair for parent in parents for pair in parent.headers if pair[0].lower() != _CONTENT]

    def make(self) -> Generated:
        """Another request. Its body, with the type of it, is one that was drawn."""
        first, second = self._random.choice(self._parents), self._random.choice(self._parents)
        headers = {name.lower(): (name, value) for name, value in (*first.headers, *second.headers)}
        headers.pop(_CONTENT, None)
        fields = [self._field(pair) for pair in self._some(list(headers.values()))]
        content = [pair for pair in first.headers if pair[0].lower() == _CONTENT]
        return replace(
            first,
            about=first.about if first.about == second.about else f"{first.about}, {second.about}",
            id=self._id(first.id),
            query=tuple(self._parameter(pair) for pair in self._some([*first.query, *second.query])),
            headers=tuple({name.lower(): (name, value) for name, value in (*fields, *content)}.values()),
        )

    def _some(self, pairs: list[tuple[str, str]]) -> Pairs:
        """About half of the pairs, but not none, in any order."""
        if not pairs:
            return ()
        count = min(_MOST_PAIRS, 1 + sum(self._random.random() < 0.5 for _ in pairs[1:]))
        return tuple(self._random.sample(pairs, count))

    def _id(self, text: str) -> str:
        if A_UUID.fullmatch(text):
            return str(UUID(int=self._random.getrandbits(128)))
        joined = self._joined(text, self._random.choice(self._ids), self._character())
        return text if joined in (".", "..") else joined

    def _parameter(self, pair: tuple[str, str]) -> tuple[str, str]:
        (name, value), other = pair, self._random.choice(self._query)
        if name.lower() not in self._known and self._random.random() < _RENAMED:
            name = self._joined(name, other[0], self._character())
        return name, self._changed(value, other[1], self._character())

    def _field(self, pair: tuple[str, str]) -> tuple[str, str]:
        (name, value), other = pair, self._random.choice(self._headers)
        if name.lower() not in self._known and self._random.random() < _RENAMED:
            name = self._joined(name, other[0], "")
        found = name, self._changed(value, other[1], chr(self._random.randint(0x20, 0x7E)))
        return found if is_field(*found) else pair

    def _changed(self, text: str, other: str, more: str) -> str:
        return self._joined(text, other, more) if self._random.random() < _JOINED else text

    def _joined(self, text: str, other: str, more: str) -> str:
        """The beginning of one text and the end of another, now and then with something in between."""
        begin, end = _CHARACTER.findall(text), _CHARACTER.findall(other)
        cut, rest = self._random.randint(0, len(begin)), self._random.randint(0, len(end))
        added = more if self._random.random() < _ADDED else ""
        return "".join((*begin[:cut], added, *end[rest:]))

    def _character(self) -> str:
        """Any character, percent-encoded; half of them are of ASCII."""
        return quote(chr(self._random.randint(*self._random.choice(_PLANES))), safe="")
