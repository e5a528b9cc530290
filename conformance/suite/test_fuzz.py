"""Chapter: Fuzz. What nobody thought of writing down, generated from the OpenAPI document."""

import pytest

from conformance.fuzz.ahead import Ahead
from conformance.fuzz.generated import PARTIAL, PHASES
from conformance.fuzz.requests import EXERCISES, Fuzzer
from conformance.target.states import States
from conformance.target.venue import Venue


@pytest.mark.long
@pytest.mark.exercises(*EXERCISES)
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("filled", [False, True], ids=["others", "partially filled"])
def test_generated_cancels(venue: Venue, states: States, generated: Ahead, phase: str, filled: bool) -> None:
    """Ids, queries, headers, cookies and bodies as a generator makes them, mostly at orders that exist."""
    venue.driver = "schemathesis"
    items = [item for item in generated.get(phase) if (item.target == PARTIAL) is filled]
    # trades are what a distant run waits for most
    Fuzzer(venue, states).run(items[::2] if filled and venue.is_very_far else items)
