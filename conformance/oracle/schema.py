"""The answer's body against the response schema of the OpenAPI document.

This is schemathesis' own check of responses (`response_schema_conformance`), made from the document by the same
validator, so that a stored record is judged alike. It comes after the field checks and says only what they did
not: a schema knows each value's form, the field checks know what the value must be.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import jsonschema_rs

from conformance.oracle.fields import AMOUNTS, REQUIREMENT, TIMES, FieldCheck, show

_SHOWN = 160  # characters of a validator's sentence


_validators: dict[int, tuple[Mapping[str, Any], jsonschema_rs.Draft202012Validator]] = {}


def _validator(document: Mapping[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """The validator of a document's 200. Kept with the document, whose identity is the key: it must live on."""
    if id(document) not in _validators:
        answer = document["paths"]["/spot/orders/{id}"]["delete"]["responses"]["200"]
        schema = {**answer["content"]["application/json"]["schema"], "components": document["components"]}
        validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
        _validators[id(document)] = (document, validator)
    return _validators[id(document)][1]


def is_valid(document: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Whether the body of a 200 keeps the document's response schema."""
    return _validator(document).is_valid(body)


def check_schema(
    document: Mapping[str, Any], body: Mapping[str, Any], known: Collection[str] = ()
) -> Iterator[FieldCheck]:
    """What the body of a 200 breaks in the document's response schema, one failed check a field.

    Fields in `known` were found wrong already. A missing field is the field checks' business.
    """
    validator = _validator(document)
    if validator.is_valid(body):
        return
    told = set(known)
    for error in validator.iter_errors(dict(body)):
        name = str(error.instance_path[0]) if error.instance_path else _field_of(error, body)
        if name is None or name in told or name not in REQUIREMENT:
            continue
        told.add(name)
        yield FieldCheck(
            _requirement(name, error),
            name,
            f"what the schema says ({'/'.join(map(str, error.schema_path))})",
            show(body.get(name)),
            ok=False,
            why=error.message[:_SHOWN],
            wrong=f"{name} does not fit the response schema of the OpenAPI document",
        )


def _requirement(name: str, error: jsonschema_rs.ValidationError) -> str:
    if name == "avg_fill_price" and not error.instance_path:
        return "cancel.fields.avg-fill-price-zero"
    if name in AMOUNTS or name == "quote_quantity":
        return "cancel.fields.decimal-strings"
    return "cancel.fields.unix-seconds" if name in TIMES else REQUIREMENT[name]


def _field_of(error: jsonschema_rs.ValidationError, body: Mapping[str, Any]) -> str | None:
    """The field behind a rule on the order as a whole: which of its alternatives it meant to take."""
    path = [str(part) for part in error.schema_path]
    if path[-1] != "anyOf":
        return None
    if "CanceledOrder" in path or (len(path) > 2 and path[-3] == "allOf"):
        return "avg_fill_price"
    return next((name for name in ("price", "quantity") if not isinstance(body.get(name), str)), None)
