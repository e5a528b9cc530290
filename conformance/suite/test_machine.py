"""Chapter: Machine. Any sequence of placing, trading, canceling and looking, by both accounts."""

import pytest

from conformance.fuzz.machine import explore
from conformance.target.states import States
from conformance.target.venue import Venue


@pytest.mark.exercises(
    "cancel.success.open",
    "cancel.success.partially-filled",
    "cancel.errors.forbidden",
    "cancel.errors.not-found.canceled",
    "cancel.fields.filled-qty",
    "cancel.fields.avg-fill-price",
    "cancel.effects.final",
    "cancel.effects.own-orders",
)
@pytest.mark.last
def test_sequences(venue: Venue, states: States) -> None:
    """Two accounts act at random; the ledger knows what every order must look like by then."""
    venue.account("counterparty")
    header = venue.judge.header
    assert header is not None
    venue.driver = "state-machine"
    explore(venue, states, header.profile, header.seed)
