"""Cases that differ in the credential, or the side, alone: on a very distant target one of each has to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest


def twins(items: Iterable[pytest.Function]) -> set[str]:
    """The node ids of all but one of the cases that are the same but for `scheme`, or what their `by_turns` names.

    Which credential it is changes from group to group of a test, and not in step with any of its parameters.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for item in items:
        given = dict(item.callspec.params) if hasattr(item, "callspec") else {}
        mark = item.get_closest_marker("by_turns")
        if given.pop(mark.args[0] if mark is not None else "scheme", None) is not None:
            test = f"{item.path}::{item.originalname}"
            groups.setdefault((test, *map(repr, given.items())), []).append(item.nodeid)
    turns: Counter[str] = Counter()
    left_out: set[str] = set()
    for (test, *_), nodes in groups.items():
        left_out.update(node for node in nodes if node != nodes[turns[test].bit_count() % len(nodes)])
        turns[test] += 1
    return left_out
