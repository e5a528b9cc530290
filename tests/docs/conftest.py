"""What the tests of the docs page share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from docs_pages import Original, at_hand, twin


@pytest.fixture(params=[at_hand, twin], ids=["at-hand", "twin"])
def original(request: pytest.FixtureRequest) -> Original:
    """Give the page at hand, and its twin."""
    make: Callable[[], Original] = request.param
    return make()
