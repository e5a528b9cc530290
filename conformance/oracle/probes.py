"""Orders that are placed: they enter the ledger, and some of them find out what an earlier cancel really did."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from conformance.oracle import crossings, room, turns
from conformance.oracle.amounts import decimal_of
from conformance.oracle.bodies import is_infrastructure, sent_in, try_parse
from conformance.oracle.findings import Check, Finding
from conformance.oracle.ledger import State
from conformance.record import Exchange, Note

if TYPE_CHECKING:
    from conformance.oracle.judge import Judge


_DONE = "cancel.success.open"  # the act of a cancel that was carried out


def judge_new_order(judge: Judge, exchange: Exchange) -> None:
    """Enter a placed order into the ledger; judge it if it was placed to test an earlier cancel."""
    response = exchange.response
    sent = sent_in(exchange)
    if response is None or is_infrastructure(response):
        if response is None or response.status != 429:
            judge.ledger.doubt(exchange, sent)
        return
    answer = try_parse(response)
    accepted = response.status == 200 and isinstance(answer, dict)
    if accepted:
        order = judge.ledger.place(exchange, sent, answer)
        judge.quiet = judge.quiet and not judge.ledger.others_trade
        if order is not None and not order.exact and not judge.quiet:
            judge.ledger.doubt(exchange, sent)  # what it met in place of what was planned, nobody knows
        _judge_newborn(judge, exchange, sent, answer)
    elif isinstance(answer, dict) and answer.get("error") == "SELF_TRADE" and exchange.auth is not None:
        room.take_clash(judge, exchange, sent)
    if exchange.aim and exchange.expect:
        _judge_probe(judge, exchange, sent, accepted, answer)


def _judge_newborn(judge: Judge, exchange: Exchange, sent: dict[str, Any], answer: dict[str, Any]) -> None:
    """A post-only order that is accepted has met nobody: fills that it shows are those of a canceled one."""
    filled = decimal_of(answer.get("filled_qty")) if sent.get("tif") == "post_only" else None
    if not filled:
        return
    account = exchange.auth.account if exchange.auth else None
    act = next((a for a in reversed(judge.recent) if a.account == account and a.requirement == _DONE), None)
    if act is not None:
        judge.broken(
            "cancel.effects.own-orders",
            exchange,
            "a post-only order shows fills when it is placed, after another one was canceled",
            "filled_qty 0",
            f"filled_qty {filled}",
            exchanges=[act.n, exchange.n],
            key="newborn",
        )


def _judge_probe(judge: Judge, exchange: Exchange, sent: dict[str, Any], accepted: bool, answer: Any) -> None:
    status = exchange.response.status if exchange.response else 0
    error = answer.get("error") if isinstance(answer, dict) else None
    filled = decimal_of(answer.get("filled_qty")) if accepted else None
    if exchange.expect == "filled":
        meant = {Decimal(take.price) for take in exchange.takes or ()}  # there it was its turn to fill
        if filled is not None or (error == "SELF_TRADE" and not room.is_self_trade(judge, exchange, sent, meant)):
            turns.judge_fill_probe(judge, exchange, filled or Decimal(0))
    elif exchange.expect == "rests":
        room.judge_rest_probe(judge, exchange, accepted, error)
    elif exchange.expect == "no self-trade":
        room.judge_self_trade_probe(judge, exchange, accepted, error)
    elif exchange.expect == "unfilled":
        if filled is not None:
            crossings.judge_crossing(judge, exchange, filled)
        if filled == 0:
            room.judge_rejected(judge, exchange)
    elif error == "INSUFFICIENT_BALANCE" or accepted:
        _judge_funds_probe(judge, exchange, accepted, error or str(status))


def _judge_funds_probe(judge: Judge, exchange: Exchange, accepted: bool, seen: str) -> None:
    """An order that just fits the account's funds, or just does not. What goes against a cancel is held back.

    Somebody else may have traded with an order of the account meanwhile; the note `funds` tells where to look.
    """
    aim = exchange.aim or ""
    if accepted == (exchange.expect == "accepted"):
        judge.held(aim, exchange)
        return
    refused = aim.startswith("cancel.refusals.")
    message, expected = (
        (
            "after a refused cancel funds of the live order are free"
            if refused
            else "after the cancel more can be placed than before the order",
            "INSUFFICIENT_BALANCE, as before",
        )
        if accepted
        else ("the funds of the canceled order are still locked", "the order is accepted")
    )
    if not accepted and aim.endswith("released-once"):
        message = "the cancel took funds that the order had not locked"
    seen = f"{seen}, the order is accepted" if accepted else seen
    scheme = exchange.auth.scheme if exchange.auth else None
    # a cancel that ends other orders of the account as well moves its funds too: that mistake explains it
    finding = Finding(aim, message, expected, seen, [exchange.n], exchange.case, scheme=scheme, doubtful=True)
    judge.held_back[exchange.n] = Check(aim, exchange.n, exchange.case, finding)


def judge_funds(judge: Judge, note: Note) -> None:
    """A probe of funds counts if the account's own trades (two listings, by exchange) are the same around it."""
    check = judge.held_back.pop(int(note.data.get("attempt", 0)), None)
    if check is None:
        return
    if judge.overlapping:  # what else the account does meanwhile moves its balance too: it is tried again, alone
        judge.tangled.add(note.case)
        judge.troubled.add(note.case)
        return
    before, after = (judge.traded.get(int(note.data.get(name, 0))) for name in ("before", "after"))
    if before == after:
        judge.add(check)
    else:
        judge.troubled.add(note.case)


def take_cancel_all(judge: Judge, exchange: Exchange) -> None:
    """Cancel-all is set-up here: what it says it canceled is canceled, with the values it shows."""
    response = exchange.response
    body = try_parse(response) if response is not None else None
    listed = body.get("canceled") if isinstance(body, dict) else None
    for item in listed if isinstance(listed, list) else []:
        order = judge.ledger.get(item.get("id")) if isinstance(item, dict) else None
        if order is not None and order.state in (State.LIVE, State.UNSURE):
            order.state = State.CANCELED
            order.canceled_by = "cancel-all"
            order.canceled = (exchange.start, exchange.end)
            order.confirmed = exchange.n
            order.acts.clear()
    if exchange.auth is not None:
        # what it did to the orders that it does not list, nobody knows before they are looked at
        for order in judge.ledger.live(exchange.auth.account):
            order.state = State.UNSURE
