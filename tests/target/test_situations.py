"""Whatever is wrong at first contact: `doctor` says it with a remedy, a run goes as far as it can without."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faulty_proxy import FaultyProxy
from situations import SITUATIONS, Situation, hook
from suite_process import Ended, Target, suite

from conformance.checkup import LARGEST
from conformance.commands.plan import count
from conformance.record import Exchange, read_rows
from conformance.reference.server import start
from conformance.reference.settings import Settings

HERE = Path(__file__).parent
REQUIREMENTS = (
    *("cancel.success.by-jwt", "cancel.success.by-api-key", "cancel.errors.forbidden"),
    *("cancel.errors.not-found.unknown", "cancel.key.signature.altered", "cancel.jwt.missing"),
)
SELECTED = ("--profile", "quick", *(f"--only={name}" for name in REQUIREMENTS))
NOTHING: dict[str, list[str]] = {"owner": [], "counterparty": []}


@contextmanager
def _target(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)
    with start(settings) as running:
        yield Target(running.base_url, {name: dict(secrets) for name, secrets in running.accounts.items()})


def _env(target: Target, situation: Situation) -> dict[str, str]:
    env: dict[str, str | None] = {**target.env()}
    env.update(situation.change(target.env()))
    return {name: value for name, value in env.items() if value is not None}


def _nothing_is_left(target: Target) -> None:
    if target.call("owner", "GET", "/spot/orders").headers.get("content-type", "").startswith("application/json"):
        assert target.open_orders() == NOTHING


@pytest.mark.parametrize("name", SITUATIONS)
def test_doctor(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One clear line for what is wrong, one for what to do about it, the right exit status, and nothing left."""
    situation = SITUATIONS[name]
    with _target(situation.settings, monkeypatch) as target:
        ended = suite("doctor", *situation.arguments, env=_env(target, situation), cwd=tmp_path)
        _nothing_is_left(target)
    assert ended.status == situation.status, ended.text
    for text in situation.doctor:
        assert text in ended.out, ended.out
    failures = ended.out.count("✗")
    assert ended.out.count("\n  → ") == failures + ended.out.count("– no ")
    assert (failures > 0) == (situation.status == 3)
    assert "Traceback" not in ended.text


@pytest.mark.parametrize("name", [name for name in SITUATIONS if SITUATIONS[name].run])
def test_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a finding; what it cannot show it says, with that reason, in the reports as well."""
    situation = SITUATIONS[name]
    with _target(situation.settings, monkeypatch) as target:
        arguments = (*SELECTED, *situation.arguments)
        ended = suite("run", *arguments, env=_env(target, situation), cwd=tmp_path, timeout=240)
        _nothing_is_left(target)
    _check(ended, situation)


def _check(ended: Ended, situation: Situation) -> None:
    results = ended.results()
    assert ended.violations() == {}
    assert ended.status == situation.status_of_run == results["exit_status"], ended.text
    said = ended.text + json.dumps(results, ensure_ascii=False)
    for text in situation.run:
        assert text in said, said[:3000]
    verdicts = {row["id"]: row["verdict"] for row in results["requirements"]}
    for requirement in situation.held:
        assert verdicts[requirement] == "held", [row for row in results["requirements"] if row["id"] == requirement]
    for requirement in situation.not_held:
        assert verdicts[requirement] in ("undecided", "not_exercised")
    assert "Traceback" not in ended.text


def test_no_order_can_be_canceled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every cancel gets a 503, a run says so when it has waited as documented, and tries nothing else."""
    with _target(hook("no_order_can_be_canceled"), monkeypatch) as target:
        ended = suite("run", env=target.env(), cwd=tmp_path, timeout=240)
    assert ended.status == 3, ended.text
    assert ended.violations() == {}
    assert "no order can be canceled: still 503 ENGINE_BUSY" in ended.text
    assert "the engine is down: try again later" in ended.text


def test_no_cancel_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is found in as many cases as it takes, at the same time; no other is tried then."""
    (tmp_path / "conformance.toml").write_text("[target]\ntimeout_s = 2\n")
    with _target(hook("no_cancel_is_answered"), monkeypatch) as target:
        ended = suite("run", env=target.env(), cwd=tmp_path, timeout=240)
    assert set(ended.violations()) == {"cancel.answers.in-time"}, ended.text
    assert ended.status == 1
    assert [case["reason"] for case in ended.results()["cases"]].count("no cancel is answered") > 300
    lost = [
        row
        for row in read_rows(ended.report_dir / "record.ndjson")
        if isinstance(row, Exchange) and row.error == "no answer within 2 s"
    ]
    assert [row.case for row in lost].count("setup") == 2


@pytest.mark.parametrize(
    ("name", "found"), [("keys_do_not_cancel", True), ("keys_do_not_place", False), ("read_only_keys", False)]
)
def test_a_key_that_may_trade_is_not_taken_for_one_that_may_not(
    name: str, found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A target that refuses only the cancel is found; one that refuses only the placing has its cancels judged."""
    with _target(hook(name), monkeypatch) as target:
        ended = suite("run", *SELECTED, env=target.env(), cwd=tmp_path, timeout=240)
    verdicts = {row["id"]: row["verdict"] for row in ended.results()["requirements"]}
    assert bool(ended.violations()) == found
    if name == "keys_do_not_place":
        assert verdicts["cancel.errors.forbidden"] == "held"
        assert "may only read" not in ended.text


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`doctor` names TLS as what fails, and says that it is not checked where it is not."""
    pem = tmp_path / "both.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", str(pem), "-out", str(pem) + ".crt"], check=True, capture_output=True)
    pem.write_text(pem.read_text() + Path(str(pem) + ".crt").read_text())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with _target(Settings(), monkeypatch) as target, FaultyProxy(target.base_url, tls=context) as front:
        env = target.env(front.base_url)
        plain = suite("doctor", env=env, cwd=tmp_path)
        trusted = suite("doctor", env={**env, "SPOT_CONFORMANCE_CA_FILE": str(pem)}, cwd=tmp_path)
        insecure = suite("doctor", "--insecure", env=env, cwd=tmp_path)
    assert plain.status == 3, plain.text
    assert "✗ TLS: " in plain.out
    assert "→ set ca_file to the authority's certificate" in plain.out
    assert (trusted.status, "✓ TLS: certificate checked" in trusted.out) == (0, True), trusted.text
    assert (insecure.status, "✓ TLS: the certificate is NOT checked" in insecure.out) == (0, True), insecure.text


def test_the_largest_order_is_that_of_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `doctor` places is as large as what a run places elsewhere than on this machine, and not much larger."""
    with _target(Settings(), monkeypatch) as target:
        ended = suite("run", env=target.env(), cwd=tmp_path, timeout=240)
    largest = count(ended.report_dir / "record.ndjson", None, loopback=False).largest
    assert largest <= LARGEST <= 2 * largest
