"""Chapter: API key and signature, the ±5000 ms window, found by measuring where it ends.

Where the window ends on either side is found by halving, which needs no knowledge of the target's clock: the two
ends of a ±5000 ms window lie 10000 ms apart, whatever the clock. What the clock adds is whether the window sits
around the target's time; it is compared with the target's `Date`, which is known to within a second or two.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest

from conformance.oracle.ledger import Order
from conformance.record import Auth
from conformance.target.credentials import Credential
from conformance.target.signing import ApiKeyAuth
from conformance.target.states import States
from conformance.target.trouble import Trouble
from conformance.target.venue import Venue

WINDOW = 5000  # ms, on either side
_PROMPT_S, _PACES = 0.25, 4  # s, and times a usual answer: so long an answer may take
_TRIES = 4


def _credential(
    venue: Venue, offset: float, shift: int, *, flaw: str | None = None, either: bool = False
) -> Credential:
    """The owner's good API key with a timestamp that is `shift` ms from the time of a clock `offset` s from ours.

    That is not `venue.clock`, which other answers may set in the meantime.
    """
    account = venue.account("owner")
    signer = ApiKeyAuth(account, lambda: int((time.time() + offset) * 1000) + shift)
    return Credential(Auth("owner", "api_key", flaw, either, f"timestamp {shift:+d} ms"), signer)


class Edges:
    """Where the target's window ends, in ms from our idea of its time, and how surely."""

    def __init__(self, venue: Venue, order: Order) -> None:
        self.venue, self.order = venue, order
        self.offset = venue.clock.offset
        self.slowest = 0.0

    def accepts(self, shift: int) -> bool:
        """Whether a timestamp this far (ms) from the target's time is accepted; asked about a canceled order.

        An answer that takes much longer than usual tells little, so it is asked again then.
        """
        for _ in range(_TRIES):
            began = time.monotonic()
            exchange = self.venue.cancel(
                self.order, credential=_credential(self.venue, self.offset, shift, either=True)
            )
            took = time.monotonic() - began
            if took <= max(_PROMPT_S, _PACES * self.venue.client.pace):
                break
        self.slowest = max(self.slowest, took * 1000)
        return exchange.response is not None and exchange.response.status != 401

    def find(self, inside: int, outside: int, precision: int) -> int:
        """The last accepted shift on the way from `inside` to `outside`, to `precision` ms."""
        if not self.accepts(inside):
            return inside
        if self.accepts(outside):
            return outside
        while abs(outside - inside) > precision:
            middle = (inside + outside) // 2
            if self.accepts(middle):
                inside = middle
            else:
                outside = middle
        return inside


def _by_orders(orders: Iterable[Order]) -> list[tuple[float, float]]:
    """Lowest and highest offset of the target's clock in ms by the created_at of all orders; empty if unknown.

    A second D, shown for a placing between t0 and t1, says D ≤ the target's time < D + 2 then, as for `Date`.
    """
    to_unix = time.time() - time.monotonic()
    seen = [(o.created_at, *o.placed) for o in orders if o.created_at is not None]
    low = max((created - t1 - to_unix for created, _, t1 in seen), default=0.0)
    high = min((created + 2 - t0 - to_unix for created, t0, _ in seen), default=-1.0)
    return [(low * 1000, high * 1000)] if low <= high else []


@pytest.mark.long
@pytest.mark.exercises("cancel.key.timestamp.window-inside", "cancel.key.timestamp.window-outside")
def test_window(venue: Venue, states: States) -> None:
    """Just inside ±5000 ms is accepted and just outside is refused, on the target's clock.

    The clock is the middle of the measured window when that agrees with `Date`, or with the times of orders (a
    gateway may write its own `Date`); the margins are what the measurement leaves uncertain.
    """
    venue.credential("owner", "api_key")
    edges = Edges(venue, states.canceled())
    ahead = edges.find(0, 40_000, 20)
    behind = edges.find(0, -40_000, 20)
    low, high = (bound * 1000 for bound in venue.clock.interval)
    offset = edges.offset * 1000
    middle = (ahead + behind) / 2
    # the window's middle is the target's time if that is possible at all by what it shows; else Date is believed
    shown_by = [(low, high)] if venue.clock.samples else []
    shown_by += _by_orders(list(venue.judge.ledger.orders.values()))
    possible = not shown_by or any(first - 500 <= offset + middle <= last + 500 for first, last in shown_by)
    shown = 0.0 if low <= offset <= high else (low + high) / 2 - offset
    centre = middle if possible else shown
    margin = int(60 + edges.slowest + (0 if possible else (high - low) / 2))
    if margin > 3000:
        raise Trouble("the way to the target is too slow to tell where the window ends")
    # the margin has room for as long as an answer has taken so far; of one that takes longer nothing is concluded
    prompt = f"within {int(edges.slowest + 10)} ms"
    order = states.open()
    for shift, inside in (
        (WINDOW - margin, True),
        (-WINDOW + margin, True),
        (WINDOW + margin, False),
        (-WINDOW - margin, False),
    ):
        requirement = f"cancel.key.timestamp.window-{'inside' if inside else 'outside'}"
        flaw = None if inside else requirement
        if inside:
            fresh = states.open()
            good = _credential(venue, edges.offset, int(centre) + shift)
            venue.cancel(fresh, credential=good, aim=requirement, expect=prompt)
        else:
            bad = _credential(venue, edges.offset, int(centre) + shift, flaw=flaw)
            venue.cancel(order, credential=bad, expect=prompt)
            venue.look(order)
    venue.cancel(order, scheme="api_key")
