"""Judges lists of own fills: those from before a cancel stay, as they were, and none comes after it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from conformance.oracle import crossings, fields
from conformance.oracle.amounts import decimal_of, plain, vwap
from conformance.oracle.findings import Suspicion
from conformance.oracle.ledger import Order, State
from conformance.oracle.lists import listed_in
from conformance.record import Exchange

if TYPE_CHECKING:
    from conformance.oracle.judge import Judge

_FILLS_KEPT = "cancel.effects.fills-kept"
_PAGE = 100  # rows: the shortest page by which a list may be cut off
_OF_FILLS = ("price", "quantity", "side", "symbol", "role", "fee", "fee_token", "ts")


def volumes(fills: Iterable[Mapping[str, Any]]) -> defaultdict[str, Decimal]:
    """What the rows of a list of fills say has filled, by the id of the order."""
    volume: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in fills:
        quantity = decimal_of(row.get("quantity"))
        if isinstance(row.get("order_id"), str) and quantity is not None:
            volume[row["order_id"].lower()] += quantity
    return volume


def _agree(order_id: str, planned: Suspicion, fills: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a list of fills has those of an order as they were planned, by amount and average price."""
    rows = [row for row in fills if str(row.get("order_id")).lower() == order_id]
    pairs = [(decimal_of(row.get("price")), decimal_of(row.get("quantity"))) for row in rows]
    known = [(price, quantity) for price, quantity in pairs if price is not None and quantity is not None]
    return sum((q for _, q in known), Decimal(0)) == planned.filled and vwap(known) == planned.average


def judge_trades(judge: Judge, exchange: Exchange) -> None:
    """A list of own fills: those from before a cancel are still there, and a stranger's explain a surprise."""
    items = listed_in(exchange)
    if items is None or exchange.auth is None:
        return
    rows = {str(item.get("trade_id")): item for item in items}
    judge.traded[exchange.n] = rows.keys()
    asked = judge.pending or exchange.case in judge.surprises or exchange.aim == _FILLS_KEPT
    volume = volumes(items if asked else ())  # else nobody looks at it
    crossings.judge_volumes(judge, exchange, volume)
    asked_for = _parameters(exchange)
    span, market = _told(asked_for, "start", "end"), _told(asked_for, "symbol")
    # what is in a list without a market is left open
    for order_id, planned in [] if span or not market else list(judge.pending.items()):
        order = judge.ledger.orders[order_id]
        if order.account == exchange.auth.account:
            stranger = volume[order_id] > planned.filled or not (judge.quiet or _agree(order_id, planned, items))
            if stranger:
                order.exact = False
                judge.troubled.add(exchange.case)
            judge.settle(order_id, drop=stranger)
    account = exchange.auth.account
    page = account, _told(asked_for, "symbol", "limit")
    judge.most_rows[page] = max(judge.most_rows[page], len(rows))
    if span:
        before = judge.spans.get((account, span), {})
        if exchange.aim != _FILLS_KEPT:
            judge.spans[account, span] = rows
        # one that shows as many as any other of that limit, or as many as may be a page, may be cut off
        is_whole = len(rows) < judge.most_rows[page] and not _is_page(len(rows))
    else:
        before, is_whole = judge.fill_rows.get((exchange.case, account, market), {}), False
        judge.fill_rows[exchange.case, account, market] = rows
    if exchange.aim != _FILLS_KEPT:
        return
    _rows_kept(judge, exchange, before, rows)
    _nothing_filled(judge, exchange, rows)
    _orders_kept(judge, exchange, before, rows, volume, whole=is_whole, span=bool(span))


def _orders_kept(
    judge: Judge,
    exchange: Exchange,
    before: Mapping[str, dict[str, Any]],
    rows: Mapping[str, dict[str, Any]],
    volume: Mapping[str, Decimal],
    *,
    whole: bool,
    span: bool,
) -> None:
    """The fills that orders had when they were listed before are still listed, and canceled ones have no others."""
    listed, gone = volumes(before.values()), _gone(before, rows)
    # a span of time has trades of other cases too, of which an answer may have been lost
    for order in filter(None, map(judge.ledger.orders.get, sorted({*listed, *(() if span else volume)}))):
        if not order.exact or not (order.canceled_by == "cancel" or order.state in (State.FILLED, State.LIVE)):
            continue  # it is none that was canceled, or was left alone
        filled, seen = order.filled, volume.get(order.id, Decimal(0))
        if order.state is State.LIVE and seen >= filled:
            continue  # somebody else may have filled it further
        slid = seen < filled and not whole and (span or _slid(order, before, rows))
        if listed[order.id] == filled and not slid:
            _fills_kept(judge, exchange, order, seen, filled)
            if seen == filled and order.id in gone:
                _other_ids(judge, exchange, order, gone[order.id])


def _gone(before: Mapping[str, Mapping[str, Any]], rows: Mapping[str, Any]) -> dict[str, str]:
    """By order, the first id of a fill that is no longer listed; empty if no id stays from list to list."""
    missing = before.keys() - rows.keys()
    if len(missing) == len(before):
        return {}
    return {str(before[trade].get("order_id")).lower(): trade for trade in sorted(missing, reverse=True)}


def _parameters(exchange: Exchange) -> dict[str, list[str]]:
    return parse_qs(urlsplit(exchange.request.target).query) if "?" in exchange.request.target else {}


def _told(given: Mapping[str, list[str]], *names: str) -> str:
    """What a list is asked for by these parameters, empty if by none."""
    return "–".join(given[name][0] for name in names if name in given)


def _is_page(rows: int) -> bool:
    """Whether a list of so many rows may be a page: these have a round number of rows, or a power of two."""
    return rows >= _PAGE and (rows % 10 == 0 or rows.bit_count() == 1)


def _slid(order: Order, before: Mapping[str, Mapping[str, Any]], rows: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether fills of an order may have left a list of the newest ones only because there are newer ones now."""
    newer = len(rows.keys() - before.keys())
    oldest = list(before)[-newer:] if newer else []  # the newest come first
    return any(str(before[trade].get("order_id")).lower() == order.id for trade in oldest)


def _canceled(judge: Judge, row: Mapping[str, Any]) -> Order | None:
    """The order of a fill, if a cancel has ended it."""
    order = judge.ledger.orders.get(str(row.get("order_id")).lower())
    return order if order is not None and order.canceled_by == "cancel" else None


def _rows_kept(
    judge: Judge, exchange: Exchange, before: Mapping[str, dict[str, Any]], rows: Mapping[str, dict[str, Any]]
) -> None:
    """Fills of canceled orders that were listed before, in the same case, are listed as they were."""
    for trade_id, row in rows.items():
        if row == before.get(trade_id, row):
            continue
        order = _canceled(judge, row)
        if order is None:
            continue
        was = before[trade_id]
        free = decimal_of(was.get("fee")) == 0  # fees may be settled later
        changed = [n for n in _OF_FILLS if row.get(n) != was.get(n) and not (free and n in ("fee", "fee_token"))]
        if changed:
            judge.broken(
                _FILLS_KEPT,
                exchange,
                f"a fill of the canceled order has changed ({', '.join(changed)})",
                "; ".join(f"{name} {fields.show(was.get(name))}" for name in changed),
                "; ".join(f"{name} {fields.show(row.get(name))}" for name in changed),
                order=order.id,
                key=f"row|{','.join(changed)}",
            )


def _other_ids(judge: Judge, exchange: Exchange, order: Order, gone: str) -> None:
    """All fills of an order are listed, but not under the ids that they had."""
    judge.broken(
        _FILLS_KEPT,
        exchange,
        f"fills of the {order.state} order are listed under other ids",
        f"trade_id {gone[:80]}",
        "another trade_id",
        order=order.id,
        key="ids",
    )


def _nothing_filled(judge: Judge, exchange: Exchange, rows: Mapping[str, dict[str, Any]]) -> None:
    """No fill of a canceled order is listed that is none."""
    for row in rows.values():
        if decimal_of(row.get("quantity")) == 0 and (order := _canceled(judge, row)) is not None:
            judge.broken(
                "cancel.effects.off-book",
                exchange,
                "a fill of the canceled order over nothing is listed",
                "no fill",
                f"quantity {fields.show(row.get('quantity'))}",
                order=order.id,
                key="nothing",
            )


def _fills_kept(judge: Judge, exchange: Exchange, order: Order, seen: Decimal, filled: Decimal) -> None:
    if seen == filled:
        judge.held(_FILLS_KEPT, exchange)
        return
    more = seen > filled
    which = "canceled order" if order.canceled_by == "cancel" else f"{order.state} order"
    judge.broken(
        "cancel.effects.off-book" if more else _FILLS_KEPT,
        exchange,
        f"the {which} has more fills than before" if more else f"fills of the {which} are missing",
        f"fills over {plain(filled)}",
        f"fills over {plain(seen)}",
        order=order.id,
        key="more" if more else "fewer",
    )
