"""Reads a saved HTML page into blocks. Navigation, scripts, buttons and the like are left out."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from conformance.docs.blocks import Block, Kind, one_line

_SKIPPED = frozenset({"script", "style", "nav", "svg", "button", "template", "head", "footer", "aside", "noscript"})
_BREAKS = frozenset(
    {"p", "div", "li", "ul", "ol", "section", "article", "main", "header", "br", "hr", "blockquote"}
)
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_LANGUAGE = re.compile(r"\blang(?:uage)?-([\w+#-]+)")


class _Reader(HTMLParser):
    """Collects blocks. `into` says what the text at hand will become."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self._text: list[str] = []
        self._into = Kind.TEXT
        self._skip: list[str] = []
        self._language = ""
        self._rows: list[list[str]] | None = None
        self._tab = False

    def flush(self) -> None:
        """End the block at hand."""
        text = "".join(self._text)
        self._text = []
        if self._into is Kind.CODE:
            if text.strip():
                self.blocks.append(Block(Kind.CODE, text.strip("\n"), language=self._language))
        elif one_line(text):
            self.blocks.append(Block(self._into, one_line(text)))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if self._skip:
            if tag == self._skip[-1]:
                self._skip.append(tag)
            return
        if tag in _SKIPPED:
            self._skip.append(tag)
        elif tag == "pre":
            self._begin(Kind.CODE)
            self._language = _language(given)
        elif self._into is Kind.CODE:
            self._language = self._language or (_language(given) if tag == "code" else "")
            if tag == "br":
                self._text.append("\n")
        elif tag == "table":
            self._begin(Kind.TABLE)
            self._rows = []
        elif self._rows is not None:
            self._cell(tag)
        elif tag in _HEADINGS:
            self._begin(Kind.HEADING)
        elif given.get("role") == "tab":
            self._begin(Kind.TAB)
        elif tag in _BREAKS and self._into is Kind.TEXT:
            self.flush()

    def _cell(self, tag: str) -> None:
        rows = self._rows
        if rows is None:
            return
        if tag == "tr":
            self._end_cell()
            rows.append([])
        elif tag in ("td", "th"):
            self._end_cell()
            if not rows:
                rows.append([])
            rows[-1].append("")
        elif tag == "br":
            self._text.append("\n")

    def _end_cell(self) -> None:
        text, self._text = "".join(self._text).strip(), []
        if self._rows and self._rows[-1] and text:
            self._rows[-1][-1] += text

    def _begin(self, kind: Kind) -> None:
        self.flush()
        self._into = kind

    def _end(self) -> None:
        self.flush()
        self._into = Kind.TEXT

    def handle_endtag(self, tag: str) -> None:
        if self._skip:
            if tag == self._skip[-1]:
                self._skip.pop()
        elif tag == "table" and self._rows is not None:
            self._end_cell()
            rows = tuple(tuple(row) for row in self._rows if row)
            self._rows, self._into = None, Kind.TEXT
            if rows:
                self.blocks.append(Block(Kind.TABLE, rows=rows))
        elif self._rows is not None:
            return
        elif (
            (tag == "pre" and self._into is Kind.CODE)
            or (tag in _HEADINGS and self._into is Kind.HEADING)
            or (tag in _BREAKS and self._into is Kind.TAB)
        ):
            self._end()
        elif tag in _BREAKS and self._into is Kind.TEXT:
            self.flush()

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self._text.append(data)


def _language(attributes: dict[str, str]) -> str:
    found = _LANGUAGE.search(attributes.get("class", ""))
    return found[1].lower() if found else ""


def read_html(text: str) -> list[Block]:
    """The blocks of an HTML page."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    reader.flush()
    return reader.blocks
