"""Makes a generated request smaller, part by part, and says in words what it is."""

from __future__ import annotations

import re
from dataclasses import replace

from conformance.fuzz.generated import Generated


def smaller(item: Generated) -> list[Generated]:
    """Requests that are the given one without some of it, the shortest first."""
    found = []
    if item.body is not None:
        headers = tuple(pair for pair in item.headers if pair[0].lower() != "content-type")
        found.append(replace(item, body=None, headers=headers))
    found += [replace(item, headers=())] if item.body is None and item.headers else []
    found += [replace(item, query=())] if item.query else []
    if len(item.query) > 1:
        found += [replace(item, query=(pair,)) for pair in item.query]
    for index, (name, value) in enumerate(item.query):
        found += [
            replace(item, query=(*item.query[:index], (name, part), *item.query[index + 1 :]))
            for part in _halves(value)
        ]
    if len(item.headers) > 1 and item.body is None:
        found += [replace(item, headers=(pair,)) for pair in item.headers]
    if item.target == "generated":
        found += [replace(item, id=part) for part in _halves(item.id)]
    if item.target not in ("own open", "generated"):
        found.append(replace(item, target="own open"))
    return found


def _halves(text: str) -> list[str]:
    """Both halves of a percent-encoded text, cut between characters."""
    parts = re.findall(r"(?:%[89A-F][0-9A-F])+|%[0-9A-Fa-f]{2}|.", text)
    middle = len(parts) // 2
    if not middle:
        return []
    return ["".join(parts[:middle]), "".join(parts[middle:])]


def describe(item: Generated) -> str:
    """The request in a line."""
    what = f"{item.method} of {'the id ' + item.id if item.target == 'generated' else item.target + ' order'}"
    parts = [
        *([f"query {item.query_string}"] if item.query else []),
        *(f"header {name}: {value}" for name, value in item.headers),
        *([f"body {item.body[:80]}"] if item.body is not None else []),
        f"credential {item.credential}",
    ]
    return f"{what}, {', '.join(parts)}"
