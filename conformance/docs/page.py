"""A docs page taken apart: method and path, parameters, example, field notes, error table, samples, base URL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.docs.blocks import Block, Kind, one_line
from conformance.docs.html import read_html
from conformance.docs.markdown import read_markdown
from conformance.docs.plain import read_plain
from conformance.docs.sections import Section, section_of
from conformance.errors import ConfigError

PAGE = "Cancel Order"  # the page's name in the sources of the requirements
_METHOD = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE)\s+`?(/[\w/:{}<>.~-]*)`?\s*(.*)", re.DOTALL)
_URL = re.compile(r"https?://[\w.:\[\]-]+(?:/[\w.~-]+)*")
_ESSENTIAL = ("method and path", "request parameters", "response example", "error table")
_MAX_BYTES = 20_000_000  # a saved page with its pictures inlined; anything larger is no docs page


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


@dataclass(frozen=True)
class Page:
    """All parts of a page. `rows` has the wording of each source row that a requirement may name.

    `form` is html, markdown or plain; `missing` names the parts that were not found; `example` is None if the
    page's example is no JSON object (`example_error` says why).
    """

    form: str
    method: str
    path: str
    access: str
    description: str
    weight: str
    parameters: tuple[Parameter, ...]
    example_text: str
    example: Mapping[str, Any] | None
    example_error: str
    example_status: int | None
    notes: tuple[Note, ...]
    errors: tuple[ErrorRow, ...]
    samples: tuple[Sample, ...]
    base_urls: tuple[str, ...]
    missing: tuple[str, ...]
    rows: Mapping[str, str] = field(repr=False)


def read_page(path: Path) -> Page:
    """Read the page at `path`: HTML, Markdown, or the plain text of a select-all, told by what is in it.

    Raises PageError, naming every part that was not found, if method and path, parameters, example or error table
    are not there.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise PageError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > _MAX_BYTES:
        raise PageError(f"{path} is larger than {_MAX_BYTES // 1_000_000} MB", "save the page as HTML only")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PageError(f"{path} is not UTF-8 text", "save the page as HTML, Markdown or text") from None
    return parse_page(text.replace("\r\n", "\n").replace("\xa0", " "), str(path), path.suffix.lower())


def form_of(text: str, suffix: str = "") -> str:
    """Whether a text is html, markdown or plain: by its beginning, then by its marks; `suffix` decides a doubt."""
    if suffix in (".html", ".htm") or re.match(
        r"\s*(?:<!--.*?-->\s*)*<(?:!doctype|html|body|article|main)\b", text, re.IGNORECASE
    ):
        return "html"
    marks = re.search(r"^#{1,6} \S", text, re.MULTILINE) or re.search(r"^```", text, re.MULTILINE)
    if suffix in (".md", ".mdx", ".markdown"):
        return "markdown"
    # a comment of a shell sample looks like a heading; a section's name after the marks does not
    named = any(section_of(line.lstrip("#")) for line in text.splitlines() if line.startswith("#"))
    return "markdown" if marks and named else "plain"


def parse_page(text: str, name: str = "the page", suffix: str = "") -> Page:
    """Take a page's text apart; `name` is for messages. Raises PageError as `read_page` does."""
    form = form_of(text, suffix)
    blocks = {"html": read_html, "markdown": read_markdown, "plain": read_plain}[form](text)
    parts = _sections(blocks)
    missing: list[str] = []

    def need(value: Any, what: str) -> Any:
        if not value:
            missing.append(what)
        return value

    request = _METHOD.search(_text(parts.get(Section.REQUEST, ())))
    need(request, "method and path")
    description = need(_text(parts.get(Section.DESCRIPTION, ())), "description")
    weight = need(_text(parts.get(Section.WEIGHT, ())), "weight")
    parameters = need(_parameters(_table(parts, Section.PARAMETERS, name)), "request parameters")
    response = parts.get(Section.RESPONSE, ())
    example_text = need(next((b.text for b in response if b.kind is Kind.CODE), ""), "response example")
    notes = need(_notes(_table(parts, Section.RESPONSE, name)), "field notes")
    errors = need(_errors(_table(parts, Section.ERRORS, name), name), "error table")
    samples = need(_samples(parts.get(Section.CODE, ())), "code samples")
    base_urls = need(_base_urls(samples, request[2] if request else ""), "base URL")
    if any(part in _ESSENTIAL for part in missing):
        raise PageError(
            f"{name} (read as {form}) cannot be read as a docs page: not found: {', '.join(missing)}",
            f"looked for the sections {', '.join(Section)}; found {', '.join(parts) or 'none of them'}",
        )
    example, example_error = _json(example_text)
    status = re.search(r"\b([1-5]\d\d)\b", _text(b for b in response if b.kind in (Kind.TEXT, Kind.HEADING)))
    page = Page(
        form=form,
        method=request[1] if request else "",
        path=request[2] if request else "",
        access=one_line(request[3]) if request else "",
        description=description,
        weight=weight,
        parameters=tuple(parameters),
        example_text=example_text,
        example=example,
        example_error=example_error,
        example_status=int(status[1]) if status else None,
        notes=tuple(notes),
        errors=tuple(errors),
        samples=tuple(samples),
        base_urls=tuple(base_urls),
        missing=tuple(missing),
        rows={},
    )
    return _with_rows(page)


# ---------------------------------------------------------------------- sections and tables


def _sections(blocks: Iterable[Block]) -> dict[Section, list[Block]]:
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


def _text(blocks: Iterable[Block]) -> str:
    return "\n".join(b.text for b in blocks if b.kind in (Kind.TEXT, Kind.CODE, Kind.HEADING))


def _table(parts: Mapping[Section, list[Block]], section: Section, name: str) -> list[dict[str, str]]:
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


def _parameters(rows: list[dict[str, str]]) -> list[Parameter]:
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


def _notes(rows: list[dict[str, str]]) -> list[Note]:
    return [
        Note(
            tuple(re.findall(r"\w+", _cell(row, "field", "fields", "name"))),
            _cell(row, "notes", "note", "description"),
        )
        for row in rows
    ]


def _errors(rows: list[dict[str, str]], name: str) -> list[ErrorRow]:
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


def _json(text: str) -> tuple[Mapping[str, Any] | None, str]:
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


def _samples(blocks: Iterable[Block]) -> list[Sample]:
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


def _base_urls(samples: Iterable[Sample], path: str) -> list[str]:
    """Every base URL that the samples use: what stands in front of the operation's path, or is called base URL."""
    stem = re.split(r"/[:{<]", path)[0].rstrip("/")
    found: dict[str, None] = {}
    for sample in samples:
        for url in _URL.findall(sample.code):
            found[url.split(stem)[0].rstrip("/") if stem and stem in url else url] = None
    return list(found)


# ---------------------------------------------------------------------- source rows


def _with_rows(page: Page) -> Page:
    """The page with the wording of each of its source rows, by the names that the requirements use."""
    rows: dict[str, str] = {}

    def put(*names: str, text: str) -> None:
        if text.strip():
            rows[" / ".join((PAGE, *names))] = text

    put(Section.DESCRIPTION, text=page.description)
    put(Section.REQUEST, text=f"{page.method} {page.path} {page.access}")
    put(Section.WEIGHT, text=page.weight)
    for row in page.parameters:
        needed = "YES" if row.required else "NO"
        put(Section.PARAMETERS, row.name, text=f"{row.name} {row.type} ({row.place}) {needed} {row.text}")
    put(Section.RESPONSE, str(page.example_status or 200), text=page.example_text)
    for name, value in (page.example or {}).items():
        notes = [note.text for note in page.notes if name in note.fields]
        put(Section.RESPONSE, name, text=" ".join([f"{name}: {json.dumps(value)}", *notes]))
    lines = [f"{row.status} {', '.join(row.errors)} {row.when}" for row in page.errors]
    put(Section.ERRORS, text="\n".join(lines))
    for status in dict.fromkeys(row.status for row in page.errors):
        same = [line for line, row in zip(lines, page.errors, strict=True) if row.status == status]
        put(Section.ERRORS, str(status), text="\n".join(same))
    for sample in page.samples:
        put(Section.CODE, sample.title, text=sample.code)
    rows_of: dict[str, Any] = {**page.__dict__, "rows": rows}
    return Page(**rows_of)
