"""Judges what a target does under a burst of commands, and across a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.oracle.bodies import try_parse
from conformance.oracle.findings import Check, Finding
from conformance.oracle.ledger import Act, Order, State
from conformance.record import Exchange, Note

if TYPE_CHECKING:
    from conformance.oracle.judge import Judge

BUSY = "cancel.unavailable.busy"
TRANSIENT = "cancel.unavailable.transient"
RESTARTING = "cancel.unavailable.restarting"
_LOST = 2  # requests of one burst that must go unanswered before it says anything
_RETRIES = 4  # repeats after the documented backoff of 200, 400 and 800 ms
_BACKOFF_S = 1.4


def error_of(exchange: Exchange) -> str | None:
    """The error string that an exchange was answered with, None if it has none."""
    body = try_parse(exchange.response) if exchange.response is not None else None
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, str) else None


def is_hang(exchange: Exchange) -> bool:
    """Whether a request was taken and never answered: it timed out, or the connection was cut while it waited."""
    text = exchange.error or ""
    return exchange.response is None and text.startswith(("no answer within", "RemoteProtocolError", "ReadError"))


def judge_burst(judge: Judge, note: Note, exchanges: list[Exchange]) -> None:
    """Judge a burst of cancels, each of another order or of one that had ended, and count what became of them.

    Since no two of them touch the same live order, each is judged by itself.
    """
    troubled = note.case in judge.troubled
    for exchange in sorted(exchanges, key=lambda exchange: exchange.end):
        judge.judge_exchange(exchange)
    if not troubled:
        judge.troubled.discard(note.case)  # a lost answer is what a burst is looked at for, no reason to repeat it
    busy = [x for x in exchanges if x.response and x.response.status == 503 and error_of(x) == "ENGINE_BUSY"]
    hung = [x for x in exchanges if is_hang(x)]
    judge.bursts.append((note.case, len(exchanges), [x.n for x in busy], [x.n for x in hung]))
    if busy and len(hung) < _LOST:
        judge.held(BUSY, busy[0])
    mine = [burst for burst in judge.bursts if burst[0] == note.case]
    # connections are cut now and then for no fault of the engine's: it takes two bursts to say so
    if len(mine) >= 2 and all(len(burst[3]) >= _LOST for burst in mine[-2:]):
        judge.broken(
            BUSY,
            hung[0],
            "under a burst of cancels requests hang or their connections are cut, burst after burst",
            "an answer to each, if need be 503 ENGINE_BUSY",
            f"{len(hung)} of {len(exchanges)} without an answer",
            exchanges=[x.n for x in hung][:20],
            key="hang",
        )


def take_transient(judge: Judge, exchange: Exchange, order: Order | None) -> None:
    """A cancel was refused with a 503 of the exchange itself: a promise that it works later."""
    if order is not None:
        judge.refused_for_now.add(order.id)
    if error_of(exchange) == "ENGINE_RESTARTING":
        judge.held(RESTARTING, exchange)


def take_canceled(judge: Judge, exchange: Exchange, order: Order) -> None:
    """A cancel succeeded: if it had been refused with a 503 before, that was transient as documented."""
    if order.id in judge.refused_for_now:
        judge.refused_for_now.discard(order.id)
        judge.held(TRANSIENT, exchange)


def judge_unrecovered(judge: Judge, note: Note) -> None:
    """A cancel that is still refused after a burst, again and again, with the documented backoff.

    The note lists the attempts in order; `idle` says that the target's own health page shows an empty backlog. All
    of it is looked up: the verdict needs ENGINE_BUSY to each attempt and an idle engine, or others being served.
    """
    attempts = [n for n in note.data.get("attempts", []) if n in judge.answers]
    controls = [n for n in note.data.get("controls", []) if n in judge.answers]
    served = [n for n in controls if (status := judge.answers[n][1]) is not None and status < 500]
    waited = float(note.data.get("waited", 0.0))
    if len(attempts) < _RETRIES or waited < _BACKOFF_S or any(judge.answers[n][1] != 503 for n in attempts):
        return
    if not served and not note.data.get("idle"):
        return
    finding = Finding(
        TRANSIENT,
        "after a burst a cancel is still refused with 503, whatever the backoff",
        "the order is canceled when the cancel is repeated after 200, 400 and 800 ms",
        f"503 {len(attempts)} times in {waited:.1f} s",
        attempts,
        note.case,
        key="unrecovered",
        order=str(note.data.get("order")),
    )
    judge.add(Check(TRANSIENT, attempts[0], note.case, finding))


def judge_restart(judge: Judge, note: Note) -> None:
    """The target has been restarted: what was known of the orders of this case, and of all canceled ones, stays so.

    The next look at each of them is evidence, for or against. Answers that were lost on the way mean nothing.
    """
    judge.troubled.discard(note.case)
    for order in judge.ledger.orders.values():
        canceled = order.state is State.CANCELED and order.canceled_by is not None
        if canceled or (order.case == note.case and order.state is not State.UNSURE):
            order.acts.append(Act(order.confirmed, note.case, order.account, RESTARTING))
