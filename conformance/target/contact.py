"""First contact: reach the target, set our clock by its, try the credentials, learn the market and its book."""

from __future__ import annotations

import time
from decimal import Decimal

from conformance.errors import TargetError
from conformance.oracle.bodies import try_parse
from conformance.oracle.ledger import Order, State
from conformance.record import Exchange
from conformance.target.client import Call
from conformance.target.market import Rules, default_band, discover
from conformance.target.trouble import LimitReached, NotExercised, Trouble, Undecidable
from conformance.target.venue import Venue

_UNKNOWN = "00000000-0000-4000-8000-000000000000"


def make_contact(venue: Venue) -> None:
    """Everything that must work before the first case; raises TargetError with what does not, and what to do."""
    try:
        choose_market(venue)
        for name in venue.settings.accounts:
            for scheme in venue.account(name).schemes:
                check_credential(venue, name, scheme)
        find_band(venue)
    except Trouble as trouble:
        raise TargetError(f"no contact with {venue.settings.base_url}: {trouble}", hint_for(str(trouble))) from None
    except LimitReached as limit:
        raise TargetError(str(limit), "raise max_duration_s under [safety]") from None
    except (Undecidable, NotExercised) as problem:
        raise TargetError(str(problem), "the owner account must be able to place and cancel orders") from None


_HINTS = (
    ("CERTIFICATE_VERIFY_FAILED", "set ca_file to the authority's certificate (or insecure, for a test only)"),
    ("CERTIFICATE_REQUIRED", "the target wants a client certificate: set client_cert"),
    ("SSL", "is it https at all? Look at the scheme of base_url, ca_file and client_cert"),
    ("Name or service not known", "the host's name is not known: look at base_url, or set HTTPS_PROXY"),
    ("ProxyError", "the proxy refuses: look at HTTPS_PROXY and NO_PROXY"),
    ("refused", "nothing listens there: look at host and port of base_url"),
    ("no connection within", "no way to the host: a firewall, or HTTPS_PROXY is missing"),
    ("no answer within", "it takes too long: raise timeout_s"),
    ("without sending", "is it http at all? Look at the scheme of base_url"),
    ("still 429", "a rate limit: set max_requests_per_second under [safety]"),
    ("ENGINE", "the engine is down: try again later"),
)


def hint_for(trouble: str) -> str:
    """What to do about trouble on first contact."""
    return next((hint for sign, hint in _HINTS if sign in trouble), "is it up?")


def choose_market(venue: Venue) -> None:
    """Take the market that was asked for, or the first one listed."""
    rows = venue.markets()
    listed = [row for row in rows if row.get("status") in (None, "listed")]
    wanted = venue.settings.symbol
    if wanted is not None:
        row = next((row for row in rows if row.get("id") == wanted), None)
        if row is None:
            names = ", ".join(str(row.get("id")) for row in rows[:8])
            raise TargetError(f"the target has no market {wanted!r}", f"it has {names}")
    elif listed:
        row = listed[0]
    else:
        raise TargetError("the target lists no market that is open for trading", "name one with --symbol")
    if row.get("status") not in (None, "listed"):
        raise TargetError(f"the market {row.get('id')} is {row.get('status')}", "name another with --symbol")
    venue.rules = Rules.of(row)


def check_credential(venue: Venue, name: str, scheme: str) -> None:
    """A good credential must be accepted; with an API key, the clock is tried in steps until it is."""
    exchange = _probe(venue, name, scheme)
    if exchange.response is not None and exchange.response.status != 401:
        return
    if scheme == "api_key":
        for offset in _offsets(venue):
            venue.clock.settle(offset)
            exchange = _probe(venue, name, scheme)
            if exchange.response is not None and exchange.response.status != 401:
                return
    variable = f"SPOT_CONFORMANCE_{name.upper()}_{'JWT' if scheme == 'jwt' else 'API_KEY'}"
    raise TargetError(f"the {scheme} of the {name} account is refused (401)", f"check {variable}, and the clock")


def _probe(venue: Venue, name: str, scheme: str) -> Exchange:
    credential = venue.credential(name, scheme)
    call = Call("query_order", "GET", f"/spot/orders/{_UNKNOWN}", signer=credential.signer, auth=credential.auth)
    return venue.settled(call, repeatable=True)


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


def find_band(venue: Venue) -> None:
    """Find the prices at which nobody else rests."""
    listed: list[object] = []

    def rests(side: str, price: Decimal) -> bool:
        quantity = venue.rules.quantity(price)
        exchange = venue.new_order(side, price, quantity, "owner", "post_only")
        body = try_parse(exchange.response) if exchange.response else None
        if exchange.response is None or exchange.response.status != 200 or not isinstance(body, dict):
            error = body.get("error") if isinstance(body, dict) else None
            if error in ("POST_ONLY_REJECT", "SELF_TRADE"):
                return False
            status = exchange.response.status if exchange.response else 0
            raise Undecidable(f"an order of {quantity} at {price} was refused: {status} {error or ''}".strip())
        order = venue.judge.ledger.get(str(body.get("id")))
        if order is not None:
            if not listed:
                listed.append(venue.open_orders())  # before anything was ever canceled: what a list is like
            venue.send(venue.cancel_call(order))
            if order.state in (State.LIVE, State.UNSURE):
                venue.sweep(lambda other: other is order)
        return True

    try:
        venue.band = discover(venue.rules, rests, venue.settings.price)
    except TargetError:
        if not venue.settings.is_loopback:
            raise
        # on this machine no money is at stake: canceled probes that stay in the book are for the cases to find
        venue.band = default_band(venue.rules, venue.settings.price)
