"""Finds, reads and validates the two files of the contract."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from conformance.contract.requirements import Chapter, Disagreement, LeftOpen, Level, Requirement
from conformance.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parent
_HINT = "correct the file, or install the suite again"


def contract_directory() -> Path:
    """The `openapi/` directory: inside the installed package, or beside it in a checkout."""
    installed = _PACKAGE.parent / "openapi"
    return installed if installed.is_dir() else _PACKAGE.parent.parent / "openapi"


@dataclass(frozen=True)
class Contract:
    """All that must hold, and the OpenAPI document it belongs to.

    `digest` names the exact wording: a record judged under another digest was judged by another contract.
    """

    requirements: Mapping[str, Requirement]
    chapters: Mapping[str, Chapter]
    disagreements: tuple[Disagreement, ...]
    left_open: tuple[LeftOpen, ...]
    openapi: Mapping[str, Any]
    openapi_path: Path
    requirements_path: Path
    digest: str

    def select(self, patterns: Iterable[str]) -> list[Requirement]:
        """The requirements whose id is one of `patterns` or lies below it; all for no pattern.

        Raises ConfigError with the nearest ids for a pattern that matches nothing.
        """
        wanted = list(patterns)
        if not wanted:
            return list(self.requirements.values())
        chosen: set[str] = set()
        for pattern in wanted:
            stem = pattern.rstrip(".*")
            hits = [i for i in self.requirements if i == stem or i.startswith(stem + ".")]
            if not hits and not stem.startswith("cancel."):
                hits = [i for i in self.requirements if i.startswith(f"cancel.{stem}.") or i == f"cancel.{stem}"]
            if not hits:
                raise ConfigError(f"no requirement is called {pattern!r}", self._nearest(stem))
            chosen.update(hits)
        return [r for i, r in self.requirements.items() if i in chosen]

    def _nearest(self, text: str) -> str:
        import difflib

        near = difflib.get_close_matches(text, list(self.requirements), n=3, cutoff=0.4)
        return f"did you mean {', '.join(near)}?" if near else "see: spot-conformance requirements list"


def read_yaml(path: Path) -> Any:
    """The parsed file at `path`; raises ConfigError with the place of the mistake."""
    try:
        # libyaml's loader, where PyYAML was built with it, reads the contract ten times faster
        return yaml.load(path.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", _HINT) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}", _HINT) from None


def _requirements(path: Path, document: Any) -> Any:
    schema = json.loads((_PACKAGE / "requirements.schema.json").read_text("utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    for error in validator.iter_errors(document):
        where = "/".join(str(part) for part in error.absolute_path)
        raise ConfigError(f"{path}: {where or 'document'}: {error.message}", _HINT)
    return document


def _build(document: Any) -> tuple[dict[str, Requirement], dict[str, Chapter]]:
    chapters = {key: Chapter(key, **value) for key, value in document["chapters"].items()}
    requirements: dict[str, Requirement] = {}
    for rank, row in enumerate(document["requirements"]):
        requirement = Requirement(
            id=row["id"],
            level=Level(row["level"]),
            text=row["text"],
            source=tuple(row["source"]),
            needs=frozenset(row["needs"]),
            trader=row["trader"],
            unseen=row.get("unseen"),
            rank=rank,
        )
        if requirement.id in requirements:
            raise ConfigError(f"requirement {requirement.id} stands twice", _HINT)
        if requirement.chapter not in chapters:
            raise ConfigError(f"requirement {requirement.id} is of no chapter", _HINT)
        if not requirement.text.startswith(f"{requirement.level} "):
            raise ConfigError(f"requirement {requirement.id}: the sentence begins with another level", _HINT)
        requirements[requirement.id] = requirement
    return requirements, chapters


@cache
def load_contract(directory: Path | None = None) -> Contract:
    """The contract in `directory` (the one shipped with the suite by default).

    Raises ConfigError if a file is missing, is not YAML, or does not fit its schema.
    """
    folder = directory or contract_directory()
    requirements_path, openapi_path = folder / "requirements.yaml", folder / "spot-orders.yaml"
    document = _requirements(requirements_path, read_yaml(requirements_path))
    requirements, chapters = _build(document)
    disagreements = tuple(
        Disagreement(**{**row, "requirements": tuple(row["requirements"])}) for row in document["disagreements"]
    )
    left_open = tuple(
        LeftOpen(**{**row, "requirements": tuple(row["requirements"])}) for row in document["left_open"]
    )
    entries: list[Disagreement | LeftOpen] = [*disagreements, *left_open]
    for entry in entries:
        for name in entry.requirements:
            if name not in requirements:
                raise ConfigError(f"{requirements_path}: {entry.id} names {name}, which is no requirement", _HINT)
    openapi = read_yaml(openapi_path)
    if not isinstance(openapi, dict) or "paths" not in openapi:
        raise ConfigError(f"{openapi_path} is not an OpenAPI document", _HINT)
    digest = hashlib.sha256(requirements_path.read_bytes() + openapi_path.read_bytes()).hexdigest()[:16]
    return Contract(
        requirements, chapters, disagreements, left_open, openapi, openapi_path, requirements_path, digest
    )
