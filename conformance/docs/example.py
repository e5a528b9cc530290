"""A page's example response against the document's schema and the invariants that hold for every canceled order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from conformance.docs.differences import Difference, slug
from conformance.docs.page import Page
from conformance.oracle.amounts import decimal_of
from conformance.oracle.fields import check_form, show
from conformance.oracle.schema import check_schema


def check_example(page: Page, document: Mapping[str, Any], told: Collection[str] = ()) -> Iterator[Difference]:
    """What is wrong with the example. Fields in `told` have been reported already."""
    if page.example is None:
        if page.example_text:
            yield Difference("example.json", "the example is not JSON", page.example_error, "a JSON object")
        return
    body = dict(page.example)
    wrong = set(told)
    for check in check_form(body):
        if check.ok or check.requirement == "cancel.fields.complete":
            continue  # what is missing has been said in the comparison of the fields
        name = "time-order" if check.requirement == "cancel.fields.time-order" else check.field
        wrong.add(check.field)
        yield Difference(
            f"example.{slug(name)}",
            f"the example breaks {check.requirement}: {check.field}",
            check.seen,
            check.expected,
        )
    yield from _amounts(body, wrong)
    for check in check_schema(document, body, wrong):
        yield Difference(
            f"example.{slug(check.field)}.schema",
            f"the example does not validate: {check.field}: {check.why}",
            check.seen,
            check.expected,
        )


def _amounts(body: Mapping[str, Any], wrong: set[str]) -> Iterator[Difference]:
    """The amounts of one canceled order against each other."""
    quantity, filled = decimal_of(body.get("quantity")), decimal_of(body.get("filled_qty"))
    price, average = decimal_of(body.get("price")), decimal_of(body.get("avg_fill_price"))
    if quantity is not None and filled is not None and filled >= quantity:
        yield Difference(
            "example.filled_qty.less-than-quantity",
            "nothing is left to cancel in the example: filled_qty is not below quantity",
            show(body["filled_qty"]),
            f"less than {show(body['quantity'])}",
        )
    if filled is not None and average is not None and (filled == 0) != (average == 0):
        wrong.add("avg_fill_price")
        yield Difference(
            "example.avg_fill_price.without-fills",
            "filled_qty and avg_fill_price of the example do not agree on whether anything was filled",
            f"filled_qty {show(body['filled_qty'])}, avg_fill_price {show(body['avg_fill_price'])}",
            "both zero, or neither",
        )
    if body.get("type") == "limit" and price is not None and average:
        better = average <= price if body.get("side") == "buy" else average >= price
        if body.get("side") in ("buy", "sell") and not better:
            yield Difference(
                "example.avg_fill_price.beyond-limit",
                f"the example's {body['side']} was filled beyond its limit price",
                show(body["avg_fill_price"]),
                f"at {show(body['price'])} or better",
            )
