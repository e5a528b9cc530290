"""Chapter: API key and signature. HMAC-SHA256 over the query string, the key in a header."""

from collections.abc import Callable

import pytest

from conformance.record import Auth, Exchange
from conformance.suite.aged import Aged
from conformance.suite.key_flaws import KEY_FLAWS, key_flaw, spoiled_key, wrongly_signed
from conformance.suite.marks import marks_of
from conformance.suite.tampering import KeyFlaw, put_behind
from conformance.suite.two_credentials import PAIRS, Pair, both_of_one, two_users
from conformance.target.credentials import Credential
from conformance.target.signing import ApiKeyAuth, Draft
from conformance.target.states import States
from conformance.target.trouble import NotExercised
from conformance.target.venue import Venue

_KEY = "cancel.key."
_IN_A_ROW = 4  # fewer than after which some lock a caller out


def good_key(venue: Venue, before: Callable[[Draft], None] | None = None, how: str | None = None) -> Credential:
    """The owner's good API key, used in an unusual but right way, which `how` names."""
    venue.credential("owner", "api_key")
    signer = ApiKeyAuth(venue.account("owner"), venue.clock.stamp_ms, before=before)
    return Credential(Auth("owner", "api_key", how=how), signer)


@pytest.mark.exercises("cancel.refusals.unauthorized")
@pytest.mark.parametrize(
    "flaw",
    [
        pytest.param(
            flaw,
            id=f"{flaw.requirement.removeprefix(_KEY)}: {flaw.name}",
            marks=marks_of(flaw.requirement, in_quick=flaw.in_quick),
        )
        for flaw in KEY_FLAWS
    ],
)
def test_spoiled_request(venue: Venue, states: States, flaw: KeyFlaw) -> None:
    """A spoiled request is refused without effect on either side; well signed, it then cancels the same order."""
    orders = [states.open(side) for side in (("buy",) if venue.is_quick else ("buy", "sell"))]
    answers = [venue.cancel(order, credential=spoiled_key(venue, flaw), query=flaw.query) for order in orders]
    venue.look_all(orders)
    venue.cancel(orders[0], scheme="api_key")
    _check_served(answers)


@pytest.mark.exercises("cancel.key.signature.extra-signed")
@pytest.mark.parametrize(
    "query",
    [
        *("note=1", "recvWindow=5000", "b=2&a=1", "a=1&a=2", "note=", "note", "timestam=1", "designature=1"),
        "xtimestamp=1",
        pytest.param("&".join(f"note{n}={'x' * 10}" for n in range(20)), id="twenty"),
    ],
)
def test_further_signed_parameters(venue: Venue, states: States, query: str) -> None:
    """Parameters that nobody documents do no harm when they are signed."""
    _cancel_with(venue, states, query, "cancel.key.signature.extra-signed")


@pytest.mark.exercises("cancel.key.signature.encoding")
@pytest.mark.parametrize(
    "query",
    [
        *("note=a%20b", "note=a+b", "note=%C3%A9%E2%82%AC", "note=a%26b%3Dc", "note=%7e%7E"),
        *(pytest.param(q, marks=pytest.mark.profile("standard")) for q in ("note=a;b", "note=a:b/c?d@e,f==")),
    ],
)
def test_escapes(venue: Venue, states: States, query: str) -> None:
    """What is signed is the query as it was sent, escapes included."""
    _cancel_with(venue, states, query, "cancel.key.signature.encoding")


@pytest.mark.exercises("cancel.key.signature.extra-signed")
def test_parameter_behind_the_timestamp(venue: Venue, states: States) -> None:
    """What is signed is the query as it was sent, wherever the timestamp stands in it."""
    credential = good_key(venue, put_behind("note=1"), "note=1 behind the timestamp")
    _cancel_with(venue, states, "", "cancel.key.signature.extra-signed", credential)


def _cancel_with(venue: Venue, states: States, query: str, aim: str, credential: Credential | None = None) -> None:
    """Cancel an order with these parameters, signed, or with those that the credential brings along."""
    order = states.open()
    answer = venue.cancel(order, credential=credential or good_key(venue), query=query, aim=aim)
    venue.look(order)
    _check_served([answer])


def _check_served(answers: list[Exchange]) -> None:
    """Raise NotExercised if what the requests carry beyond the page was refused: then nothing else was seen."""
    if all(exchange.response is not None and exchange.response.status in (400, 414, 422) for exchange in answers):
        raise NotExercised("the target refuses parameters that no page names, or that stand twice")


@pytest.mark.exercises("cancel.key.header-case")
@pytest.mark.parametrize("header", ["x-mbx-apikey", "X-Mbx-ApiKey"])
def test_header_name_in_another_case(venue: Venue, states: States, header: str) -> None:
    """Header names have no case (RFC 9110, section 5.1)."""
    order = states.open()
    credential = good_key(venue, lambda draft: setattr(draft, "key_header", header), f"header {header}")
    venue.cancel(order, credential=credential, aim="cancel.key.header-case")
    venue.look(order)


@pytest.mark.exercises("cancel.key.other-user")
def test_other_users_key(venue: Venue, states: States) -> None:
    """The other user's good key acts for the other user: the owner's order is forbidden to it."""
    order = states.open()
    venue.cancel(order, by="counterparty", scheme="api_key")
    venue.look(order)
    venue.cancel(order, scheme="api_key")


@pytest.mark.exercises("cancel.errors.forbidden")
@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(
            pair,
            id=f"{pair.scheme} {pair.name}",
            marks=[
                pytest.mark.exercises(f"cancel.{'key' if pair.scheme == 'api_key' else 'jwt'}.other-user"),
                *([] if pair is PAIRS[0] else [pytest.mark.profile("standard")]),
            ],
        )
        for pair in PAIRS
    ],
)
def test_other_users_credential_beside_one_that_proves_nothing(venue: Venue, states: States, pair: Pair) -> None:
    """What names the owner without a signature of the owner's does not make another user's credential theirs."""
    credential = two_users(venue, pair)
    order = states.open("sell")
    venue.cancel(order, credential=credential)
    venue.look(order)


@pytest.mark.profile("standard")
@pytest.mark.exercises("cancel.answers.status")
def test_both_credentials(venue: Venue, states: States) -> None:
    """A good API key beside a good token of the same user is accepted or refused, and no trouble."""
    credential = both_of_one(venue)
    order = states.open("buy")
    venue.cancel(order, credential=credential)
    venue.look(order)


@pytest.mark.last
@pytest.mark.aged
@pytest.mark.profile("standard")
@pytest.mark.exercises("cancel.key.timestamp.stale")
def test_accepted_once(venue: Venue, states: States, aged: Aged) -> None:
    """A signed query that was accepted when the run began is refused when its timestamp is too old."""
    order = states.open()
    venue.cancel(order, credential=aged.replayed())
    venue.look(order)


@pytest.mark.exercises("cancel.key.replay", "cancel.errors.not-found.canceled")
def test_replay_on_another_order(venue: Venue, states: States) -> None:
    """The same signed query is sent for two orders: the documented scheme cannot tell them apart.

    Sent for the first one once more, it finds an order that is canceled already.
    """
    first, second = states.open(), states.open()
    stamp = str(venue.clock.now_ms())
    credential = good_key(venue, lambda draft: setattr(draft, "timestamp", stamp), "same timestamp")
    auth = Auth("owner", "api_key", either=True, how="same timestamp")
    venue.cancel(first, credential=credential)
    again = Credential(auth, credential.signer)
    venue.cancel(second, credential=again, aim="cancel.key.replay")
    venue.cancel(first, credential=again)
    venue.look(second)


@pytest.mark.exercises("cancel.refusals.unauthorized")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.exercises(f"cancel.key.signature.{chapter}"))
        for chapter, name in (
            ("altered", "first digit"),
            ("other-user", "the other user's key"),
            ("covers-timestamp", "exchanged"),
        )
    ],
)
def test_spoiled_after_a_good_one(venue: Venue, states: States, name: str) -> None:
    """What was seen with a good signature does not help a request with another one, another key or time."""
    first, second = states.open(), states.open()
    stamp = str(venue.clock.now_ms())
    good = good_key(venue, lambda draft: setattr(draft, "timestamp", stamp), "same timestamp")
    venue.cancel(first, credential=good)
    flaw = key_flaw(name)
    spoiled = spoiled_key(venue, flaw, at_ms=int(stamp))
    auth = Auth("owner", "api_key", flaw.requirement, how=f"{flaw.name}, same timestamp")
    venue.cancel(second, credential=Credential(auth, spoiled.signer))
    venue.look(second)


@pytest.mark.exercises("cancel.key.signature.altered", "cancel.refusals.unauthorized")
def test_spoiled_in_a_row(venue: Venue, states: States) -> None:
    """A wrong signature is refused however often it is tried, with nothing right in between."""
    order = states.open()
    flaw = key_flaw("first digit")
    for _ in range(_IN_A_ROW):
        venue.cancel(order, credential=spoiled_key(venue, flaw))
    venue.look(order)
    venue.cancel(order, scheme="api_key")


@pytest.mark.exercises("cancel.key.signature.altered", "cancel.refusals.unauthorized")
@pytest.mark.parametrize("name", ["first digit", "all zeros"])
def test_spoiled_beside_a_body(venue: Venue, states: States, name: str) -> None:
    """A body, which a DELETE has not, makes no wrong signature right."""
    order = states.open()
    flaw = key_flaw(name)
    venue.cancel(order, credential=spoiled_key(venue, flaw), body="{}")
    venue.look(order)
    venue.cancel(order, scheme="api_key")


@pytest.mark.exercises("cancel.key.signature.altered", "cancel.key.timestamp.stale", "cancel.refusals.unauthorized")
@pytest.mark.parametrize("name", ["first digit", "a minute old"])
def test_spoiled_on_a_new_connection(venue: Venue, states: States, name: str) -> None:
    """The first request of a connection is refused like any other."""
    order = states.open()
    flaw = key_flaw(name)
    with venue.apart() as apart:
        apart.cancel(order, credential=spoiled_key(venue, flaw))
    venue.look(order)


@pytest.mark.exercises("cancel.refusals.unauthorized")
def test_refused_cancel_of_a_partially_filled_order(venue: Venue, states: States) -> None:
    """A spoiled request has no effect on an order with fills either."""
    order = states.partially_filled("sell")
    venue.cancel(order, credential=wrongly_signed(venue, "api_key"))
    venue.look(order)
    venue.cancel(order, scheme="api_key")
    venue.look(order)
