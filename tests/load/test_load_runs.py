"""`spot-conformance load` as a user runs it: alone, by master and workers, cut off, on bad networks and targets."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from faulty_proxy import Faults, FaultyProxy
from suite_process import Ended, Running, Target, reference, serve, suite


def _result(ended: Ended) -> dict[str, Any]:
    return dict(json.loads((ended.report_dir / "load.json").read_text()))


def _load(target: Target, cwd: Path, *arguments: str, base_url: str | None = None) -> Ended:
    return suite("load", *arguments, env=target.env(base_url), cwd=cwd)


def test_embedded_reference(tmp_path: Path) -> None:
    """Without a target the reference is loaded: it is conformant, fast enough, and nothing is left on it."""
    ended = suite("load", "--duration", "4", "--users", "6", "--rate", "40", env={}, cwd=tmp_path)
    result = _result(ended)
    assert ended.status == 0, ended.text
    assert (result["verdict"], result["findings"], result["orders_left"]) == ("conformant", [], 0)
    assert 100 <= result["orders"] <= 200, "the rate is kept"
    assert result["fills"] > 10
    assert set(result["answers"]) >= {"200", "403", "404"}
    latency = result["latency"]["cancel_order"]
    assert 0 < latency["p50_ms"] <= latency["p90_ms"] <= latency["p99_ms"] <= latency["max_ms"]
    for word in ("p50", "orders/s", "503: 0.00%", "orders left: 0", "Conformant"):
        assert word in ended.out


def test_record_is_judged_alike(tmp_path: Path) -> None:
    """The record of a load run, judged offline, has no finding either, and as many exchanges as were counted."""
    ended = suite("load", "--duration", "2", env={}, cwd=tmp_path)
    judged = Running(["judge", "report/record.ndjson", "--report-dir", "judged"], {}, tmp_path).wait()
    results = json.loads((tmp_path / "judged/results.json").read_text())
    drivers = {row["name"]: row["exchanges"] for row in results["drivers"]}
    assert judged.status in (0, 3)
    assert [r["id"] for r in results["requirements"] if r["verdict"] == "violated"] == []
    assert drivers["load"] >= _result(ended)["exchanges"] > 0


@pytest.mark.parametrize(
    ("fault", "requirement"),
    [
        ("every-fifteenth-order-not-found", "cancel.success.open"),
        ("tokens-can-cancel-twice", "cancel.errors.not-found.canceled"),
    ],
)
def test_faults_are_found(tmp_path: Path, fault: str, requirement: str) -> None:
    with serve("--fault", fault) as target:
        ended = _load(target, tmp_path, "--duration", "5", "--users", "6", "--rate", "60")
    assert ended.status == 1, ended.text
    assert requirement in [row["requirement"] for row in _result(ended)["findings"]]
    assert requirement in ended.out


def test_overload_is_no_violation(tmp_path: Path) -> None:
    """A backlog of two overflows under load: 503s are counted, and nothing is blamed for them."""
    with reference("--queue-size", "2") as target:
        ended = _load(target, tmp_path, "--duration", "4", "--users", "24", "--rate", "200")
        assert target.open_orders() == {"owner": [], "counterparty": []}
    result = _result(ended)
    assert ended.status == 0, ended.text
    assert result["share_503"] > 0
    assert result["orders_left"] == 0


def test_bad_network(tmp_path: Path) -> None:
    """Lost requests and lost answers: no false finding, and no order that nobody knows of stays."""
    faults = Faults(latency=0.004, before=0.01, after=0.02, silent=0.02, gateway=0.01)
    with reference() as target, FaultyProxy(target.base_url, faults) as proxy:
        ended = _load(target, tmp_path, "--duration", "6", "--users", "8", "--rate", "40", base_url=proxy.base_url)
        assert target.open_orders() == {"owner": [], "counterparty": []}
    result = _result(ended)
    assert proxy.met["after"] > 0
    assert (result["findings"], ended.status) == ([], 0), ended.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_cleans_up(tmp_path: Path, number: signal.Signals) -> None:
    with reference() as target:
        foreign = target.place("owner", "buy", "0.1", "100")
        arguments = ["load", "--duration", "60", "--users", "8", "--rate", "60", "--report-dir", "report"]
        run = Running(arguments, target.env(), tmp_path)
        _wait_for_orders(target)
        run.signal(number)
        asked = time.monotonic()
        ended = run.wait()
        assert time.monotonic() - asked < 10
        assert target.open_orders() == {"owner": [foreign], "counterparty": []}, "others' orders are left alone"
    ended.report_dir = tmp_path / "report"
    assert ended.status == 128 + number, ended.text
    assert _result(ended)["interrupted"] is True
    assert _result(ended)["orders_left"] == 0


def test_killed_process_leaves_nothing(tmp_path: Path) -> None:
    """Where the Locust process is killed, its parent cancels what the journal tells of, and decides nothing."""
    with reference() as target:
        arguments = ["load", "--duration", "60", "--users", "8", "--rate", "60", "--report-dir", "report"]
        run = Running(arguments, target.env(), tmp_path)
        _wait_for_orders(target)
        _kill_child(run.process.pid)
        ended = run.wait()
        assert target.open_orders() == {"owner": [], "counterparty": []}
    ended.report_dir = tmp_path / "report"
    assert ended.status == 3, ended.text
    assert "ended early" in _result(ended)["reason"]


def _wait_for_orders(target: Target) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        rows = target.call("owner", "GET", "/spot/trades/me").json()
        if len(rows if isinstance(rows, list) else rows["trades"]) > 3:
            return
        time.sleep(0.1)
    raise AssertionError("the load never began to trade")


def _kill_child(pid: int) -> None:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert len(children) == 1
    subprocess.run(["kill", "-9", children[0]], check=True)


def test_master_and_two_workers(tmp_path: Path) -> None:
    """Two workers share the users of one master, whose result is the sum of theirs; all exit alike."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with reference() as target:
        runs = {
            name: Running(["load", *arguments, "--port", port, "--report-dir", name], target.env(), tmp_path)
            for name, arguments in {
                "master": ["--master", "--expect-workers", "2", "--duration", "5", "--users", "6", "--rate", "40"],
                "first": ["--worker"],
                "second": ["--worker"],
            }.items()
        }
        ended = {name: run.wait() for name, run in runs.items()}
        assert target.open_orders() == {"owner": [], "counterparty": []}
    results = {name: json.loads((tmp_path / name / "load.json").read_text()) for name in runs}
    assert {name: e.status for name, e in ended.items()} == dict.fromkeys(runs, 0), "\n".join(
        e.text for e in ended.values()
    )
    shares = [results[name]["exchanges"] for name in ("first", "second")]
    assert results["master"]["exchanges"] == sum(shares)
    assert min(shares) > 0
    assert results["master"]["processes"] == 2
    assert results["master"]["orders_left"] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rate", "100", "--duration", "100"], "the limit is 8000"),
        (["--users", "5000"], "1<=x<=1000"),
        (["--duration", "1000000"], "1<=x<=86400"),
        (["--master", "--worker"], "either master or worker"),
    ],
)
def test_bounds(tmp_path: Path, arguments: list[str], words: str) -> None:
    env = {"SPOT_CONFORMANCE_BASE_URL": "http://127.0.0.1:9/api/v1", "SPOT_CONFORMANCE_OWNER_JWT": "x.y.z"}
    ended = suite("load", *arguments, env=env, cwd=tmp_path)
    assert ended.status == 2
    assert words in ended.err


def test_other_machines_need_permission(tmp_path: Path) -> None:
    env = {"SPOT_CONFORMANCE_BASE_URL": "http://192.0.2.1/api/v1", "SPOT_CONFORMANCE_OWNER_JWT": "x.y.z"}
    ended = suite("load", env=env, cwd=tmp_path)
    assert ended.status == 2
    assert "--allow-trading" in ended.err


def test_unreachable_target(tmp_path: Path) -> None:
    env = {"SPOT_CONFORMANCE_BASE_URL": "http://127.0.0.1:9/api/v1", "SPOT_CONFORMANCE_OWNER_JWT": "x.y.z"}
    ended = suite("load", env=env, cwd=tmp_path)
    assert ended.status == 3
    assert len(ended.err.splitlines()) <= 2, "one line and a hint"
    assert "no contact" in ended.err


_WITHOUT = """
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "locust" else real(name, *more)
from conformance.cli import main
main()
"""


def test_without_locust(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _WITHOUT, "load"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        "spot-conformance: load needs Locust, which is not installed",
        "  hint: pip install 'spot-conformance[load]'",
    ]


def test_gevent_stays_in_its_process() -> None:
    """What the command imports patches nothing: gevent is in the Locust process only."""
    code = "import sys, conformance.load.command, conformance.cli; print('gevent' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
    )
