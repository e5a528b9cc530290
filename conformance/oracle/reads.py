"""Judges what reads show: whether cancels had their effect, and refusals none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from conformance.contract import FIELDS
from conformance.oracle import crossings, fields
from conformance.oracle.amounts import decimal_of, is_average, plain, vwap
from conformance.oracle.bodies import is_infrastructure, try_parse
from conformance.oracle.cancels import path_id
from conformance.oracle.findings import Check, Difference
from conformance.oracle.ledger import Order, State
from conformance.record import Exchange

if TYPE_CHECKING:
    from conformance.oracle.judge import Judge

_LIVE = ("open", "partially_filled")
SHORT = 20  # rows; no list of open orders is cut off at fewer
_NEW = 2.5  # s
_OF_FILLS = ("price", "quantity", "side", "role", "fee", "fee_token", "ts")
_NUMBERS = ("price", "quantity", "quote_quantity", "filled_qty", "avg_fill_price")


def items_of(body: Any) -> list[dict[str, Any]] | None:
    """The objects of a list answer: a bare array, or the one array inside an object."""
    if isinstance(body, dict):
        arrays = [value for value in body.values() if isinstance(value, list)]
        body = arrays[0] if len(arrays) == 1 else None
    return [item for item in body if isinstance(item, dict)] if isinstance(body, list) else None


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
        if response.status == 404 and known and judge.queries_work:
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
    if body.get("status") in _LIVE:
        judge.settle(order.id)  # nobody has filled it
    _stood_aside(judge, exchange, order, body)
    if order.state is State.UNSURE:
        _believe(order, body, exchange)
        return
    status = body.get("status")
    if order.state is State.LIVE:
        _look_at_live(judge, exchange, order, body, status)
    elif order.canceled_by == "cancel":
        _look_at_canceled(judge, exchange, order, body, status)
    else:
        _look_at_ended(judge, exchange, order, body, status)


def _stood_aside(judge: Judge, exchange: Exchange, order: Order, body: dict[str, Any]) -> None:
    """Whether an order that another one was to fill against is live after that, with nothing more filled.

    It was at the best price all the while, or at one as good. So if that other order found too little, then this
    one has left the book; and if it filled against one behind this one, then this one has lost its place.
    """
    unmet, met = judge.unmet.pop(order.id, None), judge.met.pop(order.id, None)
    probe = unmet or met
    if probe is None or body.get("status") not in _LIVE or not judge.quiet:
        return  # where others trade, nobody knows what fills before it were those of strangers
    filled = decimal_of(body.get("filled_qty"))
    takes = (met.takes if met is not None else None) or []
    before = order.filled - sum(Decimal(take.quantity) for take in takes if take.order == order.id)
    if filled is None or filled > before:
        return
    if met is not None:
        judge.passed_over[order.id] = met
        return
    judge.broken(
        probe.aim or "",
        exchange,
        "nothing fills against a live order any more, at whose price another order was canceled",
        "an order that crosses its price fills against it",
        "it is live and has not filled",
        exchanges=[probe.n, exchange.n],
        order=order.id,
        key="unmet",
    )


def _was_preferred(judge: Judge, exchange: Exchange, order: Order) -> bool:
    """Whether an order filled in place of an earlier one of its price, which is said of the target then."""
    for order_id, probe in list(judge.passed_over.items()):
        earlier = judge.ledger.orders[order_id]
        if probe.case == exchange.case and _comes_before(earlier, order):
            del judge.passed_over[order_id]
            judge.broken(
                probe.aim or "",
                exchange,
                "an order fills before one that was ahead of it in the book",
                "the order of the better price fills first, and of one price the earlier order",
                "the order ahead of it is live and has not filled",
                exchanges=[probe.n, exchange.n],
                order=order.id,
                key="turn",
            )
            return True
    return False


def _comes_before(one: Order, other: Order) -> bool:
    """Whether an order is ahead of another of the same account in the book, by price or else by time."""
    if (one.account, one.side) != (other.account, other.side) or one.price is None or other.price is None:
        return False
    if one.price == other.price:
        return one.placed[1] <= other.placed[0]
    return one.price > other.price if one.side == "buy" else one.price < other.price


def _believe(order: Order, body: dict[str, Any], exchange: Exchange) -> None:
    """After trouble the target's word is taken, once, so that one mistake is not reported again and again."""
    status = body.get("status")
    filled, average = decimal_of(body.get("filled_qty")), decimal_of(body.get("avg_fill_price"))
    if status in _LIVE:
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
    order.acts.clear()
    order.confirmed = exchange.n


def _look_at_live(judge: Judge, exchange: Exchange, order: Order, body: dict[str, Any], status: Any) -> None:
    wrong = [check for check in fields.check_echo(order, body) if not check.ok]
    if type(body.get("created_at")) is int and order.created_at not in (None, body["created_at"]):
        text = fields.show(body["created_at"])
        wrong.append(fields.FieldCheck("", "created_at", str(order.created_at), text, ok=False))
    wrong += _moved(judge, order, body)
    filled = decimal_of(body.get("filled_qty"))
    if status in _LIVE and not wrong and (filled is None or filled == order.filled):
        _missing_from_list(judge, exchange, order)
        judge.confirm(order, exchange)
        return
    others = filled is not None and (filled > order.filled or (filled < order.filled and not judge.quiet))
    if others and status in (*_LIVE, "filled"):
        _was_preferred(judge, exchange, order)
        # a stranger's trade is no doing of the cancel; the case that placed the order starts over
        order.state = State.UNSURE
        order.exact = False
        judge.troubled.add(exchange.case)
        return
    if judge.entangled(order, exchange):
        return
    diff = [Difference(c.field, c.expected, c.seen, c.ok) for c in wrong]
    if all(d.field != "status" for d in diff):
        diff.insert(0, Difference("status", order.status, str(status), status in _LIVE))
    if filled is not None and filled != order.filled:
        diff.append(Difference("filled_qty", plain(order.filled), plain(filled), ok=False))
    _blame(judge, exchange, order, order.status, str(status), diff)
    _believe(order, body, exchange)


def _moved(judge: Judge, order: Order, body: dict[str, Any]) -> list[fields.FieldCheck]:
    """What has changed of a live order without a fill, though requests may have changed it: nothing should have."""
    before, now = order.shown, (len(order.fills), body.get("status"), body.get("updated_at"))
    order.shown = now
    if before is None or before[0] != now[0] or not judge.blame(order):
        return []
    changed = ["status"] if before[1] != now[1] else []
    # a server may read its clock twice for one change
    if type(before[2]) is int and type(now[2]) is int and abs(now[2] - before[2]) > 1:
        changed.append("updated_at")
    pairs = {"status": (before[1], now[1]), "updated_at": (before[2], now[2])}
    return [
        fields.FieldCheck("", name, fields.show(pairs[name][0]), fields.show(pairs[name][1]), ok=False)
        for name in changed
    ]


def _blame(
    judge: Judge, exchange: Exchange, order: Order, expected: str, seen: str, diff: list[Difference]
) -> None:
    acts = judge.blame(order)
    if not acts:
        judge.troubled.add(exchange.case)  # nothing that the suite did explains it
        return
    act = acts[-1]
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


def _differences(final: dict[str, Any], body: dict[str, Any], tick: Decimal) -> list[Difference]:
    found = []
    for name, before in final.items():
        now = body.get(name)
        same = before == now
        if not same and name in _NUMBERS:
            a, b = decimal_of(before), decimal_of(now)
            same = a is not None and a == b
            if name == "avg_fill_price" and a is not None and b is not None and min(a, b) > 0:
                # two views may keep different digits of it
                same = is_average(a, Fraction(b), tick) or is_average(b, Fraction(a), tick)
        if not same and name == "id" and isinstance(before, str) and isinstance(now, str):
            same = before.lower() == now.lower()
        found.append(Difference(name, fields.show(before), fields.show(now), same))
    return found


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
        order.final = {name: body.get(name) for name in FIELDS}
        judge.confirm(order, exchange)
        return
    _settle_updated_at(judge, order, order.final, body.get("updated_at"))
    diff = _differences(order.final, body, judge.tick)
    changed = [d for d in diff if not d.ok]
    if not changed:
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
    order.final = {name: body.get(name) for name in FIELDS}
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
        if status in _LIVE:
            order.state = State.LIVE  # it rests after all: the plan was wrong, not the target
            order.exact = False
            judge.troubled.add(exchange.case)
            return
        order.final = {name: body.get(name) for name in FIELDS}
        order.state = State.FILLED if status == "filled" else State.CANCELED
        order.acts.clear()
        order.confirmed = exchange.n
        return
    diff = _differences(order.final, body, judge.tick)
    if all(d.ok for d in diff):
        judge.confirm(order, exchange)
        return
    if judge.entangled(order, exchange):
        return
    seen = "; ".join(f"{d.field} {d.seen}" for d in diff if not d.ok)
    _blame(judge, exchange, order, order.status, seen, diff)
    if status in _LIVE:
        order.state = State.UNSURE  # what is canceled next is what was found to be live here
    order.final = {name: body.get(name) for name in FIELDS}
    order.acts.clear()
    order.confirmed = exchange.n


def judge_open_orders(judge: Judge, exchange: Exchange) -> None:
    """A list of open orders: no canceled order is in it. One that is missing is looked up by a query."""
    response = exchange.response
    if response is None or response.status != 200 or exchange.auth is None:
        return
    items = items_of(try_parse(response))
    if items is None:
        return
    listed = {str(item.get("id")).lower(): item for item in items}
    _watch_missing(judge, exchange, set(listed))
    _watch_foreign(judge, exchange, set(listed))
    for order_id in sorted(judge.unlisted | {i for i in listed if i in judge.ledger.orders}):
        order = judge.ledger.orders[order_id]
        if order.account != exchange.auth.account or order.state is not State.CANCELED:
            continue
        if order.canceled is not None and order.canceled[1] > exchange.start:
            continue  # the cancel was under way when the list was asked for: either list is right
        if order_id in listed and order.canceled_by == "cancel":
            judge.broken(
                order.acts[-1].requirement if order.acts else "cancel.effects.not-listed",
                exchange,
                "a canceled order is among the open orders",
                "not listed",
                f"listed with status {fields.show(listed[order_id].get('status'))}",
                exchanges=[order.confirmed, exchange.n],
                order=order_id,
                key="listed",
            )
        elif order_id in judge.unlisted:
            judge.held("cancel.effects.not-listed", exchange)
        judge.unlisted.discard(order_id)


def _watch_foreign(judge: Judge, exchange: Exchange, listed: set[str]) -> None:
    """Another user's order among the caller's own: a request of the caller that named it has done that."""
    assert exchange.auth is not None
    for order_id in sorted(listed & judge.attempted.keys()):
        order, act = judge.ledger.orders.get(order_id), judge.attempted[order_id]
        if order is not None and order.account != exchange.auth.account == act.account:
            judge.broken(
                act.requirement,
                exchange,
                "another user's order is among the caller's open orders, since the caller tried to cancel it",
                "not listed",
                "listed",
                exchanges=[act.n, exchange.n],
                order=order_id,
                key="foreign",
            )


def _watch_missing(judge: Judge, exchange: Exchange, listed: set[str]) -> None:
    """Live orders that were listed before and are not now: a query will tell whether they are really gone.

    Only in lists so short that no page size explains it.
    """
    assert exchange.auth is not None
    account = exchange.auth.account
    before = judge.listed.get(account, set())
    judge.listed[account] = listed
    if len(listed) >= SHORT:
        return
    for order in judge.ledger.live(account):
        # one never listed is missed only if others were, and if it is no longer new to a list read once a second
        old = bool(judge.listing.get(account)) and exchange.start - order.placed[1] > _NEW
        placed = order.placed[1] <= exchange.start
        if order.state is State.LIVE and placed and order.id not in listed and (order.id in before or old):
            judge.missing[order.id] = (exchange.n, exchange.end)
        elif order.id in listed:
            judge.listing[account] = True
    for order_id in listed:
        judge.missing.pop(order_id, None)


def _missing_from_list(judge: Judge, exchange: Exchange, order: Order) -> None:
    if order.id not in judge.missing or exchange.start < judge.missing[order.id][1]:
        return  # only an order that is live after the list was answered was live all the while
    listing, _ = judge.missing.pop(order.id)
    act = next((act for act in reversed(judge.recent) if act.n < listing), None)
    if act is not None:
        judge.broken(
            judge.named_or_spared(act, order),
            exchange,
            "a live order is not among the open orders any more",
            "listed, since it is live",
            "not listed",
            exchanges=[act.n, listing, exchange.n],
            order=order.id,
            key="missing",
        )


def volumes(fills: Iterable[Mapping[str, Any]]) -> defaultdict[str, Decimal]:
    """What the rows of a list of fills say has filled, by the id of the order."""
    volume: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in fills:
        quantity = decimal_of(row.get("quantity"))
        if isinstance(row.get("order_id"), str) and quantity is not None:
            volume[row["order_id"].lower()] += quantity
    return volume


def _agree(order: Order, fills: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a list of fills has those of an order as they were planned, by amount and average price."""
    rows = [row for row in fills if str(row.get("order_id")).lower() == order.id]
    pairs = [(decimal_of(row.get("price")), decimal_of(row.get("quantity"))) for row in rows]
    known = [(price, quantity) for price, quantity in pairs if price is not None and quantity is not None]
    return sum((q for _, q in known), Decimal(0)) == order.filled and vwap(known) == order.average


def judge_trades(judge: Judge, exchange: Exchange) -> None:
    """A list of own fills: those from before a cancel are still there, and a stranger's explain a surprise."""
    response = exchange.response
    if response is None or response.status != 200 or exchange.auth is None:
        return
    items = items_of(try_parse(response))
    if items is None:
        return
    judge.traded[exchange.n] = frozenset(str(item.get("trade_id")) for item in items)
    volume = volumes(items)
    crossings.judge_volumes(judge, exchange, volume)
    for order_id in list(judge.pending):
        order = judge.ledger.orders[order_id]
        if order.account == exchange.auth.account:
            stranger = volume[order_id] > order.filled or not (judge.quiet or _agree(order, items))
            if stranger:
                order.exact = False
                judge.troubled.add(exchange.case)
            judge.settle(order_id, drop=stranger)
    rows = {str(item.get("trade_id")): item for item in items}
    before = judge.fill_rows.get((exchange.case, exchange.auth.account), {})
    judge.fill_rows[exchange.case, exchange.auth.account] = rows
    if exchange.aim != "cancel.effects.fills-kept":
        return
    _rows_kept(judge, exchange, before, rows)
    listed = volumes(before.values())
    for order in filter(None, map(judge.ledger.orders.get, sorted({*listed, *volume}))):
        ended = order.canceled_by == "cancel" or order.state is State.FILLED  # canceled, or what it traded with
        slid = volume[order.id] < order.filled and _slid(order, before, rows)
        if ended and order.exact and listed[order.id] == order.filled and not slid:
            _fills_kept(judge, exchange, order, volume[order.id])


def _slid(order: Order, before: Mapping[str, Mapping[str, Any]], rows: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether fills of an order may have left a list of the newest ones only because there are newer ones now."""
    newer = len(rows.keys() - before.keys())
    oldest = list(before)[-newer:] if newer else []  # the newest come first
    return any(str(before[trade].get("order_id")).lower() == order.id for trade in oldest)


def _rows_kept(
    judge: Judge, exchange: Exchange, before: Mapping[str, dict[str, Any]], rows: Mapping[str, dict[str, Any]]
) -> None:
    """Fills of canceled orders that were listed before, in the same case, are listed as they were."""
    for trade_id, row in rows.items():
        order = judge.ledger.orders.get(str(row.get("order_id")).lower())
        if trade_id not in before or order is None or order.canceled_by != "cancel":
            continue
        changed = [name for name in _OF_FILLS if row.get(name) != before[trade_id].get(name)]
        if changed:
            judge.broken(
                "cancel.effects.fills-kept",
                exchange,
                f"a fill of the canceled order has changed ({', '.join(changed)})",
                "; ".join(f"{name} {fields.show(before[trade_id].get(name))}" for name in changed),
                "; ".join(f"{name} {fields.show(row.get(name))}" for name in changed),
                order=order.id,
                key=f"row|{','.join(changed)}",
            )


def _fills_kept(judge: Judge, exchange: Exchange, order: Order, seen: Decimal) -> None:
    if seen == order.filled:
        judge.held("cancel.effects.fills-kept", exchange)
        return
    more = seen > order.filled
    which = "canceled order" if order.canceled_by == "cancel" else "order that it traded with"
    check: Check = judge.broken(
        "cancel.effects.off-book" if more else "cancel.effects.fills-kept",
        exchange,
        f"the {which} has more fills than before" if more else f"fills of the {which} are missing",
        f"fills over {plain(order.filled)}",
        f"fills over {plain(seen)}",
        order=order.id,
        key="more" if more else "fewer",
    )
    assert check.finding is not None
