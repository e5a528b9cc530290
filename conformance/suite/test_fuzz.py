"""Chapter: Fuzz. What nobody thought of writing down, generated from the OpenAPI document."""

import pytest

from conformance.fuzz.generate import PHASES, budget, generate
from conformance.fuzz.requests import Fuzzer
from conformance.target.states import States
from conformance.target.venue import Venue


@pytest.mark.exercises(
    "cancel.answers.status",
    "cancel.answers.json",
    "cancel.success.open",
    "cancel.errors.invalid-id",
    "cancel.errors.invalid-id.hostile",
    "cancel.identity.path-only",
)
@pytest.mark.parametrize("phase", PHASES)
def test_generated_cancels(venue: Venue, states: States, phase: str) -> None:
    """Ids, queries, headers, cookies and bodies as a generator makes them, mostly at orders that exist."""
    header = venue.judge.header
    assert header is not None
    venue.driver = "schemathesis"
    items = generate(venue.judge.contract.openapi, phase, budget(header.profile), header.seed)
    Fuzzer(venue, states).run(items)
