"""Takes the exchanges of a race apart: which operations acted on the order, and whether strangers disturbed it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from conformance.oracle import histories
from conformance.oracle.amounts import decimal_of
from conformance.oracle.bodies import is_infrastructure, try_parse
from conformance.oracle.histories import Kind, Operation, Outcome
from conformance.oracle.ledger import Order, State
from conformance.oracle.lists import items_of
from conformance.record import Exchange

_STATES = {
    "open": State.LIVE,
    "partially_filled": State.LIVE,
    "canceled": State.CANCELED,
    "filled": State.FILLED,
}


@dataclass(slots=True)
class History:
    """A race taken apart: `operations` acted on the order or showed it, `idle` did neither, whatever they wanted.

    `settled` are the looks after everything else had been answered, `trades` the lists of fills read then.
    """

    order: Order
    by_n: dict[int, Exchange]
    operations: list[Operation] = field(default_factory=list)
    idle: list[Exchange] = field(default_factory=list)
    settled: list[Exchange] = field(default_factory=list)
    trades: list[Exchange] = field(default_factory=list)

    def of(self, kind: Kind, outcome: Outcome | None = None) -> list[Operation]:
        """The operations of one kind, and of one outcome if it is given."""
        return [o for o in self.operations if o.kind is kind and outcome in (None, o.outcome)]

    @property
    def is_certain(self) -> bool:
        """Whether every operation was answered, so that nothing can still happen."""
        return not any(operation.is_optional for operation in self.operations)


def read_history(order: Order, exchanges: Sequence[Exchange]) -> History:
    """Take the exchanges of a race on `order` apart."""
    history = History(order, {exchange.n: exchange for exchange in exchanges})
    looks = []
    for exchange in exchanges:
        if exchange.op == "query_order":
            looks.append(exchange)
        elif exchange.op == "my_trades":
            history.trades.append(exchange)
        elif (operation := _operation(order, exchange)) is not None:
            history.operations.append(operation)
        else:
            history.idle.append(exchange)
    if not history.of(Kind.FILL):
        # without fills the amount is a field like any other, and judged as one
        history.operations = [replace(operation, filled=None) for operation in history.operations]
    over = max(
        (exchange.end for exchange in exchanges if exchange.op not in ("query_order", "my_trades")), default=0
    )
    for exchange in looks:
        _add_look(history, exchange, settled=exchange.start > over)
    return history


def _add_look(history: History, exchange: Exchange, *, settled: bool) -> None:
    body = try_parse(exchange.response) if exchange.response and exchange.response.status == 200 else None
    status = _STATES.get(str(body.get("status"))) if isinstance(body, dict) else None
    if status is None or not isinstance(body, dict):
        return
    filled = decimal_of(body.get("filled_qty")) if settled and history.of(Kind.FILL) else None
    history.operations.append(
        Operation(exchange.n, Kind.READ, exchange.start, exchange.end, Outcome.DONE, filled, status=status)
    )
    if settled:
        history.settled.append(exchange)


def _operation(order: Order, exchange: Exchange) -> Operation | None:
    """What an exchange did to the order, as far as its answer tells; None if it surely did nothing.

    Nothing is what a 429 and a 503 of the exchange itself promise, and every refusal but a 404. A lost answer, a
    gateway's and a server error promise nothing: the operation may have happened, also later.
    """
    kind = {"cancel_order": Kind.CANCEL, "cancel_all": Kind.CANCEL_ALL, "new_order": Kind.FILL}.get(exchange.op)
    if kind is None:
        return None
    response = exchange.response
    wanted = decimal_of(json_of(exchange.request.body).get("quantity")) if kind is Kind.FILL else None
    wanted = wanted or Decimal(0)
    unknown = Operation(exchange.n, kind, exchange.start, histories.NEVER, Outcome.UNKNOWN, wanted=wanted)
    if response is None:
        return unknown
    status = response.status
    if status == 429 or (status == 503 and not is_infrastructure(response)):
        return None
    if is_infrastructure(response) or status >= 500:
        return unknown
    body = try_parse(response)
    outcome, filled = _answer(order, kind, status, body)
    if outcome is None:
        return None
    if outcome is Outcome.UNKNOWN:
        return unknown
    return Operation(exchange.n, kind, exchange.start, exchange.end, outcome, filled, wanted)


def _answer(order: Order, kind: Kind, status: int, body: Any) -> tuple[Outcome | None, Decimal | None]:
    """(outcome, filled quantity shown) of an answered operation."""
    shown = decimal_of(body.get("filled_qty")) if isinstance(body, dict) else None
    if kind is Kind.CANCEL:
        return {200: Outcome.DONE, 404: Outcome.ENDED}.get(status), shown if status == 200 else None
    if status != 200:
        return None, None
    if kind is Kind.FILL:
        return (Outcome.DONE, shown) if shown is not None else (Outcome.UNKNOWN, None)
    listed = body.get("canceled") if isinstance(body, dict) else None
    if not isinstance(listed, list):
        return Outcome.UNKNOWN, None
    for item in listed:
        if isinstance(item, dict) and str(item.get("id")).lower() == order.id:
            return Outcome.DONE, decimal_of(item.get("filled_qty"))
    return Outcome.ENDED, None


def json_of(text: str | None) -> dict[str, Any]:
    """The JSON object in a text, empty if there is none."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


# ---------------------------------------------------------------------- strangers


def disturbance(history: History, *, quiet: bool) -> str | None:
    """Why the race says nothing: somebody else traded with the order, or our takers with somebody else.

    `quiet` says that no other orders were seen in the book; there a fill that only one side knows of is no
    stranger's doing.
    """
    order = history.order
    if order.state is not State.LIVE or not order.exact or order.quantity is None:
        return "the order was not surely live when the race began"
    fills = history.of(Kind.FILL)
    most = sum((o.wanted if o.is_optional else o.filled or Decimal(0) for o in fills), Decimal(0))
    least = sum((o.filled or Decimal(0) for o in fills if not o.is_optional), Decimal(0))
    shown = [
        filled
        for exchange in history.settled
        if exchange.response and (filled := decimal_of(body_of(exchange).get("filled_qty"))) is not None
    ]
    listed = _listed(history)
    known = order.filled + most
    # where the order shows more than its owner's fills add up to, nobody has traded with it
    in_vain = quiet and listed and max(listed) <= known
    if max([*shown, *listed, Decimal(0)]) > known and not in_vain:
        return "somebody else traded with the order"
    if not quiet and shown and max([*shown, *listed]) < order.filled + least:
        return "somebody else's order was in the book"
    for fill in fills:
        price = decimal_of(body_of(history.by_n[fill.n]).get("avg_fill_price"))
        if fill.filled and price is not None and order.price is not None and price != order.price and not quiet:
            return "somebody else's order was in the book"
    return None


def _listed(history: History) -> list[Decimal]:
    """What the owner's lists of fills add up to for the order."""
    totals = []
    for exchange in history.trades:
        if exchange.auth is None or exchange.auth.account != history.order.account or exchange.response is None:
            continue
        items = items_of(try_parse(exchange.response)) if exchange.response.status == 200 else None
        amounts = [
            decimal_of(item.get("quantity")) or Decimal(0)
            for item in items or []
            if str(item.get("order_id")).lower() == history.order.id
        ]
        totals.append(sum(amounts, Decimal(0)))
    return totals


def body_of(exchange: Exchange) -> dict[str, Any]:
    """The JSON object that an exchange was answered with, empty if there is none."""
    body = try_parse(exchange.response) if exchange.response is not None else None
    return body if isinstance(body, dict) else {}


def is_lost(exchange: Exchange) -> bool:
    """Whether the exchange itself gave no answer: it is lost, or something on the way answered."""
    return exchange.response is None or is_infrastructure(exchange.response)


def status_of(exchange: Exchange) -> int | None:
    """The status of an exchange, None without an answer."""
    return exchange.response.status if exchange.response is not None else None
