"""Which values a page gives an enumerated field, and whether it means to give all of them."""

from __future__ import annotations

import re
from collections.abc import Collection

from conformance.docs.page import Page

_LIVE = re.compile(r"\b([a-z][a-z_-]*(?:(?:, or |, | or | / |/)[a-z][a-z_-]*)+) orders?\b")
_TERMINAL = re.compile(r"\(`?([a-z_-]+`?(?:\s*(?:/|,|\||\bor\b)\s*`?[a-z_-]+)+)`?\)")
_LIST = re.compile(r"""[`"']?([a-z_]+)[`"']?(?:\s*(?:/|\||, or |,|\bor\b)\s*[`"']?([a-z_]+)[`"']?)+""")


def _words(text: str) -> list[str]:
    return [word.replace("-", "_") for word in re.split(r"[\s/,|`]+", text) if word and word != "or"]


def enumerations(page: Page, field: str, known: Collection[str]) -> tuple[list[str], bool]:
    """The values that the page shows of `field`, and whether it lists them all.

    A status is listed in two places: the live ones where the page says what can be canceled, the terminal ones in
    the error table. Any other field is listed where its note has several of the `known` values side by side.
    """
    shown: dict[str, None] = {}
    complete = False
    value = (page.example or {}).get(field)
    if isinstance(value, str):
        shown[value] = None
    if field == "status":
        live = _LIVE.search(page.description)
        terminal = [found for row in page.errors if (found := _TERMINAL.search(row.when))]
        for found in (live, *terminal):
            shown.update(dict.fromkeys(_words(found[1]) if found else ()))
        complete = live is not None and bool(terminal)
    for note in page.notes:
        if field in note.fields:
            for listed in _LIST.finditer(note.text):
                words = _words(listed[0].replace('"', " ").replace("'", " "))
                if len(words) > 1 and sum(word in known for word in words) >= min(2, len(known)) - 1 >= 1:
                    shown.update(dict.fromkeys(words))
                    complete = True
    return list(shown), complete
