"""The requirements: well-formed, permanent, complete, and each exercised or said to be unseen."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from conformance.contract import FIELDS, Level, load_contract
from conformance.contract.loader import contract_directory
from conformance.errors import ConfigError
from conformance.explain import cases_by_requirement
from conformance.oracle.fields import REQUIREMENT

HERE = Path(__file__).parent
# Every row and section of the normative page that states something.
PAGE_ROWS = {
    "Description",
    "HTTP Request",
    "Weight",
    "Request Parameters / id",
    "Response Example / 200",
    "Response Example / status",
    "Response Example / filled_qty",
    "Response Example / avg_fill_price",
    "Response Example / created_at",
    "Response Example / updated_at",
    "Error Responses / 400",
    "Error Responses / 403",
    "Error Responses / 404",
    "Error Responses / 503",
    "Code Examples / cURL (JWT)",
    "Code Examples / cURL (HMAC API Key)",
    "Code Examples / Python",
}
# Judged on every exchange of every driver, so no case has to say so.
ALWAYS = {
    "cancel.answers.status",
    "cancel.answers.error-form",
    "cancel.answers.no-leak",
    "cancel.answers.empty-401",
    "cancel.unavailable.unwarranted",
    "cancel.unavailable.form",
    "cancel.unavailable.no-effect",
    "cancel.unavailable.transient",
}


def test_ids_are_frozen() -> None:
    """An id is permanent: it may be added to the snapshot, never changed or reused."""
    assert list(load_contract().requirements) == (HERE / "ids.txt").read_text().split()


def test_every_row_of_the_page_is_covered() -> None:
    sources = {s.removeprefix("Cancel Order / ") for r in load_contract().requirements.values() for s in r.source}
    assert PAGE_ROWS - sources == set()


def test_every_field_has_a_requirement() -> None:
    assert {REQUIREMENT[name] for name in FIELDS} <= set(load_contract().requirements)


def test_every_error_string_is_in_a_requirement() -> None:
    text = " ".join(r.text for r in load_contract().requirements.values())
    for error in ("invalid id", "FORBIDDEN", "ORDER_NOT_FOUND", "ENGINE_BUSY", "ENGINE_RESTARTING"):
        assert error in text
    assert "spot trading disabled" in text


def test_every_requirement_is_exercised_or_says_why_not() -> None:
    exercised = set(cases_by_requirement())
    for requirement in load_contract().requirements.values():
        covered = requirement.id in exercised | ALWAYS
        assert covered != bool(requirement.unseen), requirement.id


def test_what_only_the_errors_page_says_of_bodies_is_no_must() -> None:
    assert load_contract().requirements["cancel.answers.empty-401"].level is not Level.MUST


@pytest.mark.parametrize(
    ("patterns", "count"), [(["cancel.errors.forbidden"], 2), (["cancel.jwt"], 10), (["fields.status"], 1)]
)
def test_selection_takes_ids_and_prefixes(patterns: list[str], count: int) -> None:
    assert len(load_contract().select(patterns)) == count


def test_unknown_id_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"cancel\.errors\.forbidden"):
        load_contract().select(["cancel.errors.forbiden"])


def _broken(tmp_path: Path, change: str) -> Path:
    source = contract_directory()
    document = yaml.safe_load((source / "requirements.yaml").read_text())
    row = copy.deepcopy(document["requirements"][0])
    match change:
        case "twice":
            document["requirements"].append(row)
        case "level":
            document["requirements"][0]["level"] = "MAY"
        case "chapter":
            document["requirements"][0]["id"] = "cancel.nowhere.open"
        case "unknown key":
            document["requirements"][0]["colour"] = "red"
        case "dangling":
            document["left_open"][0]["requirements"] = ["cancel.no.such"]
    (tmp_path / "requirements.yaml").write_text(yaml.safe_dump(document))
    (tmp_path / "spot-orders.yaml").write_text((source / "spot-orders.yaml").read_text())
    return tmp_path


@pytest.mark.parametrize("change", ["twice", "level", "chapter", "unknown key", "dangling"])
def test_a_broken_contract_is_refused(tmp_path: Path, change: str) -> None:
    with pytest.raises(ConfigError):
        load_contract(_broken(tmp_path, change))


def test_a_missing_contract_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_contract(tmp_path)


def test_a_contract_that_is_not_yaml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "requirements.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match="not YAML"):
        load_contract(tmp_path)
