"""The fourteen fields of an order against the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from conformance.oracle.amounts import decimal_of, is_average, plain
from conformance.oracle.ledger import Order

FIELDS = (
    "id",
    "symbol",
    "side",
    "type",
    "tif",
    "price",
    "quantity",
    "quote_quantity",
    "filled_qty",
    "avg_fill_price",
    "status",
    "reject_reason",
    "created_at",
    "updated_at",
)
REQUIREMENT = {name: f"cancel.fields.{name.replace('_', '-')}" for name in FIELDS}
AMOUNTS = ("price", "quantity", "filled_qty", "avg_fill_price")
TIMES = ("created_at", "updated_at")
_MILLISECONDS = 100_000_000_000  # as seconds that is the year 5138
_SLACK = 1.0  # s: two clocks that are each read in whole seconds differ by one more than they do


@dataclass(frozen=True, slots=True)
class FieldCheck:
    """One field of one answer judged by one requirement.

    `why` says where the expectation comes from, and `wrong` in words what is wrong if it is.
    """

    requirement: str
    field: str
    expected: str
    seen: str
    ok: bool
    why: str = ""
    wrong: str = ""


def show(value: Any) -> str:
    """A value as JSON shows it, cut to a readable length."""
    if isinstance(value, str):
        text = f'"{value}"'
    elif value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    else:
        text = str(value)
    return text if len(text) <= 120 else text[:117] + "…"


def check_form(body: dict[str, Any]) -> Iterator[FieldCheck]:
    """What holds for every canceled order, whatever the ledger knows: presence, types, forms, fixed values."""
    missing = [name for name in FIELDS if name not in body]
    yield FieldCheck(
        "cancel.fields.complete",
        ", ".join(missing) or "all",
        "all fourteen fields",
        f"no {', '.join(missing)}" if missing else "all fourteen",
        not missing,
        wrong=f"the canceled order lacks {', '.join(missing)}",
    )
    if "status" in body:
        good, wrong = body["status"] == "canceled", "status is not canceled"
        yield FieldCheck(REQUIREMENT["status"], "status", '"canceled"', show(body["status"]), good, wrong=wrong)
    for name in AMOUNTS:
        if name in body and not (name == "price" and body[name] is None):
            good, wrong = decimal_of(body[name]) is not None, f"{name} is not a decimal string"
            requirement = "cancel.fields.decimal-strings"
            yield FieldCheck(requirement, name, "a decimal string", show(body[name]), good, wrong=wrong)
    for name in TIMES:
        if name in body:
            value = body[name]
            good = type(value) is int and 0 <= value < _MILLISECONDS
            requirement, wrong = "cancel.fields.unix-seconds", f"{name} is not an integer in Unix seconds"
            yield FieldCheck(requirement, name, "an integer in Unix seconds", show(value), good, wrong=wrong)
    if "reject_reason" in body:
        value = body["reject_reason"]
        wrong = "reject_reason is not null, although the order was canceled and not rejected"
        yield FieldCheck(
            REQUIREMENT["reject_reason"], "reject_reason", "null", show(value), value is None, wrong=wrong
        )
    created, updated = body.get("created_at"), body.get("updated_at")
    if type(created) is int and type(updated) is int:
        yield FieldCheck(
            "cancel.fields.time-order",
            "updated_at",
            f"not before created_at {created}",
            show(updated),
            updated >= created,
            wrong="updated_at lies before created_at",
        )


def _same_number(expected: Decimal | None) -> Callable[[Any], bool]:
    def same(value: Any) -> bool:
        number = decimal_of(value)
        if expected is None or value is None:
            return value is None and expected is None
        return number is None or number == expected

    return same


def check_echo(order: Order, body: dict[str, Any]) -> Iterator[FieldCheck]:
    """The fields that repeat what the order was placed with."""
    echoes: list[tuple[str, str, Callable[[Any], bool]]] = [
        ("id", show(order.id), lambda v: isinstance(v, str) and v.lower() == order.id),
        ("symbol", show(order.symbol), lambda v: v == order.symbol),
        ("side", show(order.side), lambda v: v == order.side),
        ("type", show(order.type), lambda v: v == order.type),
        ("tif", show(order.tif), lambda v: v == order.tif),
        ("price", _amount(order.price), _same_number(order.price)),
        ("quantity", _amount(order.quantity), _same_number(order.quantity)),
        ("quote_quantity", _amount(order.quote_quantity), _same_number(order.quote_quantity)),
    ]
    for name, expected, is_same in echoes:
        if name in body:
            seen = body[name]
            wrong = "id is not the order's id" if name == "id" else f"{name} is not as it was placed"
            yield FieldCheck(
                REQUIREMENT[name], name, expected, show(seen), is_same(seen), "as it was placed", wrong
            )


def _amount(value: Decimal | None) -> str:
    return "null" if value is None else f'"{plain(value)}"'


def check_fills(order: Order, body: dict[str, Any], tick: Decimal) -> Iterator[FieldCheck]:
    """filled_qty and avg_fill_price against the fills in the ledger; nothing if they are not known exactly."""
    if not order.exact:
        return
    fills = " + ".join(f"{plain(q)} @ {plain(p)}" for p, q in order.fills) or "no fills"
    seen = decimal_of(body.get("filled_qty"))
    if seen is not None:
        expected = f'"{plain(order.filled)}"'
        yield FieldCheck(
            REQUIREMENT["filled_qty"],
            "filled_qty",
            expected,
            show(body["filled_qty"]),
            seen == order.filled,
            fills,
            "filled_qty is not the sum of the fills before the cancel",
        )
    if "avg_fill_price" not in body:
        return
    value = body["avg_fill_price"]
    if not order.fills:
        requirement = "cancel.fields.avg-fill-price-zero"
        wrong = 'avg_fill_price is not "0", although nothing was filled'
        yield FieldCheck(requirement, "avg_fill_price", '"0"', show(value), value == "0", fills, wrong)
    elif (average := decimal_of(value)) is not None:
        good = is_average(average, order.average, tick)
        expected = f'"{plain(order.average)}"'
        wrong = _wrong_average(order, average)
        yield FieldCheck(REQUIREMENT["avg_fill_price"], "avg_fill_price", expected, show(value), good, fills, wrong)


def _wrong_average(order: Order, seen: Decimal) -> str:
    """What an average is that is not the volume-weighted one; a guess where several are the same."""
    prices = [price for price, _ in order.fills]
    guesses = {
        Decimal(0): "zero, although something was filled",
        prices[-1]: "the price of the last fill",
        prices[0]: "the price of the first fill",
        order.price: "the order's own price",
        sum(prices) / len(prices): "the plain mean of the prices, not weighted by quantity",
    }
    return f"avg_fill_price is {guesses.get(seen, 'not the exact volume-weighted average of the fills')}"


def check_times(order: Order, body: dict[str, Any], start: float, end: float) -> Iterator[FieldCheck]:
    """created_at as when placed; updated_at as much later as the cancel came later, on the target's clock.

    The two times come from one clock of the target, so their distance is known without knowing that clock:
    between the shortest and the longest time that can lie between placing and canceling as the suite saw them,
    plus one second because both are whole seconds and one for a clock that is itself read once a second.
    """
    created, updated = body.get("created_at"), body.get("updated_at")
    if order.created_at is None:
        return
    if type(created) is int:
        yield FieldCheck(
            REQUIREMENT["created_at"],
            "created_at",
            str(order.created_at),
            show(created),
            created == order.created_at,
            "as New Order answered",
            "created_at is not the one that New Order answered",
        )
    if type(updated) is int and updated < _MILLISECONDS:
        low = order.created_at + (start - order.placed[1]) - 1 - _SLACK
        high = order.created_at + (end - order.placed[0]) + 1 + _SLACK
        shortest, longest = max(0.0, start - order.placed[1]), end - order.placed[0]
        why = f"the cancel came {shortest:.1f} to {longest:.1f} s after the placing (created_at {order.created_at})"
        good = low <= updated <= high
        expected = f"{max(order.created_at, round(low))} to {round(high)}"
        wrong = f"updated_at lies {'before' if updated < low else 'after'} the cancel"
        yield FieldCheck(REQUIREMENT["updated_at"], "updated_at", expected, show(updated), good, why, wrong)
