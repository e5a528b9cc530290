import pytest

from .rows import Paper


@pytest.fixture
def paper() -> Paper:
    return Paper()
