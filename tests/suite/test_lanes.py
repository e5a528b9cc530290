"""Cases overlap on a distant target, and that changes no verdict."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.delay import delayed
from conformance.record import Exchange, Note, read_rows
from conformance.reference.faults import spoiled
from conformance.reference.server import start
from conformance.reference.settings import simple_settings
from conformance.suite.lanes import MOST, lanes_for
from tests.suite.test_run import environment, spot

_ROUND_TRIP_S = 0.03


def _run(
    directory: Path,
    *options: str,
    fault: str | None = None,
    parallel: int | None = None,
    round_trip_s: float = _ROUND_TRIP_S,
    more: Callable[[], float] = lambda: 0.0,
) -> dict[str, Any]:
    """A run on the reference behind a delay (s): its results, and its record."""
    config = directory / "conformance.toml"
    directory.mkdir()
    config.write_text(f"[safety]\nmax_parallel = {parallel}\n" if parallel else "")
    with (
        start(spoiled(simple_settings(), fault, None)) as running,
        delayed(running.base_url, round_trip_s, more) as far,
    ):
        env = {**environment(running), "SPOT_CONFORMANCE_BASE_URL": far}
        told = spot("run", "--config", str(config), "--report-dir", str(directory / "reports"), *options, env=env)
    assert told.returncode in (0, 1), told.stderr
    results = json.loads((directory / "reports" / "results.json").read_text())
    results["record"] = list(read_rows(directory / "reports" / "record.ndjson"))
    return results


def _violated(results: dict[str, Any]) -> list[str]:
    return [row["id"] for row in results["requirements"] if row["verdict"] == "violated"]


def _lanes(results: dict[str, Any]) -> list[dict[str, Any]]:
    return [row.data for row in results["record"] if isinstance(row, Note) and row.what == "lanes"]


def test_a_distant_conformant_target(tmp_path: Path) -> None:
    results = _run(tmp_path / "run", "--profile", "quick")
    assert results["verdict"] == "conformant"
    assert _lanes(results)[0]["lanes"] > 1
    rows = [row for row in results["record"] if isinstance(row, Exchange)]
    beside = sum(later.start < row.end for row, later in itertools.pairwise(rows))
    assert beside > len(rows) / 4  # they did overlap
    undecided = [row["id"] for row in results["requirements"] if row["verdict"] == "undecided"]
    assert undecided == []


def test_a_target_that_becomes_distant(tmp_path: Path) -> None:
    """From then on cases overlap, and the rest of the run is as on any distant target."""
    asked = itertools.count()
    results = _run(
        tmp_path / "run",
        *("--profile", "quick", "--only", "cancel.key", "--only", "cancel.effects.off-book"),
        round_trip_s=0.0,
        more=lambda: 0.06 if next(asked) > 400 else 0.0,
    )
    assert results["verdict"] == "conformant"
    notes = [row.what for row in results["record"] if isinstance(row, Note)]
    assert notes.index("lanes") > notes.index("case-end")  # some had been carried out before
    assert [row["id"] for row in results["requirements"] if row["verdict"] == "undecided"] == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["cancel-takes-own-orders-at-its-price", "unknown-orders-forbidden"])
def test_the_same_is_violated_with_and_without_overlap(tmp_path: Path, fault: str) -> None:
    own, not_found = "cancel.effects.own-orders", "cancel.errors.not-found"
    only = ("--profile", "quick", "--only", own, "--only", not_found)
    far = _run(tmp_path / "lanes", *only, fault=fault)
    alone = _run(tmp_path / "alone", *only, fault=fault, parallel=1)
    assert _lanes(far)
    assert not _lanes(alone)
    # contact cancels orders of one price at the same time, and of these the second may be gone in either run
    found = [[name for name in _violated(results) if name.startswith((own, not_found))] for results in (far, alone)]
    assert found[0] == found[1] != []


def test_how_many_lanes_a_target_is_worth() -> None:
    assert lanes_for(0.002, None) == 1
    assert lanes_for(0.03, None) == 10
    assert lanes_for(0.2, None) == MOST
    assert lanes_for(0.2, 3) == 3
