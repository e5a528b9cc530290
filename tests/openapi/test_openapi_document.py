"""The OpenAPI document is valid, complete for Cancel Order, and says where each rule comes from."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import validate

METHODS = {"get", "post", "delete", "put", "patch"}

OPERATIONS = {
    "cancelOrder": ("delete", "/spot/orders/{id}"),
    "queryOrder": ("get", "/spot/orders/{id}"),
    "newOrder": ("post", "/spot/orders"),
    "openOrders": ("get", "/spot/orders"),
    "cancelAllOrders": ("delete", "/spot/orders"),
    "myTrades": ("get", "/spot/trades/me"),
    "markets": ("get", "/spot/markets"),
    "health": ("get", "/spot/health"),
}

CANCEL_ERRORS = {
    "400": {"invalid id"},
    "403": {"FORBIDDEN"},
    "404": {"ORDER_NOT_FOUND"},
    "503": {"ENGINE_BUSY", "ENGINE_RESTARTING", "spot trading disabled"},
}


def resolve(spec: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Follow local references until a node that is none."""
    while "$ref" in node:
        target: Any = spec
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def cancel(spec: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = spec["paths"]["/spot/orders/{id}"]["delete"]
    return operation


def test_document_is_valid_openapi(spec: dict[str, Any]) -> None:
    validate(spec)


def test_operations_are_the_documented_ones(spec: dict[str, Any]) -> None:
    found = {
        operation["operationId"]: (method, path)
        for path, item in spec["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }
    assert found == OPERATIONS


def test_cancel_answers_with_the_documented_statuses_only(spec: dict[str, Any]) -> None:
    assert set(cancel(spec)["responses"]) == {"200", "401", *CANCEL_ERRORS}


@pytest.mark.parametrize("status", CANCEL_ERRORS)
def test_cancel_error_strings_are_exact(spec: dict[str, Any], status: str) -> None:
    """The schema pins the strings, and there is an example of each."""
    media = resolve(spec, cancel(spec)["responses"][status])["content"]["application/json"]
    error = resolve(spec, media["schema"])["properties"]["error"]
    assert set(error.get("enum", [error.get("const")])) == CANCEL_ERRORS[status]
    assert {example["value"]["error"] for example in media["examples"].values()} == CANCEL_ERRORS[status]


def test_unauthorized_has_no_body(spec: dict[str, Any]) -> None:
    assert "content" not in resolve(spec, cancel(spec)["responses"]["401"])


def test_cancel_takes_one_parameter_and_no_body(spec: dict[str, Any]) -> None:
    parameters = [resolve(spec, node) for node in spec["paths"]["/spot/orders/{id}"]["parameters"]]
    assert [(p["name"], p["in"], p["required"], p["schema"]["format"]) for p in parameters] == [
        ("id", "path", True, "uuid")
    ]
    assert not {"parameters", "requestBody"} & set(cancel(spec))


def test_credentials_are_a_jwt_or_a_signed_api_key(spec: dict[str, Any]) -> None:
    """The three parts of an API key are required together, and the JWT is the alternative."""
    assert "security" not in cancel(spec)
    schemes = spec["components"]["securitySchemes"]
    alternatives = [
        {(schemes[name].get("in", "bearer"), schemes[name].get("name")) for name in alternative}
        for alternative in spec["security"]
    ]
    assert alternatives == [
        {("bearer", None)},
        {("header", "X-MBX-APIKEY"), ("query", "timestamp"), ("query", "signature")},
    ]
    public = {
        operation["operationId"]
        for item in spec["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict) and operation.get("security") == []
    }
    assert public == {"markets", "health"}


def test_a_placed_order_links_to_its_query_and_its_cancel(spec: dict[str, Any]) -> None:
    links = spec["paths"]["/spot/orders"]["post"]["responses"]["200"]["links"]
    assert {link["operationId"] for link in links.values()} == {"queryOrder", "cancelOrder"}
    assert all(link["parameters"] == {"id": "$response.body#/id"} for link in links.values())


def test_every_operation_and_cancel_answer_names_its_source(spec: dict[str, Any]) -> None:
    operations = [spec["paths"][path][method] for method, path in OPERATIONS.values()]
    answers = [resolve(spec, node) for node in cancel(spec)["responses"].values()]
    schemes = list(spec["components"]["securitySchemes"].values())
    assert [node for node in operations + answers + schemes if "page" not in node.get("x-source", "")] == []


def test_disagreements_of_the_pages_are_told(spec: dict[str, Any]) -> None:
    """Each of the four is told where a reader of that part of the document meets it."""
    answers, schemes = cancel(spec)["responses"], spec["components"]["securitySchemes"]
    places = [answers["403"], resolve(spec, answers["503"]), schemes["apiKey"], schemes["apiKeyTimestamp"]]
    for place in places:
        for entry in place["x-disagreements"]:
            assert set(entry) == {"question", "here", "elsewhere"}
            assert "page" in entry["here"]


def test_every_component_is_used(spec: dict[str, Any]) -> None:
    text = str(spec)
    unused = [
        f"{kind}/{name}"
        for kind in ("schemas", "responses", "parameters")
        for name in spec["components"][kind]
        if f"'#/components/{kind}/{name}'" not in text
    ]
    assert unused == []


def test_no_schema_is_closed(spec: dict[str, Any]) -> None:
    """Unknown fields are left open by every page, so no server may be blamed for one."""
    text = str(spec)
    assert "'additionalProperties': False" not in text
    assert "'unevaluatedProperties': False" not in text
    objects = [node for node in spec["components"]["schemas"].values() if node.get("type") == "object"]
    assert len(objects) > 10
    assert [node for node in objects if node["additionalProperties"] is not True] == []
