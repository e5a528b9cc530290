"""Reads the plain text of a browser's select-all into blocks.

Such text has no marks: a heading is a line of its own that is called like a section; a table's cells are parted by
tabs or by nothing at all; code has lost its indentation in some browsers. So the sections' names, the tables' usual
columns and the forms of their values are what it is read by.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from conformance.docs.blocks import Block, Kind, normalised
from conformance.docs.sections import Section, section_of

_FOOTER = re.compile(r"Edit this page|Previous|Next|Last updated\b.*|On this page|Copyright ©.*", re.IGNORECASE)
_SAMPLE = re.compile(
    r"(?:curl|shell|bash|sh|python|node(?:\.?js)?|javascript|js|typescript|go|golang|rust|java|c#|csharp|php|ruby)"
    r"(?: ?\([^)]*\)| [0-9.]+)?",
    re.IGNORECASE,
)
_PARAMETER = re.compile(
    r"(?P<name>[a-z][A-Za-z0-9_]*?)(?P<type>(?:STRING|INTEGER|INT|LONG|DECIMAL|NUMBER|BOOLEAN|ENUM|UUID)"
    r"(?:\s*\([a-z ]+\))?)\s*(?P<required>YES|NO)(?P<text>.*)"
)
_NAME = r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*"
_NOTE = re.compile(rf"(?P<names>{_NAME}(?:, {_NAME})*)(?P<text>[^a-z0-9_, ].*)")
_CODE = r"[A-Z][A-Z0-9_]*[A-Z0-9](?=[,A-Z: ]|$)|[a-z]+(?: [a-z]+)*"
_ERROR = re.compile(rf"(?P<status>[1-5]\d\d)(?P<codes>(?:{_CODE})(?:, (?:{_CODE}))*)?(?P<text>(?:[A-Z:—-]|$).*)")
_COLUMNS = {
    "nametyperequireddescription": (("Name", "Type", "Required", "Description"), _PARAMETER),
    "fieldnotes": (("Field", "Notes"), _NOTE),
    "httperrorwhen": (("HTTP", "error", "When"), _ERROR),
}


def _split(line: str, form: re.Pattern[str]) -> tuple[str, ...]:
    found = form.fullmatch(line.strip())
    return tuple(part or "" for part in found.groups()) if found else (line.strip(),)


def _paragraph(lines: list[str]) -> Iterator[Block]:
    """The blocks of lines that no blank line parts: text, perhaps with an example and tables in it."""
    text: list[str] = []
    place = 0
    while place < len(lines):
        line = lines[place]
        rest = lines[place + 1 :]
        columns = _COLUMNS.get(normalised(line).lower()) if "\t" not in line else None
        if columns is not None:
            yield from _text(text)
            header, form = columns
            yield Block(Kind.TABLE, rows=(header, *(_split(row, form) for row in rest)))
            return
        if "\t" in line and any("\t" in row for row in rest[:1]):
            yield from _text(text)
            end = place
            while end < len(lines) and "\t" in lines[end]:
                end += 1
            yield Block(
                Kind.TABLE, rows=tuple(tuple(c.strip() for c in row.split("\t")) for row in lines[place:end])
            )
            text, place = [], end
        elif line.strip().startswith("{"):
            yield from _text(text)
            end = next((n for n in range(place, len(lines)) if lines[n].strip() == "}"), place)
            yield Block(Kind.CODE, "\n".join(lines[place : end + 1]), language="json")
            text, place = [], end + 1
        else:
            text.append(line)
            place += 1
    yield from _text(text)


def _text(lines: list[str]) -> Iterator[Block]:
    if any(line.strip() for line in lines):
        yield Block(Kind.TEXT, "\n".join(lines).strip())


def _paragraphs(lines: list[str]) -> Iterator[list[str]]:
    paragraph: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            paragraph.append(line)
        elif paragraph:
            yield paragraph
            paragraph = []


def read_plain(text: str) -> list[Block]:
    """The blocks of a select-all's text."""
    blocks: list[Block] = []
    prose: list[str] = []
    code: list[str] = []
    section: Section | None = None
    in_code = False

    def end() -> None:
        nonlocal prose, code
        blocks.extend(block for lines in _paragraphs(prose) for block in _paragraph(lines))
        if "".join(code).strip():
            blocks.append(Block(Kind.CODE, "\n".join(code).strip("\n")))
        prose, code = [], []

    lines = [line.rstrip() for line in text.splitlines()]
    for number, line in enumerate(lines):
        alone = (number == 0 or not lines[number - 1]) and (number + 1 == len(lines) or not lines[number + 1])
        named = section_of(line)
        if section is None and named is None:
            continue  # what stands above the first section: the page's title, links
        if named is not None and (alone or section is None):
            end()
            section, in_code = named, False
            blocks.append(Block(Kind.HEADING, line.strip()))
        elif section is Section.CODE and alone and _SAMPLE.fullmatch(line.strip()):
            end()
            in_code = True
            blocks.append(Block(Kind.HEADING, line.strip()))
        elif section is Section.CODE and _FOOTER.fullmatch(line.strip()):
            break
        else:
            (code if in_code else prose).append(line)
    end()
    return blocks
