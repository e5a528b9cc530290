"""What credentials may do, and whose they are: found out by the smallest orders, placed and canceled at once."""

from __future__ import annotations

from functools import partial
from typing import Any

from conformance.errors import TargetError
from conformance.oracle.bodies import try_parse
from conformance.oracle.ledger import Order, State
from conformance.oracle.lists import items_of
from conformance.record import Take
from conformance.target.client import Call, again
from conformance.target.market import default_band, of_market
from conformance.target.recover import GHOST
from conformance.target.settings import PREFIX
from conformance.target.trouble import Trouble, Undecidable
from conformance.target.venue import Venue

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
_REFUSED = (401, 403)
_CLOSED = ("MARKET_HALTED", "MARKET_DELISTED", "MARKET_NOT_FOUND")
_CLOSED_REPEATS = 3  # of a cancel where no order can be placed: it is likely that none is served either
_WHOSE = "whose_order"  # reads that the oracle does not judge: nobody knows yet who asks


def variable(name: str, scheme: str) -> str:
    """The environment variable that a credential comes from."""
    return f"{PREFIX}{name.upper()}_{'JWT' if scheme == 'jwt' else 'API_KEY'}"


def check_trading(venue: Venue, name: str, scheme: str) -> None:
    """A credential must be allowed to trade: one that may read only gets 401 or 403 for all else.

    Raises TargetError if it may not, or if nobody may: then the venue is `closed`. Both a placing and a cancel must
    be refused, twice, and a cancel on a connection of its own: a target that refuses one of them only, or now and
    then, or by the connection, is for the cases to find. A refusal for another reason, say of the price or of the
    balance, shows that the credential may trade.
    """
    alone = venue.account(name).schemes == [scheme]
    for _ in range(2):
        placing = _placing_is_refused(venue, name, scheme) if venue.closed is None else None
        if placing is None and venue.closed is None:
            return
        cancel = _cancel_is_refused(venue, name, scheme)
        if cancel is None and (placing is None or not alone):
            return
    with venue.apart() as apart:
        if _cancel_is_refused(venue, name, scheme, apart) is None:
            return
    shown = [f"{what} gets {status}" for what, status in (("placing", placing), ("canceling", cancel)) if status]
    raise TargetError(
        f"the {scheme} of the {name} account may only read: {', '.join(shown)}",
        f"allow it to trade, or set another {variable(name, scheme)}",
    )


def _placing_is_refused(venue: Venue, name: str, scheme: str) -> int | None:
    """The 401 or 403 that the smallest post-only order gets, None for anything else."""
    price = default_band(venue.rules, venue.settings.price).resting("buy")
    order: dict[str, Any] = {"account": name, "tif": "post_only", "scheme": scheme}
    try:
        try:  # the patience for an order that must come to be would be too long for a market that takes none
            exchange = venue.new_order("buy", price, venue.rules.quantity(price), **order, expect="an answer")
        except Trouble as trouble:
            if "still 503" in str(trouble):
                raise
            exchange = venue.new_order("buy", price, venue.rules.quantity(price), **order)
    except Trouble as trouble:
        if "still 503" not in str(trouble):
            raise
        venue.closed = f"no order can be placed: {trouble}"
        disabled = "spot trading disabled" in str(trouble)
        hint = "trading is switched off there: ask its operator" if disabled else "try again later"
        raise TargetError(venue.closed, hint) from None
    response = exchange.response
    body = try_parse(response) if response is not None else None
    found = body if isinstance(body, dict) else {}
    if found.get("error") in _CLOSED:
        venue.closed = f"the market {venue.rules.symbol} takes no orders: {found['error']}"
        raise TargetError(venue.closed, "name another market with --symbol, or wait until it is open again")
    if (placed := venue.judge.ledger.get(str(found.get("id")))) is not None:
        end(venue, placed, scheme)
    return response.status if response is not None and response.status in _REFUSED else None


def _cancel_is_refused(venue: Venue, name: str, scheme: str, apart: Venue | None = None) -> int | None:
    """The 401 or 403 that a cancel gets: of an order that the account's other credential placed, if it has one.

    The cancel alone is sent through `apart`, if that is given.
    """
    others = [other for other in venue.account(name).schemes if other != scheme]
    order = _resting(venue, name, others[0]) if others and venue.closed is None else None
    call = venue.cancel_call(order or UNKNOWN_ID, by=name, scheme=scheme)
    patience = {} if venue.closed is None else {"repeats": _CLOSED_REPEATS}
    try:
        response = (apart or venue).settled(again(call, op=GHOST), repeatable=True, **patience).response
    except Trouble:
        if venue.closed is None:
            raise
        return None  # a cancel is not served either
    if order is not None:
        venue.recorder.note("unsure")  # the oracle did not see what this cancel came to
        end(venue, order, others[0])
    return response.status if response is not None and response.status in _REFUSED else None


def end(venue: Venue, order: Order, scheme: str | None = None) -> None:
    """Cancel an order of ours, with patience."""
    venue.send(venue.cancel_call(order, by=order.account, scheme=scheme))
    if order.state in (State.LIVE, State.UNSURE):
        venue.sweep(lambda other: other is order)


def _resting(venue: Venue, name: str, scheme: str) -> Order | None:
    """The smallest order far from the market, of the side that there is balance for; None without any."""
    band = getattr(venue, "band", None) or default_band(venue.rules, venue.settings.price)
    for side in ("buy", "sell"):
        price = band.resting(side)
        try:
            return venue.place(
                side, price, venue.rules.quantity(price), account=name, tif="post_only", scheme=scheme
            )
        except Undecidable:
            continue
    return None


def check_users(venue: Venue) -> list[tuple[TargetError, str, str]]:
    """Whether the credentials of an account are one user's, and those of the other account another's.

    For each that is not: what to say, and its account and scheme.
    """
    accounts = {name: account.schemes for name, account in venue.settings.accounts.items()}
    if sum(len(schemes) for schemes in accounts.values()) < 2:
        return []
    found: list[tuple[TargetError, str, str]] = []
    placing = [partial(_resting, venue, name, schemes[0]) for name, schemes in accounts.items()]
    orders = dict(zip(accounts, venue.client.together(placing), strict=True))
    asked = {
        (name, scheme, whose): order
        for name, schemes in accounts.items()
        for scheme in schemes
        for whose, order in orders.items()
        if order is not None and (scheme != schemes[0] if whose == name else whose == "owner")
    }
    asking = [partial(_sees, venue, order, *key[:2]) for key, order in asked.items()]
    seen = dict(zip(asked, venue.client.together(asking), strict=True))

    def sees_again(key: tuple[str, str, str]) -> bool:
        """On a connection of its own: a target may take whoever comes by one for the first who did."""
        with venue.apart() as apart:
            return _sees(apart, asked[key], *key[:2])

    for name, scheme in ((name, scheme) for name, schemes in accounts.items() for scheme in schemes):
        first, own, owners = accounts[name][0], (name, scheme, name), (name, scheme, "owner")
        stray = seen.get(own) is False and not sees_again(own)
        same = name != "owner" and seen.get(owners, False) and sees_again(owners)
        if stray:
            whose = "the owner's" if same else "another user's"
            text = f"the {scheme} of the {name} account is {whose}, and not that of its {first}"
        elif same and _cannot_trade(venue, scheme):
            text = f"the {scheme} of the counterparty is the owner's: fills and foreign orders need two users"
        else:
            continue
        hint = f"the accounts may be mixed up: look at {variable(name, scheme)}"
        found.append((TargetError(text, hint), name, scheme))
    venue.client.together([partial(end, venue, order) for order in orders.values() if order is not None])
    return found


def _sees(venue: Venue, order: Order, name: str, scheme: str) -> bool:
    """Whether an order is in a credential's list of open orders; without a list, whether it can be queried."""
    credential = venue.credential(name, scheme)

    def ask(path: str, query: str = "") -> tuple[int, object]:
        call = Call(_WHOSE, "GET", path, query, signer=credential.signer, auth=credential.auth)
        response = venue.settled(call, repeatable=True).response
        assert response is not None
        return response.status, try_parse(response)

    status, body = ask(f"/spot/orders/{order.path_id}")
    if status == 200 and name == order.account:
        return True
    listing, rows = ask("/spot/orders", of_market(venue.rules.symbol))
    items = items_of(rows) if listing == 200 else None
    if items is None:
        return status == 200 and isinstance(body, dict) and str(body.get("id")).lower() == order.id
    return any(str(row.get("id")).lower() == order.id for row in items)


def _cannot_trade(venue: Venue, scheme: str) -> bool:
    """Whether the counterparty cannot trade with the owner since both are one user, by the target's own word."""
    (price,) = venue.band.levels(1)
    quantity = venue.rules.quantity(venue.band.floor)
    for side, other in (("sell", "buy"), ("buy", "sell")):
        try:
            maker = venue.place(side, price, quantity)
        except Undecidable:
            continue
        take = Take(maker.id, format(price, "f"), format(quantity, "f"))
        exchange = venue.new_order(other, price, quantity, "counterparty", "ioc", takes=[take], scheme=scheme)
        end(venue, maker)
        body = try_parse(exchange.response) if exchange.response is not None else None
        error = body.get("error") if isinstance(body, dict) else None
        return error == "SELF_TRADE" or (exchange.response is not None and exchange.response.status != 200)
    return True
