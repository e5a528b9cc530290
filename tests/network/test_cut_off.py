"""Runs that are killed or interrupted: no order of ours is left, and no order of others is touched."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from suite_process import Running, Target, reference, suite

MOMENTS = 6


@pytest.fixture
def exchange() -> Iterator[Target]:
    with reference() as target:
        yield target


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_nothing_is_left_after_kill_9_and_cleanup(exchange: Target, tmp_path: Path, moment: int) -> None:
    """Whenever the run is killed, `cleanup` ends its orders and nobody else's."""
    exchange.call("owner", "DELETE", "/spot/orders", params={"symbol": "DFUSDT"})
    exchange.call("counterparty", "DELETE", "/spot/orders", params={"symbol": "DFUSDT"})
    foreign = [exchange.place("owner", "buy", "0.2", "50"), exchange.place("counterparty", "sell", "0.9", "50")]
    run = Running(["run", "--report-dir", "report"], exchange.env(), tmp_path)
    _wait_for_orders(tmp_path, answered=0)
    time.sleep(random.Random(moment).uniform(0.0, 6.0))
    run.signal(signal.SIGKILL)
    run.wait()
    ended = suite("cleanup", env=exchange.env(), cwd=tmp_path)
    left = exchange.open_orders()
    assert ended.status == 0, ended.text
    assert sorted(left["owner"] + left["counterparty"]) == sorted(foreign)
    again = suite("cleanup", env=exchange.env(), cwd=tmp_path)
    assert (again.status, "Nothing is left" in again.out) == (0, True)


def test_ctrl_c_cancels_and_reports(exchange: Target, tmp_path: Path) -> None:
    """An interrupted run cancels its orders, writes its reports and exits with 130."""
    run = Running(["run", "--report-dir", "report"], exchange.env(), tmp_path)
    _wait_for_orders(tmp_path)
    run.signal(signal.SIGINT)
    ended = run.wait(60)
    assert ended.status == 130, ended.text
    assert exchange.open_orders() == {"owner": [], "counterparty": []}
    assert {"results.json", "report.html", "junit.xml"} <= {path.name for path in (tmp_path / "report").iterdir()}
    assert "Traceback" not in ended.text


def test_a_run_does_not_forget_what_an_earlier_one_left(exchange: Target, tmp_path: Path) -> None:
    """A new run in the same directory keeps the journal of one that was killed, and `cleanup` reads both."""
    run = Running(["run", "--report-dir", "report"], exchange.env(), tmp_path)
    _wait_for_orders(tmp_path)
    run.signal(signal.SIGKILL)
    run.wait()
    second = suite("run", "--profile", "quick", "--only", "cancel.jwt.missing", env=exchange.env(), cwd=tmp_path)
    assert second.status == 0, second.text
    assert suite("cleanup", env=exchange.env(), cwd=tmp_path).status == 0
    assert exchange.open_orders() == {"owner": [], "counterparty": []}


def test_cleanup_says_what_it_cannot(exchange: Target, tmp_path: Path) -> None:
    """2 without a journal and for another target, 3 where the target does not answer."""
    assert suite("cleanup", env=exchange.env(), cwd=tmp_path).status == 2
    run = Running(["run", "--report-dir", "report"], exchange.env(), tmp_path)
    _wait_for_orders(tmp_path)
    run.signal(signal.SIGKILL)
    run.wait()
    journal = tmp_path / "report" / "orders.ndjson"
    text = journal.read_text()
    elsewhere = exchange.env("http://127.0.0.1:9/api/v1")
    ended = suite("cleanup", env=elsewhere, cwd=tmp_path)
    assert (ended.status, "the settings name" in ended.err) == (2, True)
    journal.write_text(text.replace(exchange.base_url, "http://127.0.0.1:9/api/v1"))
    ended = suite("cleanup", env=elsewhere, cwd=tmp_path)
    assert ended.status == 3, ended.text
    assert ended.seconds < 60
    journal.write_text(text)
    assert suite("cleanup", env=exchange.env(), cwd=tmp_path).status == 0
    assert exchange.open_orders() == {"owner": [], "counterparty": []}


def _wait_for_orders(directory: Path, answered: int = 30) -> None:
    """Until so many placings were answered, or (0) until the first one is in the journal."""
    journal = directory / "report" / "orders.ndjson"
    line, lines = (b'"placed"', answered) if answered else (b'"place"', 1)
    for _ in range(3000):
        if journal.exists() and journal.read_bytes().count(line) >= lines:
            return
        time.sleep(0.01)
    raise AssertionError("the run places no orders")
