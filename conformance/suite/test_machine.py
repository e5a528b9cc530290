"""Chapter: Machine. Any sequence of placing, trading, canceling and looking, by both accounts."""

import pytest

from conformance.fuzz.machine import EXERCISES, explore
from conformance.target.states import States
from conformance.target.venue import Venue


@pytest.mark.exercises(*EXERCISES)
@pytest.mark.last
def test_sequences(venue: Venue, states: States) -> None:
    """Two accounts act at random; the ledger knows what every order must look like by then."""
    venue.account("counterparty")
    header = venue.judge.header
    assert header is not None
    venue.driver = "state-machine"
    explore(venue, states, header.profile, header.seed)
