"""Judges what reads show: whether cancels had their effect, and refusals none."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from conformance.oracle import crossings, fields, lists, turns
from conformance.oracle.amounts import decimal_of, is_average, plain
from conformance.oracle.bodies import is_infrastructure, try_parse
from conformance.oracle.cancels import path_id
from conformance.oracle.findings import Difference
from conformance.oracle.ledger import LIVE, Order, State
from conformance.record import Exchange

if TYPE_CHECKING:
    from conformance.oracle.judge import Judge

_UNREADABLE = 5  # cases
_GONE = (400, 403, 404, 410)  # to its owner
_NUMBERS = ("price", "quantity", "quote_quantity", "filled_qty", "avg_fill_price")


def judge_query(judge: Judge, exchange: Exchange) -> None:
    """A query of one order by its owner, against the ledger."""
    response = exchange.response
    order = judge.ledger.get(path_id(judge, exchange).uuid)
    if response is None or is_infrastructure(response):
        return
    if order is None or exchange.auth is None or exchange.auth.account != order.account:
        return
    body = try_parse(response)
    if response.status != 200 or not isinstance(body, dict):
        known = order.state is State.CANCELED and order.canceled_by == "cancel"
        if response.status >= 500 and order.state is State.CANCELED:
            judge.unreadable.setdefault(exchange.case, exchange)
        elif response.status >= 500 and order.state is not State.UNSURE:
            judge.queries_fail = True
        if response.status in _GONE and known and judge.queries_work:
            judge.broken(
                order.acts[-1].requirement if order.acts else "cancel.effects.terminal",
                exchange,
                "the canceled order cannot be queried any more",
                "200 with status canceled",
                str(response.status),
                order=order.id,
            )
            order.state = State.UNSURE
        return
    judge.queries_work = True
    if body.get("status") in LIVE:
        judge.settle(order.id)  # nobody has filled it
    turns.stood_aside(judge, exchange, order, body)
    if order.state is State.UNSURE:
        if (decimal_of(body.get("filled_qty")) or 0) > order.filled:
            turns.was_preferred(judge, exchange, order)
        _believe(order, body, exchange)
        return
    status = body.get("status")
    if order.state is State.LIVE:
        _look_at_live(judge, exchange, order, body, status)
    elif order.canceled_by == "cancel":
        _look_at_canceled(judge, exchange, order, body, status)
    else:
        _look_at_ended(judge, exchange, order, body, status)


def learn_view(judge: Judge, exchange: Exchange) -> None:
    """What a query shows otherwise of an order that nobody has tried to change, no request has changed."""
    response = exchange.response
    order = judge.ledger.get(path_id(judge, exchange).uuid)
    if response is None or response.status != 200 or order is None or order.acts or exchange.auth is None:
        return
    body = try_parse(response)
    if isinstance(body, dict) and exchange.auth.account == order.account:
        judge.otherwise |= {check.field for check in fields.wrong_echo(order, body)}


def judge_unreadable(judge: Judge) -> None:
    """Whether queries of canceled orders ended in a server error, in several cases, and no others did."""
    found = list(judge.unreadable.values())
    if len(found) < _UNREADABLE or judge.queries_fail or not judge.queries_work:
        return
    judge.broken(
        "cancel.effects.terminal",
        found[0],
        f"in {len(found)} cases a query of the canceled order ends in a server error, and no other query does",
        "200 with status canceled",
        str(found[0].response.status if found[0].response else None),
        exchanges=[exchange.n for exchange in found[:5]],
        key="unreadable",
    )


def _believe(order: Order, body: dict[str, Any], exchange: Exchange) -> None:
    """After trouble the target's word is taken, once, so that one mistake is not reported again and again."""
    status = body.get("status")
    filled, average = decimal_of(body.get("filled_qty")), decimal_of(body.get("avg_fill_price"))
    if status in LIVE:
        order.state = State.LIVE
    elif status == "filled":
        order.state = State.FILLED
    elif status == "canceled":
        order.state = State.CANCELED
    else:
        return
    if filled is not None and filled != order.filled:
        order.exact = False
        order.fills = [(average or Decimal(0), filled)] if filled else []
    order.canceled_by = order.canceled_by if order.state is State.CANCELED else None
    order.final = None
    order.shown = (len(order.fills), status, body.get("updated_at"))
    order.acts.clear()
    order.confirmed = exchange.n


def _look_at_live(judge: Judge, exchange: Exchange, order: Order, body: dict[str, Any], status: Any) -> None:
    wrong = [check for check in fields.wrong_echo(order, body) if check.field not in judge.otherwise]
    if type(body.get("created_at")) is int and order.created_at not in (None, body["created_at"]):
        text = fields.show(body["created_at"])
        wrong.append(fields.FieldCheck("", "created_at", str(order.created_at), text, ok=False))
    wrong += _moved(judge, order, body)
    filled = decimal_of(body.get("filled_qty"))
    if status in LIVE and not wrong and (filled is None or filled == order.filled):
        lists.missing_from_list(judge, exchange, order)
        lists.misshown_in_list(judge, exchange, order)
        judge.confirm(order, exchange)
        return
    others = filled is not None and (filled > order.filled or (filled < order.filled and not judge.quiet))
    if others and status in (*LIVE, "filled"):
        turns.was_preferred(judge, exchange, order)
        # a stranger's trade is no doing of the cancel; the case that placed the order starts over
        order.state = State.UNSURE
        order.exact = False
        judge.troubled.add(exchange.case)
        return
    if judge.entangled(order, exchange):
        return
    diff = [Difference(c.field, c.expected, c.seen, c.ok) for c in wrong]
    if all(d.field != "status" for d in diff):
        diff.insert(0, Difference("status", order.status, str(status), status in LIVE))
    if filled is not None and filled != order.filled:
        diff.append(Difference("filled_qty", plain(order.filled), plain(filled), ok=False))
    moved = all(d.ok or d.field in ("status", "updated_at") for d in diff) and status in LIVE
    _blame(judge, exchange, order, order.status, str(status), diff, prefer="cancel.success.open" if moved else None)
    _believe(order, body, exchange)


def _moved(judge: Judge, order: Order, body: dict[str, Any]) -> list[fields.FieldCheck]:
    """What has changed of a live order without a fill, though requests may have changed it: nothing should have."""
    before, now = order.shown, (len(order.fills), body.get("status"), body.get("updated_at"))
    order.shown = now
    if before is None or before == now or before[0] != now[0]:
        return []
    changed = [("status", before[1], now[1])] if before[1] != now[1] else []
    # a server may read its clock twice for one change
    if type(before[2]) is int and type(now[2]) is int and abs(now[2] - before[2]) > 1:
        changed.append(("updated_at", before[2], now[2]))
    if not changed or not judge.blame(order):
        return []
    return [fields.FieldCheck("", name, fields.show(was), fields.show(is_), ok=False) for name, was, is_ in changed]


def _blame(
    judge: Judge,
    exchange: Exchange,
    order: Order,
    expected: str,
    seen: str,
    diff: list[Difference],
    prefer: str | None = None,
) -> None:
    """Put a change down to the last request that may have made it, or to the last of those that are preferred."""
    acts = judge.blame(order)
    if not acts:
        judge.troubled.add(exchange.case)  # nothing that the suite did explains it
        return
    act = next((act for act in reversed(acts) if act.requirement == prefer), acts[-1])
    requirement = judge.named_or_spared(act, order)
    what = "the order that the request named" if order.acts else "an order that the request did not name"
    changed = ", ".join(d.field for d in diff if not d.ok)
    judge.broken(
        requirement,
        exchange,
        f"{what} has changed ({changed})",
        f"{expected}, as before",
        seen,
        exchanges=[act.n, exchange.n],
        order=order.id,
        diff=diff,
        key=f"{'named' if order.acts else 'spared'}|{changed}",
        doubtful=len(judge.suspected(order)) > 1,
    )


def _is_unchanged(name: str, before: Any, now: Any, tick: Decimal) -> bool:
    if before == now:
        return True
    if name in _NUMBERS:
        a, b = decimal_of(before), decimal_of(now)
        if name == "avg_fill_price" and a is not None and b is not None and min(a, b) > 0:
            # two views may keep different digits of it
            return is_average(a, Fraction(b), tick) or is_average(b, Fraction(a), tick)
        return a is not None and a == b
    return name == "id" and isinstance(before, str) and isinstance(now, str) and before.lower() == now.lower()


def _differences(judge: Judge, final: dict[str, Any], body: dict[str, Any]) -> list[Difference]:
    """The fields of an order that has ended, as first shown and as they are now; none if nothing has changed."""
    now = [body.get(name) for name in final]
    if now == list(final.values()):
        return []
    tick = judge.tick
    pairs = [
        (name, before, now)
        for (name, before), now in zip(final.items(), now, strict=True)
        if name not in judge.otherwise
    ]
    if all(_is_unchanged(name, before, now, tick) for name, before, now in pairs):
        return []
    return [
        Difference(name, fields.show(before), fields.show(now), _is_unchanged(name, before, now, tick))
        for name, before, now in pairs
    ]


def _settle_updated_at(judge: Judge, order: Order, final: dict[str, Any], now: Any) -> None:
    """The first look after a cancel may show its second another way: a server may read its clock twice for it."""
    before = final.get("updated_at")
    by_cancel = judge.answers.get(order.confirmed, ("", None))[0] == "cancel_order"
    if by_cancel and type(before) is int and type(now) is int and abs(now - before) <= 1:
        final["updated_at"] = now


def _look_at_canceled(judge: Judge, exchange: Exchange, order: Order, body: dict[str, Any], status: Any) -> None:
    if status != "canceled":
        acts = order.acts
        requirement = acts[-1].requirement if acts else "cancel.effects.terminal"
        if _has_filled_since(order, body):
            requirement = "cancel.effects.off-book"
            crossings.explained(judge, exchange.case)
        judge.broken(
            requirement,
            exchange,
            f"the canceled order is shown as {fields.show(status)}",
            '"canceled"',
            fields.show(status),
            exchanges=[order.confirmed, exchange.n],
            order=order.id,
            key=f"status|{status}",
        )
        _believe(order, body, exchange)
        return
    judge.held("cancel.effects.terminal", exchange)
    if order.final is None:
        order.final = fields.shown(body)
        judge.confirm(order, exchange)
        return
    _settle_updated_at(judge, order, order.final, body.get("updated_at"))
    diff = _differences(judge, order.final, body)
    changed = [d for d in diff if not d.ok]
    if not diff:
        judge.held("cancel.effects.final", exchange)
        judge.confirm(order, exchange)
        return
    requirement = order.acts[-1].requirement if order.acts else "cancel.effects.final"
    if _has_filled_since(order, body):
        requirement = "cancel.effects.off-book"
        crossings.explained(judge, exchange.case)
    judge.broken(
        requirement,
        exchange,
        f"the canceled order has changed since ({', '.join(d.field for d in changed)})",
        "; ".join(f"{d.field} {d.expected}" for d in changed),
        "; ".join(f"{d.field} {d.seen}" for d in changed),
        exchanges=[order.confirmed, exchange.n],
        order=order.id,
        diff=diff,
        key=",".join(d.field for d in changed),
    )
    order.final = fields.shown(body)
    order.acts.clear()
    order.confirmed = exchange.n


def _has_filled_since(order: Order, body: dict[str, Any]) -> bool:
    """Whether a canceled order has filled more than its cancel answered, or than it had filled by our own count."""
    answered = order.final.get("filled_qty") if order.final is not None else None
    before, now = decimal_of(answered), decimal_of(body.get("filled_qty"))
    before = order.filled if before is None and order.exact else before
    return before is not None and now is not None and now > before


def _look_at_ended(judge: Judge, exchange: Exchange, order: Order, body: dict[str, Any], status: Any) -> None:
    """An order that ended without a cancel: the first look sets the picture, later ones must show the same."""
    if order.final is None:
        if status in LIVE:
            order.state = State.LIVE  # it rests after all: the plan was wrong, not the target
            order.exact = False
            judge.troubled.add(exchange.case)
            return
        order.final = fields.shown(body)
        order.state = State.FILLED if status == "filled" else State.CANCELED
        order.acts.clear()
        order.confirmed = exchange.n
        return
    diff = _differences(judge, order.final, body)
    if not diff:
        judge.confirm(order, exchange)
        return
    if judge.entangled(order, exchange):
        return
    seen = "; ".join(f"{d.field} {d.seen}" for d in diff if not d.ok)
    _blame(judge, exchange, order, order.status, seen, diff)
    if status in LIVE:
        order.state = State.UNSURE  # what is canceled next is what was found to be live here
    order.final = fields.shown(body)
    order.acts.clear()
    order.confirmed = exchange.n
