"""Judges lists of open orders: what is in them, and what is not any more."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from conformance.oracle import fields
from conformance.oracle.amounts import decimal_of, plain
from conformance.oracle.bodies import try_parse
from conformance.oracle.ledger import Order, State
from conformance.record import Exchange

if TYPE_CHECKING:
    from conformance.oracle.judge import Judge

SHORT = 20  # rows; no list of open orders is cut off at fewer, but at ten
_TEN = 10
_NEW = 2.5  # s
_ENDED = ("canceled", "filled", "rejected")


class Misshown(NamedTuple):
    """A list that shows a live order otherwise than an earlier one did, although it had as many `fills` then.

    `after` and `listing` are the two lists, `end` when the second one was answered.
    """

    after: int
    listing: int
    end: float
    fills: int
    wrong: list[tuple[str, str, str]]


def items_of(body: Any) -> list[dict[str, Any]] | None:
    """The objects of a list answer: a bare array, or the one array inside an object."""
    if isinstance(body, dict):
        arrays = [value for value in body.values() if isinstance(value, list)]
        body = arrays[0] if len(arrays) == 1 else None
    return [item for item in body if isinstance(item, dict)] if isinstance(body, list) else None


def listed_in(exchange: Exchange) -> list[dict[str, Any]] | None:
    """The objects that a list of the caller's answers; None for any other answer."""
    response = exchange.response
    if response is None or response.status != 200 or exchange.auth is None:
        return None
    return items_of(try_parse(response))


def is_of_market(exchange: Exchange) -> bool:
    """Whether a list was asked for by its market. What is in one without, but for what has ended, is left open."""
    return "symbol=" in exchange.request.target


def judge_open_orders(judge: Judge, exchange: Exchange) -> None:
    """A list of open orders: no canceled order is in it. One that is missing is looked up by a query."""
    items = listed_in(exchange)
    if items is None or exchange.auth is None:
        return
    listed = {str(item.get("id")).lower(): item for item in items}
    if is_of_market(exchange):
        # a row that says that its order has ended is as good as none
        live = {order_id for order_id, row in listed.items() if row.get("status") not in _ENDED}
        _watch_missing(judge, exchange, live)
        _watch_rows(judge, exchange, items)
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
    if len(listed) >= SHORT or len(listed) == _TEN:
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


def _watch_rows(judge: Judge, exchange: Exchange, items: list[dict[str, Any]]) -> None:
    """Live orders that were listed as they are, and now are not: a query will tell whether they have changed."""
    assert exchange.auth is not None
    rows = {str(item.get("id")).lower(): item for item in items}
    times = Counter(str(item.get("id")).lower() for item in items)
    for order_id, row in rows.items():
        order = judge.ledger.orders.get(order_id)
        if order is None or order.account != exchange.auth.account or order.state is not State.LIVE:
            continue
        wrong = _wrong_in(order, row, times[order_id])
        fills, after = judge.well_listed.get(order_id, (-1, 0))
        if not wrong:
            judge.misshown.pop(order_id, None)
            if order.exact and decimal_of(row.get("filled_qty")) == order.filled:
                judge.well_listed[order_id] = len(order.fills), exchange.n
        elif fills == len(order.fills):
            judge.misshown[order_id] = Misshown(after, exchange.n, exchange.end, fills, wrong)


def _wrong_in(order: Order, row: dict[str, Any], times: int) -> list[tuple[str, str, str]]:
    """What a list shows of an order that it cannot be: by name, as it must be, as it is.

    Less than has filled may be an older view of it.
    """
    wrong = []
    for name, value in (("price", order.price), ("quantity", order.quantity)):
        shown = decimal_of(row.get(name))
        if value is not None and shown is not None and shown != value:
            wrong.append((name, plain(value), plain(shown)))
    if row.get("side", order.side) != order.side:
        wrong.append(("side", order.side, fields.show(row.get("side"))))
    if (decimal_of(row.get("filled_qty")) or Decimal(0)) > order.filled:
        wrong.append(("filled_qty", plain(order.filled), fields.show(row.get("filled_qty"))))
    if times > 1:
        wrong.append(("listed", "once", f"{times} times"))
    return wrong


def misshown_in_list(judge: Judge, exchange: Exchange, order: Order) -> None:
    """A query shows an order to be as it was, and a list has shown it otherwise since: a request has done that."""
    if order.id not in judge.misshown or exchange.start < judge.misshown[order.id].end:
        return
    found = judge.misshown.pop(order.id)
    act = next((act for act in reversed(judge.recent) if found.after < act.n < found.listing), None)
    if act is None or found.fills != len(order.fills):
        return
    names = ", ".join(name for name, _, _ in found.wrong)
    judge.broken(
        judge.named_or_spared(act, order),
        exchange,
        f"a live order is not listed as it is any more ({names})",
        "; ".join(f"{name} {expected}" for name, expected, _ in found.wrong),
        "; ".join(f"{name} {seen}" for name, _, seen in found.wrong),
        exchanges=[found.after, act.n, found.listing, exchange.n],
        order=order.id,
        key=f"listed|{names}",
    )


def missing_from_list(judge: Judge, exchange: Exchange, order: Order) -> None:
    """A query shows an order to be live that was missing from a list: a request that came before has done that."""
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
