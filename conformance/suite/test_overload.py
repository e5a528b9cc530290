"""Chapter: Transient refusals. A bounded burst that fills the engine's backlog. Only with `--overload`."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest

from conformance.oracle.amounts import decimal_of
from conformance.oracle.bodies import try_parse
from conformance.oracle.ledger import Order, State
from conformance.suite.session import Session
from conformance.target.client import Call, again, at_once
from conformance.target.states import States
from conformance.target.transport import Transport
from conformance.target.trouble import NotExercised, Trouble, Undecidable
from conformance.target.venue import Venue

_WAVES = (16, 48, 128)  # connections that act at once, until the target is busy
_ORDERS = 32  # of them that cancel an order of their own; the others cancel one that has ended
_TIMES = 3  # requests of each connection in a row
_POOL = 32  # connections that one client keeps open
_BACKOFF = (0.2, 0.4, 0.8, 1.6, 3.2)  # s; the first three are the documented ones
_ids = itertools.count(1)


@pytest.mark.last
@pytest.mark.exercises(
    "cancel.unavailable.busy",
    "cancel.unavailable.form",
    "cancel.unavailable.no-effect",
    "cancel.unavailable.transient",
)
def test_overload(venue: Venue, states: States, conformance_session: Session) -> None:
    """ENGINE_BUSY has no effect and passes; nothing hangs, and nothing is acknowledged without effect."""
    if not conformance_session.options.overload:
        raise NotExercised("a burst is made on request only (--overload)")
    most = 0
    for wave in _WAVES:
        most = wave
        if _burst(venue, states, wave):
            # once more: what happens in one burst may be chance
            _burst(venue, states, wave)
            return
    raise NotExercised(f"the target never became busy, with {most} cancels at once")


def _burst(venue: Venue, states: States, size: int) -> bool:
    """One burst over `size` connections, and the recovery from it. Whether the target was busy, or gave way."""
    ended = states.canceled("buy")
    orders = [states.open(side) for side, _ in zip(itertools.cycle(["buy", "sell"]), range(_ORDERS), strict=False)]
    name = f"burst {next(_ids)}"
    schemes = itertools.cycle(venue.account("owner").schemes)
    targets = [*orders, *itertools.repeat(ended, max(0, size - len(orders)))]
    calls = [
        again(venue.cancel_call(order, scheme=next(schemes)), case=venue.case, driver="overload", race=name)
        for order in targets
    ]
    ballast = again(venue.cancel_call(ended), case=venue.case, driver="overload", race=name)
    with _connections(venue, size, ended) as https:
        _at_once(venue, https, calls, ballast)
    venue.recorder.note("burst-end", venue.case, race=name, connections=size)
    _, _, busy, hung = venue.judge.bursts[-1]
    _recover(venue, orders)
    return bool(busy or len(hung) > 1)


@contextmanager
def _connections(venue: Venue, size: int, order: Order) -> Iterator[list[Transport]]:
    """A client for each runner, `_POOL` runners to a client, with their connections open."""
    with ExitStack() as stack:
        clients = [stack.enter_context(venue.client.new_http()) for _ in range(0, size, _POOL)]
        https = [clients[i // _POOL] for i in range(size)]
        credential = venue.credential(order.account)
        look = Call(
            "query_order",
            "GET",
            f"/spot/orders/{order.path_id}",
            signer=credential.signer,
            auth=credential.auth,
            case=venue.case,
            driver="overload",
        )
        _together(size, lambda i: venue.client.send(look, http=https[i]))
        yield https


def _at_once(venue: Venue, https: Sequence[Transport], calls: Sequence[Call], ballast: Call) -> None:
    """Each connection sends its cancel and then a few that find their order ended, which is work for the engine."""

    def act(i: int) -> None:
        if i < len(calls):
            venue.client.send(calls[i], http=https[i])
        for _ in range(_TIMES - 1):
            venue.client.send(ballast, http=https[i])

    _together(len(https), act)


def _together(count: int, act: object) -> None:
    assert callable(act)
    barrier = threading.Barrier(count)

    def run(i: int) -> None:
        barrier.wait(30)
        act(i)

    with ThreadPoolExecutor(count, thread_name_prefix="burst") as pool:
        try:
            at_once(pool, [partial(run, i) for i in range(count)])
        except threading.BrokenBarrierError:
            raise Undecidable(f"{count} threads could not be started together here") from None


def _recover(venue: Venue, orders: Sequence[Order]) -> None:
    """Everything works again: acknowledged orders are canceled, refused ones are as before and can be canceled."""
    time.sleep(_BACKOFF[0])
    for order in orders:
        venue.look(order)
    left = [order for order in orders if order.state is State.LIVE]
    for order in left:
        _cancel_patiently(venue, order, [other for other in left if other is not order])


def _cancel_patiently(venue: Venue, order: Order, others: Sequence[Order]) -> None:
    attempts, waited = [], 0.0
    for pause in (0.0, *_BACKOFF):
        time.sleep(pause)
        waited += pause
        exchange = venue.send(venue.cancel_call(order))
        if exchange.response is not None and exchange.response.status == 503:
            attempts.append(exchange.n)
            venue.look(order)
            if order.state is not State.LIVE:
                return
            continue
        if exchange.response is None:
            raise Trouble("the answer to a cancel was lost")
        venue.look(order)
        return
    controls = [venue.send(venue.cancel_call(other)).n for other in others[:3]]
    depth = _queue_depth(venue)
    venue.recorder.note(
        "unrecovered",
        venue.case,
        order=order.id,
        attempts=attempts,
        controls=controls,
        waited=waited,
        idle=depth == 0,
    )
    raise Undecidable(f"a cancel is still refused with 503 {waited:g} s after a burst (queue depth {depth})")


def _queue_depth(venue: Venue) -> float | None:
    """How many commands wait, as the target tells; None if it does not."""
    exchange = venue.settled(Call("health", "GET", "/spot/health"), repeatable=True)
    body = try_parse(exchange.response) if exchange.response is not None else None
    depth = body.get("queue_depth") if isinstance(body, dict) else None
    number = decimal_of(str(depth))
    return float(number) if number is not None else None
