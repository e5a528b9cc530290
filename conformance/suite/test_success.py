"""Chapter: Success. Which orders can be canceled, by which credential."""

from contextlib import suppress
from uuid import uuid4

import pytest

from conformance.oracle.ledger import Order
from conformance.suite.aged import Aged
from conformance.target.states import OTHER_SIDE, SEVERAL_FILLS, States
from conformance.target.trouble import NotExercised, Undecidable
from conformance.target.venue import Venue

_MANY = 33  # orders; more than fit into a short list of the latest ones
_LOOKED_AT = 4  # one in so many of them
_TOO_MUCH = "1e9"  # times the smallest order
SIDES = pytest.mark.parametrize("side", ["buy", "sell"])


@pytest.mark.exercises(
    "cancel.success.open",
    "cancel.success.by-jwt",
    "cancel.success.by-api-key",
    "cancel.answers.parity",
    "cancel.fields.status",
    "cancel.effects.terminal",
)
@SIDES
@pytest.mark.parametrize("tif", ["gtc", "post_only", None])
def test_open(venue: Venue, states: States, scheme: str, side: str, tif: str | None) -> None:
    """An open order, of each side and time in force, is canceled and stays so."""
    order = states.open(side, tif=tif)
    venue.cancel(order, scheme=scheme)
    venue.look(order)


@pytest.mark.exercises("cancel.success.partially-filled", "cancel.answers.parity", "cancel.effects.final")
@SIDES
@pytest.mark.parametrize("tif", ["gtc", "post_only"])
def test_partially_filled(venue: Venue, states: States, scheme: str, side: str, tif: str) -> None:
    """The rest of a partially filled order is canceled; what had filled stays."""
    order = states.partially_filled(side, tif=tif)
    venue.cancel(order, scheme=scheme)
    venue.look(order)


@pytest.mark.exercises("cancel.success.partially-filled")
@SIDES
def test_filled_while_placed(venue: Venue, states: States, scheme: str, side: str) -> None:
    """An order that met others while it was placed is canceled like any other."""
    order = states.partially_filled(side, SEVERAL_FILLS)
    venue.cancel(order, scheme=scheme)
    venue.look(order)


@pytest.mark.exercises("cancel.success.open")
@SIDES
def test_after_a_self_trade(venue: Venue, states: States, scheme: str, side: str) -> None:
    """An order that its owner would have met, and was refused to, is canceled like any other."""
    (price,) = venue.band.levels(1)
    order = states.open(side, price=price, quantity=states.units("2"))
    exchange = venue.new_order(OTHER_SIDE[side], price, states.units("1"), tif="ioc")
    if exchange.response is None or exchange.response.status == 200:
        venue.recorder.note("scattered", venue.case, orders=[order.id])
        raise NotExercised("the target lets an account trade with itself")
    venue.done_trading()
    venue.look(order)
    venue.cancel(order, scheme=scheme)
    venue.look(order)


@pytest.mark.exercises("cancel.success.open")
@pytest.mark.profile("standard")
@pytest.mark.near
@SIDES
def test_after_others_were_refused(venue: Venue, states: States, side: str) -> None:
    """An order is canceled like any other that somebody would have met who was refused to.

    For a post-only order that would have, and on this machine for want of funds.
    """
    venue.account("counterparty")
    (price,) = venue.band.levels(1)
    order = states.open(side, price=price, quantity=states.units("2"))
    attempts = [("post_only", "1")]
    if venue.settings.is_loopback:  # elsewhere one who has the funds might take from others
        attempts.append(("ioc", _TOO_MUCH))
    for tif, units in attempts:
        exchange = venue.new_order(OTHER_SIDE[side], price, states.units(units), "counterparty", tif)
        if exchange.response is None or exchange.response.status == 200:
            venue.recorder.note("scattered", venue.case, orders=[order.id])
            raise NotExercised("the target takes an order that it should refuse")
    venue.done_trading()
    venue.cancel(order, scheme=venue.account("owner").schemes[-(side == "sell")])
    venue.look(order)


@pytest.mark.exercises("cancel.success.partially-filled")
@SIDES
def test_nearly_filled(venue: Venue, states: States, scheme: str, side: str) -> None:
    """An order of which only one lot is left, less than could be placed, is canceled like any other."""
    (price,) = venue.band.levels(1, resting=side)
    order = states.rested(side, price, states.units("3"), [states.units("3") - venue.rules.lot])
    venue.done_trading()
    venue.cancel(order, scheme=scheme)
    venue.look(order)


@pytest.mark.exercises("cancel.success.uuid-case")
def test_upper_case_id(venue: Venue, states: States, scheme: str) -> None:
    """An upper-case UUID is the same UUID (RFC 9562, section 4)."""
    order = states.open()
    venue.cancel(order.id.upper(), scheme=scheme, aim="cancel.success.uuid-case")
    venue.look(order)


@pytest.mark.exercises("cancel.success.open", "cancel.answers.json")
def test_empty_body(venue: Venue, states: States, scheme: str) -> None:
    """A body of length 0 is no body, and who accepts anything gets JSON: the page's own sample sends both."""
    order = states.open()
    venue.cancel(order, scheme=scheme, headers={"Content-Length": "0", "Accept": "*/*"})
    venue.look(order)


@pytest.mark.exercises("cancel.success.open", "cancel.answers.json")
def test_last_request_of_a_connection(venue: Venue, states: States, scheme: str) -> None:
    """Who asks for the connection to be closed gets the whole answer before."""
    order = states.open()
    venue.cancel(order, scheme=scheme, headers={"Connection": "close"})
    venue.look(order)


@pytest.mark.exercises("cancel.success.open", "cancel.fields.decimal-strings", "cancel.errors.not-found.unknown")
def test_other_language(venue: Venue, states: States, scheme: str) -> None:
    """The answer is for programs: amounts have a point, and errors their names, whatever language a client prefers.

    JSON may be one of several types that it takes.
    """
    order = states.open()
    headers = {"Accept-Language": "de-DE, fr;q=0.9", "Accept": "application/json, text/plain, */*"}
    for target in (order, str(uuid4())):
        venue.cancel(target, scheme=scheme, headers=headers)
    venue.look(order)


@pytest.mark.exercises("cancel.success.open", "cancel.answers.json")
def test_plain_client(venue: Venue, states: States, scheme: str) -> None:
    """A client may leave out what it accepts, and then accepts anything, but no encoding that it rules out."""
    order = states.open("sell")
    venue.cancel(order, scheme=scheme, headers={"Accept": None, "Accept-Encoding": "identity"})
    venue.look(order)


@pytest.mark.long
@pytest.mark.exercises("cancel.success.open")
@pytest.mark.profile("standard")
def test_many_at_once(venue: Venue, states: States, scheme: str) -> None:
    """Of many open orders each can be canceled: the oldest, the newest, the next oldest, and so on."""
    orders: list[Order] = []
    with suppress(Undecidable):  # as many as the target lets one account have
        for number in range(_MANY):
            orders.append(states.open("buy" if number % 2 else "sell"))
    if len(orders) < 2:
        raise NotExercised("the target lets an account have no two open orders")
    while orders:
        order = orders.pop(0 if len(orders) % 2 else -1)
        venue.cancel(order, scheme=scheme)
        if len(orders) % _LOOKED_AT == 0:
            venue.look(order)


@pytest.mark.exercises("cancel.success.open", "cancel.effects.terminal")
@pytest.mark.aged
@pytest.mark.alone
@pytest.mark.profile("standard")
def test_oldest(venue: Venue, aged: Aged) -> None:
    """An order that is older than a signed request may get is canceled like any other."""
    order = aged.oldest()
    venue.cancel(order)
    venue.look(order)


@pytest.mark.exercises("cancel.success.by-jwt", "cancel.success.by-api-key")
@pytest.mark.parametrize("placed_by", ["jwt", "api_key"])
def test_placed_by_the_other_credential(venue: Venue, states: States, scheme: str, placed_by: str) -> None:
    """Who placed an order by one credential may cancel it by the other."""
    order = states.open(scheme=placed_by)
    venue.cancel(order, scheme=scheme)
    venue.look(order, scheme=scheme)
