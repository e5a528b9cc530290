"""A docs page taken apart: method and path, parameters, example, field notes, error table, samples, base URL."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.docs.blocks import Kind, one_line
from conformance.docs.html import read_html
from conformance.docs.markdown import read_markdown
from conformance.docs.parts import (
    ErrorRow,
    Note,
    PageError,
    Parameter,
    Sample,
    base_urls_in,
    error_rows,
    json_object,
    note_rows,
    parameter_rows,
    samples_in,
    split_sections,
    table_in,
    text_of,
)
from conformance.docs.plain import read_plain
from conformance.docs.sections import Section, section_of

PAGE = "Cancel Order"  # the page's name in the sources of the requirements
_METHOD = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE)\s+`?(/[\w/:{}<>.~-]*)`?\s*(.*)", re.DOTALL)
_ESSENTIAL = ("method and path", "request parameters", "response example", "error table")
_MAX_BYTES = 20_000_000  # a saved page with its pictures inlined; anything larger is no docs page


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
    parts = split_sections(blocks)
    missing: list[str] = []

    def need(value: Any, what: str) -> Any:
        if not value:
            missing.append(what)
        return value

    request = _METHOD.search(text_of(parts.get(Section.REQUEST, ())))
    need(request, "method and path")
    description = need(text_of(parts.get(Section.DESCRIPTION, ())), "description")
    weight = need(text_of(parts.get(Section.WEIGHT, ())), "weight")
    parameters = need(parameter_rows(table_in(parts, Section.PARAMETERS, name)), "request parameters")
    response = parts.get(Section.RESPONSE, ())
    example_text = need(next((b.text for b in response if b.kind is Kind.CODE), ""), "response example")
    notes = need(note_rows(table_in(parts, Section.RESPONSE, name)), "field notes")
    errors = need(error_rows(table_in(parts, Section.ERRORS, name), name), "error table")
    samples = need(samples_in(parts.get(Section.CODE, ())), "code samples")
    base_urls = need(base_urls_in(samples, request[2] if request else ""), "base URL")
    if any(part in _ESSENTIAL for part in missing):
        raise PageError(
            f"{name} (read as {form}) cannot be read as a docs page: not found: {', '.join(missing)}",
            f"looked for the sections {', '.join(Section)}; found {', '.join(parts) or 'none of them'}",
        )
    example, example_error = json_object(example_text)
    status = re.search(r"\b([1-5]\d\d)\b", text_of(b for b in response if b.kind in (Kind.TEXT, Kind.HEADING)))
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
