"""Orders that get old while other cases run, for the checks that need seconds to pass."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from conformance.oracle.ledger import Order, State
from conformance.record import Auth
from conformance.suite.jwt_flaws import JWT_FLAWS, spoiled_jwt
from conformance.suite.key_flaws import wrongly_signed
from conformance.target.credentials import Credential
from conformance.target.signing import ApiKeyAuth
from conformance.target.states import OTHER_ACCOUNT, States
from conformance.target.trouble import NotExercised, Trouble, Undecidable
from conformance.target.venue import LONG_LIST, Venue

AGE = 3.4  # s: longer than the two whole seconds by which times may seem off, and the round trips
_OLDEST = 5.3  # s: longer than a signed request is good for
_FIRST = "the other user's"  # whose credential has tried to cancel the witness that is canceled itself
_FEWEST = 2  # witnesses, each of which costs several requests
_CASE = "aged::provide"  # whose orders they are until they are asked for
_STALE_MS, _PATIENCE_MS = 5300, 4000  # how old a timestamp is refused; how long that is waited for
_GONE = 1.5  # s after which an order that has ended must be as it was, and another second has begun
KINDS = ("open buy", "open sell post_only", "partially filled buy", "partially filled sell")
NEAR = ("near buy", "near sell")  # open, and placed after those above, at better prices: they can be filled


def _wait_until(moment: float) -> None:
    """Return when that moment (monotonic, s) has come."""
    time.sleep(max(0.0, moment - time.monotonic()))


class Aged:
    """A set of orders, of each kind for each credential, placed when the run begins, and some that end then.

    `witnesses` are more of them, of which the first is canceled after all others: what others do must not change
    them. Somebody has tried to cancel each: another user by each credential, one without any, one by a wrong one.
    """

    def __init__(self, venue: Venue, states: States) -> None:
        self.venue, self.states = venue, states
        self._orders: dict[tuple[str, str], Order] = {}
        self._given: set[tuple[str, str]] = set()  # handed out: another one would only be in the way
        self._problem: dict[str, Exception] = {}
        self._steps = {"buy": 0, "sell": 0}
        self._canceled: list[Order] = []
        self._ended: list[Order] = []
        self.windows: list[str] = []  # spans of time in which an order had its fills that was canceled since
        self._witnesses: dict[str, Order] = {}
        self._signed_ms: int | None = None  # the timestamp of a signed query that was accepted
        self._few = False  # whether they are placed when asked for, one at a time
        self._lock = threading.Lock()

    def on(self, venue: Venue, states: States) -> Aged:
        """The same orders, for a case that overlaps with others on a venue of its own."""
        aged = copy.copy(self)
        aged.venue, aged.states = venue, states
        return aged

    def provide(self) -> None:
        """Place the orders. What cannot be had is told when it is asked for."""
        self.venue.restart(_CASE)
        # in a tight book they would be in the way of other cases, and are placed when asked for instead
        for kinds in (KINDS, NEAR) if self.venue.band.edge else (KINDS[:2],):
            self._provide(kinds)
            if any(isinstance(self._problem.get(kind), Trouble) for kind in kinds):
                self._provide(kinds)  # once more what is lacking
        self._make_room()
        refused = self._refused_credentials()[: _FEWEST if self.venue.is_quick else None]
        witnesses = [partial(self._provide_witness, *one) for one in refused]
        looks = [partial(self._look, order) for (kind, _), order in self._orders.items() if kind in KINDS]
        tasks: list[Callable[[], None]] = [*witnesses, self._provide_signed, self._provide_canceled, *looks]
        self.venue.client.together(tasks)
        self._tidy()

    def _refused_credentials(self) -> list[tuple[str, str, Callable[[], Credential]]]:
        """A name, the side of the order, and the credential that may not cancel it."""
        venue = self.venue
        return [
            (_FIRST, "sell", lambda: venue.credential("counterparty")),
            ("none", "sell", lambda: spoiled_jwt(venue, JWT_FLAWS[0])),
            (
                "the other user's second",
                "buy",
                lambda: venue.credential("counterparty", venue.account("counterparty").schemes[-1]),
            ),
            ("wrong", "buy", lambda: wrongly_signed(venue, venue.account("owner").schemes[-1])),
        ]

    def _look(self, order: Order) -> None:
        """Have its times seen early: nothing that is done from then on until it is asked for may move them."""
        with suppress(Trouble):
            self.venue.look(order)

    def _provide_witness(self, name: str, side: str, credential: Callable[[], Credential]) -> None:
        with suppress(Trouble, Undecidable, NotExercised):
            order = self._witnesses[name] = self.states.open(side)
            self.venue.look(order)
            self.venue.cancel(order, credential=credential())  # what comes of it may come later

    def _make_room(self) -> None:
        """Keep none ahead where placing them is refused: an account may have few open orders there."""
        self._few = any(isinstance(problem, Undecidable) for problem in self._problem.values())
        if self._few:
            self._orders.clear()
            self._problem.clear()
            self._tidy()

    @property
    def witnesses(self) -> list[Order]:
        """All, as far as they could be had."""
        return list(self._witnesses.values())

    def _provide_signed(self) -> None:
        with suppress(Trouble, Undecidable, NotExercised):
            self.venue.credential("owner", "api_key")
            order, stamp_ms = self.states.open("buy"), self.venue.clock.stamp_ms()
            answer = self.venue.cancel(order, credential=self._signed_at(stamp_ms, Auth("owner", "api_key")))
            if answer.response is not None and answer.response.status == 200:
                self._signed_ms = stamp_ms

    def _signed_at(self, stamp_ms: int, auth: Auth) -> Credential:
        return Credential(auth, ApiKeyAuth(self.venue.account("owner"), lambda: stamp_ms))

    def _provide_canceled(self) -> None:
        for _ in range(1 if self.venue.is_quick or self.venue.is_very_far else 2):
            with suppress(Trouble, Undecidable, NotExercised):
                self._canceled.append(self._cancel())
        with suppress(Trouble, Undecidable, NotExercised):
            self.windows = self._cancel_filled()
        with suppress(Trouble, Undecidable, NotExercised):
            self._ended = self._end()

    def _provide(self, kinds: tuple[str, ...], scheme: str | None = None) -> None:
        """Place what is not there of these kinds, for each credential or for one."""
        schemes = self.venue.account("owner").schemes if scheme is None else [scheme]
        self.venue.client.together([partial(self._provide_one, kind, schemes) for kind in kinds])
        self._tidy()

    def _tidy(self) -> None:
        """Cancel what was placed and did not become what it should be: others would meet it."""
        kept = {order.id for order in (*self._orders.values(), *self.witnesses)}
        self.venue.sweep(lambda order: order.case == _CASE and order.id not in kept)

    def _provide_one(self, kind: str, schemes: list[str]) -> None:
        for scheme in schemes:
            if self._is_there(kind, scheme) or (kind, scheme) in self._given:
                continue
            try:
                order = self._orders[kind, scheme] = self._make(kind)
                order.case = _CASE
            except (Trouble, Undecidable, NotExercised) as problem:
                self._problem[kind] = problem

    def _is_there(self, kind: str, scheme: str) -> bool:
        order = self._orders.get((kind, scheme))
        return order is not None and order.state is State.LIVE

    def _cancel(self) -> Order:
        (price,) = self.venue.band.levels(1)
        order = self.states.open("buy", price=price, quantity=self.states.units("1"))
        self.venue.cancel(order)
        return order

    def _cancel_filled(self) -> list[str]:
        """Cancel an order that has fills; the spans of time in which these are listed by themselves.

        A list of the newest ones would soon be without them. Many others may be in the same second.
        """
        order = self.states.partially_filled("buy")

        def listed(window: str = "") -> list[int]:
            rows = self.venue.trades("owner", limit=LONG_LIST, window=window) or []
            found = [row.get("ts") for row in rows if str(row.get("order_id")).lower() == order.id]
            return [ts for ts in found if isinstance(ts, int)]

        times = listed()
        # a list may be without the last second of the span, and by its length one of them may be a page
        windows = [f"&start={min(times)}&end={max(times) + more}" for more in (0, 1)] if times else []
        lists = self.venue.client.together([partial(listed, window) for window in windows])
        windows = [window for window, found in zip(windows, lists, strict=True) if len(found) == len(times)]
        self.venue.cancel(order)
        return windows

    def _end(self) -> list[Order]:
        return [self.states.filled("sell"), self.states.ioc_remainder("buy", filled=True)]

    def canceled(self) -> Order:
        """An order that was canceled a while ago, at a price of the band; it is handed out once."""
        order = self._canceled.pop() if self._canceled else None
        if order is None or order.state is not State.CANCELED or order.canceled is None:
            order = self._cancel()
        if order.canceled is None:
            raise Undecidable("the order that was to be canceled a while ago was not")
        order.case = self.venue.case
        _wait_until(order.canceled[1] + _GONE)
        return order

    def ended(self) -> list[Order]:
        """Orders that have ended otherwise than by a cancel, a while ago."""
        if not self._ended:
            self._ended = self._end()
        last = max(order.placed[1] for order in self._ended)
        _wait_until(last + _GONE)
        return self._ended

    def replayed(self) -> Credential:
        """The credential of a request that was accepted when the run began, and is too old by now."""
        if self._signed_ms is None:
            raise NotExercised("no signed query was accepted when the run began")
        clock, stamp_ms = self.venue.clock, self._signed_ms
        low, high = clock.interval
        rest_ms = stamp_ms + _STALE_MS + (high - low) * 1000 - clock.now_ms()
        if rest_ms > _PATIENCE_MS:
            raise NotExercised("the target's clock is not known well enough to tell when a timestamp is too old")
        time.sleep(max(0.0, rest_ms / 1000))
        how = f"timestamp -{clock.now_ms() - stamp_ms} ms"
        return self._signed_at(stamp_ms, Auth("owner", "api_key", "cancel.key.timestamp.stale", how=how))

    def oldest(self) -> Order:
        """The first witness, or another order if it was lost, once it is older than a signed request may get."""
        order = self._witnesses.get(_FIRST)
        if order is None or order.state is not State.LIVE:
            order = self._witnesses[_FIRST] = self.states.open("sell")
        order.case = self.venue.case
        _wait_until(order.placed[1] + _OLDEST)
        return order

    def _make(self, kind: str) -> Order:
        side = "sell" if "sell" in kind else "buy"
        if kind.startswith("open"):
            return self.states.open(side, tif="post_only" if kind.endswith("post_only") else "gtc")
        band, step = self.venue.band, self._steps[side]
        self._steps[side] += 1
        # at the edge of the band, each better than the one before, so that later cases never meet them
        shift = band.rules.tick * step
        price = band.low_edge + shift if side == "buy" else band.high_edge - shift
        self.venue.account(OTHER_ACCOUNT["owner"])
        if kind in NEAR:
            return self.states.open(side, price=price, quantity=self.states.units("3"))
        return self.states.rested(side, price, self.states.units("6"), [self.states.units("2")])

    def get(self, kind: str, scheme: str) -> Order:
        """The aged order of this kind that is meant for this credential, old enough; it is handed out once.

        If it was lost on the way, another is placed and waited for, and so are the others that were: it is likely
        that they will be asked for next. In a tight book these would be in the way of other cases, and are not.
        Raises what kept it from being placed.
        """
        self.venue.credential("owner", scheme)
        with self._lock:
            if not self._is_there(kind, scheme):
                problem = self._problem.get(kind)
                # what other cases under way have kept from being placed can be placed alone
                if isinstance(problem, NotExercised) or (isinstance(problem, Undecidable) and self.venue.shared):
                    raise problem
                self._given.discard((kind, scheme))
                if self.venue.band.edge and not self._few:
                    self._provide(NEAR if kind in NEAR else KINDS)
                else:
                    self._provide((kind,), scheme)
            order = self._orders.pop((kind, scheme), None)
            self._given.add((kind, scheme))
        if order is None:
            raise self._problem[kind]
        order.case = self.venue.case
        _wait_until(order.placed[1] + AGE)
        return order
