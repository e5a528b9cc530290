"""Cases overlap on a distant target, and that changes no verdict."""

from __future__ import annotations

import itertools
import json
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from benchmarks.delay import delayed
from conformance.record import Exchange, Note, read_rows
from conformance.reference.faults import spoiled
from conformance.reference.server import start
from conformance.reference.settings import simple_settings
from conformance.suite.lanes import MOST, lanes_for
from conformance.target.book import SIDES, Book, HeldBand
from conformance.target.market import Rules
from conformance.target.trouble import Undecidable
from tests.suite.test_run import environment, spot

_ROUND_TRIP_S = 0.03


def _run(directory: Path, *options: str, fault: str | None = None, parallel: int | None = None) -> dict[str, Any]:
    """A run on the reference behind a delay: its results, and the notes of its record by what they are."""
    config = directory / "conformance.toml"
    directory.mkdir()
    config.write_text(f"[safety]\nmax_parallel = {parallel}\n" if parallel else "")
    with start(spoiled(simple_settings(), fault, None)) as running, delayed(running.base_url, _ROUND_TRIP_S) as far:
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


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["cancel-takes-own-orders-at-its-price", "unknown-orders-forbidden"])
def test_the_same_is_violated_with_and_without_overlap(tmp_path: Path, fault: str) -> None:
    only = ("--profile", "quick", "--only", "cancel.effects.own-orders", "--only", "cancel.errors.not-found")
    far = _run(tmp_path / "lanes", *only, fault=fault)
    alone = _run(tmp_path / "alone", *only, fault=fault, parallel=1)
    assert _lanes(far)
    assert not _lanes(alone)
    assert _violated(far) == _violated(alone) != []


def test_how_many_lanes_a_target_is_worth() -> None:
    assert lanes_for(0.002, None) == 1
    assert lanes_for(0.03, None) == 10
    assert lanes_for(0.2, None) == MOST
    assert lanes_for(0.2, 3) == 3


def test_the_book_is_held_until_nothing_rests_there() -> None:
    book, got = Book(), threading.Event()
    book.acquire("first", SIDES, lambda: None)
    book.settle("first", resting=False)  # nothing was placed yet
    assert book.has("first")

    def second() -> None:
        book.acquire("second", frozenset({"buy"}), lambda: None)
        got.set()

    thread = threading.Thread(target=second)
    thread.start()
    book.settle("first", resting=True)
    time.sleep(0.05)
    assert not got.is_set()
    book.settle("first", resting=False)
    thread.join(5)
    assert book.has("second")
    book.release("first")  # it has it no more
    assert book.has("second")


def test_the_sides_of_the_book_are_held_apart() -> None:
    book, buy, sell = Book(), frozenset({"buy"}), frozenset({"sell"})
    book.acquire("buyer", buy, lambda: None)
    book.acquire("seller", sell, lambda: None)
    assert book.has("buyer")
    assert book.has("seller")
    book.settle("buyer", resting=True)
    with pytest.raises(Undecidable):  # or two that want each other's side would wait for ever
        book.acquire("buyer", SIDES, lambda: None)
    assert book.has("buyer")
    book.release("buyer")
    got = threading.Event()

    def both() -> None:
        book.acquire("both", SIDES, lambda: None)
        got.set()

    threading.Thread(target=both).start()
    time.sleep(0.05)
    assert not got.is_set()
    after = threading.Thread(target=lambda: book.acquire("late buyer", buy, lambda: None))
    after.start()
    time.sleep(0.05)
    assert not book.has("late buyer")  # who wants both would never get them otherwise
    book.release("seller")
    assert got.wait(5)
    book.release("both")
    after.join(5)
    assert book.has("late buyer")


def test_whoever_waits_for_the_book_may_give_up() -> None:
    book = Book()
    book.acquire("first", SIDES, lambda: None)

    def stop() -> None:
        raise Undecidable("the time is up")

    with pytest.raises(Undecidable):
        book.acquire("second", SIDES, stop)
    book.release("first")
    book.acquire("third", SIDES, stop)
    assert book.has("third")


@pytest.mark.parametrize("resting", ["buy", "sell"])
def test_the_halves_of_a_band_do_not_meet(resting: str) -> None:
    rules = Rules("DFUSDT", Decimal("0.0001"), Decimal("0.01"), Decimal(1))
    band = HeldBand(rules, Decimal("0.4"), Decimal("0.6"), True, acquire=lambda sides: None)
    middle = Decimal("0.5")
    for count in (1, 2, 5):
        levels = band.levels(count, resting=resting)
        assert len(levels) == count
        assert all((level < middle) == (resting == "buy") and level != middle for level in levels)
        assert all(band.low_edge + 4 * rules.tick < level < band.high_edge - 4 * rules.tick for level in levels)
    tight = HeldBand(rules, Decimal("0.4"), Decimal("0.4030"), True, acquire=lambda sides: None)
    assert tight.levels(1, resting=resting) == tight.levels(1)
