"""SIGTERM and SIGHUP end a command as Ctrl-C does: nothing left open, the record ends well, the status tells."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_proxy import Faults, FaultyProxy
from suite_process import Ended, Running, Target, reference, suite

from conformance import stop
from conformance.target.journal import NAME, read_journal

NOTHING: dict[str, list[str]] = {"owner": [], "counterparty": []}
GRACE_S = 9.5  # what a CI system gives between SIGTERM and SIGKILL, about


@pytest.fixture
def exchange() -> Iterator[Target]:
    with reference() as target:
        yield target


def _wait_for_orders(directory: Path, answered: int = 60) -> None:
    journal = directory / "report" / NAME
    for _ in range(6000):
        if journal.exists() and journal.read_bytes().count(b'"placed"') >= answered:
            return
        time.sleep(0.01)
    raise AssertionError("the run places no orders")


def _end(run: Running, number: signal.Signals) -> tuple[Ended, float]:
    began = time.monotonic()
    run.signal(number)
    ended = run.wait(60)
    return ended, time.monotonic() - began


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_run_in_the_middle(exchange: Target, tmp_path: Path, number: signal.Signals) -> None:
    """No open order but those of others, a whole record, reports, no finding, and 128 + the signal's number."""
    foreign = exchange.place("owner", "buy", "0.2", "50")
    run = Running(["run", "--report-dir", "report"], exchange.env(), tmp_path)
    _wait_for_orders(tmp_path)
    ended, took = _end(run, number)
    assert ended.status == 128 + number, ended.text
    assert took < GRACE_S
    assert exchange.open_orders() == {"owner": [foreign], "counterparty": []}
    assert "Traceback" not in ended.text
    rows = [json.loads(line) for line in (tmp_path / "report" / "record.ndjson").read_text().splitlines()]
    notes = [row["what"] for row in rows if row["kind"] == "note"]
    assert rows[-1]["kind"] == "footer"
    assert {"interrupted", "cleanup"} <= set(notes)
    ended.report_dir = tmp_path / "report"
    assert ended.violations() == {}
    assert {"results.json", "report.html", "junit.xml"} <= {path.name for path in ended.report_dir.iterdir()}
    assert not read_journal(ended.report_dir / NAME).anything
    again = suite("cleanup", env=exchange.env(), cwd=tmp_path)
    assert (again.status, "Nothing is left" in again.out) == (0, True)


def test_a_run_that_has_not_begun_is_undecided(exchange: Target, tmp_path: Path) -> None:
    """Of first contact nothing is told that a user could take for a whole run's verdict."""
    with FaultyProxy(exchange.base_url, Faults(latency=0.3)) as proxy:
        run = Running(["run", "--report-dir", "report"], exchange.env(proxy.base_url), tmp_path)
        _wait_for_orders(tmp_path, 1)
        ended, _ = _end(run, signal.SIGTERM)
    assert ended.status == 143, ended.text
    result = json.loads((tmp_path / "report" / "results.json").read_text())
    assert (result["verdict"], result["reason"]) == ("undecided", "the run was cut off")


@pytest.mark.parametrize("moment_ms", [0, 40, 120])
def test_a_run_that_has_ended_writes_its_reports(exchange: Target, tmp_path: Path, moment_ms: int) -> None:
    """Once the record is whole, a signal is obeyed when the reports are written."""
    run = Running(["run", "--only", "cancel.success", "--report-dir", "report"], exchange.env(), tmp_path)
    record = tmp_path / "report" / "record.ndjson"
    for _ in range(6000):
        if record.exists() and b'"kind":"footer"' in record.read_bytes()[-400:]:
            break
        time.sleep(0.01)
    time.sleep(moment_ms / 1000)
    ended, _ = _end(run, signal.SIGTERM)
    assert ended.status in (143, 0), ended.text  # 0: it was too late
    assert "Traceback" not in ended.text
    assert {"results.json", "report.html", "junit.xml"} <= {path.name for path in (tmp_path / "report").iterdir()}


@pytest.mark.parametrize("moment", range(2))
def test_a_run_on_a_slow_target(exchange: Target, tmp_path: Path, moment: int) -> None:
    """With 0.5 s an answer, dozens of orders are gone before the SIGKILL would come."""
    with FaultyProxy(exchange.base_url, Faults(latency=0.5)) as proxy:
        run = Running(["run", "--report-dir", "report"], exchange.env(proxy.base_url), tmp_path)
        _wait_for_orders(tmp_path, 10 + 10 * moment)
        ended, took = _end(run, signal.SIGTERM)
    assert ended.status == 143, ended.text
    assert took < GRACE_S
    assert exchange.open_orders() == NOTHING
    ended.report_dir = tmp_path / "report"
    assert ended.violations() == {}


def test_a_second_signal_does_not_stop_the_clean_up(exchange: Target, tmp_path: Path) -> None:
    """Supervisors repeat SIGTERM: it is obeyed already."""
    with FaultyProxy(exchange.base_url, Faults(latency=0.2)) as proxy:
        run = Running(["run", "--report-dir", "report"], exchange.env(proxy.base_url), tmp_path)
        _wait_for_orders(tmp_path, 12)
        run.signal(signal.SIGTERM)
        for _ in range(3):
            time.sleep(0.1)
            run.signal(signal.SIGTERM)
        run.signal(signal.SIGHUP)
        ended = run.wait(60)
    assert ended.status == 143, ended.text
    assert exchange.open_orders() == NOTHING


@pytest.mark.parametrize("answered", [40, 120])  # while several requests are under way in turns, and one
def test_a_target_that_hangs(exchange: Target, tmp_path: Path, answered: int) -> None:
    """Nobody can clean up then: the end comes in time all the same, and `cleanup` can do it later."""
    run = Running(["run", "--report-dir", "report"], exchange.env(), tmp_path)
    _wait_for_orders(tmp_path, answered)
    assert exchange.process is not None
    exchange.process.send_signal(signal.SIGSTOP)
    try:
        ended, took = _end(run, signal.SIGTERM)
    finally:
        exchange.process.send_signal(signal.SIGCONT)
    assert ended.status == 143, ended.text
    assert took < GRACE_S
    ended.report_dir = tmp_path / "report"
    assert ended.violations() == {}
    assert suite("cleanup", env=exchange.env(), cwd=tmp_path).status == 0
    assert exchange.open_orders() == NOTHING


def test_the_embedded_reference_ends_with_the_run(tmp_path: Path) -> None:
    run = Running(["run", "--report-dir", "report"], {}, tmp_path)
    _wait_for_orders(tmp_path)
    ended, took = _end(run, signal.SIGTERM)
    assert ended.status == 143, ended.text
    assert took < GRACE_S


def test_doctor(exchange: Target, tmp_path: Path) -> None:
    """`doctor` cleans up as well."""
    with FaultyProxy(exchange.base_url, Faults(latency=0.3)) as proxy:
        run = Running(["doctor"], exchange.env(proxy.base_url), tmp_path)
        for _ in range(3000):
            if any(exchange.open_orders().values()):
                break
            time.sleep(0.01)
        ended, took = _end(run, signal.SIGTERM)
    assert ended.status == 143, ended.text
    assert took < GRACE_S
    assert "Traceback" not in ended.text
    assert exchange.open_orders() == NOTHING


def test_cleanup_goes_on(exchange: Target, tmp_path: Path) -> None:
    """A `cleanup` that is asked to end does its work first, in a hurry."""
    run = Running(["run", "--report-dir", "report"], exchange.env(), tmp_path)
    _wait_for_orders(tmp_path)
    run.signal(signal.SIGKILL)
    run.wait()
    with FaultyProxy(exchange.base_url, Faults(latency=0.5)) as proxy:
        journal = tmp_path / "report" / NAME
        journal.write_text(journal.read_text().replace(exchange.base_url, proxy.base_url))
        cleanup = Running(["cleanup", "--report-dir", "report"], exchange.env(proxy.base_url), tmp_path)
        while not proxy.met:
            time.sleep(0.01)
        ended, took = _end(cleanup, signal.SIGTERM)
    assert ended.status == 143, ended.text
    assert took < GRACE_S
    assert exchange.open_orders() == NOTHING


def test_serve_ends_well(exchange: Target) -> None:
    """The reference itself takes SIGTERM as its normal end."""
    assert exchange.process is not None
    exchange.process.terminate()
    assert exchange.process.wait(10) == 0


def test_signals_that_are_ignored_stay_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `nohup` wants it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        stop.install()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        monkeypatch.setattr(stop, "_received", [])
        with stop.shielded():
            signal.raise_signal(signal.SIGTERM)
            assert stop.requested()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert stop.exit_status() == 143
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
