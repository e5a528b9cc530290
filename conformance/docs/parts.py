"""Finds the parts of a page in the blocks that it was read into: sections, tables, the example, the samples."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.docs.blocks import Block, Kind, one_line
from conformance.docs.sections import Section, section_of
from conformance.errors import ConfigError

_URL = re.compile(r"https?://[\w.:\[\]-]+(?:/[\w.~-]+)*")


class PageError(ConfigError):
    """A page that cannot be read; the message names what was not found."""


@dataclass(frozen=True)
class Parameter:
    """One row of the parameter table. `place` is path, query, header or body, "" if the page does not say."""

    name: str
    type: str
    place: str
    required: bool
    text: str


@dataclass(frozen=True)
class Note:
    """One row of the field notes: it may be about several fields."""

    fields: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class ErrorRow:
    """One row of the error table: a status, the strings that its body may carry, and when."""

    status: int
    errors: tuple[str, ...]
    when: str


@dataclass(frozen=True)
class Sample:
    """A code sample as it is printed. `language` is shell, python or the page's own word for another one."""

    title: str
    language: str
    code: str


# ---------------------------------------------------------------------- sections and tables


def split_sections(blocks: Iterable[Block]) -> dict[Section, list[Block]]:
    """The blocks of each section. Of several that are called alike (a table of contents) the fullest counts."""
    found: dict[Section, list[Block]] = {}
    current: list[Block] = []
    place: Section | None = None

    def keep() -> None:
        if place is not None and _weight(current) >= _weight(found.get(place, [])):
            found[place] = current

    for block in blocks:
        named = section_of(block.text) if block.kind is Kind.HEADING else None
        if named is not None and not (place is Section.CODE and named is Section.REQUEST):
            keep()
            place, current = named, []
        else:
            current.append(block)
    keep()
    return found


def _weight(blocks: list[Block]) -> int:
    # tables and code are what a section is about; a long list of links is not
    return sum(len(b.text) + (10_000 if b.kind in (Kind.TABLE, Kind.CODE) else 0) for b in blocks)


def text_of(blocks: Iterable[Block]) -> str:
    """The text of blocks, a line each; tables are left out."""
    return "\n".join(b.text for b in blocks if b.kind in (Kind.TEXT, Kind.CODE, Kind.HEADING))


def table_in(parts: Mapping[Section, list[Block]], section: Section, name: str) -> list[dict[str, str]]:
    """The first table of a section as one dict a row, keyed by the lower-case column names."""
    block = next((b for b in parts.get(section, ()) if b.kind is Kind.TABLE), None)
    if block is None:
        return []
    header = [one_line(cell).lower() for cell in block.rows[0]]
    rows = []
    for row in block.rows[1:]:
        if len(row) != len(header):
            raise PageError(
                f"{name}: a row of the table in {section} cannot be split into {', '.join(block.rows[0])}: "
                f"{one_line(' '.join(row))[:60]!r}",
                "save the page as HTML or Markdown, where the cells are marked",
            )
        rows.append(dict(zip(header, (one_line(cell) for cell in row), strict=True)))
    return rows


def _cell(row: Mapping[str, str], *names: str) -> str:
    return next((row[name] for name in names if name in row), "")


def parameter_rows(rows: list[dict[str, str]]) -> list[Parameter]:
    """The rows of a parameter table, as `table_in` gives them."""
    found = []
    for row in rows:
        kind = re.match(r"([\w ]+?)\s*(?:\((\w+)\))?$", _cell(row, "type"))
        place = _cell(row, "in", "location") or (kind[2] if kind and kind[2] else "")
        required = _cell(row, "required", "mandatory").lower() in ("yes", "true", "y", "required")
        found.append(
            Parameter(
                _cell(row, "name", "parameter"),
                kind[1].strip() if kind else _cell(row, "type"),
                place.lower(),
                required,
                _cell(row, "description", "notes"),
            )
        )
    return found


def note_rows(rows: list[dict[str, str]]) -> list[Note]:
    """The rows of the field notes, as `table_in` gives them."""
    return [
        Note(
            tuple(re.findall(r"\w+", _cell(row, "field", "fields", "name"))),
            _cell(row, "notes", "note", "description"),
        )
        for row in rows
    ]


def error_rows(rows: list[dict[str, str]], name: str) -> list[ErrorRow]:
    """The rows of an error table, as `table_in` gives them; raises PageError for one without a status."""
    found = []
    for row in rows:
        status = re.search(r"\b([1-5]\d\d)\b", _cell(row, "http", "status", "code", "http status"))
        if status is None:
            raise PageError(f"{name}: a row of the error table has no HTTP status: {' '.join(row.values())[:60]!r}")
        codes = re.split(r",| or |·|\||\n", _cell(row, "error", "errors", "message", "error code"))
        errors = tuple(code.strip(" `\"'") for code in codes if code.strip(" `\"'—-"))
        found.append(ErrorRow(int(status[1]), errors, _cell(row, "when", "meaning", "description", "reason")))
    return found


# ---------------------------------------------------------------------- example and samples


def json_object(text: str) -> tuple[Mapping[str, Any] | None, str]:
    """The JSON object in `text`, or None and why it is none (a name that stands twice counts)."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in items]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)} stands twice")
        return dict(items)

    try:
        value = json.loads(text, object_pairs_hook=pairs)
    except ValueError as error:
        return None, str(error)
    return (value, "") if isinstance(value, dict) else (None, f"a JSON {type(value).__name__}, no object")


def _language_of(title: str, told: str, code: str) -> str:
    words = f"{told} {title}".lower()
    if re.search(r"\b(?:python|py)\b", words):
        return "python"
    if re.search(r"\b(?:curl|bash|sh|shell|zsh)\b", words):
        return "shell"
    if told or title:
        return told or title.split()[0].lower()
    return "shell" if re.search(r"^\s*curl\s", code, re.MULTILINE) else ""


def samples_in(blocks: Iterable[Block]) -> list[Sample]:
    """The code blocks of a section, each under its heading, or under the tab that stands for it."""
    blocks = list(blocks)
    tabs = [b.text for b in blocks if b.kind is Kind.TAB]
    found: list[Sample] = []
    heading = ""
    for block in blocks:
        if block.kind is Kind.HEADING:
            heading = one_line(block.text).strip("# ")
        elif block.kind is Kind.CODE:
            title = heading or (tabs[len(found)] if len(found) < len(tabs) else f"sample {len(found) + 1}")
            heading = ""
            found.append(Sample(title, _language_of(title, block.language, block.text), block.text))
    return found


def base_urls_in(samples: Iterable[Sample], path: str) -> list[str]:
    """Every base URL that the samples use: what stands in front of the operation's path, or is called base URL."""
    stem = re.split(r"/[:{<]", path)[0].rstrip("/")
    found: dict[str, None] = {}
    for sample in samples:
        for line in sample.code.splitlines():
            named = re.match(r"\s*(?:\w+\s+)?\w*(?:base|url|host|endpoint)\w*\s*[:=]", line, re.IGNORECASE)
            for url in _URL.findall(line):
                if stem and stem in url:
                    found[url.split(stem)[0].rstrip("/")] = None
                elif named:
                    found[url.rstrip("/")] = None
    return list(found)
