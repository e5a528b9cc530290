"""Judges races: what happened to one order on which several clients acted at once.

The exchanges of a race become a history (`histories`). A linearizable one is judged like the sequence of requests
that it is equivalent to, each by the rules of its own; one that is not breaks the requirement that its answers
contradict first.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from conformance.oracle import histories, probes, reads, trades
from conformance.oracle.amounts import plain
from conformance.oracle.answers import DOCUMENTED, describe
from conformance.oracle.bodies import try_parse
from conformance.oracle.histories import (
    Action,
    Kind,
    Linearization,
    Operation,
    OrderState,
    Outcome,
    RaceRecord,
    Verdict,
)
from conformance.oracle.ledger import Order, State
from conformance.oracle.race_reading import History, body_of, disturbance, is_lost, json_of, read_history, status_of
from conformance.record import Exchange, Note, Take

if TYPE_CHECKING:
    from conformance.oracle.judge import Judge

ONE_WINNER = "cancel.races.one-winner"
FILLS_COUNTED = "cancel.races.fills-counted"
CANCEL_ALL = "cancel.races.cancel-all"
MONOTONIC_READS = "cancel.races.monotonic-reads"
NO_EFFECT = "cancel.unavailable.no-effect"

# What a race shows when operations of these kinds really overlapped in it
PAIRS = (
    (Kind.CANCEL, Kind.CANCEL, ONE_WINNER),
    (Kind.CANCEL, Kind.FILL, FILLS_COUNTED),
    (Kind.CANCEL, Kind.CANCEL_ALL, CANCEL_ALL),
    (Kind.CANCEL, Kind.READ, MONOTONIC_READS),
)


def judge_race(judge: Judge, note: Note, exchanges: list[Exchange]) -> None:
    """Judge the exchanges of one race, which the note ends, and enter what became of the order into the ledger."""
    exchanges.sort(key=lambda exchange: exchange.n)
    order = judge.ledger.get(str(note.data.get("order")))
    if order is None:
        for exchange in exchanges:
            judge.judge_exchange(exchange)
        return
    history = read_history(order, exchanges)
    disturbed = disturbance(history, quiet=note.data.get("quiet") is True)
    _undocumented(judge, history)
    requirement = None
    if disturbed is not None:
        verdict = Verdict.UNKNOWN
        _take_its_word(judge, history)
    else:
        verdict, requirement = _decide(judge, note, history)
    judge.race_log.append(
        RaceRecord(
            str(note.data.get("race")),
            str(note.data.get("kind")),
            note.case,
            order.id,
            _shown(history),
            verdict,
            _actions(history),
            requirement,
            disturbed,
        )
    )


def judge_side_by_side(judge: Judge, note: Note, exchanges: list[Exchange]) -> None:
    """Judge cancels of different orders that were under way at once: each as if it were the only one.

    Those that succeeded come first: one of them may have ended the order of another, which then gets 404.
    """
    for exchange in sorted(exchanges, key=lambda exchange: (status_of(exchange) != 200, exchange.end)):
        judge.judge_exchange(exchange)


def _decide(judge: Judge, note: Note, history: History) -> tuple[Verdict, str | None]:
    initial = _initial(history.order)
    found = histories.check(history.operations, initial)
    if found.verdict is Verdict.UNKNOWN:
        shown = list(_shown(history))
        reason = f"a history of {len(history.operations)} operations was too long to search"
        judge.notes.add(Note("undecided", note.case, {"requirements": shown, "reason": reason}))
        _take_its_word(judge, history)
        return found.verdict, None
    if found.verdict is Verdict.VIOLATED:
        requirement = _blame(judge, history, initial)
        _take_its_word(judge, history)
        return found.verdict, requirement
    for one, other, requirement in PAIRS:
        if histories.overlap(history.operations, one, other):
            judge.held(requirement, history.by_n[history.of(one)[0].n])
    _replay(judge, history, found)
    return found.verdict, None


def _shown(history: History) -> tuple[str, ...]:
    """The requirements that the race can show, since the operations that it takes overlapped."""
    return tuple(name for one, other, name in PAIRS if histories.overlap(history.operations, one, other))


def _initial(order: Order) -> OrderState:
    return OrderState(State.LIVE, order.filled, order.quantity or Decimal(0))


# ---------------------------------------------------------------------- violated


def _blame(judge: Judge, history: History, initial: OrderState) -> str:
    """Say which requirement the history breaks, and how; the requirement."""
    requirement, message, expected = _reason(history, initial)
    shown = [o for o in history.operations if o.kind is not Kind.READ or requirement == MONOTONIC_READS or o.filled]
    looks = [o.n for o in history.operations if history.by_n[o.n] in history.settled]
    numbers = sorted({o.n for o in shown} | set(looks) | {x.n for x in history.idle})
    order = sorted(history.operations, key=lambda o: o.start)
    seen = "; ".join(": ".join(_tell(o, history.by_n[o.n])) for o in order if o.n in numbers)
    last = history.by_n[max(numbers)]
    judge.broken(requirement, last, message, expected, seen, exchanges=numbers, order=history.order.id, key=message)
    return requirement


def _reason(history: History, initial: OrderState) -> tuple[str, str, str]:
    """(requirement, message, expected) of a history that is not linearizable."""
    cancels, alls = history.of(Kind.CANCEL, Outcome.DONE), history.of(Kind.CANCEL_ALL, Outcome.DONE)
    with_all = bool(history.of(Kind.CANCEL_ALL))
    one = CANCEL_ALL if with_all else ONE_WINNER
    if len(cancels) > 1 and len(cancels) >= len(alls) + 1 and not alls:
        return ONE_WINNER, "several concurrent cancels of one order are answered 200", "one 200, the others 404"
    if len(cancels) + len(alls) > 1:
        return CANCEL_ALL, "a cancel and a concurrent cancel-all both ended the order", "one of them ends it"
    looks = [o.status for o in history.operations if history.by_n[o.n] in history.settled]
    won = bool(cancels or alls)
    if not won and looks and history.is_certain:
        if looks[-1] is State.CANCELED:
            if any(x.response is not None and x.response.status == 503 for x in history.idle):
                return (
                    NO_EFFECT,
                    "the order is canceled, and the only cancels not refused with 404 got 503",
                    "no effect",
                )
            return one, "the order is canceled, but every concurrent cancel is refused", "one of them succeeds"
        if looks[-1] is State.LIVE and not history.of(Kind.FILL):
            return one, "the order is open, but concurrent cancels are refused with 404", "one of them succeeds"
    over = min((o.end for o in (*cancels, *alls)), default=histories.NEVER)
    if any(o.start > over and o.filled for o in history.of(Kind.FILL)):
        return FILLS_COUNTED, *_fills_reason(history, initial)
    if won and State.LIVE in looks:
        return MONOTONIC_READS, "the canceled order is shown as live", "canceled, ever after"
    in_race = [o for o in history.operations if o.kind is Kind.READ and history.by_n[o.n] not in history.settled]
    others = [o for o in history.operations if o not in in_race]
    if in_race and histories.check(others, initial).verdict is Verdict.LINEARIZABLE:
        return MONOTONIC_READS, "a reader sees the order go back in time", "no older state than was known already"
    if history.of(Kind.FILL):
        return FILLS_COUNTED, *_fills_reason(history, initial)
    return one, "no order of the answers explains them", "answers as if one came after the other"


def _fills_reason(history: History, initial: OrderState) -> tuple[str, str]:
    filled = initial.filled + sum((o.filled or Decimal(0) for o in history.of(Kind.FILL)), Decimal(0))
    expected = f"every fill before the cancel and none after it; {plain(filled)} filled in all"
    for cancel in history.of(Kind.CANCEL, Outcome.DONE):
        if any(o.start > cancel.end and o.filled for o in history.of(Kind.FILL)):
            return "the order fills after its cancel was acknowledged", expected
        if cancel.filled is not None and cancel.filled >= initial.size:
            return "the order filled completely, and a concurrent cancel is answered 200", "404, or a part unfilled"
        if cancel.filled is not None and cancel.filled < filled:
            return "fills are missing in the answer to a concurrent cancel", expected
    return "the fills of the order do not add up", expected


def _tell(operation: Operation, exchange: Exchange) -> tuple[str, str]:
    """What an operation tried, and what came of it."""
    body, answer = body_of(exchange), _answer_text(exchange)
    if operation.kind is Kind.READ:
        return "look", f"{body.get('status')}, {body.get('filled_qty')} filled"
    if operation.kind is Kind.FILL:
        return (
            f"take {plain(operation.wanted)}",
            answer if operation.filled is None else f"{plain(operation.filled)} filled",
        )
    if operation.kind is Kind.CANCEL and operation.outcome is Outcome.DONE:
        return "cancel", f"200, {body.get('filled_qty')} filled"
    if operation.kind is Kind.CANCEL_ALL and operation.outcome is not Outcome.UNKNOWN:
        return "cancel-all", "lists the order" if operation.outcome is Outcome.DONE else "does not list the order"
    return str(operation.kind), answer


def _answer_text(exchange: Exchange) -> str:
    if exchange.response is None:
        return exchange.error or "no answer"
    return describe(exchange.response.status, try_parse(exchange.response))


# ---------------------------------------------------------------------- the ledger


def _replay(judge: Judge, history: History, found: Linearization[OrderState]) -> None:
    """Judge each exchange at its place in the order that explains them all."""
    order, settled = history.order, {x.n for x in history.settled}
    for exchange in history.idle:
        if exchange.op == "cancel_order" and not is_lost(exchange) and status_of(exchange) == 503:
            judge.judge_exchange(exchange)
    placed = [history.operations[i] for i in found.order]
    for operation in placed:
        exchange = history.by_n[operation.n]
        if operation.kind is Kind.READ:
            if operation.n in settled:
                reads.judge_query(judge, exchange)
        elif operation.kind is Kind.FILL:
            _book(judge, order, exchange, operation)
        elif operation.is_optional:
            order.state = State.UNSURE if order.state is State.LIVE else order.state
        elif operation.kind is Kind.CANCEL_ALL:
            probes.take_cancel_all(judge, exchange)
        else:
            judge.judge_exchange(exchange)
    if not history.is_certain and order.state is State.LIVE:
        order.state = State.UNSURE
    _rest(judge, history)


def _rest(judge: Judge, history: History) -> None:
    """What had no place in the history: documented refusals that are wrong here, and lists of fills."""
    state = history.order.state
    for exchange in history.by_n.values():
        status = status_of(exchange)
        if exchange.op == "cancel_order" and not is_lost(exchange) and status in (400, 401, 403):
            judge.judge_exchange(exchange)
            history.order.state = state
    for exchange in history.trades:
        trades.judge_trades(judge, exchange)


def _undocumented(judge: Judge, history: History) -> None:
    """Answers that are wrong whatever became of the order."""
    for exchange in history.by_n.values():
        status = status_of(exchange)
        judge.answers[exchange.n] = (exchange.op, status)
        if exchange.op == "cancel_order" and not is_lost(exchange) and status not in DOCUMENTED:
            judge.broken(
                "cancel.answers.status",
                exchange,
                f"{status} is no documented answer to a cancel, also in a race",
                ", ".join(map(str, sorted(DOCUMENTED))),
                _answer_text(exchange),
                order=history.order.id,
                key=str(status),
            )


def _book(judge: Judge, order: Order, exchange: Exchange, operation: Operation) -> None:
    """Enter a taker's order and what it took."""
    price = order.price or Decimal(0)
    if operation.is_optional:
        if order.state is State.LIVE:
            order.fill(price, min(operation.wanted, order.remaining))
        return
    takes = [Take(order.id, str(price), str(operation.filled))] if operation.filled else []
    with_takes = msgspec.structs.replace(exchange, takes=takes)
    judge.ledger.place(with_takes, json_of(exchange.request.body), body_of(exchange))


def _take_its_word(judge: Judge, history: History) -> None:
    """After a race that cannot be replayed the target's word is taken for what became of the order."""
    order = history.order
    order.state = State.UNSURE
    order.acts.clear()
    for exchange in history.by_n.values():
        if exchange.op == "new_order" and status_of(exchange) == 200:
            judge.ledger.place(exchange, json_of(exchange.request.body), body_of(exchange))
        elif exchange.op == "cancel_all":
            probes.take_cancel_all(judge, exchange)
        elif exchange.op == "cancel_order" and status_of(exchange) == 200:
            order.canceled = (exchange.start, exchange.end)  # whatever it is shown as afterwards
    order.state = State.UNSURE
    for exchange in history.settled[-1:]:
        reads.judge_query(judge, exchange)
    if order.state is State.LIVE:
        order.state = State.UNSURE  # what broke once proves nothing when it is met again


_WHAT = {"cancel_order": "cancel", "new_order": "take", "query_order": "look", "cancel_all": "cancel-all"}


def _actions(history: History) -> tuple[Action, ...]:
    chosen = sorted((x for x in history.by_n.values() if x.op != "my_trades"), key=lambda x: x.start)
    by_n = {operation.n: operation for operation in history.operations}
    actions = []
    for x in chosen:
        known = by_n.get(x.n)
        what, outcome = _tell(known, x) if known else (_WHAT.get(x.op, x.op), _answer_text(x))
        who = f"{x.auth.account} ({x.auth.scheme})" if x.auth else "anybody"
        times = [round((at - chosen[0].start) * 1000, 3) for at in (x.start, x.end)]
        actions.append(Action(who, what, times[0], times[1], outcome))
    return tuple(actions)
