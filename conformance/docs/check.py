"""Compares a page with the OpenAPI document and the requirements, in both directions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from conformance.contract import Contract
from conformance.docs.blocks import digest
from conformance.docs.differences import Difference, Known, slug, with_known
from conformance.docs.document import Operation, operation_of
from conformance.docs.example import check_example
from conformance.docs.page import PAGE, Page
from conformance.docs.sample_check import check_samples
from conformance.docs.states import enumerations

_TYPES = {
    "string": "string",
    "uuid": "string",
    "enum": "string",
    "decimal": "string",
    "int": "integer",
    "integer": "integer",
    "long": "integer",
    "number": "number",
    "boolean": "boolean",
}


def check_page(
    page: Page, contract: Contract, digests: Mapping[str, str], known: Iterable[Known] = ()
) -> list[Difference]:
    """Everything that `page` and the contract say differently, the known ones marked.

    `digests` has the wording of each source row as the requirements were written from it.
    """
    operation = operation_of(contract.openapi)
    checks: list[Callable[[Page, Operation], Iterator[Difference]]] = [
        _parts,
        _request,
        _parameters,
        _fields,
        _notes,
        _enumerations,
        _refusals,
        check_samples,
    ]
    found = [difference for check in checks for difference in check(page, operation)]
    found += check_example(page, contract.openapi, {d.id.split(".")[1] for d in found if d.id.startswith("enum.")})
    found += _stale(page, contract, digests)
    return with_known(found, known, page.form)


def one_sided(
    name: str, what: str, page: Iterable[str], document: Iterable[str], *, both: bool = True
) -> Iterator[Difference]:
    """What only one of the two has; with `both` False only what the document does not know."""
    page, document = list(dict.fromkeys(page)), list(dict.fromkeys(document))
    for value in page:
        if value not in document:
            yield Difference(
                f"{name}.{slug(value)}.page-only", f"{what} {value!r} stands only on the page", value, "-"
            )
    for value in document if both else ():
        if value not in page:
            yield Difference(
                f"{name}.{slug(value)}.document-only", f"{what} {value!r} stands only in the document", "-", value
            )


def _parts(page: Page, operation: Operation) -> Iterator[Difference]:
    for part in page.missing:
        yield Difference(f"part.{slug(part)}", f"the page has no {part}", "-", "-")


def _template(path: str) -> str:
    return re.sub(r":(\w+)|<(\w+)>", lambda found: "{" + (found[1] or found[2]) + "}", path)


def _request(page: Page, operation: Operation) -> Iterator[Difference]:
    if page.method != operation.method:
        yield Difference("request.method", "the methods differ", page.method, operation.method)
    if _template(page.path) != operation.path:
        yield Difference("request.path", "the paths differ", page.path, operation.path)
    said = {"jwt": r"\bJWT\b|bearer", "api_key": r"\bAPI[ _-]?key\b|\bHMAC\b"}
    named = [scheme for scheme, form in said.items() if re.search(form, page.access, re.IGNORECASE)]
    yield from one_sided("request.credential", "the credential", named, sorted(operation.schemes))
    yield from _one_base_url(page, operation)
    weight = re.match(r"\D*(\d+)", page.weight)
    if operation.weight is not None and page.weight and (not weight or int(weight[1]) != operation.weight):
        seen = weight[1] if weight else page.weight
        yield Difference("request.weight", "the weights differ", seen, str(operation.weight))


def _one_base_url(page: Page, operation: Operation) -> Iterator[Difference]:
    if page.base_urls:
        for url in page.base_urls:
            if url not in operation.base_urls:
                yield Difference(
                    f"base-url.{slug(url)}.page-only",
                    "the samples use a base URL that the document does not have",
                    url,
                    ", ".join(operation.base_urls),
                )
        for url in operation.base_urls:
            if url not in page.base_urls:
                yield Difference(
                    f"base-url.{slug(url)}.document-only", "no sample uses this base URL of the document", "-", url
                )


def _parameters(page: Page, operation: Operation) -> Iterator[Difference]:
    yield from one_sided("parameter", "the parameter", (p.name for p in page.parameters), operation.parameters)
    for row in page.parameters:
        rule: Mapping[str, Any] | None = operation.parameters.get(row.name)
        if rule is None:
            continue
        name = f"parameter.{slug(row.name)}"
        kind = str(rule["schema"].get("type", ""))
        if _TYPES.get(row.type.lower(), row.type.lower()) != kind:
            yield Difference(f"{name}.type", f"the type of {row.name} differs", row.type, kind)
        if row.place and row.place != rule["in"]:
            yield Difference(f"{name}.place", f"where {row.name} goes differs", row.place, str(rule["in"]))
        needed = bool(rule.get("required", False))
        if row.required != needed:
            shown = {True: "required", False: "not required"}
            yield Difference(
                f"{name}.required", f"whether {row.name} is required differs", shown[row.required], shown[needed]
            )
        if (rule["schema"].get("format") == "uuid") != ("UUID" in f"{row.type} {row.text}".upper()):
            yield Difference(
                f"{name}.format",
                f"only one of them says that {row.name} is a UUID",
                row.text,
                str(rule["schema"].get("format", "-")),
            )


def _fields(page: Page, operation: Operation) -> Iterator[Difference]:
    if page.example is not None:
        yield from one_sided("field", "the field", page.example, operation.fields)
    shown = page.example or {}
    for name in dict.fromkeys(name for note in page.notes for name in note.fields):
        if name not in operation.fields and name not in shown:
            yield Difference(
                f"field.{slug(name)}.page-only", f"the field {name!r} stands only in the page's notes", name, "-"
            )
    if page.example_status is not None and str(page.example_status) != operation.success:
        yield Difference(
            "status.success", "the status of a success differs", str(page.example_status), operation.success
        )


def _notes(page: Page, operation: Operation) -> Iterator[Difference]:
    """What the notes pin of a field: a value that it always or in some case has, and the unit of a time."""
    for note in page.notes:
        for name in note.fields:
            pinned = re.findall(r"""[Aa]lways [`"']?(\w+)|"([^"]*)\"""", note.text)
            values = [always or quoted for always, quoted in pinned]
            if name in operation.fields:
                yield from one_sided(
                    f"constant.{slug(name)}",
                    f"a pinned value of {name},",
                    values,
                    operation.constants.get(name, ()),
                )
            unit = re.search(
                r"\b(?:unix |epoch )?(milliseconds|microseconds|seconds|ms)\b", note.text, re.IGNORECASE
            )
            is_seconds = unit is not None and unit[1].lower() == "seconds"
            if unit and is_seconds != (name in operation.seconds):
                document = "Unix seconds" if name in operation.seconds else "no time in seconds"
                yield Difference(f"unit.{slug(name)}", f"the unit of {name} differs", unit[0], document)
    noted = {name for note in page.notes for name in note.fields}
    for name, constants in operation.constants.items():
        if page.notes and name not in noted:
            yield from one_sided(f"constant.{slug(name)}", f"a pinned value of {name},", (), constants)


def _enumerations(page: Page, operation: Operation) -> Iterator[Difference]:
    for name, values in operation.enums.items():
        shown, complete = enumerations(page, name, values)
        yield from one_sided(f"enum.{slug(name)}", f"the value of {name},", shown, values, both=complete)


def _refusals(page: Page, operation: Operation) -> Iterator[Difference]:
    statuses = list(dict.fromkeys(row.status for row in page.errors))
    yield from one_sided("status", "the status", map(str, statuses), map(str, operation.errors))
    for status in statuses:
        if status in operation.errors:
            errors = [error for row in page.errors if row.status == status for error in row.errors]
            yield from one_sided(f"error.{status}", f"the error of a {status},", errors, operation.errors[status])
    listed = {str(status) for status in statuses} | {str(page.example_status)}
    for status_text, error in re.findall(r"\b([45]\d\d) ([A-Z][A-Z_]+)\b", f"{page.weight} {page.description}"):
        rows = [row for row in page.errors if str(row.status) == status_text and error in row.errors]
        if not rows:
            where = "no row of that status" if status_text not in listed else "its row has other errors"
            yield Difference(
                f"error.{status_text}.{slug(error)}.not-in-table",
                f"the page's text names {status_text} {error}, its error table does not ({where})",
                f"{status_text} {error}",
                "-",
            )


def _stale(page: Page, contract: Contract, digests: Mapping[str, str]) -> Iterator[Difference]:
    """Requirements whose source row is gone or says something else, and rows that no requirement knows of."""
    now = {name: digest(text) for name, text in page.rows.items()}
    for requirement in contract.requirements.values():
        reasons = []
        for row in requirement.source:
            if row == PAGE or not row.startswith(f"{PAGE} / "):
                continue
            if row not in digests:
                reasons.append(f"{row}: no digest of it is kept")
            elif row not in now:
                reasons.append(f"{row}: gone")
            elif now[row] != digests[row]:
                reasons.append(f"{row}: changed")
        if reasons:
            yield Difference(
                f"stale.{requirement.id}",
                f"the requirement {requirement.id} is stale: its source is not as it was",
                "; ".join(reasons),
                requirement.text,
            )
    sources = {row for requirement in contract.requirements.values() for row in requirement.source}
    for row in now.keys() - digests.keys() - sources:
        yield Difference(f"row.{slug(row)}.new", f"the page has a statement that is not known: {row}", row, "-")
