"""Chapter: JWT. Bearer tokens that count and those that do not."""

import pytest

from conformance.record import Auth
from conformance.suite.jwt_flaws import JWT_FLAWS, JwtFlaw, spoiled_jwt
from conformance.suite.marks import marks_of
from conformance.target.credentials import Credential
from conformance.target.signing import JwtAuth
from conformance.target.states import States
from conformance.target.trouble import NotExercised
from conformance.target.venue import Venue


@pytest.mark.exercises("cancel.refusals.unauthorized")
@pytest.mark.parametrize(
    "flaw",
    [
        pytest.param(
            flaw,
            id=f"{flaw.requirement.removeprefix('cancel.jwt.')}: {flaw.name}",
            marks=marks_of(flaw.requirement, in_quick=flaw.in_quick),
        )
        for flaw in JWT_FLAWS
    ],
)
def test_spoiled_token(venue: Venue, states: States, flaw: JwtFlaw) -> None:
    """A spoiled token is refused without effect on either side; the good one then cancels the same order."""
    orders = [states.open(side) for side in (("sell",) if venue.is_quick else ("sell", "buy"))]
    for order in orders:
        venue.cancel(order, credential=spoiled_jwt(venue, flaw))
    venue.look_all(orders)
    venue.cancel(orders[0], scheme="jwt" if venue.account("owner").jwt else None)


@pytest.mark.exercises("cancel.jwt.expired", "cancel.refusals.unauthorized")
@pytest.mark.parametrize("state", ["open buy", "open sell", "partially filled"])
def test_expired(venue: Venue, states: States, state: str) -> None:
    """A token that was good once is refused."""
    token = venue.account("owner").expired_jwt
    if token is None:
        raise NotExercised("no expired JWT was given (SPOT_CONFORMANCE_OWNER_EXPIRED_JWT)")
    order = states.open(state.split()[-1]) if state.startswith("open") else states.partially_filled()
    auth = Auth("owner", "jwt", "cancel.jwt.expired", how="expired")
    venue.cancel(order, credential=Credential(auth, JwtAuth(f"Bearer {token}")))
    venue.look(order)
    venue.cancel(order, scheme="jwt")


@pytest.mark.exercises("cancel.jwt.scheme-case")
@pytest.mark.parametrize("name", ["bearer", "BEARER"])
def test_scheme_name_in_another_case(venue: Venue, states: States, name: str) -> None:
    """Another case of "Bearer" may be accepted or refused; if it is refused, nothing happens."""
    venue.credential("owner", "jwt")
    order = states.open()
    signer = JwtAuth(f"{name} {venue.account('owner').jwt}")
    auth = Auth("owner", "jwt", either=True, how=f"scheme {name}")
    venue.cancel(order, credential=Credential(auth, signer), aim="cancel.jwt.scheme-case")
    venue.look(order)


@pytest.mark.exercises("cancel.success.by-jwt")
def test_header_name_in_another_case(venue: Venue, states: States) -> None:
    """Header names have no case (RFC 9110, section 5.1), and some gateways write them in lower case."""
    venue.credential("owner", "jwt")
    order = states.open("sell")
    signer = JwtAuth(f"Bearer {venue.account('owner').jwt}", "authorization")
    venue.cancel(order, credential=Credential(Auth("owner", "jwt", how="header authorization"), signer))
    venue.look(order)


@pytest.mark.exercises("cancel.jwt.other-user")
def test_other_users_token(venue: Venue, states: States) -> None:
    """The other user's good token acts for the other user: the owner's order is forbidden to it."""
    order = states.open()
    venue.cancel(order, by="counterparty", scheme="jwt")
    venue.look(order)
    venue.cancel(order, scheme="jwt")
