"""The fourteen fields of an order against the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any, TypeGuard

from conformance.contract import FIELDS
from conformance.oracle.amounts import decimal_of, is_average, plain
from conformance.oracle.ledger import Order

REQUIREMENT = {name: f"cancel.fields.{name.replace('_', '-')}" for name in FIELDS}
AMOUNTS = ("price", "quantity", "filled_qty", "avg_fill_price")
TIMES = ("created_at", "updated_at")
_NUMBERS = ("price", "quantity", "quote_quantity")
_ECHOED = ("id", "symbol", "side", "type", "tif", *_NUMBERS)
_WRONG_ECHO = {name: f"{name} is not as it was placed" for name in _ECHOED} | {"id": "id is not the order's id"}
_MILLISECONDS = 100_000_000_000  # as seconds that is the year 5138
_SLACK = 1.0  # s: two clocks that are each read in whole seconds differ by one more than they do


Words = str | Callable[[], str]


class FieldCheck:
    """One field of one answer judged by one requirement.

    `why` says where the expectation comes from, and `wrong` in words what is wrong if it is. Words that take work
    are given as a function, called only if somebody asks for them: of most checks only `ok` is ever read.
    """

    __slots__ = ("_expected", "_seen", "_why", "_wrong", "field", "ok", "requirement")

    def __init__(
        self,
        requirement: str,
        field: str,
        expected: Words,
        seen: Words,
        ok: bool,
        why: Words = "",
        wrong: Words = "",
    ) -> None:
        self.requirement, self.field, self.ok = requirement, field, ok
        self._expected, self._seen, self._why, self._wrong = expected, seen, why, wrong

    @property
    def expected(self) -> str:
        """What the field must be."""
        return _said(self._expected)

    @property
    def seen(self) -> str:
        """What it is."""
        return _said(self._seen)

    @property
    def why(self) -> str:
        """Where the expectation comes from."""
        return _said(self._why)

    @property
    def wrong(self) -> str:
        """What is wrong, if it is not ok."""
        return _said(self._wrong)


def _said(words: Words) -> str:
    return words if isinstance(words, str) else words()


def show(value: Any) -> str:
    """A value as JSON shows it, cut to a readable length."""
    if isinstance(value, str):
        text = f'"{value}"'
    elif value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    else:
        text = str(value)
    return text if len(text) <= 120 else text[:117] + "…"


def check_form(body: dict[str, Any], placed_at: int | None = None) -> Iterator[FieldCheck]:
    """What holds for every canceled order, whatever the ledger knows: presence, types, forms, fixed values.

    `placed_at` is the created_at of the placing, if it is known: a wrong one in `body` is another check's business.
    """
    missing = [name for name in FIELDS if name not in body]
    yield FieldCheck(
        "cancel.fields.complete",
        ", ".join(missing) or "all",
        "all fourteen fields",
        f"no {', '.join(missing)}" if missing else "all fourteen",
        not missing,
        wrong=lambda: f"the canceled order lacks {', '.join(missing)}",
    )
    if "status" in body:
        good, wrong = body["status"] == "canceled", "status is not canceled"
        seen = partial(show, body["status"])
        yield FieldCheck(REQUIREMENT["status"], "status", '"canceled"', seen, good, wrong=wrong)
    for name in AMOUNTS:
        if name in body and not (name == "price" and body[name] is None):
            good, no = decimal_of(body[name]) is not None, partial(_not, name, "a decimal string")
            requirement, seen = "cancel.fields.decimal-strings", partial(show, body[name])
            yield FieldCheck(requirement, name, "a decimal string", seen, good, wrong=no)
    for name in TIMES:
        if name in body:
            value = body[name]
            good = _is_seconds(value)
            requirement, no = "cancel.fields.unix-seconds", partial(_not, name, "an integer in Unix seconds")
            yield FieldCheck(requirement, name, "an integer in Unix seconds", partial(show, value), good, wrong=no)
    if "reject_reason" in body:
        value = body["reject_reason"]
        wrong = "reject_reason is not null, although the order was canceled and not rejected"
        seen, good = partial(show, value), value is None
        yield FieldCheck(REQUIREMENT["reject_reason"], "reject_reason", "null", seen, good, wrong=wrong)
    created, updated = placed_at or body.get("created_at"), body.get("updated_at")
    if _is_seconds(created) and _is_seconds(updated):
        yield FieldCheck(
            "cancel.fields.time-order",
            "updated_at",
            lambda: f"not before created_at {created}",
            partial(show, updated),
            updated >= created,
            wrong="updated_at lies before created_at",
        )


def _is_seconds(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < _MILLISECONDS


def _not(name: str, what: str) -> str:
    return f"{name} is not {what}"


def _is_same(name: str, expected: str | Decimal | None, value: Any) -> bool:
    """Whether a field repeats what was sent; a number of the wrong form is another check's business."""
    if name == "id":
        return isinstance(value, str) and value.lower() == expected
    if name not in _NUMBERS:
        return bool(value == expected)
    if expected is None or value is None:
        return value is None and expected is None
    number = decimal_of(value)
    return number is None or number == expected


def check_echo(order: Order, body: dict[str, Any]) -> Iterator[FieldCheck]:
    """The fields that repeat what the order was placed with."""
    for name in _ECHOED:
        if name in body:
            expected, seen = getattr(order, name), body[name]
            told = partial(_amount if name in _NUMBERS else show, expected)
            ok = _is_same(name, expected, seen)
            yield FieldCheck(
                REQUIREMENT[name], name, told, partial(show, seen), ok, "as it was placed", _WRONG_ECHO[name]
            )


def _amount(value: Decimal | Fraction | None) -> str:
    return "null" if value is None else f'"{plain(value)}"'


def check_fills(order: Order, body: dict[str, Any], tick: Decimal) -> Iterator[FieldCheck]:
    """filled_qty and avg_fill_price against the fills in the ledger; nothing if they are not known exactly."""
    if not order.exact:
        return
    fills = partial(_told_fills, order)
    seen = decimal_of(body.get("filled_qty"))
    if seen is not None:
        filled = order.filled
        yield FieldCheck(
            REQUIREMENT["filled_qty"],
            "filled_qty",
            partial(_amount, filled),
            partial(show, body["filled_qty"]),
            seen == filled,
            fills,
            "filled_qty is not the sum of the fills before the cancel",
        )
    if "avg_fill_price" not in body:
        return
    value = body["avg_fill_price"]
    told = partial(show, value)
    if not order.fills:
        if value is not None and not isinstance(value, str):
            return  # a number: that is said of its form
        requirement = "cancel.fields.avg-fill-price-zero"
        wrong = 'avg_fill_price is not "0", although nothing was filled'
        yield FieldCheck(requirement, "avg_fill_price", '"0"', told, value == "0", fills, wrong)
    elif (average := decimal_of(value)) is not None:
        exact = order.average
        good = is_average(average, exact, tick)
        expected, guess = partial(_amount, exact), partial(_wrong_average, order, average)
        yield FieldCheck(REQUIREMENT["avg_fill_price"], "avg_fill_price", expected, told, good, fills, guess)


def _told_fills(order: Order) -> str:
    fills = " + ".join(f"{plain(q)} @ {plain(p)}" for p, q in order.fills)
    return f"filled {fills}" if fills else "no fills"


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
    if _is_seconds(created):
        yield FieldCheck(
            REQUIREMENT["created_at"],
            "created_at",
            partial(str, order.created_at),
            partial(show, created),
            created == order.created_at,
            "as New Order answered",
            "created_at is not the one that New Order answered",
        )
    if _is_seconds(updated):
        low = order.created_at + (start - order.placed[1]) - 1 - _SLACK
        high = order.created_at + (end - order.placed[0]) + 1 + _SLACK
        shortest, longest = max(0.0, start - order.placed[1]), end - order.placed[0]
        made, good = order.created_at, low <= updated <= high

        def why() -> str:
            return f"the cancel came {shortest:.1f} to {longest:.1f} s after the placing (created_at {made})"

        def expected() -> str:
            return f"{max(made, round(low))} to {round(high)}"

        seen, wrong = partial(show, updated), f"updated_at lies {'before' if updated < low else 'after'} the cancel"
        yield FieldCheck(REQUIREMENT["updated_at"], "updated_at", expected, seen, good, why, wrong)
