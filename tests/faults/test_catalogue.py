"""The catalogue of faults is sound by itself, and complete for what a client can see."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

from conformance.contract import Level, load_contract
from conformance.reference.faults import Fault, UnknownName, load_faults, spoiled
from conformance.reference.reference import Reference
from conformance.reference.settings import Settings
from conformance.reference.variations import Variation, load_variations

FAULTS = load_faults()
VARIATIONS = load_variations()
ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "conformance" / "reference"


def test_every_visible_must_has_a_fault_of_its_own() -> None:
    """For each MUST that a client can see, some fault names it first."""
    primary = {fault.requirements[0] for fault in FAULTS.values()}
    musts = {
        row.id for row in load_contract().requirements.values() if row.level is Level.MUST and row.unseen is None
    }
    assert musts - primary == set()


def test_kill_matrix_is_that_of_the_catalogue() -> None:
    """docs/kill-matrix.md tells of each fault, as the catalogue words it, and of no other; none has survived."""
    text = (ROOT / "docs" / "kill-matrix.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \| (.*) \|$", text, re.MULTILINE)
    assert [(name, told) for name, told, _ in rows] == [
        (fault.name, fault.text.replace("|", "\\|")) for fault in FAULTS.values()
    ]
    assert [name for name, _, found in rows if found.startswith("survived")] == []
    assert "no fault violates: none." in text


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_fault_is_well_formed(fault: Fault) -> None:
    """It says in one sentence what a client sees, and names requirements that exist, each once."""
    assert fault.text.endswith(".")
    assert "\n" not in fault.text
    assert set(fault.requirements) <= set(load_contract().requirements)
    assert len(set(fault.requirements)) == len(fault.requirements)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_fault_applies(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be put on a wired exchange."""
    import h11

    # one fault patches the parser for the whole process
    monkeypatch.setattr(h11.Connection, "next_event", h11.Connection.next_event)
    reference = Reference(Settings(hooks=(fault.hook,)))
    reference.store.close()


@pytest.mark.parametrize("variation", VARIATIONS.values(), ids=VARIATIONS)
def test_variation_applies(variation: Variation) -> None:
    """It can be put on a wired exchange, and its settings survive the way into another process."""
    settings = variation.applied(Settings())
    assert Settings.from_json(settings.to_json()) == settings
    assert variation.text.endswith(".")
    reference = Reference(settings)
    reference.store.close()


def test_no_two_faults_share_a_hook() -> None:
    """Each fault is a function of its own, which its hook finds."""
    hooks = [fault.hook for fault in FAULTS.values()]
    assert len(set(hooks)) == len(hooks)
    for hook in hooks:
        module, _, function = hook.partition(":")
        assert callable(getattr(import_module(module), function))


def test_unknown_names_get_the_nearest_ones() -> None:
    """A misspelled name is answered with what was probably meant."""
    with pytest.raises(UnknownName, match="average-is-not-weighted"):
        spoiled(Settings(), "average-not-weighted", None)
    with pytest.raises(UnknownName, match="tiny-tick"):
        spoiled(Settings(), None, "tinytick")


def test_fault_and_variation_go_together() -> None:
    """Both can be asked for at once."""
    settings = spoiled(Settings(), "side-is-that-of-the-cancel", "no-base-path")
    assert settings.base_path == ""
    assert len(settings.hooks) == 2


@pytest.mark.parametrize("path", sorted(REFERENCE.rglob("*.py")), ids=lambda path: path.stem)
def test_reference_imports_nothing_of_the_suite(path: Path) -> None:
    """Any other server could stand in the reference's place."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and not node.level:
            assert not (node.module or "").startswith("conformance") or "reference" in (node.module or "")
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith("conformance") for alias in node.names)
