"""Chapter: What identifies the order. The path id, whole, and nothing else."""

import json
import re
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest

from conformance.oracle.ledger import Order
from conformance.suite.jwt_flaws import jwt_flaw, spoiled_jwt
from conformance.target.client import Call, again
from conformance.target.market import of_market
from conformance.target.signing import claims_of
from conformance.target.states import States
from conformance.target.trouble import NotExercised
from conformance.target.venue import Venue

_NAME = re.compile(r"[0-9A-Za-z-]{1,64}")
_DIGITS = "0123456789abcdef"
_VERSION, _VARIANT = 14, 19  # where these digits stand in a UUID


@pytest.mark.exercises("cancel.identity.path-only", "cancel.effects.own-orders")
@pytest.mark.parametrize("name", ["id", "orderId", "order_id"])
def test_id_in_query(venue: Venue, states: States, scheme: str, name: str) -> None:
    """A query parameter that names another order changes nothing about which one is canceled."""
    named, other = states.open("buy"), states.open("buy")
    venue.cancel(named, scheme=scheme, query=f"{name}={other.id}", aim="cancel.identity.path-only")
    venue.look(named)
    venue.look(other)


@pytest.mark.exercises("cancel.identity.path-only", "cancel.refusals.not-found")
def test_id_in_query_beside_unknown_id(venue: Venue, states: States, scheme: str) -> None:
    """Where the path names no order, a query parameter does not help out."""
    order = states.open("sell")
    unknown = str(uuid4())  # not like the other, so that nothing else can make it that one
    for name in ("id", "orderId"):
        venue.cancel(unknown, scheme=scheme, query=f"{name}={order.id}", aim="cancel.identity.path-only")
        venue.look(order)


@pytest.mark.exercises("cancel.identity.path-only")
@pytest.mark.parametrize("form", ["json", pytest.param("fields", marks=pytest.mark.profile("standard"))])
def test_id_in_body(venue: Venue, states: States, form: str) -> None:
    """A body that names another order changes nothing either. (By JWT: how a DELETE's body is signed is open.)."""
    named, other = states.open("buy"), states.open("buy")
    told = dict.fromkeys(("id", "orderId", "order_id"), other.id)
    body = json.dumps(told) if form == "json" else urlencode(told)
    headers = {"Content-Type": "application/json" if form == "json" else "application/x-www-form-urlencoded"}
    venue.cancel(named, scheme="jwt", body=body, headers=headers, aim="cancel.identity.path-only")
    venue.look(other)
    venue.look(named)


@pytest.mark.exercises("cancel.identity.path-only")
def test_id_in_header(venue: Venue, states: States, scheme: str) -> None:
    """A header that names another order changes nothing."""
    named, other = states.open("buy"), states.open("buy")
    urls = dict.fromkeys(("X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri"), f"/spot/orders/{other.id}")
    headers = {"X-Order-Id": other.id, **urls}
    venue.cancel(named, scheme=scheme, headers=headers, aim="cancel.identity.path-only")
    venue.look(other)
    venue.look(named)


@pytest.mark.exercises("cancel.errors.forbidden", "cancel.refusals.forbidden")
def test_caller_in_header(venue: Venue, states: States, scheme: str) -> None:
    """Headers that gateways tell the caller's name by, sent by a client, do not make it another user.

    Nor do query parameters.
    """
    order = states.open(account="counterparty")
    name = _subject(venue.account("counterparty").jwt)
    headers = dict.fromkeys(("X-Forwarded-User", "X-User-Id", "X-Remote-User", "X-Account-Id", "Remote-User"), name)
    venue.cancel(order, scheme=scheme, headers=headers)
    venue.look(order)
    names = ("account", "accountId", "account_id", "user", "userId", "user_id")
    venue.cancel(order, scheme=scheme, query=urlencode(dict.fromkeys(names, name)))
    venue.look(order)


_NEARBY = {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1"}


@pytest.mark.exercises("cancel.jwt.missing", "cancel.refusals.unauthorized")
def test_nobody_from_nearby(venue: Venue, states: States) -> None:
    """Headers that gateways tell by where a request comes from, sent by a client, are no credentials."""
    order = states.open()
    venue.cancel(order, credential=spoiled_jwt(venue, jwt_flaw("no credentials")), headers=_NEARBY)
    venue.look(order)


@pytest.mark.profile("standard")
@pytest.mark.exercises("cancel.jwt.missing", "cancel.refusals.unauthorized")
def test_nobody_on_a_path_beside(venue: Venue, states: States) -> None:
    """Where a path is taken for the documented one that it resembles, it needs the same credentials.

    What else is answered there is left open.
    """
    order = states.open("sell")
    nobody = spoiled_jwt(venue, jwt_flaw("no credentials"))
    paths = (f"/spot/orders/{order.id}/", f"/spot//orders/{order.id}", f"/SPOT/ORDERS/{order.id}")
    for path in (*paths, f"/spot/orders/{order.id.upper()}"):
        venue.send(beside(venue.cancel_call(order, credential=nobody, aim="cancel.jwt.missing"), path))
        venue.look(order)


@pytest.mark.exercises("cancel.errors.invalid-id.hostile")
@pytest.mark.profile("standard")
def test_path_that_goes_on(venue: Venue, states: States, scheme: str) -> None:
    """What stands behind an id, set off by a slash, makes another path. Whatever that is, it cancels no order."""
    order = states.open()
    call = venue.cancel_call(order, scheme=scheme, aim="cancel.errors.invalid-id.hostile")
    venue.send(beside(call, f"/spot/orders/{order.id}/x"))
    venue.look(order)


def beside(call: Call, path: str) -> Call:
    """The call on a path that no page names."""
    return again(call, op="other_path", path=path)


def _subject(token: str | None) -> str:
    """Who a token says its bearer is."""
    return str((claims_of(token) or {}).get("sub", "counterparty"))


@pytest.mark.exercises("cancel.identity.whole-id", "cancel.refusals.not-found")
@pytest.mark.parametrize("position", [0, 7, 9, _VERSION, _VARIANT, 20, 24, -1])
def test_neighbouring_id(venue: Venue, states: States, scheme: str, position: int) -> None:
    """An id that differs in one digit is another order, which does not exist."""
    order = states.open()
    venue.cancel(neighbour(order, position), scheme=scheme, aim="cancel.identity.whole-id")
    venue.look(order)
    venue.cancel(order, scheme=scheme)


@pytest.mark.exercises("cancel.identity.whole-id", "cancel.refusals.not-found")
def test_rearranged_id(venue: Venue, states: States, scheme: str) -> None:
    """The digits of a live order's id, arranged otherwise, are the id of no order."""
    order = states.open()
    digits = order.id.replace("-", "")
    for text in (digits[24:] + digits[8:24] + digits[:8], digits[4:8] + digits[:4] + digits[8:]):
        venue.cancel(str(UUID(text)), scheme=scheme, aim="cancel.identity.whole-id")
        venue.look(order)
    venue.cancel(order, scheme=scheme)


@pytest.mark.exercises("cancel.identity.whole-id", "cancel.refusals.not-found")
def test_id_of_a_fill(venue: Venue, states: States, scheme: str) -> None:
    """The id of a fill is not that of the order."""
    order = states.partially_filled("buy")
    rows = venue.trades("owner") or []
    trades = [str(row.get("trade_id")) for row in rows if str(row.get("order_id")).lower() == order.id]
    named = [trade for trade in trades if _NAME.fullmatch(trade) and trade.lower() != order.id]
    if not named:
        raise NotExercised("the target lists no fills with ids of their own")
    for trade in named:
        venue.cancel(trade, scheme=scheme, aim="cancel.identity.whole-id")
    venue.look(order)


@pytest.mark.exercises("cancel.effects.own-orders", "cancel.effects.foreign-orders")
@pytest.mark.parametrize("known", [True, False], ids=["with an id", "with an unknown id"])
def test_symbol_in_query(venue: Venue, states: States, scheme: str, known: bool) -> None:
    """The parameter of Cancel All beside an id cancels no more than the id does."""
    named, others = states.open("buy"), [states.open("buy"), states.open("sell")]
    if venue.settings.counterparty is not None:
        others.append(states.open("buy", account="counterparty"))
    target = named if known else str(uuid4())
    venue.cancel(target, scheme=scheme, query=of_market(venue.rules.symbol))
    venue.look_all([named, *others])


@pytest.mark.exercises("cancel.errors.forbidden", "cancel.refusals.forbidden")
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_symbol_beside_a_foreign_id(venue: Venue, states: States, scheme: str, side: str) -> None:
    """The parameter of Cancel All does not make another user's order the caller's."""
    order = states.open(side, account="counterparty")
    venue.cancel(order, scheme=scheme, query=of_market(venue.rules.symbol))
    venue.look(order)


def neighbour(order: Order, position: int) -> str:
    """The id of `order` with one digit replaced, by one that may stand there in a UUID (RFC 9562, section 4)."""
    digits, known = list(order.id), {_VERSION: "12345678", _VARIANT: "89ab"}.get(position, _DIGITS)
    digits[position] = known[(known.find(digits[position]) + 1) % len(known)]
    return "".join(digits)
