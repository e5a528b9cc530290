"""No network fault becomes a finding, and at moderate rates a run still comes to its end."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty_proxy import Faults, FaultyProxy
from suite_process import peer, reference, suite

CONDITIONS = {
    "dropped before": Faults(before=0.05),
    "answers lost": Faults(after=0.05),
    "reset in mid-body": Faults(body=0.05),
    "kept connections closed": Faults(silent=0.3),
    "a gateway in between": Faults(gateway=0.04, limited=0.01),
    "all of it": Faults(0.005, 0.005, before=0.015, after=0.015, body=0.01, silent=0.05, gateway=0.01),
}
SELECTED = ("--only", "cancel.errors.forbidden", "--only", "cancel.fields.avg-fill-price")


@pytest.mark.parametrize("name", CONDITIONS)
def test_faults_are_no_findings(name: str, tmp_path: Path) -> None:
    """Whatever is lost on the way, nothing is blamed on the target, and nothing is left on it."""
    with reference() as target, FaultyProxy(target.base_url, CONDITIONS[name]) as proxy:
        env = target.env(proxy.base_url)
        ended = suite("run", "--profile", "quick", *SELECTED, env=env, cwd=tmp_path, timeout=240)
        assert ended.status in (0, 3), ended.text
        assert ended.violations() == {}
        assert target.open_orders() == {"owner": [], "counterparty": []}
        assert sum(proxy.met.values()) > proxy.met["none"]
    undecided = [row for row in ended.results()["requirements"] if row["verdict"] == "undecided"]
    assert len(undecided) <= 3, undecided


@pytest.mark.slow  # the variations slow and jittery run in CI
def test_slow_and_jittery(tmp_path: Path) -> None:
    """Seconds of latency are no fault of the target either."""
    faults = Faults(latency=1.0, jitter=1.0)
    with reference() as target, FaultyProxy(target.base_url, faults) as proxy:
        env = target.env(proxy.base_url)
        ended = suite("run", "--profile", "quick", "--only", "cancel.jwt.missing", env=env, cwd=tmp_path)
        assert ended.violations() == {}
        assert ended.status in (0, 3), ended.text
        assert target.open_orders() == {"owner": [], "counterparty": []}


def test_another_server_behind_faults(tmp_path: Path) -> None:
    """The same on a server that shares no code with the reference."""
    with peer() as target, FaultyProxy(target.base_url, CONDITIONS["all of it"]) as proxy:
        env = target.env(proxy.base_url)
        ended = suite("run", "--profile", "quick", *SELECTED, env=env, cwd=tmp_path, timeout=240)
        assert ended.status in (0, 3), ended.text
        assert ended.violations() == {}
        assert target.open_orders() == {"owner": [], "counterparty": []}


def test_what_first_contact_finds_is_the_result(tmp_path: Path) -> None:
    """Answers to cancels that are longer than they say: the next request of the connection is lost as well."""
    with reference() as target, FaultyProxy(target.base_url, Faults(short=1.0, only=b"DELETE ")) as proxy:
        ended = suite("run", "--profile", "quick", env=target.env(proxy.base_url), cwd=tmp_path, timeout=240)
        assert ended.status == 1, ended.text
        assert "cancel.answers.json" in ended.violations()
        assert target.open_orders() == {"owner": [], "counterparty": []}
    assert "Violated" in ended.out
