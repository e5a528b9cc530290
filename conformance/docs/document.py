"""What the OpenAPI document says of the operation, in the same terms as a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.errors import ConfigError


@dataclass(frozen=True)
class Operation:
    """The operation of the document that a page is compared with.

    `errors` maps a refusal's status to the strings its body may carry (none: the document pins none). `enums` maps
    a field to its values, `constants` to those that some rule pins, `seconds` names the fields in Unix seconds.
    `schemes` are jwt and api_key as far as the document takes them; `headers` and `query` are where they go.
    """

    method: str
    path: str
    base_urls: tuple[str, ...]
    weight: int | None
    parameters: Mapping[str, Mapping[str, Any]]
    success: str
    errors: Mapping[int, tuple[str, ...]]
    fields: tuple[str, ...]
    enums: Mapping[str, tuple[str, ...]]
    constants: Mapping[str, tuple[str, ...]]
    seconds: frozenset[str]
    schemes: frozenset[str]
    headers: frozenset[str]
    query: frozenset[str]
    schema: Mapping[str, Any]


def resolve(document: Mapping[str, Any], node: Any) -> Any:
    """`node`, or what it refers to inside the document."""
    seen = 0
    while isinstance(node, Mapping) and "$ref" in node and seen < 20:
        target: Any = document
        for part in str(node["$ref"]).removeprefix("#/").split("/"):
            target = target.get(part.replace("~1", "/").replace("~0", "~"), {})
        node, seen = target, seen + 1
    return node


def _properties(document: Mapping[str, Any], schema: Any) -> Iterator[tuple[str, Any]]:
    """Every (field, schema) that the rules of a schema name, whichever rule it is."""
    schema = resolve(document, schema)
    for name, rule in schema.get("properties", {}).items():
        yield name, resolve(document, rule)
    for combiner in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(combiner, ()):
            yield from _properties(document, part)


def _alternatives(document: Mapping[str, Any], rule: Any) -> Iterator[Any]:
    rule = resolve(document, rule)
    yield rule
    for part in (*rule.get("anyOf", ()), *rule.get("oneOf", ()), *rule.get("allOf", ())):
        yield from _alternatives(document, part)


def operation_of(document: Mapping[str, Any], operation_id: str = "cancelOrder") -> Operation:
    """The operation with this id; raises ConfigError if the document has none."""
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items():
            if isinstance(operation, Mapping) and operation.get("operationId") == operation_id:
                return _operation(document, path, method, item, operation)
    raise ConfigError(f"the OpenAPI document has no operation {operation_id}", "look at its operationIds")


def _operation(document: Mapping[str, Any], path: str, method: str, item: Any, operation: Any) -> Operation:
    responses = {str(code): resolve(document, answer) for code, answer in operation["responses"].items()}
    success = min(code for code in responses if code.startswith("2"))
    schema = _json_schema(responses[success])
    properties = list(_properties(document, schema))
    enums: dict[str, tuple[str, ...]] = {}
    constants: dict[str, tuple[str, ...]] = {}
    for name, rule in properties:
        for part in _alternatives(document, rule):
            if "enum" in part:
                enums[name] = tuple(map(str, part["enum"]))
            if "const" in part:
                constants[name] = (*constants.get(name, ()), str(part["const"]))
    seconds = {
        n for n, r in properties if r.get("type") == "integer" and r.get("maximum", 0) in range(10**9, 10**11)
    }
    parameters = [resolve(document, row) for row in (*item.get("parameters", ()), *operation.get("parameters", ()))]
    schemes, headers, query = _security(document, operation)
    return Operation(
        method=method.upper(),
        path=path,
        base_urls=tuple(str(server["url"]).rstrip("/") for server in document.get("servers", ())),
        weight=operation.get("x-weight"),
        parameters={
            str(row["name"]): {**row, "schema": resolve(document, row.get("schema", {}))} for row in parameters
        },
        success=success,
        errors={
            int(code): _strings(document, answer)
            for code, answer in responses.items()
            if code.isdecimal() and not code.startswith("2")
        },
        fields=tuple(dict.fromkeys(name for name, _ in properties)),
        enums=enums,
        constants=constants,
        seconds=frozenset(seconds),
        schemes=schemes,
        headers=headers,
        query=query,
        schema={**schema, "components": document.get("components", {})},
    )


def _json_schema(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return schema


def _strings(document: Mapping[str, Any], answer: Mapping[str, Any]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for name, rule in _properties(document, _json_schema(answer)):
        if name == "error":
            for part in _alternatives(document, rule):
                found.update(dict.fromkeys(map(str, part.get("enum", ()))))
                if "const" in part:
                    found[str(part["const"])] = None
    return tuple(found)


def _security(
    document: Mapping[str, Any], operation: Mapping[str, Any]
) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    declared = document.get("components", {}).get("securitySchemes", {})
    schemes, headers, query = set(), set(), set()
    for choice in operation.get("security", document.get("security", ())):
        for name in choice:
            scheme = resolve(document, declared.get(name, {}))
            if scheme.get("type") == "http":
                schemes.add("jwt")
                headers.add("Authorization")
            elif scheme.get("in") == "header":
                schemes.add("api_key")
                headers.add(str(scheme["name"]))
            elif scheme.get("in") == "query":
                query.add(str(scheme["name"]))
    return frozenset(schemes), frozenset(headers), frozenset(query)
