"""Judges a 200 where one may come: its body, the fields of the canceled order, and its effect on the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.contract import FIELDS
from conformance.oracle import fields, schema, unavailable
from conformance.oracle.amounts import decimal_of
from conformance.oracle.bodies import NotJson, contradictions, parse
from conformance.oracle.findings import Check, Difference, Finding
from conformance.oracle.labels import judge_label
from conformance.oracle.ledger import Order, State
from conformance.record import Exchange, Response

if TYPE_CHECKING:
    from conformance.oracle.judge import Judge

# What a request is about whose 200 may have canceled another order than the one that it named.
OF_THE_PATH = {"cancel.identity.path-only", "cancel.identity.whole-id"}
NAMES_OTHERS = {*OF_THE_PATH, "cancel.errors.empty-id"}
_OF_FIELDS = frozenset(fields.REQUIREMENT.values())


def judge_canceled(judge: Judge, exchange: Exchange, response: Response, body: Any, order: Order | None) -> None:
    """A 200 where one may come: its body, its fields, and its effect on the ledger."""
    broken: set[str] = set()
    if not isinstance(body, dict):
        seen = body if isinstance(body, str) else _instead_of_an_object(response)
        judge.broken("cancel.answers.json", exchange, "the 200 is no JSON object", "one JSON object", seen[:200])
        body = {}
    else:
        judge_label(judge, exchange, response)
        if names := contradictions(response, body):
            judge.broken(
                "cancel.answers.json",
                exchange,
                f"the 200 has a name twice, with different values ({', '.join(names)})",
                "each name once (RFC 8259, section 4)",
                "twice",
                key="twice",
            )
        broken = _fields(judge, exchange, order, body)
    if order is None:
        return
    unavailable.take_canceled(judge, exchange, order)
    order.state = State.CANCELED
    order.canceled = (exchange.start, exchange.end)
    order.canceled_by = "cancel"
    # a field that is wrong already is not compared with later reads: one mistake, one finding
    order.final = fields.shown(body, broken) if body else None
    order.acts.clear()
    order.confirmed = exchange.n
    judge.unlisted.add(order.id)
    if exchange.aim in OF_THE_PATH:
        judge.act(exchange, exchange.aim, order)  # if the order is still live, then another one was canceled
    else:
        judge.act(exchange, exchange.aim if exchange.aim in NAMES_OTHERS else "cancel.success.open", None)


def _instead_of_an_object(response: Response) -> str:
    try:
        return f"a JSON {type(parse(response)).__name__}"
    except NotJson as error:
        return str(error)


def _fields(judge: Judge, exchange: Exchange, order: Order | None, body: dict[str, Any]) -> set[str]:
    """Judge the fields of a 200; the names of those that are wrong."""
    look = fields.Look(body, order or fields.NOBODYS, judge.tick, exchange.start, exchange.end)
    held = fields.all_held(look)
    if held and schema.is_valid(judge.contract.openapi, body):
        judge.held(held, exchange)
        return set()
    checks = list(fields.check_fields(look))
    broken = {check.field for check in checks if not check.ok}
    checks += schema.check_schema(judge.contract.openapi, body, broken)
    diff = [Difference(c.field, c.expected, c.seen, c.ok) for c in checks if c.field in FIELDS]
    stranger = order is not None and _filled_by_a_stranger(judge, order, body)
    for check in checks:
        if check.ok:
            # a value of the wrong form proves nothing about what it says
            if check.field not in broken or check.requirement in _OF_FIELDS:
                judge.held(check.requirement, exchange)
            continue
        finding = Finding(
            check.requirement,
            check.wrong,
            check.expected,
            check.seen,
            [exchange.n],
            exchange.case,
            why=check.why,
            key=f"{check.field}|{_kind(check, order)}",
            scheme=exchange.auth.scheme if exchange.auth else None,
            order=order.id if order else None,
            diff=diff,
        )
        result = Check(check.requirement, exchange.n, exchange.case, finding)
        if stranger and order is not None and check.field in ("filled_qty", "avg_fill_price"):
            judge.put_off(order, result)
        else:
            judge.add(result)
    return broken | {name for name in FIELDS if name not in body}


def _filled_by_a_stranger(judge: Judge, order: Order, body: dict[str, Any]) -> bool:
    """Whether other fills than those that the suite planned may explain the answer; the own trades will tell.

    Somebody may have traded with the order, and where others are in the book, one of them may have met what was
    meant for it, or it may have met one of them.
    """
    seen = decimal_of(body.get("filled_qty"))
    if seen is None or not order.exact:
        return False
    return order.filled < seen <= (order.quantity or seen) or not judge.quiet


def _kind(check: fields.FieldCheck, order: Order | None) -> str:
    """Tells findings on one field apart that have different causes."""
    if order is None:
        return check.requirement
    return f"{order.side}|{order.tif}|{min(len(order.fills), 2)}"
