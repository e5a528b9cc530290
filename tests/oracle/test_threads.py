"""What may be asked of a judge while another thread feeds it rows, as cases that overlap do."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from conformance.contract import load_contract
from conformance.fuzz.watch import Watch
from conformance.oracle.judge import Judge

from .rows import Paper, order

_CASES = 1500

ASKED: dict[str, Callable[[Judge], object]] = {
    "whether something new is broken": lambda judge: Watch(judge).fresh(),
    "what is shown of it": lambda judge: [judge.groups_of(name) for name in judge.contract.requirements],
    "whether cancels get no answer": lambda judge: judge.silence.is_certain,
    "which orders are live": lambda judge: list(judge.ledger.live()),
}


@pytest.fixture(autouse=True)
def restless() -> Iterator[None]:
    """Threads take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def _much(paper: Paper) -> None:
    """Many cases, each with an order of its own, a cancel that gets no answer, and one wrong in its own way."""
    for number in range(_CASES):
        case, order_id = f"paper::case {number}", f"00000000-0000-4000-9000-{number:012d}"
        begin = len(paper.rows)
        paper.place(order(id=order_id))
        paper.cancel(None, order_id=order_id).error = "no answer within 10 s"
        paper.cancel(404, {"error": f"NOT_FOUND_{number}"}, order_id=order_id)
        for exchange in paper.rows[begin:]:
            exchange.case = case


@pytest.mark.parametrize("asked", ASKED)
def test_asked_meanwhile(paper: Paper, asked: str) -> None:
    _much(paper)
    judge = Judge(load_contract())
    thread = threading.Thread(target=judge.feed_all, args=(paper.rows,))
    thread.start()
    times = 0
    while thread.is_alive():
        ASKED[asked](judge)
        times += 1
    thread.join()
    alone = Judge(load_contract()).feed_all(paper.rows)
    assert times > 10
    assert judge.tallies == alone.tallies
