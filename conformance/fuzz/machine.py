"""Any sequence of operations by both accounts, against the ledger, by Hypothesis' rule-based state machine.

Before each placing the fills that it must cause are planned (`matching`), so that the ledger is exact. Every answer
is judged by the oracle; a step fails when the oracle found a MUST broken, and then Hypothesis looks for a shorter
sequence. That runs on the live target, so it is bounded. Trouble (a lost answer, a stranger's trade) abandons the
example: its other steps do nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import wraps
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.database import ExampleDatabase
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from conformance.fuzz.matching import Plan, plan
from conformance.fuzz.watch import Watch
from conformance.oracle.amounts import plain
from conformance.oracle.ledger import Order, State
from conformance.record import Exchange
from conformance.target.states import OTHER_ACCOUNT, OTHER_SIDE, States
from conformance.target.trouble import Trouble, Undecidable
from conformance.target.venue import Venue

EXERCISES = (
    "cancel.success.open",
    "cancel.success.partially-filled",
    "cancel.errors.forbidden",
    "cancel.errors.not-found.canceled",
    "cancel.fields.filled-qty",
    "cancel.fields.avg-fill-price",
    "cancel.effects.final",
    "cancel.effects.own-orders",
)
# examples, steps in each, and seconds on a distant target, where fewer and shorter examples have to do
BUDGETS = {"quick": (6, 12, 2.5), "standard": (25, 16, 2.5), "thorough": (120, 25, 180)}
_REQUESTS = 2.9  # in a step, about
_SHORTEST = 8  # steps
_SIMPLEST = 2  # examples that Hypothesis begins with, all of whose steps are alike; left out where few are sent
_LEVELS = 4
_BESIDE = 3  # orders at the same price that are looked at after a cancel
_SHRINK_RUNS, _SHRINK_S = 200, 10  # examples, and seconds of requests, that may go into a shorter failure

ACCOUNTS = st.sampled_from(["owner", "counterparty"])
SCHEMES = st.sampled_from(["jwt", "api_key"])
SIDES = st.sampled_from(["buy", "sell"])
LEVELS = st.integers(0, _LEVELS - 1)
UNITS = st.sampled_from(["1", "2", "3", "2.37", "12"])
WHICH = st.integers(0, 15)


class Broken(Exception):
    """The oracle found that a step broke a MUST."""


@dataclass
class Campaign:
    """One run of the machine: what all its examples share. `story` is the shortest failing sequence so far.

    The first examples, `simplest` of them, are not carried out.
    """

    venue: Venue
    states: States
    counts: Counter[str] = field(default_factory=lambda: Counter(examples=0, steps=0, abandoned=0))
    wanted: set[str] = field(default_factory=set)
    story: list[str] = field(default_factory=list)
    runs_after: int = 0
    shrink_runs: int = _SHRINK_RUNS
    simplest: int = 0

    @property
    def exhausted(self) -> bool:
        """Whether no more examples may be spent on making the failure shorter."""
        return bool(self.wanted) and self.runs_after > self.shrink_runs


def explore(
    venue: Venue, states: States, profile: str, seed_: int, database: ExampleDatabase | None = None
) -> Campaign:
    """Run the machine as `venue`'s case; its counts, and the shortest failing sequence if there was one.

    With a `database` the sequences that failed earlier, or elsewhere, come first. What was found is in the judge.
    Raises Undecidable if more than half of the examples were abandoned.
    """
    budget, steps, seconds = BUDGETS.get(profile, BUDGETS["standard"])
    pace = max(venue.client.pace * _REQUESTS, 1e-9)  # s, of a step
    steps = max(_SHORTEST, min(steps, int(seconds / pace)))
    lasting = pace * steps  # s, of one example
    examples = max(1, min(budget, int(seconds / lasting)))
    simplest = _SIMPLEST if examples < budget and database is None else 0
    shrink_runs = min(_SHRINK_RUNS, int(_SHRINK_S / lasting))
    campaign = Campaign(venue, states, shrink_runs=shrink_runs, simplest=simplest)
    bound = seed(seed_)(type("Trading", (Machine,), {"campaign": campaign}))
    config = settings(
        max_examples=examples + simplest,
        stateful_step_count=steps,
        database=database,
        deadline=None,
        phases=[Phase.reuse, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        print_blob=False,
    )
    # the oracle has what was found; Flaky: it did not come again, or making it shorter was cut off
    with suppress(Broken, Flaky):
        run_state_machine_as_test(bound, settings=config)
    venue.recorder.note("driver", venue.case, driver="state-machine", **campaign.counts)
    venue.judge.troubled.discard(venue.case)  # examples that met trouble were abandoned
    if campaign.counts["abandoned"] * 2 > campaign.counts["examples"]:
        raise Undecidable(f"{campaign.counts['abandoned']} of {campaign.counts['examples']} sequences met trouble")
    return campaign


Step = Callable[..., None]


def _step(method: Step) -> Step:
    """A rule of the machine: does nothing in an abandoned example, and fails when the oracle found something."""

    @wraps(method)
    def guarded(self: Machine, **drawn: Any) -> None:
        if self.over:
            return
        self.campaign.counts["steps"] += 1
        try:
            method(self, **drawn)
        except (Trouble, Undecidable) as trouble:
            self.abandon(str(trouble))
        self.check()

    return guarded


class Machine(RuleBasedStateMachine):
    """Two accounts trade. `campaign` is set by `explore`."""

    campaign: Campaign

    def __init__(self) -> None:
        super().__init__()
        campaign = self.campaign
        self.venue, self.states = campaign.venue, campaign.states
        self.over = campaign.exhausted or campaign.simplest > 0
        campaign.simplest -= campaign.simplest > 0
        self.orders: list[Order] = []
        self.names: dict[str, str] = {}
        self.story: list[str] = []
        if not self.over:
            campaign.counts["examples"] += 1
            campaign.runs_after += bool(campaign.wanted)
        self.begin = self.venue.recorder.next_number
        self.watch = Watch(self.venue.judge)
        self.prices = self.venue.band.levels(_LEVELS, gap=7)

    # ------------------------------------------------------------------ rules

    @rule(
        account=ACCOUNTS,
        side=SIDES,
        level=LEVELS,
        units=UNITS,
        tif=st.sampled_from(["gtc", "ioc", "post_only"]),
        scheme=SCHEMES,
    )
    @_step
    def place(self, account: str, side: str, level: int, units: str, tif: str, scheme: str) -> None:
        """Place a limit order."""
        self.put(account, side, self.prices[level], self.states.units(units), tif, scheme)

    @rule(account=ACCOUNTS, side=SIDES, level=LEVELS, count=st.integers(2, 4), scheme=SCHEMES)
    @_step
    def pile(self, account: str, side: str, level: int, count: int, scheme: str) -> None:
        """Place several orders at one price."""
        for _ in range(count):
            self.put(account, side, self.prices[level], self.states.units("2"), "gtc", scheme)

    @precondition(lambda self: self.over or self.has(State.LIVE))
    @rule(account=ACCOUNTS, side=SIDES, units=st.sampled_from(["1", "2"]), scheme=SCHEMES)
    @_step
    def market(self, account: str, side: str, units: str, scheme: str) -> None:
        """Trade at any price, where our own orders are surely enough for it."""
        quantity = self.states.units(units)
        found = plan(account, side, None, quantity, self.book())
        if found.meets_own or not found.fills or found.rest > 0:
            return
        if side == "sell":
            self.put(account, side, None, quantity, None, scheme)
        elif len(found.makers) == 1:
            price = found.makers[0].price or Decimal(0)
            self.put(account, side, None, quantity, None, scheme, quote=price * quantity)

    @precondition(lambda self: self.over or self.has(State.LIVE))
    @rule(which=WHICH, times=st.integers(1, 8), scheme=SCHEMES)
    @_step
    def nibble(self, which: int, times: int, scheme: str) -> None:
        """Take from the order that is first in line at a live order's price, bit by bit."""
        if order := self.pick(which, lambda order: order.state is State.LIVE):
            self.take_from(order, times, scheme)

    @rule(account=ACCOUNTS, side=SIDES, level=LEVELS, times=st.integers(1, 10), scheme=SCHEMES)
    @_step
    def large(self, account: str, side: str, level: int, times: int, scheme: str) -> None:
        """Place a large order and take from it many times."""
        order = self.put(account, side, self.prices[level], self.states.units("12"), "gtc", scheme)
        if order is not None:
            self.take_from(order, times, scheme)

    @precondition(lambda self: self.over or self.has(State.LIVE))
    @rule(which=WHICH, scheme=SCHEMES)
    @_step
    def cancel(self, which: int, scheme: str) -> None:
        """Cancel a live order as its owner."""
        if order := self.pick(which, lambda order: order.state is State.LIVE):
            self.cancel_as(order.account, order, scheme)
            self.look_beside(order)

    @precondition(lambda self: self.over or bool(self.orders))
    @rule(which=WHICH, scheme=SCHEMES)
    @_step
    def cancel_foreign(self, which: int, scheme: str) -> None:
        """Cancel the other account's order."""
        if order := self.pick(which, lambda order: order.state is not State.UNSURE):
            self.cancel_as(OTHER_ACCOUNT[order.account], order, scheme)

    @precondition(lambda self: self.over or self.has(State.CANCELED, State.FILLED))
    @rule(which=WHICH, scheme=SCHEMES)
    @_step
    def cancel_again(self, which: int, scheme: str) -> None:
        """Cancel what has ended."""
        if order := self.pick(which, lambda order: order.state in (State.CANCELED, State.FILLED)):
            self.cancel_as(order.account, order, scheme)

    @rule(account=ACCOUNTS, unknown=st.uuids(version=4), scheme=SCHEMES)
    @_step
    def cancel_unknown(self, account: str, unknown: object, scheme: str) -> None:
        """Cancel an order that nobody placed."""
        exchange = self.venue.cancel(str(unknown), by=account, scheme=self.scheme(account, scheme))
        self.tell(f"{account} cancels an unknown id by {scheme} -> {_answer(exchange)}")

    @rule(account=ACCOUNTS, scheme=SCHEMES)
    @_step
    def cancel_all(self, account: str, scheme: str) -> None:
        """Cancel all, where the account holds no orders but those of this example."""
        mine = {order.id for order in self.orders if order.account == account}
        listed = self.venue.open_orders(account)
        if listed is None or any(str(row.get("id")).lower() not in mine for row in listed):
            return
        exchange = self.venue.send(self.venue.cancel_all_call(account, self.scheme(account, scheme)))
        self.tell(f"{account} cancels all by {scheme} -> {_answer(exchange)}")
        for order in self.orders:
            if order.account == account and order.state is State.UNSURE:
                self.venue.look(order)

    @precondition(lambda self: self.over or bool(self.orders))
    @rule(which=WHICH, scheme=SCHEMES)
    @_step
    def query(self, which: int, scheme: str) -> None:
        """Look at an order as its owner."""
        if order := self.pick(which, lambda order: True):
            self.venue.look(order, scheme=self.scheme(order.account, scheme))
            self.tell(f"{order.account} queries {self.names[order.id]}")

    @rule(account=ACCOUNTS)
    @_step
    def list_open(self, account: str) -> None:
        """List the open orders."""
        self.venue.open_orders(account)
        self.tell(f"{account} lists the open orders")

    def teardown(self) -> None:
        """Cancel what is open, look at every order once more, and leave nothing behind."""
        try:
            if not self.over:
                self.finish()
        finally:
            self.venue.sweep()

    def finish(self) -> None:
        """The end of an example that nothing has ended before."""
        try:
            for number, order in enumerate(self.book()):
                if order.state is State.LIVE:
                    self.cancel_as(order.account, order, ("jwt", "api_key")[number % 2])
                    self.look_beside(order)
                    self.check()
            self.venue.look_all(self.orders)
        except (Trouble, Undecidable) as trouble:
            self.abandon(str(trouble))
        self.tell("every order is queried")
        self.check()

    # ------------------------------------------------------------------ steps in common

    def scheme(self, account: str, wanted: str) -> str:
        """The wanted scheme if the account has it, else the one that it has."""
        schemes = self.venue.account(account).schemes
        return wanted if wanted in schemes else schemes[0]

    def book(self) -> list[Order]:
        """The resting orders of this example, oldest first."""
        return [order for order in self.orders if order.state is State.LIVE]

    def has(self, *states: State) -> bool:
        """Whether an order of this example is in one of these states."""
        return any(order.state in states for order in self.orders)

    def pick(self, which: int, fits: Callable[[Order], bool]) -> Order | None:
        """One of the orders that fit, or None."""
        found = [order for order in self.orders if fits(order)]
        return found[which % len(found)] if found else None

    def put(
        self,
        account: str,
        side: str,
        price: Decimal | None,
        quantity: Decimal,
        tif: str | None,
        scheme: str,
        quote: Decimal | None = None,
    ) -> Order | None:
        """Place an order whose fills are known beforehand, and return it.

        What the pages refuse, or leave open, is not placed.
        """
        found = plan(account, side, price, quantity, self.book())
        if found.meets_own or (tif == "post_only" and found.fills):
            return None
        _known(found)
        before = set(self.venue.judge.ledger.orders)
        problem: Exception | None = None
        try:
            self.venue.place(
                side,
                price,
                None if quote is not None else quantity,
                account=account,
                tif=tif,
                kind="limit" if price is not None else "market",
                quote_quantity=quote,
                takes=found.takes,
                scheme=self.scheme(account, scheme),
            )
        except (Trouble, Undecidable) as trouble:
            problem = trouble
        placed = None
        for order_id in self.venue.judge.ledger.orders.keys() - before:
            placed = order = self.venue.judge.ledger.orders[order_id]
            self.orders.append(order)
            self.names[order.id] = f"o{len(self.orders)}"
            at = f"@ {plain(price)}" if price is not None else "at market"
            size = plain(quantity)
            met = f" meeting {', '.join(self.names[maker.id] for maker in found.makers)}" if found.makers else ""
            self.tell(
                f"{account} places {side} {size} {at} {tif or ''}".strip() + f" ({self.names[order.id]}){met}"
            )
        if problem is not None:
            # not the fills that were planned: if an order that has ended took part, a look at it shows that
            self.venue.look_all(self.orders)
            raise problem
        return placed

    def take_from(self, order: Order, times: int, scheme: str) -> None:
        """Let the other account trade at an order's price, bit by bit, as long as the order is live."""
        side, taker = OTHER_SIDE[order.side], OTHER_ACCOUNT[order.account]
        for _ in range(times):
            if order.state is State.LIVE:
                self.put(taker, side, order.price, self.states.units("1"), "ioc", scheme)

    def cancel_as(self, account: str, order: Order, scheme: str) -> None:
        """Cancel an order by an account and say how it went."""
        exchange = self.venue.cancel(order, by=account, scheme=self.scheme(account, scheme))
        self.tell(f"{account} cancels {self.names[order.id]} by {scheme} -> {_answer(exchange)}")

    def look_beside(self, order: Order) -> None:
        """Look at live orders at the price of one that was canceled: they must be as they were."""
        beside = [other for other in self.book() if (other.side, other.price) == (order.side, order.price)]
        for other in beside[:_BESIDE]:
            self.venue.look(other)
            self.tell(f"{other.account} queries {self.names[other.id]}")

    def tell(self, line: str) -> None:
        """Add a line to the story."""
        self.story.append(line)

    def abandon(self, reason: str) -> None:
        """Do nothing more in this example."""
        if not self.over:
            self.over = True
            self.campaign.counts["abandoned"] += 1
            self.tell(f"abandoned: {reason}")

    def check(self) -> None:
        """Raise Broken if the oracle found a MUST broken since the last step; keep the shortest such story."""
        broken, campaign = self.watch.fresh(), self.campaign
        if not broken or (campaign.wanted and not broken & campaign.wanted):
            return
        campaign.wanted = campaign.wanted & broken or broken
        self.over = True
        if not campaign.story or len(self.story) < len(campaign.story):
            campaign.story = list(self.story)
            # at once, while these are the latest of their kind
            recorder, story = self.venue.recorder, "; ".join(self.story)
            recorder.note("shrunk", self.venue.case, begin=self.begin, end=recorder.next_number - 1, story=story)
        raise Broken(", ".join(sorted(broken)))


def _known(found: Plan) -> None:
    """Raise Trouble if a plan rests on orders whose fills are not known."""
    if any(not maker.exact for maker in found.makers):
        raise Trouble("the fills of an order in the book are not known")


def _answer(exchange: Exchange) -> str:
    return str(exchange.response.status) if exchange.response is not None else "no answer"
