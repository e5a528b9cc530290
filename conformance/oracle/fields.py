"""The fourteen fields of an order against the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple, TypeGuard

from conformance.contract import FIELDS
from conformance.oracle.amounts import decimal_of, is_average, is_price_of_all, plain
from conformance.oracle.ledger import Order, State

REQUIREMENT = {name: f"cancel.fields.{name.replace('_', '-')}" for name in FIELDS}
AMOUNTS = ("price", "quantity", "filled_qty", "avg_fill_price")
TIMES = ("created_at", "updated_at")
_NUMBERS = ("price", "quantity", "quote_quantity")
_ECHOED = ("id", "symbol", "side", "type", "tif", *_NUMBERS)
_MILLISECONDS = 100_000_000_000  # as seconds that is the year 5138
_SLACK = 1.0  # s: two clocks that are each read in whole seconds differ by one more than they do
_MISSING = object()
_ALL = frozenset(FIELDS)


class FieldCheck(NamedTuple):
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


NOBODYS = Order(  # of one that the ledger does not have, only the form is judged
    "", "", "", "", "", "", None, None, None, (0.0, 0.0), "", state=State.UNSURE
)


class Look(NamedTuple):
    """An order as an answer shows it, and as the ledger has it; when the answer was asked for, and when it came."""

    body: dict[str, Any]
    order: Order = NOBODYS
    tick: Decimal = Decimal("0.0001")
    start: float = 0.0
    end: float = 0.0


Words = str | Callable[[Look], str]


class Rule(NamedTuple):
    """What one field must be, and the requirement that says so.

    `holds` tells whether it is so, and None where the answer says nothing about it. The rest are words, found only
    where something is wrong: nearly always nothing is.
    """

    requirement: str
    field: Words
    holds: Callable[[Look], bool | None]
    expected: Words
    wrong: Words
    why: Words = ""
    seen: Words | None = None

    def tell(self, look: Look, ok: bool) -> FieldCheck:
        """The rule applied to a look, in words."""
        field = _said(self.field, look)
        seen = show(look.body.get(field)) if self.seen is None else _said(self.seen, look)
        expected, why, wrong = (_said(words, look) for words in (self.expected, self.why, self.wrong))
        return FieldCheck(self.requirement, field, expected, seen, ok, why, wrong)


def shown(body: dict[str, Any], without: Iterable[str] = ()) -> dict[str, Any]:
    """The fourteen fields as an answer shows them, None for one that it lacks, `without` some of them."""
    found = dict(zip(FIELDS, map(body.get, FIELDS), strict=True))
    for name in without:
        found.pop(name, None)
    return found


def _said(words: Words, look: Look) -> str:
    return words if isinstance(words, str) else words(look)


def show(value: Any) -> str:
    """A value as JSON shows it, cut to a readable length."""
    if isinstance(value, str):
        text = f'"{value}"'
    elif value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    else:
        text = str(value)
    return text if len(text) <= 120 else text[:117] + "…"


# ---------------------------------------------------------------------- the form of every canceled order


def _missing(look: Look) -> str:
    return ", ".join(name for name in FIELDS if name not in look.body)


def _is_seconds(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < _MILLISECONDS


def _are_seconds(name: str) -> Rule:
    def holds(look: Look) -> bool | None:
        return _is_seconds(look.body[name]) if name in look.body else None

    what = "an integer in Unix seconds"
    return Rule("cancel.fields.unix-seconds", name, holds, what, f"{name} is not {what}")


def _is_decimal(name: str) -> Rule:
    def holds(look: Look) -> bool | None:
        value = look.body.get(name, _MISSING)
        if value is _MISSING or (name == "price" and value is None):
            return None
        return decimal_of(value) is not None

    what = "a decimal string"
    return Rule("cancel.fields.decimal-strings", name, holds, what, f"{name} is not {what}")


def _is_fixed(name: str, value: Any, wrong: str) -> Rule:
    def holds(look: Look) -> bool | None:
        return bool(look.body[name] == value) if name in look.body else None

    return Rule(REQUIREMENT[name], name, holds, show(value), wrong)


def _created(look: Look) -> Any:
    """As New Order answered, if that is known: a wrong created_at is another rule's business."""
    return look.order.created_at or look.body.get("created_at")


def _in_order(look: Look) -> bool | None:
    created, updated = _created(look), look.body.get("updated_at")
    return updated >= created if _is_seconds(created) and _is_seconds(updated) else None


# What holds whatever the ledger knows: presence, types, forms, fixed values
_FORM = (
    Rule(
        "cancel.fields.complete",
        lambda look: _missing(look) or "all",
        lambda look: look.body.keys() >= _ALL,
        "all fourteen fields",
        lambda look: f"the canceled order lacks {_missing(look)}",
        seen=lambda look: f"no {missing}" if (missing := _missing(look)) else "all fourteen",
    ),
    _is_fixed("status", "canceled", "status is not canceled"),
    *map(_is_decimal, AMOUNTS),
    *map(_are_seconds, TIMES),
    _is_fixed("reject_reason", None, "reject_reason is not null, although the order was canceled and not rejected"),
    Rule(
        "cancel.fields.time-order",
        "updated_at",
        _in_order,
        lambda look: f"not before created_at {_created(look)}",
        "updated_at lies before created_at",
    ),
)

# ---------------------------------------------------------------------- what the order was placed with


def _amount(value: Decimal | Fraction | None) -> str:
    return "null" if value is None else f'"{plain(value)}"'


def _is_repeated(name: str) -> Rule:
    def same(expected: Any, value: Any) -> bool:
        return bool(value == expected)

    def same_id(expected: Any, value: Any) -> bool:
        return isinstance(value, str) and value.lower() == expected

    def same_number(expected: Any, value: Any) -> bool:
        if expected is None or value is None:
            return value is None and expected is None
        number = decimal_of(value)
        return number is None or number == expected  # one of the wrong form is another rule's business

    agree = same_id if name == "id" else same_number if name in _NUMBERS else same
    tell: Callable[[Any], str] = _amount if name in _NUMBERS else show

    def holds(look: Look) -> bool | None:
        return agree(getattr(look.order, name), look.body[name]) if name in look.body else None

    return Rule(
        REQUIREMENT[name],
        name,
        holds,
        lambda look: tell(getattr(look.order, name)),
        "id is not the order's id" if name == "id" else f"{name} is not as it was placed",
        "as it was placed",
    )


_ECHO = tuple(map(_is_repeated, _ECHOED))

# ---------------------------------------------------------------------- its fills, if they are known exactly


def _sums_up(look: Look) -> bool | None:
    seen, order = decimal_of(look.body.get("filled_qty")), look.order
    return seen == order.filled if seen is not None and order.exact else None


def _is_zero(look: Look) -> bool | None:
    value, order = look.body.get("avg_fill_price", _MISSING), look.order
    if order.fills or not order.exact or not (value is None or isinstance(value, str)):
        return None  # a number: that is said of its form
    return value == "0"


def _is_weighted(look: Look) -> bool | None:
    average, order = decimal_of(look.body.get("avg_fill_price")), look.order
    if average is None or not order.fills or not order.exact:
        return None
    return is_price_of_all(average, order.fills) or is_average(average, order.average, look.tick)


def _told_fills(look: Look) -> str:
    fills = " + ".join(f"{plain(q)} @ {plain(p)}" for p, q in look.order.fills)
    return f"filled {fills}" if fills else "no fills"


def _wrong_average(look: Look) -> str:
    """What an average is that is not the volume-weighted one; a guess where several are the same."""
    prices = [price for price, _ in look.order.fills]
    guesses = {
        Decimal(0): "zero, although something was filled",
        prices[-1]: "the price of the last fill",
        prices[0]: "the price of the first fill",
        look.order.price: "the order's own price",
        sum(prices) / len(prices): "the plain mean of the prices, not weighted by quantity",
    }
    seen = decimal_of(look.body["avg_fill_price"])
    return f"avg_fill_price is {guesses.get(seen, 'not the exact volume-weighted average of the fills')}"


_FILLS = (
    Rule(
        REQUIREMENT["filled_qty"],
        "filled_qty",
        _sums_up,
        lambda look: _amount(look.order.filled),
        "filled_qty is not the sum of the fills before the cancel",
        _told_fills,
    ),
    Rule(
        "cancel.fields.avg-fill-price-zero",
        "avg_fill_price",
        _is_zero,
        '"0"',
        'avg_fill_price is not "0", although nothing was filled',
        _told_fills,
    ),
    Rule(
        REQUIREMENT["avg_fill_price"],
        "avg_fill_price",
        _is_weighted,
        lambda look: _amount(look.order.average),
        _wrong_average,
        _told_fills,
    ),
)

# ---------------------------------------------------------------------- its times, on the target's clock


def _is_as_answered(look: Look) -> bool | None:
    made, created = look.order.created_at, look.body.get("created_at")
    return created == made if made is not None and _is_seconds(created) else None


def _bounds(look: Look) -> tuple[float, float]:
    """Between what updated_at must lie: as much later than created_at as the cancel came later.

    The two times come from one clock of the target, so their distance is known without knowing that clock:
    between the shortest and the longest time that can lie between placing and canceling as the suite saw them,
    plus one second because both are whole seconds and one for a clock that is itself read once a second.
    """
    made, (began, placed) = look.order.created_at or 0, look.order.placed
    return made + (look.start - placed) - 1 - _SLACK, made + (look.end - began) + 1 + _SLACK


def _is_in_bounds(look: Look) -> bool | None:
    updated = look.body.get("updated_at")
    if look.order.created_at is None or not _is_seconds(updated):
        return None
    low, high = _bounds(look)
    return low <= updated <= high


def _told_bounds(look: Look) -> str:
    low, high = _bounds(look)
    return f"{max(look.order.created_at or 0, round(low))} to {round(high)}"


def _wrong_second(look: Look) -> str:
    return f"updated_at lies {'before' if look.body['updated_at'] < _bounds(look)[0] else 'after'} the cancel"


def _told_distance(look: Look) -> str:
    began, placed = look.order.placed
    shortest, longest = max(0.0, look.start - placed), look.end - began
    made = look.order.created_at
    return f"the cancel came {shortest:.1f} to {longest:.1f} s after the placing (created_at {made})"


_TIMES = (
    Rule(
        REQUIREMENT["created_at"],
        "created_at",
        _is_as_answered,
        lambda look: str(look.order.created_at),
        "created_at is not the one that New Order answered",
        "as New Order answered",
    ),
    Rule(REQUIREMENT["updated_at"], "updated_at", _is_in_bounds, _told_bounds, _wrong_second, _told_distance),
)

# ---------------------------------------------------------------------- the answer as a whole

_OF_LIVE = (*_FORM, *_ECHO, *_FILLS, *_TIMES)


def _rules(look: Look) -> tuple[Rule, ...]:
    """What an answer to a cancel must keep: of an order that the ledger does not have live, the form."""
    return _OF_LIVE if look.order.state is State.LIVE else _FORM


def check_form(body: dict[str, Any]) -> Iterator[FieldCheck]:
    """What holds for every canceled order, whatever the ledger knows."""
    return _apply(_FORM, Look(body))


def check_fields(look: Look) -> Iterator[FieldCheck]:
    """All that an answer to a cancel says of the fields, in words."""
    return _apply(_rules(look), look)


def _apply(rules: Iterable[Rule], look: Look) -> Iterator[FieldCheck]:
    for rule in rules:
        ok = rule.holds(look)
        if ok is not None:
            yield rule.tell(look, ok)


_HELD_OF_UNFILLED, _HELD_OF_FILLED = (
    tuple(rule.requirement for rule in _OF_LIVE if rule.holds is not other) for other in (_is_weighted, _is_zero)
)


def all_held(look: Look) -> tuple[str, ...]:
    """The requirements of `check_fields` if the usual look holds all of them; none if it does not, or is unusual.

    The usual one is at a live limit order of which all is known. It says at once what the rules say one by one (a
    test compares the two).
    """
    body, order = look.body, look.order
    if order.state is not State.LIVE or not order.exact or not _repeats(body, order):
        return ()
    made, updated = body["created_at"], body["updated_at"]
    held = (
        body["status"] == "canceled"
        and body["reject_reason"] is None
        and decimal_of(body["filled_qty"]) == order.filled
        and made == order.created_at is not None
        and _is_seconds(made)
        and _is_seconds(updated)
        and updated >= made
        and _is_in_bounds(look)
    )
    if not held:
        return ()
    if order.fills:
        return _HELD_OF_FILLED if _is_weighted(look) else ()
    return _HELD_OF_UNFILLED if body["avg_fill_price"] == "0" else ()


def _repeats(body: dict[str, Any], order: Order) -> bool:
    """Whether an answer has all fields and repeats what a limit order was placed with, as it nearly always does."""
    return (
        body.keys() >= _ALL
        and body["quote_quantity"] is order.quote_quantity is None
        and decimal_of(body["price"]) == order.price is not None
        and decimal_of(body["quantity"]) == order.quantity is not None
        and isinstance(body["id"], str)
        and body["id"].lower() == order.id
        and body["symbol"] == order.symbol
        and body["side"] == order.side
        and body["type"] == order.type
        and body["tif"] == order.tif
    )


def wrong_echo(order: Order, body: dict[str, Any]) -> list[FieldCheck]:
    """The fields that do not repeat what the order was placed with."""
    if _repeats(body, order):
        return []
    look = Look(body, order)
    return [rule.tell(look, ok=False) for rule in _ECHO if rule.holds(look) is False]
