"""Marks of cases that are made of data. Apart from the data, which scripts and replays need without pytest."""

from __future__ import annotations

import pytest


def marks_of(requirement: str, *, in_quick: bool) -> list[pytest.MarkDecorator]:
    """The marks of a case that tries a flaw: what it exercises, and whether a quick run has it."""
    return [pytest.mark.exercises(requirement), *([] if in_quick else [pytest.mark.profile("standard")])]
