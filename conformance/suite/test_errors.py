"""Chapter: Errors. Which refusal is given when."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, UUID, uuid1, uuid3, uuid4, uuid5

import pytest

from conformance.oracle.ledger import Order
from conformance.record import Take
from conformance.suite.aged import Aged
from conformance.target.states import OTHER_SIDE, States
from conformance.target.trouble import NotExercised, Trouble, Undecidable
from conformance.target.venue import Venue

# What is no UUID, whoever reads it. Each is percent-encoded as it goes out.
MALFORMED = {
    "word": "abc",
    "number": "12345",
    "number beyond 64 bits": "9" * 25,
    "digit short": "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d1",
    "digit more": "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d100",
    "not hex": "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d1g",
    "not hex in front": "zf2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d10",
    "all letters": "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz",
    "underscores": "9f2a1c4e_5b67_4d8a_bf93_2e1f4a6c8d10",
    "group missing": "9f2a1c4e-5b67-4d8a-bf93",
    "id and more": "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d10-1",
    "two ids": "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d10,9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d11",
    "negative": "-1",
    "null": "null",
    "placeholder": ":id",
    "all of them": "all",
    "the last one": "last",
    "wildcard": "*",
    "letters of other scripts": "%C3%A9%E2%82%AC%E6%97%A5",
    "emoji": "%F0%9F%92%B8",
    "blank": "%20",
    "as long as an id": "9f2a1c4e" * 4 + "9f2a",
    "sixty digits": "9f2a1c4e" * 8,
}

# No UUID either, but of a form that something on the way may refuse by itself.
HOSTILE = {
    "quote": "'%20OR%201=1",
    "NUL": "%00",
    "id and NUL": "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d10%00",
    "line feed": "%0a",
    "carriage return, line feed": "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d10%0d%0aX-Injected:%201",
    "not UTF-8": "%ff%fe",
    "half of a UTF-8 letter": "%C3",
    "broken escape": "%zz",
    "lone percent": "%",
    "escaped slash": "a%2Fb",
    "dot segments": "%2e%2e%2f%2e%2e%2fhealth",
    "escaped question mark": "a%3Fb",
    "escaped twice": "%2561",
    "backslash": "a%5Cb",
    "thousand characters": "a" * 1000,
    "eight thousand characters": "f" * 8000,
}

_CLOSE_BY = (pytest.mark.near, pytest.mark.profile("standard"))


def _full_width(digit: re.Match[str]) -> str:
    return quote(chr(ord(digit[0]) + 0xFEE0))


# What such an id becomes if it is cut off, decoded once too often or read by its digits' values.
HOSTILE_FORMS: dict[str, Callable[[str], str]] = {
    "line feed": lambda order_id: f"{order_id}%0A",
    "a part in front": lambda order_id: f"x%2F{order_id}",
    "NUL and more": lambda order_id: f"{order_id}%00x",
    "escaped twice": lambda order_id: f"%25{ord(order_id[0]):02x}{order_id[1:]}",
    "escaped question mark": lambda order_id: f"{order_id}%3Fa=1",
    "escaped number sign": lambda order_id: f"{order_id}%23a",
    "full-width digits": lambda order_id: re.sub(r"\d", _full_width, order_id),
}


@pytest.mark.exercises("cancel.errors.invalid-id", "cancel.refusals.invalid-id")
def test_malformed_id(venue: Venue, states: States, scheme: str) -> None:
    """What is no UUID is refused as such, and no order changes."""
    own, foreign = states.open("sell"), None
    if venue.settings.counterparty is not None:
        foreign = states.open("buy", account="counterparty")
    orders = venue.judge.ledger.orders.values()
    # numbers by which a fresh target may know the last one, of all or of its account
    placed = {len(orders), sum(order.account == "owner" for order in orders)}
    numbers = {str(number + more) for number in placed for more in (-1, 0, 1)}
    for segment in (*MALFORMED.values(), quote(venue.rules.symbol, safe=""), *sorted(numbers)):
        venue.cancel(segment, scheme=scheme)
    venue.look(own)
    if foreign is not None:
        venue.look(foreign)


@pytest.mark.exercises("cancel.errors.invalid-id", "cancel.refusals.invalid-id")
def test_mangled_id_of_a_live_order(venue: Venue, states: States, scheme: str) -> None:
    """The id of a live order, cut short, extended or mangled, does not cancel it."""
    order = states.open()
    mangled = (order.id[:-1], order.id + "0", order.id[:8], order.id + "x", "x" + order.id, order.id[1:])
    blanks = ("%20" + order.id, order.id + "%20")
    wildcards = ("_" + order.id[1:], order.id[:-1] + "%25", order.id[:-1] + "*")
    letters = "o" + order.id[1:].replace("0", "o").replace("1", "l")  # as Crockford's base 32 reads them
    quoted = (f"%22{order.id}%22", f"'{order.id}'")
    endings = (".json", ".", ":cancel", "%2Fx")
    for segment in (*mangled, *blanks, *wildcards, *quoted, *(order.id + end for end in endings), letters):
        venue.cancel(segment, scheme=scheme)
        venue.look(order)
    venue.cancel(order, scheme=scheme)


@pytest.mark.exercises("cancel.errors.invalid-id.hostile", "cancel.answers.in-time")
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_id(venue: Venue, scheme: str, name: str) -> None:
    """Whatever stands in the path, the answer is a refusal and no crash."""
    venue.cancel(HOSTILE[name], scheme=scheme)


@pytest.mark.exercises("cancel.errors.invalid-id.hostile", "cancel.refusals.invalid-id")
@pytest.mark.parametrize("name", HOSTILE_FORMS)
def test_hostile_form_of_a_live_id(venue: Venue, states: States, scheme: str, name: str) -> None:
    """What a careless reader may take for the id of a live order does not cancel it."""
    order = states.open()
    venue.cancel(HOSTILE_FORMS[name](order.id), scheme=scheme)
    venue.look(order)


@pytest.mark.alone
@pytest.mark.exercises("cancel.errors.empty-id")
@pytest.mark.profile("standard")
def test_empty_id(venue: Venue, states: States, scheme: str) -> None:
    """Without an id nothing is canceled. Not sent where the account holds orders that are not ours."""
    tasks: list[Callable[[], Any]] = [lambda: states.open("buy"), lambda: venue.open_orders("owner")]
    order, listed = venue.client.together(tasks)
    if listed is None or any(venue.judge.ledger.get(str(item.get("id"))) is None for item in listed):
        raise NotExercised("the account holds orders that are not ours, or does not list its orders")
    venue.cancel("", scheme=scheme, aim="cancel.errors.empty-id")
    venue.look(order)


@pytest.mark.exercises("cancel.errors.not-found.unknown", "cancel.refusals.not-found", "cancel.answers.parity")
def test_unknown_id(venue: Venue, states: States, scheme: str) -> None:
    """An id that no order has is not found, and no order changes for it."""
    venue.cancel(str(uuid4()), scheme=scheme)  # also where no order can be placed
    own = states.open("buy")
    named = (uuid3(NAMESPACE_URL, own.id), uuid5(NAMESPACE_URL, own.id))
    # versions 2 and 7, for which Python has no function yet
    by_account, by_time = (f"{text[:14]}{version}{text[15:]}" for version in "27" for text in [str(uuid4())])
    for unknown in (uuid4(), uuid1(), by_account, *named, by_time):
        venue.cancel(str(unknown), scheme=scheme)
    for special in (UUID(int=0), UUID(int=2**128 - 1)):
        venue.cancel(str(special), scheme=scheme)
    venue.look(own)


@pytest.mark.exercises("cancel.errors.not-found.canceled", "cancel.refusals.not-found", "cancel.answers.parity")
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_canceled_again(venue: Venue, states: States, scheme: str, side: str) -> None:
    """A second cancel, and a third, find nothing and change nothing, not even others at its price."""
    price = venue.band.resting(side, venue.step())
    order, *others = (states.open(side, price=price) for _ in range(2))
    if venue.settings.counterparty is not None:
        others.append(states.open(side, price=price, account="counterparty"))
    venue.cancel(order, scheme=scheme)
    for _ in range(2):
        venue.look_all([order, *others])
        venue.cancel(order, scheme=scheme)
    venue.cancel(order.id.upper(), scheme=scheme)
    venue.look_all([order, *others])


@pytest.mark.exercises("cancel.errors.not-found.canceled", "cancel.refusals.not-found")
def test_partially_filled_canceled_again(venue: Venue, states: States, scheme: str) -> None:
    """The second and the third cancel of an order that had fills find nothing either."""
    order = states.partially_filled("sell")
    for _ in range(3):
        venue.cancel(order, scheme=scheme)
    venue.look(order)


@pytest.mark.exercises("cancel.errors.not-found.filled", "cancel.refusals.not-found", "cancel.answers.parity")
@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("how", ["resting", "at once"])
def test_filled(venue: Venue, states: States, scheme: str, side: str, how: str) -> None:
    """A filled order is not found, and stays filled."""
    order: Order = states.filled(side) if how == "resting" else states.filled_at_once(side)
    venue.look(order)
    venue.cancel(order, scheme=scheme)
    venue.look(order)


@pytest.mark.exercises("cancel.errors.not-found.filled", "cancel.refusals.not-found", "cancel.effects.fills-kept")
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_filled_by_a_part_of_another(venue: Venue, states: States, scheme: str, side: str) -> None:
    """The cancel of a filled order takes neither its fills away nor the rest of the order that it traded with."""
    other, size = OTHER_SIDE[side], states.units("1")
    (price,) = venue.band.levels(1, resting=other)
    rest = states.open(other, price=price, quantity=size * 3, account="counterparty")
    order = venue.place(side, price, size, takes=[Take(rest.id, format(price, "f"), format(size, "f"))])
    venue.done_trading()
    venue.trades("owner")
    venue.cancel(order, scheme=scheme)
    venue.trades("owner", aim="cancel.effects.fills-kept")
    venue.look_all([order, rest])


@pytest.mark.exercises(
    "cancel.errors.not-found.ioc-remainder", "cancel.refusals.not-found", "cancel.answers.parity"
)
@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("filled", [False, True], ids=["untouched", "partly filled"])
def test_ioc_remainder(venue: Venue, states: States, scheme: str, side: str, filled: bool) -> None:
    """The remainder of an immediate-or-cancel order has ended already."""
    order = states.ioc_remainder(side, filled=filled)
    venue.look(order)
    venue.cancel(order, scheme=scheme)
    venue.look(order)


@pytest.mark.exercises(
    "cancel.errors.not-found.filled", "cancel.errors.not-found.ioc-remainder", "cancel.refusals.not-found"
)
@pytest.mark.aged
def test_ended_a_while_ago(venue: Venue, aged: Aged, scheme: str) -> None:
    """The same seconds later: what has ended keeps the time at which it did."""
    for order in aged.ended():
        venue.look(order)
        venue.cancel(order, scheme=scheme)
        venue.look(order)


def _market_filled(states: States, side: str) -> Order:
    """A market order of the owner that was filled; raises NotExercised if none can be had."""
    try:
        return states.market_filled(side)
    except Undecidable as refusal:  # an order of the account's own counts as met wherever it is, say
        raise NotExercised(f"no market order could be had: {refusal}") from None
    except Trouble as trouble:
        if trouble.wait or side == "sell":
            raise
        raise NotExercised("a market buy does not get what it offers the price of") from None  # less a fee, say


@pytest.mark.exercises("cancel.errors.not-found.market", "cancel.refusals.not-found", "cancel.answers.parity")
@pytest.mark.parametrize("side", ["sell", pytest.param("buy", marks=_CLOSE_BY)])
def test_market_order(venue: Venue, states: States, scheme: str, side: str) -> None:
    """A market order that was filled is not found; a buy has no quantity, but what it may spend."""
    order = _market_filled(states, side)
    venue.look(order)
    venue.cancel(order, scheme=scheme)
    venue.look(order)


@pytest.mark.exercises("cancel.errors.not-found.market")
@pytest.mark.profile("standard")
@pytest.mark.last
def test_market_remainder(venue: Venue, states: States, scheme: str) -> None:
    """A market order that found too little has ended already."""
    if not venue.band.quiet:
        return test_market_order(venue, states, scheme, "sell")
    venue.sweep(lambda order: True)
    try:
        order = states.market_remainder()
    except Undecidable as refusal:  # the account's own orders are in the way, say
        raise NotExercised(f"no market order could be left over: {refusal}") from None
    except Trouble as trouble:
        if trouble.wait:
            raise
        return test_market_order(venue, states, scheme, "sell")  # somebody's orders rest far from the market
    venue.look(order)
    venue.cancel(order, scheme=scheme)
    venue.look(order)
    return None


@pytest.mark.exercises(
    "cancel.errors.forbidden",
    "cancel.refusals.forbidden",
    "cancel.answers.parity",
    "cancel.jwt.other-user",
    "cancel.key.other-user",
)
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_foreign_open(venue: Venue, states: States, scheme: str, side: str) -> None:
    """Another user's open order is forbidden, also to one who has an order at its price, and stays open."""
    for owner, stranger in (("counterparty", "owner"), ("owner", "counterparty")):
        price = venue.band.resting(side, venue.step())
        strangers = states.open(side, price=price, account=stranger)
        order = states.open(side, price=price, account=owner)
        for written in (order, order.id.upper(), order):
            venue.cancel(written, by=stranger, scheme=scheme)
            venue.look_all([order, strangers])
        venue.cancel(order, by=owner)


@pytest.mark.exercises(
    "cancel.errors.forbidden.partially-filled", "cancel.refusals.forbidden", "cancel.answers.parity"
)
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_foreign_partially_filled(venue: Venue, states: States, scheme: str, side: str) -> None:
    """Another user's partially filled order is forbidden and stays as it is."""
    order = states.partially_filled(side, account="counterparty")
    venue.cancel(order, scheme=scheme)
    venue.look(order)
    venue.cancel(order, by="counterparty")


@pytest.mark.few
@pytest.mark.exercises("cancel.refusals.forbidden")
def test_foreign_listed(venue: Venue, states: States, scheme: str) -> None:
    """An order that another user tried to cancel is still among its owner's open orders, and not among theirs.

    It is forbidden too to one who has asked for it before, and may not have found it.
    """
    order = states.open("sell", account="counterparty")
    ask = partial(venue.get, "query_order", f"/spot/orders/{order.path_id}", "owner", scheme=scheme)
    tasks: list[Callable[[], object]] = [partial(venue.open_orders, "counterparty"), ask]
    venue.client.together(tasks)
    venue.cancel(order, scheme=scheme)
    for account in ("counterparty", "owner"):
        if venue.open_orders(account) is None:
            raise NotExercised("the target does not list open orders")
    venue.look(order)


@pytest.mark.exercises("cancel.errors.foreign-terminal", "cancel.refusals.forbidden", "cancel.refusals.not-found")
@pytest.mark.parametrize("state", ["canceled", "filled"])
def test_foreign_terminal(venue: Venue, states: States, scheme: str, state: str) -> None:
    """Another user's finished order is refused, as forbidden or as not found, and stays as it is."""
    order = (states.canceled if state == "canceled" else states.filled)("sell", account="counterparty")
    venue.look(order)
    venue.cancel(order, scheme=scheme)
    venue.look(order)


@pytest.mark.near
@pytest.mark.profile("standard")
@pytest.mark.exercises("cancel.errors.foreign-terminal", "cancel.refusals.forbidden", "cancel.refusals.not-found")
@pytest.mark.parametrize("kind", ["ioc remainder", "market sell", "market buy"])
def test_foreign_that_never_rested(venue: Venue, states: States, scheme: str, kind: str) -> None:
    """The same for one that ended while it was placed."""
    venue.credential("counterparty", scheme)
    order = states.ioc_remainder() if kind == "ioc remainder" else _market_filled(states, kind.split()[-1])
    venue.look(order)
    venue.cancel(order, by="counterparty", scheme=scheme)
    venue.look(order)


@pytest.mark.exercises("cancel.errors.other-methods")
@pytest.mark.parametrize(
    ("method", "how"),
    [
        *(pytest.param(method, {}, id=method) for method in ("POST", "PUT", "PATCH", "HEAD", "OPTIONS")),
        pytest.param("GET", {"headers": {"X-HTTP-Method-Override": "DELETE"}}, id="GET, and DELETE in a header"),
        pytest.param("GET", {"query": "_method=DELETE"}, id="GET, and DELETE in the query"),
    ],
)
def test_other_methods(venue: Venue, states: States, scheme: str, method: str, how: dict[str, Any]) -> None:
    """No method but DELETE cancels; what else it answers is left open."""
    order = states.open()
    venue.send(venue.cancel_call(order, scheme=scheme, method=method, **how))
    venue.look(order)
    venue.cancel(order, scheme=scheme)
