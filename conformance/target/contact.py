"""First contact: reach the target, set our clock by its, try the credentials, learn the market and its book.

What a run cannot do without raises TargetError. Of the rest, each lack is told, and the run goes on without it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

from conformance.errors import TargetError
from conformance.oracle.answers import describe
from conformance.oracle.bodies import is_transient, try_parse
from conformance.oracle.ledger import Order, State
from conformance.record import Exchange
from conformance.target.abilities import UNKNOWN_ID, check_trading, check_users
from conformance.target.client import FAR_S, Call
from conformance.target.listing import choose_market as choose_market
from conformance.target.market import default_band, discover
from conformance.target.settings import PREFIX, Account
from conformance.target.signing import claims_of
from conformance.target.trouble import LimitReached, NotExercised, Trouble, Undecidable
from conformance.target.venue import Venue


def make_contact(venue: Venue, *, partly: bool = False) -> list[TargetError]:
    """Everything that must work before the first case; raises TargetError with what does not, and what to do.

    With `partly`, what a run can be carried out without is given up instead, and returned: a credential that is
    refused, that may read only or that is somebody else's, a side that an account has no balance for, and a market
    that takes no orders.
    """
    lacks: list[TargetError] = []
    try:
        for lack in _lacks(venue):
            if not partly:
                raise lack
            lacks.append(lack)
    except Trouble as trouble:
        raise TargetError(f"no contact with {venue.settings.base_url}: {trouble}", hint_for(str(trouble))) from None
    except LimitReached as limit:
        raise TargetError(str(limit), "raise max_duration_s under [safety]") from None
    except (Undecidable, NotExercised) as problem:
        raise TargetError(str(problem), "the owner account must be able to place and cancel orders") from None
    return lacks


def _lacks(venue: Venue) -> Iterator[TargetError]:
    try:
        choose_market(venue)
    except TargetError as error:
        if venue.closed is None:
            raise
        yield error
    for name, scheme in _not_accepted(venue):
        try:
            check_credential(venue, name, scheme)
        except TargetError as error:
            yield give_up(venue, name, scheme, error, refused=True)
    for name, scheme in [] if _all_trade(venue) else credentials(venue):
        closed = venue.closed
        try:
            check_trading(venue, name, scheme)
        except TargetError as error:
            # it may be the market that takes nobody's orders
            yield error if venue.closed != closed else give_up(venue, name, scheme, error)
    yield from find_band(venue)
    if venue.closed is None:
        for stray, name, scheme in check_users(venue):
            yield give_up(venue, name, scheme, stray)


def credentials(venue: Venue) -> list[tuple[str, str]]:
    """All credentials as account and scheme."""
    return [(name, scheme) for name, account in venue.settings.accounts.items() for scheme in account.schemes]


def _not_accepted(venue: Venue) -> list[tuple[str, str]]:
    """The credentials that are to be checked one by one: where answers take long, those not accepted at once."""
    if venue.client.pace < FAR_S:
        return credentials(venue)
    pairs = credentials(venue)
    answers = venue.client.together([partial(_probe, venue, *pair) for pair in pairs])
    return [pair for pair, exchange in zip(pairs, answers, strict=True) if not _is_accepted(exchange)]


def _all_trade(venue: Venue) -> bool:
    """Whether all credentials may trade, tried at the same time; False if that is to be found out one by one."""
    if venue.client.pace < FAR_S or venue.closed is not None:
        return False
    try:
        venue.client.together([partial(check_trading, venue, *pair) for pair in credentials(venue)])
    except (TargetError, Trouble, Undecidable):
        venue.closed = None
        return False
    return True


def give_up(venue: Venue, name: str, scheme: str, error: TargetError, *, refused: bool = False) -> TargetError:
    """Go on without a credential; the error, which is raised instead if the owner has no other."""
    if not venue.credentials.give_up(name, scheme, error.message, refused=refused):
        raise error
    return error


_HINTS = (
    ("CERTIFICATE_VERIFY_FAILED", "set ca_file to the authority's certificate (or insecure, for a test only)"),
    ("CERTIFICATE_REQUIRED", "the target wants a client certificate: set client_cert"),
    ("SSL", "is it https at all? Look at the scheme of base_url, ca_file and client_cert"),
    ("Name or service not known", "the host's name is not known: look at base_url, or set HTTPS_PROXY"),
    ("No address associated", "the host's name is not known: look at base_url, or set HTTPS_PROXY"),
    ("Temporary failure in name resolution", "no name service: look at the network, or set HTTPS_PROXY"),
    ("ProxyError", "the proxy refuses: look at HTTPS_PROXY and NO_PROXY"),
    ("refused", "nothing listens there: look at host and port of base_url"),
    ("no connection within", "no way to the host: a firewall, or HTTPS_PROXY is missing"),
    ("no answer within", "it takes too long: raise timeout_s"),
    ("without sending", "is it http at all? Look at the scheme of base_url"),
    ("still 429", "a rate limit: set max_requests_per_second under [safety]"),
    ("spot trading disabled", "trading is switched off there: ask its operator"),
    ("ENGINE", "the engine is down: try again later"),
)


def hint_for(trouble: str) -> str:
    """What to do about trouble on first contact."""
    return next((hint for sign, hint in _HINTS if sign in trouble), "is it up?")


def check_credential(venue: Venue, name: str, scheme: str) -> None:
    """A good credential must be accepted; with an API key, the clock is tried in steps until it is."""
    if _is_accepted(_probe(venue, name, scheme)):
        return
    with venue.apart() as apart:  # that a connection is to blame is for the cases to find
        if _is_accepted(_probe(apart, name, scheme)):
            return
    if scheme == "api_key":
        for offset in _offsets(venue):
            venue.clock.settle(offset)
            if _is_accepted(_probe(venue, name, scheme)):
                return
        venue.clock.settle(None)
    why, hint = _why_refused(venue.account(name), scheme)
    raise TargetError(f"the {scheme} of the {name} account is refused (401){why}", hint)


def _why_refused(account: Account, scheme: str) -> tuple[str, str]:
    """What can be told of a refused credential without the target, and what to do about it."""
    prefix = f"{PREFIX}{account.name.upper()}_"
    if scheme == "api_key":
        return "", (
            f"{prefix}API_KEY or {prefix}API_SECRET is wrong, of another environment, or allowed from other "
            "addresses only"
        )
    claims = claims_of(account.jwt)
    if claims is None:
        return (
            ", and it is no JSON Web Token",
            f"look at {prefix}JWT: three parts with dots between, without Bearer",
        )
    now = time.time()
    for claim, wrong in (("exp", "it expired"), ("nbf", "it is good only from")):
        at = claims.get(claim)
        if isinstance(at, (int, float)) and (at < now if claim == "exp" else at > now) and 0 <= at < 1e11:
            when = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
            return f": {wrong} {'at ' if claim == 'exp' else ''}{when} UTC", f"put a new one into {prefix}JWT"
    return "", f"{prefix}JWT is wrong or of another environment (by its own dates it is good)"


def _probe(venue: Venue, name: str, scheme: str) -> Exchange:
    credential = venue.credential(name, scheme)
    call = Call("query_order", "GET", f"/spot/orders/{UNKNOWN_ID}", signer=credential.signer, auth=credential.auth)
    return venue.settled(call, repeatable=True)


def _is_accepted(exchange: Exchange) -> bool:
    return exchange.response is not None and exchange.response.status != 401


def _offsets(venue: Venue) -> list[float]:
    """Offsets (s) to try: the measured interval in steps, then what an order's own time says."""
    low, high = venue.clock.interval
    offsets = [low + (high - low) * part for part in (0.5, 0.0, 1.0)]
    for name, account in venue.settings.accounts.items():
        if not account.jwt or not hasattr(venue, "rules"):
            continue
        try:
            order, sent_at = _first_order(venue, name)
        except (Undecidable, Trouble):
            continue
        if order.created_at is not None:
            offsets.append(order.created_at + 0.5 - sent_at)
        break
    return offsets


def _first_order(venue: Venue, name: str) -> tuple[Order, float]:
    price = venue.rules.price(venue.settings.price or Decimal("0.5"))
    sent_at = time.time()
    order = venue.place(
        "buy", price / 2, venue.rules.quantity(price / 2), account=name, tif="post_only", scheme="jwt"
    )
    venue.send(venue.cancel_call(order, by=name, scheme="jwt"))
    return order, sent_at


class _Book:
    """Asks by post-only orders where there is room, as whichever account has the balance for it."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.short: dict[tuple[str, str], str] = {}
        self._listed = False

    def rests(self, side: str, price: Decimal) -> bool:
        """Whether a post-only order would rest; assumed where no account has the balance to find out."""
        for name in self.venue.settings.accounts:
            if (name, side) not in self.short and (rests := self._try(name, side, price)) is not None:
                return rests
        return True

    def unknown(self, side: str) -> bool:
        """Whether no account has the balance for an order of this side."""
        return all((name, side) in self.short for name in self.venue.settings.accounts)

    def _try(self, name: str, side: str, price: Decimal) -> bool | None:
        venue, quantity = self.venue, self.venue.rules.quantity(price)
        exchange = venue.new_order(side, price, quantity, name, "post_only")
        body = try_parse(exchange.response) if exchange.response else None
        if exchange.response is None or exchange.response.status != 200 or not isinstance(body, dict):
            error = body.get("error") if isinstance(body, dict) else None
            if error in ("POST_ONLY_REJECT", "SELF_TRADE"):
                return False
            status = exchange.response.status if exchange.response else 0
            if error == "INSUFFICIENT_BALANCE":
                self.short[name, side] = f"{status} {error}"
                return None
            raise Undecidable(f"an order of {quantity} at {price} was refused: {status} {error or ''}".strip())
        order = venue.judge.ledger.get(str(body.get("id")))
        if order is not None:
            if not self._listed:
                self._listed = True
                venue.open_orders(name)  # before anything was ever canceled: what a list is like
            venue.send(venue.cancel_call(order, by=name))
            if order.state in (State.LIVE, State.UNSURE) and venue.sweep(lambda other: other is order):
                _check_canceling(venue, order)
        return True


def _check_canceling(venue: Venue, order: Order) -> None:
    """Raise if no order has been canceled so far: Trouble where this one is refused with a 503 again and again.

    TargetError where no cancel seems to be answered. Where some cancels are carried out, those that are not are for
    the cases to find.
    """
    exchange = venue.send(venue.cancel_call(order, by=order.account))
    response = exchange.response
    if any(other.state is State.CANCELED for other in venue.judge.ledger.orders.values()):
        return
    if response is None and venue.judge.silence.is_likely:
        raise TargetError(
            f"no order can be canceled: {exchange.error}", "orders are left open there: cancel them by hand"
        )
    if response is not None and is_transient(response):
        raise Trouble(f"no order can be canceled: still {describe(response.status, try_parse(response))}")


def find_band(venue: Venue) -> list[TargetError]:
    """Find the prices at which nobody else rests; what accounts have no balance for."""
    if venue.closed is not None:
        venue.band = default_band(venue.rules, venue.settings.price)
        return []
    book = _Book(venue)
    try:
        venue.band = discover(venue.rules, book.rests, venue.settings.price)
    except TargetError:
        if not venue.settings.is_loopback:
            raise
        # on this machine no money is at stake: probes that stay in the book are for the cases to find
        venue.band = default_band(venue.rules, venue.settings.price)
    if book.unknown("buy") and book.unknown("sell"):
        venue.closed = "no account has the balance for the smallest order"
        return [TargetError(venue.closed, "put some of both tokens of the market on both accounts")]
    if book.unknown("buy") or book.unknown("sell"):
        venue.band = replace(venue.band, quiet=False)
    return [no_balance(name, side, seen) for (name, side), seen in book.short.items()]


def no_balance(name: str, side: str, seen: str) -> TargetError:
    """That an account cannot place an order of this side for lack of balance."""
    token = "quote" if side == "buy" else "base"
    return TargetError(
        f"the {name} account has not enough of the {token} token to {side}: {seen}",
        f"put {token} tokens on the {name} account; spot-conformance plan says how large an order is",
    )
