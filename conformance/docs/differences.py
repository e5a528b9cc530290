"""What a check of a page says: differences, each under a name that lasts as long as the difference does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.contract.loader import contract_directory, read_yaml
from conformance.errors import ConfigError


@dataclass(frozen=True)
class Difference:
    """One thing that page and document say differently, or that a part of the page gets wrong.

    `id` is a dotted name; where only one side says it, it ends in `page-only` or `document-only`. `known` is why it
    is known and left as it is.
    """

    id: str
    message: str
    page: str
    document: str
    known: str | None = None


@dataclass(frozen=True)
class Known:
    """A difference that is known: why it stays, and in which forms of the page it shows (all, if none is named)."""

    id: str
    why: str
    forms: tuple[str, ...] = ()


def slug(text: str) -> str:
    """`text` as a part of a dotted name."""
    return re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-") or "unnamed"


def load_known(path: Path | None = None) -> tuple[Known, ...]:
    """The known differences (`openapi/page.yaml` by default). Raises ConfigError for a file of another form."""
    path = path or contract_directory() / "page.yaml"
    rows = _mapping(path).get("known")
    if not isinstance(rows, list):
        raise ConfigError(f"{path} has no list called known", "known: [] is an empty one")
    found = []
    for row in rows:
        if not isinstance(row, dict) or not {"id", "why"} <= row.keys() <= {"id", "why", "forms"}:
            raise ConfigError(f"{path}: an entry of known needs id and why, and may have forms", "correct it")
        found.append(Known(str(row["id"]), str(row["why"]), tuple(map(str, row.get("forms", ())))))
    return tuple(found)


def load_digests(path: Path | None = None) -> dict[str, str]:
    """The digest of each source row's wording (`openapi/source-rows.yaml` by default), by the row's name.

    Raises ConfigError for a file of another form.
    """
    path = path or contract_directory() / "source-rows.yaml"
    rows = _mapping(path).get("rows")
    if not isinstance(rows, dict) or not all(re.fullmatch(r"[0-9a-f]{16}", str(value)) for value in rows.values()):
        message = f"{path}: rows must map the name of a source row to 16 hex digits"
        raise ConfigError(message, "docs check PAGE --digests prints one")
    return {str(name): str(value) for name, value in rows.items()}


def _mapping(path: Path) -> Mapping[str, Any]:
    document = read_yaml(path)
    if not isinstance(document, dict):
        raise ConfigError(f"{path} is no mapping", "correct the file, or install the suite again")
    return document


def with_known(found: Iterable[Difference], known: Iterable[Known], form: str) -> list[Difference]:
    """`found` with the known ones marked; a known difference that is no more is one of its own (`known.….gone`)."""
    reasons = {entry.id: entry for entry in known}
    marked, met = [], set()
    for difference in found:
        entry = reasons.get(difference.id)
        if entry is not None and (not entry.forms or form in entry.forms):
            met.add(entry.id)
            difference = Difference(
                difference.id, difference.message, difference.page, difference.document, known=entry.why
            )
        marked.append(difference)
    for entry in reasons.values():
        if entry.id not in met and (not entry.forms or form in entry.forms):
            marked.append(
                Difference(
                    f"known.{entry.id}.gone", "a known difference is no more; take it out of page.yaml", "-", "-"
                )
            )
    return marked
