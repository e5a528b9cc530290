"""The steps of `doctor`, one method each: what was found, or an exception that says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from conformance.errors import TargetError
from conformance.oracle.bodies import try_parse
from conformance.oracle.ledger import Order, State
from conformance.record import Exchange
from conformance.suite.key_flaws import wrongly_signed
from conformance.target.abilities import check_trading, check_users, end
from conformance.target.contact import check_credential, find_band, no_balance
from conformance.target.listing import ask_markets, choose_market, markets_in
from conformance.target.states import States
from conformance.target.trouble import Undecidable
from conformance.target.venue import Venue

# of the smallest order: as large as an order of a run gets (a test compares it with the plan)
LARGEST = Decimal(40)
_WINDOW_S = 5  # the window for signatures, in s


class Checkup:
    """The steps on one venue. Each is called once, in the order of the methods."""

    def __init__(self, venue: Venue) -> None:
        self.venue, self.states = venue, States(venue)
        self._markets: Exchange | None = None
        self._order: Order | None = None
        self.stuck = False  # whether the owner has no credential that can be used

    def reachable(self) -> str:
        """There is an answer of whatever listens there."""
        self._markets = exchange = ask_markets(self.venue)
        return f"an answer after {(exchange.end - exchange.start) * 1000:.0f} ms"

    def base_path(self) -> str:
        """It is an exchange's."""
        assert self._markets is not None
        rows = markets_in(self.venue, self._markets)
        return f"{self.venue.settings.base_path or '/'}, {len(rows)} market{'s' * (len(rows) != 1)}"

    def market(self) -> str:
        """The market is listed and open, and tells its rules."""
        assert self._markets is not None
        choose_market(self.venue, markets_in(self.venue, self._markets))
        rules = self.venue.rules
        return f"{rules.symbol}, tick {rules.tick}, lot {rules.lot}, minimum {rules.min_notional}"

    def clock(self) -> str:
        """How far the target's clock is from ours; the suite signs by the target's."""
        clock = self.venue.clock
        if not clock.samples:
            return "the target shows no Date; its orders' times are used"
        low, high = clock.interval
        off = min(abs(low), abs(high)) if low * high > 0 else 0.0
        more = f", more than the {_WINDOW_S} s for signatures: it is reckoned with" if off > _WINDOW_S else ""
        return f"{low:+.1f} to {high:+.1f} s from ours{more}"

    def accepted(self, name: str, scheme: str) -> str:
        """A credential is let in."""
        self._or_give_up(name, scheme, check_credential)
        return ""

    def may_trade(self, name: str, scheme: str) -> str:
        """A credential may place and cancel."""
        self._or_give_up(name, scheme, check_trading)
        return ""

    def _or_give_up(self, name: str, scheme: str, check: Callable[[Venue, str, str], None]) -> None:
        closed = self.venue.closed
        try:
            check(self.venue, name, scheme)
        except TargetError as error:
            if self.venue.closed == closed:  # else it is the market, and not the credential
                self.stuck = not self.venue.credentials.give_up(name, scheme, error.message) or self.stuck
            raise

    def room(self) -> str:
        """Where in the book nobody else rests. What accounts lack balance for is told by `can_place`."""
        lacks = find_band(self.venue)
        band = self.venue.band
        if self.venue.closed is not None:
            raise lacks[0]
        others = "nobody else in the book" if band.quiet else "others in the book"
        if lacks and not band.quiet:
            others = "as far as the balances show"
        return f"{band.ticks} free price levels from {band.floor} to {band.ceil}, {others}"

    def users(self) -> str:
        """The credentials of an account are one user's, and the accounts are two. Others are given up."""
        venue = self.venue
        count = len(venue.settings.accounts)
        found = check_users(venue)
        for error, name, scheme in found:
            venue.credentials.give_up(name, scheme, error.message)
        if found:
            raise TargetError("; ".join(error.message for error, _, _ in found), found[0][0].hint)
        return f"{count} users"

    def can_place(self, name: str, side: str) -> str:
        """The largest order of a run, far from the market: the balance is enough for it."""
        venue = self.venue
        price = venue.band.resting(side)
        quantity = venue.rules.quantity(price, LARGEST)
        exchange = venue.new_order(side, price, quantity, name, "post_only")
        response = exchange.response
        body = try_parse(response) if response is not None else None
        found = body if isinstance(body, dict) else {}
        order = venue.judge.ledger.get(str(found.get("id")))
        if order is None:
            status = response.status if response is not None else 0
            if found.get("error") == "INSUFFICIENT_BALANCE":
                raise no_balance(name, side, f"{status} INSUFFICIENT_BALANCE for {quantity:f} at {price:f}")
            raise Undecidable(f"{quantity:f} at {price:f} is refused: {status} {found.get('error') or ''}".strip())
        end(venue, order)
        return f"{quantity:f} at {price:f}"

    def can_read(self) -> str:
        """An order that was just placed can be queried."""
        order = self._open()
        exchange = self.venue.look(order)
        if exchange.response is None or exchange.response.status != 200 or order.state is not State.LIVE:
            raise Undecidable(f"GET /spot/orders/{order.id} does not show an order that was just placed")
        return ""

    def _open(self) -> Order:
        if self._order is None or self._order.state is not State.LIVE:
            try:
                self._order = self.states.open("buy")
            except Undecidable:
                self._order = self.states.open("sell")
        return self._order

    def spoiled(self, scheme: str) -> str:
        """A spoiled credential is refused, on an order that the good one could cancel."""
        venue, order = self.venue, self._open()
        exchange = venue.cancel(order, credential=wrongly_signed(venue, scheme))
        status = exchange.response.status if exchange.response else 0
        if status != 401:
            raise TargetError(
                f"a spoiled {scheme} gets {status}", "this is a violation: spot-conformance run tells more"
            )
        return ""

    def can_fill(self) -> str:
        """The two accounts trade with each other, at prices of ours."""
        try:
            order = self.states.partially_filled("sell")
        except Undecidable as problem:
            if "INSUFFICIENT_BALANCE" not in str(problem):
                raise
            self.venue.sweep()
            order = self.states.partially_filled("buy")
        end(self.venue, order)
        return f"{order.filled:f} filled"

    def can_cancel(self) -> str:
        """A cancel ends an order for good."""
        order = self._open()
        exchange = self.venue.cancel(order)
        self.venue.look(order)
        status = exchange.response.status if exchange.response else 0
        if status != 200 or order.state is not State.CANCELED:
            raise TargetError(f"canceling an open order gets {status}", "spot-conformance run tells more")
        return ""
