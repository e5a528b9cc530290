"""What cases talk to: place, cancel and look, with the patience that a real network needs.

Passing trouble is retried only where repeating cannot change the meaning: reads, and what was refused without
effect (429, a documented 503). A lost answer to a placing makes the case start over; a lost answer to a cancel
leads to a look at the order, and only a live order is canceled again.
"""

from __future__ import annotations

import copy
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

from conformance import stop
from conformance.oracle.bodies import is_infrastructure, is_transient, try_parse
from conformance.oracle.judge import Judge
from conformance.oracle.ledger import Order, State
from conformance.oracle.lists import items_of
from conformance.oracle.trades import volumes
from conformance.record import Exchange, Take
from conformance.target.book import Book
from conformance.target.client import VERY_FAR_S, Call, Client, again
from conformance.target.convoy import Placing, Weather
from conformance.target.credentials import Credential, Credentials
from conformance.target.market import Band, Rules, of_market
from conformance.target.recover import recover
from conformance.target.settings import Account, Settings
from conformance.target.transport import Transport
from conformance.target.trouble import LimitReached, Trouble, Undecidable

_LATE_LISTS, _LATE_LIST_S = 2, 0.5  # times that a list of fills is waited for in vain, and how many s
_SUSPICIONS = 20  # times in a run that fills are looked at because a stranger seems to trade
SHORT_LIST = 100  # fills: those of a case, or of a race, are among the newest
LONG_LIST = 500  # fills: those of an order that was placed long before are mostly among so many
_HALTS = 40  # refusals of a halted market that are put down to the moment
_ATTEMPTS = 6
_FIRST_ATTEMPTS = 2  # repeats of the very first request while nothing answers at all
_BACKOFF = 0.2  # s, doubled each time: the documented 200, 400, 800 ms
_MAX_WAIT = 5.0  # s
_MAX_RETRY_AFTER = 30.0  # s
_PERSISTENT = 5  # attempts before a refusal that only this request meets counts as lasting
_IMPATIENT_S, _PACES = 0.25, 50  # s, and times a usual answer: so long a cancel is waited for that gets none
_LIKELY_S = 1.0  # s: the same where that is likely, and not certain
_LINGER_S = 2.0  # s in which a cancel must have come that was refused for now and is carried out all the same
_KNOWN = 1  # times that a kind of request must have failed for good before the next of it is tried once only


class Venue:
    """The target with two accounts on it. One `Venue` serves one case at a time (`case`)."""

    def __init__(self, settings: Settings, client: Client, judge: Judge, *, seed: int = 0) -> None:
        self.client, self.judge = client, judge
        self.clock, self.recorder = client.clock, client.recorder
        self.credentials = Credentials(settings, client.clock)
        self.random = random.Random(seed)
        self.case = "setup"
        self.driver = "control"
        self.rules: Rules
        self.band: Band
        self._steps = itertools.count(1)
        self.book: Book | None = None
        self.http: Transport | None = None  # connections of its own
        self.shared = False  # whether other cases may be under way at the same time
        self.placed = 0
        self.has: dict[str, bool] = {}
        self.reached = False
        self.given_up: set[str] = set()
        self.closed: str | None = None  # why no order can be placed at all
        self.suspicions = _SUSPICIONS
        self.late_lists = _LATE_LISTS
        self.halts = _HALTS
        self.lasting: Counter[tuple[object, ...]] = Counter()
        self.weather = Weather()
        self._unhurried = threading.Lock()  # taken by the one cancel of a run that is left alone for a while

    def beside(self, lane: int, book: Book) -> Venue:
        """The same target for cases that overlap with others: resting prices, case and chance of its own."""
        venue = copy.copy(self)
        venue.book, venue.shared = book, True
        venue.random = random.Random(self.random.random())
        venue.band = replace(self.band, lane=lane)
        return venue

    @property
    def is_very_far(self) -> bool:
        """Whether answers take so long that less has to do; the profile `thorough` does everything all the same."""
        header = self.judge.header
        return self.client.pace > VERY_FAR_S and (header is None or header.profile != "thorough")

    @property
    def is_quick(self) -> bool:
        """Whether the run is to be as short as it can be."""
        return self.judge.header is not None and self.judge.header.profile == "quick"

    @contextmanager
    def apart(self) -> Iterator[Venue]:
        """The same venue on fresh connections."""
        with self.client.new_http() as http:
            venue = copy.copy(self)
            venue.http = http
            yield venue

    # ------------------------------------------------------------------ credentials

    @property
    def settings(self) -> Settings:
        """The settings, with the accounts that can be used by now."""
        return self.credentials.settings

    def account(self, name: str) -> Account:
        """As `Credentials.account`."""
        return self.credentials.account(name)

    def credential(self, name: str, scheme: str | None = None) -> Credential:
        """As `Credentials.of`."""
        return self.credentials.of(name, scheme)

    # ------------------------------------------------------------------ sending

    def send(self, call: Call) -> Exchange:
        """Send once, as this case and driver."""
        exchange = self.client.send(again(call, case=self.case, driver=self.driver), self.http)
        self.settle_book()
        return exchange

    def settle_book(self) -> None:
        """Let others have the book if this case has had orders in it, and none of them is left."""
        if self.book is not None and self.book.has(self):
            self.book.settle(self, any(self.band.holds(order.price) for order in self.mine()))

    def done_trading(self) -> None:
        """Let other cases trade: this one's orders only rest from now on (or until it trades with them again)."""
        prices: dict[str, list[Decimal]] = {}
        for order in self.mine():
            if order.price is not None and self.band.holds(order.price):
                prices.setdefault(order.side, []).append(order.price)
        self.band.park({side: (min(levels), max(levels)) for side, levels in prices.items()})

    def settled(self, call: Call, *, repeatable: bool, repeats: int = _ATTEMPTS) -> Exchange:
        """Send until there is an answer of the exchange itself, with `repeats` at most.

        `repeatable` says that sending twice does no harm. Raises Trouble when patience ends or an answer is lost.
        """
        exchange = self.send(call)
        for attempt in range(repeats):
            response = exchange.response
            self.reached = self.reached or response is not None
            if response is not None and not is_infrastructure(response) and not is_transient(response):
                return exchange
            refused = response is not None and (response.status == 429 or is_transient(response))
            if not repeatable and not refused:
                raise Trouble(f"{call.op}: {exchange.error or f'status {response.status if response else 0}'}")
            if (attempt >= _FIRST_ATTEMPTS and response is None and not self.reached) or stop.requested():
                break  # nothing was ever heard from this target, or there is no time left
            self.pause(attempt, exchange)
            exchange = self.send(call)
        raise Trouble(f"{call.op}: still {self._outcome(exchange)} after {attempt + 1} attempts")

    @staticmethod
    def _outcome(exchange: Exchange) -> str:
        if exchange.response is None:
            return exchange.error or "no answer"
        body = try_parse(exchange.response)
        error = body.get("error") if isinstance(body, dict) else None
        return f"{exchange.response.status} {str(error)[:80] if error else ''}".strip()

    def pause(self, attempt: int, exchange: Exchange | None = None) -> None:
        """Wait with backoff and jitter, or as long as `Retry-After` says (30 s at most)."""
        wait = min(_BACKOFF * 2**attempt, _MAX_WAIT) * self.random.uniform(0.8, 1.2)
        if exchange is not None and exchange.response is not None:
            asked = exchange.response.header("retry-after") or ""
            if asked.isdecimal() and len(asked) < 6:
                wait = min(float(asked), _MAX_RETRY_AFTER) + 0.05
        self.client.waited(wait)
        time.sleep(wait)

    def get(
        self, op: str, path: str, name: str, query: str = "", scheme: str | None = None, **more: Any
    ) -> Exchange:
        """Send a read as an account, until there is an answer of the exchange itself."""
        credential = self.credential(name, scheme)
        call = Call(op, "GET", path, query, signer=credential.signer, auth=credential.auth, **more)
        return self.settled(call, repeatable=True)

    # ------------------------------------------------------------------ placing

    def place(
        self,
        side: str,
        price: Decimal | None,
        quantity: Decimal | None,
        *,
        account: str = "owner",
        tif: str | None = "gtc",
        kind: str = "limit",
        quote_quantity: Decimal | None = None,
        takes: list[Take] | None = None,
        aim: str | None = None,
        expect: str | None = None,
        scheme: str | None = None,
    ) -> Order:
        """Place an order and return it as the ledger has it; `takes` are the fills that it must cause.

        Raises Undecidable if the target refuses it, Trouble if an answer was lost or other fills came about.
        """
        exchange = self.new_order(
            side, price, quantity, account, tif, kind, quote_quantity, takes, aim, expect, scheme
        )
        order = self.order_of(exchange)
        makers = [self.judge.ledger.get(take.order) for take in takes or ()]
        if order is None or exchange.response is None:
            self._look_at_all(makers)
            answer = try_parse(exchange.response) if exchange.response else None
            if isinstance(answer, dict) and answer.get("error") == "SELF_TRADE":
                again = "ioc" if kind == "limit" else None, kind, quote_quantity
                self._suspect_clash(lambda: self.new_order(side, price, quantity, account, *again), account)
            refused = f"a {side} by the {account} was refused: {self._outcome(exchange)}"
            if exchange.response is not None and exchange.response.status == 409 and self.halts:
                self.halts -= 1
                raise Trouble(refused)  # the market is halted, perhaps for a moment
            raise Undecidable(refused)
        if not order.exact:
            self.suspect()
            if expect == "filled":
                self._look_at_all(makers)
            raise Trouble("the fills are not those that were planned: somebody else trades here", wait=False)
        return order

    def _look_at_all(self, makers: list[Order | None]) -> None:
        """Are they live as they were, although they did not fill? If not, somebody else may have taken them."""
        for maker in makers:
            if maker is not None:
                self.look(maker)

    def order_of(self, exchange: Exchange) -> Order | None:
        """The order that an answer to New Order shows, as the ledger has it."""
        answer = try_parse(exchange.response) if exchange.response is not None else None
        return self.judge.ledger.get(str(answer.get("id"))) if isinstance(answer, dict) else None

    def suspect(self) -> None:
        """Look at canceled orders that the newest fills name: it may be one of ours that still trades."""
        if self.suspicions <= 0:
            return
        self.suspicions -= 1
        for name in self.settings.accounts:
            for order_id, quantity in volumes(self.trades(name) or []).items():
                order = self.judge.ledger.get(order_id)
                if order is not None and order.state is State.CANCELED and quantity > order.filled:
                    self.look(order)

    def _suspect_clash(self, place: Callable[[], Exchange], account: str) -> None:
        """List the open orders around another attempt, to see what the order would have met."""
        if self.suspicions <= 0:
            return
        self.suspicions -= 1
        self.open_orders(account)
        place()
        self.open_orders(account)

    def new_order(
        self,
        side: str,
        price: Decimal | None,
        quantity: Decimal | None,
        account: str = "owner",
        tif: str | None = "gtc",
        kind: str = "limit",
        quote_quantity: Decimal | None = None,
        takes: list[Take] | None = None,
        aim: str | None = None,
        expect: str | None = None,
        scheme: str | None = None,
    ) -> Exchange:
        """Send a New Order; whatever the target says is the answer. Raises Undecidable where none may be sent."""
        self._count_orders(1)
        call = self.order_call(side, price, quantity, self.credential(account, scheme), tif, kind, quote_quantity)
        call = replace(call, takes=takes, aim=aim, expect=expect)
        if kind == "limit" and tif != "ioc" and not takes and expect is None:
            return self._resting(call)
        return self.settled(call, repeatable=False)

    def _count_orders(self, count: int) -> None:
        """Count orders that are to be placed; raises Undecidable where so many may not be."""
        if self.closed is not None:
            raise Undecidable(self.closed)
        if self.placed + count > self.settings.safety.max_orders:
            raise Undecidable(f"the limit of {self.settings.safety.max_orders} orders is reached")
        self.placed += count

    def send_in_turn(self, placings: Sequence[Placing]) -> list[Exchange]:
        """Send orders one close behind the other (`Client.in_turn`): what comes back is still to be recorded."""
        self._count_orders(len(placings))
        calls = [
            self.order_call(one.side, one.price, one.quantity, self.credential(one.account), one.tif)
            for one in placings
        ]
        return self.client.in_turn([again(call, case=self.case, driver=self.driver) for call in calls], self.http)

    def order_call(
        self,
        side: str,
        price: Decimal | None,
        quantity: Decimal | None,
        credential: Credential,
        tif: str | None = "gtc",
        kind: str = "limit",
        quote_quantity: Decimal | None = None,
    ) -> Call:
        """The call that places an order. Where cases overlap, it waits until it is this one's turn to trade."""
        if self.book is not None and (kind == "market" or self.band.holds(price)):
            self.band.trade(price)
        body: dict[str, Any] = {"symbol": self.rules.symbol, "side": side, "type": kind}
        if tif is not None and kind == "limit":
            body["tif"] = tif
        amounts = {"price": price, "quantity": quantity, "quote_quantity": quote_quantity}
        body.update({key: format(value, "f") for key, value in amounts.items() if value is not None})
        return Call(
            "new_order",
            "POST",
            "/spot/orders",
            body=json.dumps(body),
            signer=credential.signer,
            auth=credential.auth,
        )

    def _resting(self, call: Call) -> Exchange:
        """Place an order that only rests. After a lost answer it is looked for and canceled, and sent anew."""
        for _ in range(_ATTEMPTS):
            try:
                return self.settled(call, repeatable=False)
            except Trouble:
                if not recover(self):
                    raise
        return self.settled(call, repeatable=False)

    # ------------------------------------------------------------------ canceling

    def cancel_call(
        self,
        target: Order | str,
        *,
        by: str = "owner",
        scheme: str | None = None,
        credential: Credential | None = None,
        aim: str | None = None,
        query: str = "",
        headers: Mapping[str, str | None] | None = None,
        body: str | None = None,
        method: str = "DELETE",
        expect: str | None = None,
    ) -> Call:
        """The call that cancels an order, or a raw id (percent-encoded as it shall go out)."""
        credential = credential or self.credential(by, scheme)
        return Call(
            "cancel_order" if method == "DELETE" else "other_method",
            method,
            f"/spot/orders/{target.path_id if isinstance(target, Order) else target}",
            query,
            body,
            headers or {},
            credential.signer,
            credential.auth,
            aim=aim,
            expect=expect,
            limit_s=self._limit_s(),
        )

    def cancel_all_call(self, by: str = "owner", scheme: str | None = None) -> Call:
        """The call that cancels all of an account's orders on the market."""
        credential = self.credential(by, scheme)
        query = self._of_market(None)
        return Call("cancel_all", "DELETE", "/spot/orders", query, signer=credential.signer, auth=credential.auth)

    def _limit_s(self) -> float | None:
        """How long (s) a cancel is waited for, if that is not as long as usual.

        Where no cancel seems to be answered, another one proves nothing in a case that has lost one, or outside of
        cases.
        """
        silence = self.judge.silence
        if silence.is_silent:
            return max(_IMPATIENT_S, _PACES * self.client.usual_s)
        if silence.is_likely and (self.case in silence.met["lost"] or not self.judge.is_under_way(self.case)):
            return max(_LIKELY_S, _PACES * self.client.usual_s)
        return None

    def cancel(self, target: Order | str, **how: Any) -> Exchange:
        """Cancel, with patience; the arguments are those of `cancel_call`.

        After a documented 503 the order is looked at (nothing may have changed) and the cancel repeated. After a
        lost answer it is repeated only if the order is still live. Trouble that only this request meets, while
        others around it are served, is noted for the oracle; then, or when patience ends, raises Undecidable or
        Trouble.
        """
        return self.cancel_by(self.cancel_call(target, **how), target if isinstance(target, Order) else None)

    def cancel_by(self, call: Call, order: Order | None) -> Exchange:
        """As `cancel`, by a call that was made before; it names `order`, or no order of ours."""
        kind = self._kind(call, order)
        patience = self._patience(kind, self.judge.silence.attempts(_PERSISTENT))
        attempts: list[int] = []
        controls: list[int] = []
        while True:
            exchange = self.send(again(call, limit_s=self._limit_s()))
            response = exchange.response
            if response is not None and not is_infrastructure(response) and not is_transient(response):
                if order is not None and order.id in self.judge.pending:
                    self._who_met(order)
                self.lasting[kind] = 0
                return exchange
            attempts.append(exchange.n)
            if order is not None:
                was = order.state
                self._linger(order, exchange)
                self.look(order)
                if was is State.UNSURE and order.state is not State.LIVE:
                    raise self._lost()
            if self.judge.silence.is_certain:
                raise self._lost()
            # not one each time: every other cancel may be refused, whichever it is
            for _ in range(len(attempts) // 2):
                controls += self._control()
            if len(attempts) >= patience:
                break
            self.pause(len(attempts) - 1, exchange)
        situation = f"{call.method} of {'an order that exists' if order else 'this id'}"
        self.recorder.note(
            "persistent", self.case, attempts=attempts, controls=controls, situation=f"{call.aim or situation}"
        )
        self.lasting[kind] += 1
        raise Undecidable(f"a cancel got {self._outcome(exchange)} {len(attempts)} times")

    def _linger(self, order: Order, exchange: Exchange) -> None:
        """Wait once in a run before a cancel that was refused for now is repeated: it may be carried out later."""
        refused = exchange.response is not None and is_transient(exchange.response)
        if not refused or order.state is not State.LIVE or stop.requested():
            return
        if self._unhurried.acquire(blocking=False):
            time.sleep(_LINGER_S)

    @property
    def refuses_for_good(self) -> bool:
        """Whether it is certain that the target refuses some cancels without end, and so waiting is in vain."""
        return self.judge.is_violated("cancel.unavailable.unwarranted")

    def _who_met(self, order: Order) -> None:
        """It is not as it was planned: ask whether somebody else traded with it."""
        self._list_fills({order.account}, [order], SHORT_LIST)
        if order.id in self.judge.pending:
            self.look(order)

    def _list_fills(self, accounts: set[str], waiting: list[Order], limit: int) -> None:
        """List the fills that would explain what orders are like; a target may list them a little later."""
        if waiting and self.late_lists > 0 and not self.settings.embedded:
            time.sleep(_LATE_LIST_S)
        for name in accounts:
            with suppress(Trouble, LimitReached):
                self.trades(name, limit=limit)
        self.late_lists -= any(order.exact for order in waiting)  # in vain: nobody else traded with it

    def _patience(self, kind: tuple[object, ...], most: int) -> int:
        """How often, `most` times at most, a request of this kind is tried that is refused for the time being."""
        if self.lasting[kind] >= _KNOWN:
            return 1
        return 2 if self.refuses_for_good else most

    def _lost(self) -> Exception:
        """What to raise where a cancel was not answered, and repeating it tells nothing."""
        if self.judge.silence.is_certain:
            return Undecidable("cancels are not served here, and all other requests are")
        return Trouble("the answer to a cancel was lost")

    @staticmethod
    def _kind(call: Call, order: Order | None) -> tuple[object, ...]:
        """What tells requests apart that a target may treat differently."""
        by = call.auth.account if call.auth else None
        flaw = call.auth.flaw if call.auth else None
        what = order and (order.account == by, order.state, bool(order.fills), order.side)
        return (call.op, call.aim, flaw, what)

    def _control(self) -> list[int]:
        """Place and cancel another order by plain requests, once: it tells whether the target serves anybody."""
        try:
            order = self.place("buy", self.band.resting("buy"), self.rules.quantity(self.band.resting("buy")))
        except (Trouble, Undecidable):
            return []
        exchange = self.send(self.cancel_call(order, by="owner"))
        if exchange.response is None:
            self.look(order)
        return [exchange.n]

    # ------------------------------------------------------------------ looking

    def look(self, order: Order, scheme: str | None = None) -> Exchange:
        """Query an order as its owner; the oracle compares it with the ledger."""
        return self.get("query_order", f"/spot/orders/{order.path_id}", order.account, scheme=scheme)

    def look_all(self, orders: Iterable[Order]) -> None:
        """Look at several orders, at the same time where answers take long."""
        self.client.together([partial(self.look, order) for order in orders])

    def open_orders(
        self, name: str = "owner", symbol: str | None = None, scheme: str | None = None
    ) -> list[dict[str, Any]] | None:
        """The open orders of an account on a market (ours; "": on all), None if the target does not tell."""
        query = self._of_market(symbol)
        exchange = self.get("open_orders", "/spot/orders", name, query, scheme)
        response = exchange.response
        return items_of(try_parse(response)) if response is not None and response.status == 200 else None

    def _of_market(self, symbol: str | None) -> str:
        """The parameter that asks for a market, ours without a name; none for the empty one, of all markets."""
        return of_market(self.rules.symbol if symbol is None else symbol)

    def trades(
        self,
        name: str = "owner",
        aim: str | None = None,
        limit: int = SHORT_LIST,
        window: str = "",
        *,
        symbol: str | None = None,
        scheme: str | None = None,
    ) -> list[dict[str, Any]] | None:
        """The newest own fills of an account on a market (ours; "": on all), None if the target does not tell.

        `window` has further parameters: those of a span of time.
        """
        query = "&".join(filter(None, (self._of_market(symbol), f"limit={limit}{window}")))
        exchange = self.get("my_trades", "/spot/trades/me", name, query, scheme, aim=aim)
        response = exchange.response
        return items_of(try_parse(response)) if response is not None and response.status == 200 else None

    def ask_who_traded(self) -> None:
        """List the fills that findings wait for (of this case, beside others): it may have been a stranger."""
        orders = [
            self.judge.ledger.get(order_id)
            for order_id, suspicion in list(self.judge.pending.items())
            if not self.shared or suspicion.is_of(self.case)
        ]
        waiting = [order for order in orders if order is not None]
        self._list_fills({order.account for order in waiting}, waiting, LONG_LIST)

    # ------------------------------------------------------------------ around a case

    def restart(self, case: str, driver: str = "suite") -> None:
        """Begin a case (again)."""
        self.case, self.driver = case, driver

    def mine(self) -> Iterator[Order]:
        """The orders of this case that may still be live."""
        return (order for order in list(self.judge.ledger.live()) if order.case == self.case)

    def sweep(self, which: Callable[[Order], bool] | None = None) -> int:
        """Cancel what is left of this case (or what `which` picks); how many could not be.

        Orders are looked up by query when an answer is lost, so nothing stays open unnoticed. Waiting helps against
        trouble only: an order whose cancel is refused for good is tried once more, at once, and then given up until
        the end of the run; if it is picked again, it is tried once.
        """
        driver, self.driver = self.driver, "cleanup"
        if self.client.journal.unanswered(self.case if self.shared else None):
            recover(self)
        picked = list(self.judge.ledger.live()) if which else [o for o in self.mine() if o.id not in self.given_up]
        picked = [order for order in picked if which is None or which(order)]
        left = [order for order in picked if order.state in (State.LIVE, State.UNSURE)]
        self.client.together([partial(self._end, order) for order in left])
        left = [order for order in left if order.state in (State.LIVE, State.UNSURE)]
        self.given_up.update(order.id for order in left)
        self.driver = driver
        return len(left)

    def _end(self, order: Order) -> None:
        refusals = 0
        call = self.cancel_call(order, by=order.account)
        kind = ("end", *self._kind(call, order))
        patience = 1 if order.id in self.given_up else self._patience(kind, _ATTEMPTS)
        for attempt in range(patience):
            with suppress(Trouble):
                response = self.send(again(call, limit_s=self._limit_s())).response
                settled = response is not None and not (is_infrastructure(response) or is_transient(response))
                refusals += settled
                if order.state in (State.LIVE, State.UNSURE):
                    self.look(order)
            if order.state not in (State.LIVE, State.UNSURE) or refusals >= 2:
                self.lasting[kind] = 0
                break
            if not refusals and not (self.judge.silence.is_silent or self.judge.silence.is_likely):
                self.pause(attempt)
        else:
            self.lasting[kind] += not refusals  # the next one is not waited for as long

    def step(self) -> int:
        """A small number that differs from call to call, to keep resting prices apart."""
        return next(self._steps) % 50
