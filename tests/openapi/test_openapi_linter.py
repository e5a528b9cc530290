"""The documents are clean under Redocly's recommended rules, and the linter does see a fault."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Redocly = Callable[..., "subprocess.CompletedProcess[str]"]


def problems(redocly: Redocly, folder: Path, document: str) -> list[dict[str, Any]]:
    """Lint one document and give all its problems, warnings too."""
    done = redocly("lint", document, "--config", "redocly.yaml", "--format", "json", cwd=folder)
    assert done.stdout.startswith("{"), done.stderr
    report = json.loads(done.stdout)
    assert done.returncode == (1 if report["totals"]["errors"] else 0), done.stderr
    found: list[dict[str, Any]] = report["problems"]
    return found


@pytest.mark.parametrize("document", ["spot-orders.yaml", "cancel-order.arazzo.yaml"])
def test_document_is_clean(redocly: Redocly, documents: Path, document: str) -> None:
    assert problems(redocly, documents, document) == []


@pytest.mark.parametrize(
    ("document", "old", "new"),
    [
        ("spot-orders.yaml", "status: canceled\n", "status: filled\n"),
        ("spot-orders.yaml", "operationId: queryOrder\n      tags", "operationId: cancelOrder\n      tags"),
        ("spot-orders.yaml", "'#/components/schemas/ErrorForbidden'", "'#/components/schemas/Forbidden'"),
        ("cancel-order.arazzo.yaml", "stepId: query\n", "stepId: place\n"),
        ("cancel-order.arazzo.yaml", "    type: openapi\n", "    type: swagger\n"),
    ],
    ids=[
        "bad-example",
        "same-operation-twice",
        "dangling-reference",
        "same-step-twice",
        "unknown-source-type",
    ],
)
def test_linter_sees_a_fault(
    redocly: Redocly, documents: Path, tmp_path: Path, document: str, old: str, new: str
) -> None:
    """The control of the test above: a fault put in on purpose is found."""
    folder = tmp_path / "openapi"
    shutil.copytree(documents, folder)
    text = (folder / document).read_text(encoding="utf-8")
    assert old in text
    (folder / document).write_text(text.replace(old, new, 1), encoding="utf-8")
    assert problems(redocly, folder, document) != []
