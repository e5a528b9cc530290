"""Chapter: Transient refusals. Cancels while the target stops and starts, and what is left afterwards.

Only where the target may be restarted: by the command that `--restart-command` names, or, in the profile
`thorough`, by killing and starting the embedded reference.
"""

from __future__ import annotations

import itertools
import subprocess
import threading
import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from conformance.oracle.ledger import Order, State
from conformance.suite.crossing import cross
from conformance.suite.session import Session
from conformance.target.client import Call, again
from conformance.target.states import OTHER_ACCOUNT, Fills, States
from conformance.target.trouble import NotExercised, Trouble, Undecidable
from conformance.target.venue import Venue

_COMMAND_S = 180.0  # how long a restart command may take
_BACK_S = 60.0  # how long the target may take to serve again after that
_RECOVERY_MS = 400  # stretches the reference's recovery, so that it can be seen
_PACE_S = 0.02
_SECOND_S = 1.1  # after which a time that is taken anew is another one


@pytest.fixture
def restart(conformance_session: Session) -> Callable[[], None] | None:
    """What restarts the target and returns when that is done, or None if we may not."""
    command, reference = conformance_session.settings.restart_command, conformance_session.reference
    if command:
        return lambda: _run(command)
    if reference is not None and conformance_session.options.profile == "thorough":
        return lambda: reference.restart(recovery_delay_ms=_RECOVERY_MS)
    return None


def _run(command: str) -> None:
    """Run the user's command in a shell; its output stays with the user."""
    done = subprocess.run(command, shell=True, timeout=_COMMAND_S, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise Undecidable(f"the restart command exited with {done.returncode}")


@pytest.mark.last
@pytest.mark.exercises("cancel.unavailable.restarting")
def test_restart(venue: Venue, states: States, restart: Callable[[], None] | None) -> None:
    """What was acknowledged before a restart is so after it, and open gtc orders are still there."""
    if restart is None:
        raise NotExercised("needs a target that may be restarted (--restart-command)")
    schemes = itertools.cycle(venue.account("owner").schemes)
    canceled, kept = [states.open("buy"), states.open("sell")], [states.open("buy"), states.open("sell")]
    with_fills = OTHER_ACCOUNT["owner"] in venue.settings.accounts
    if with_fills:
        kept.append(states.filled("buy"))
        canceled.append(states.partially_filled("buy", Fills(improved=("1",), resting=("2",))))
    for order in canceled:
        venue.cancel(order, scheme=next(schemes))
    if with_fills:
        kept.append(states.partially_filled("sell", Fills(improved=("1",), resting=("2",))))
        venue.trades("owner")
    venue.look_all(canceled)  # from here on not a second may differ
    time.sleep(_SECOND_S)
    during = [states.open(side) for side in ("buy", "sell") * 4]
    _cancel_while(venue, during, restart)
    _wait_until_back(venue)
    venue.recorder.note("restart", venue.case)
    for order in (*canceled, *kept, *during):
        venue.look(order)
    if with_fills:
        venue.trades("owner", aim="cancel.effects.fills-kept")
    for order in (*canceled, *kept, *during):
        venue.cancel(order, scheme=next(schemes), aim="cancel.unavailable.restarting")
        venue.look(order)
    if with_fills and canceled[-1].state is State.CANCELED:
        cross(venue, states, canceled[-1])


def _cancel_while(venue: Venue, orders: list[Order], restart: Callable[[], None]) -> None:
    """Cancel the orders one after the other, again and again, until the restart is done."""
    problem: list[BaseException] = []

    def act() -> None:
        try:
            restart()
        except (Undecidable, OSError, RuntimeError, subprocess.SubprocessError) as error:
            problem.append(error)

    thread = threading.Thread(target=act, name="restart")
    with venue.client.new_http() as http:
        # the first is surely acknowledged before the process ends
        venue.client.send(_cancel(venue, orders[0]), http=http)
        thread.start()
        started = time.monotonic()
        for order in itertools.cycle(orders[1:]):
            if not thread.is_alive():
                break
            if order.state in (State.LIVE, State.UNSURE):
                venue.client.send(_cancel(venue, order), http=http)
            time.sleep(_PACE_S if time.monotonic() - started < 5 else 10 * _PACE_S)
    thread.join()
    if problem:
        raise Undecidable(f"the target could not be restarted: {problem[0]}")


def _cancel(venue: Venue, order: Order) -> Call:
    return again(
        venue.cancel_call(order, aim="cancel.unavailable.restarting"), case=venue.case, driver=venue.driver
    )


def _wait_until_back(venue: Venue) -> None:
    """Ask for an order that does not exist: none of ours is judged before the restart is known."""
    deadline = time.monotonic() + _BACK_S
    while True:
        try:
            exchange = venue.get("query_order", f"/spot/orders/{uuid4()}", "owner")
        except Trouble:
            exchange = None
        status = exchange.response.status if exchange is not None and exchange.response is not None else None
        if status is not None and status < 500 and status != 401:
            return
        if time.monotonic() > deadline:
            what = "refuses our credentials" if status == 401 else "does not serve"
            raise Undecidable(f"the target {what} {_BACK_S:g} s after the restart")
        time.sleep(0.5)
