"""Campaigns: parts side by side, what they find, what they share, and what they refuse."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from conformance.reference.faults import spoiled
from conformance.reference.server import Running, start
from conformance.reference.settings import simple_settings
from tests.suite.test_run import CLI, spot

FAULT = "average-is-not-weighted"


@contextmanager
def exchanges(directory: Path, count: int, fault: str | None = None) -> Iterator[tuple[list[Running], list[str]]]:
    """Exchanges, and the options that name a configuration for each."""
    with ExitStack() as stack:
        running = [stack.enter_context(start(spoiled(simple_settings(), fault, None))) for _ in range(count)]
        options: list[str] = []
        for number, one in enumerate(running):
            file = directory / f"{number}.toml"
            lines = ["[target]", f'base_url = "{one.base_url}"']
            for name, secrets in one.accounts.items():
                lines += [f"[accounts.{name}]", *(f'{key} = "{value}"' for key, value in secrets.items())]
            file.write_text("\n".join(lines))
            file.chmod(0o600)
            options += ["--config", str(file)]
        yield running, options


def told(directory: Path, part: int) -> dict[str, object]:
    return dict(json.loads((directory / "reports" / f"part{part}" / "told.json").read_text()))


def campaign(directory: Path, *options: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    where = ("--report-dir", str(directory / "reports"), "--examples", str(directory / "examples"))
    return spot("campaign", *where, *options, env=env)


def test_parts_on_the_embedded_reference(tmp_path: Path) -> None:
    ended = campaign(tmp_path, "--workers", "2", "--minutes", "0.02")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for part in range(2):
        assert told(tmp_path, part)["cases"]
        assert f"part {part}: " in ended.stdout
        assert (tmp_path / "reports" / f"part{part}" / "report.html").is_file()
    records = [(tmp_path / "reports" / f"part{part}" / "record.ndjson").read_text() for part in range(2)]
    assert "campaign::sequences 0" in records[0]
    assert "campaign::sequences 0" not in records[1]  # it draws from seeds of its own


def test_what_one_finds_the_others_try_first(tmp_path: Path) -> None:
    with exchanges(tmp_path, 1, FAULT) as (_, options):
        found = campaign(tmp_path, *options, "--minutes", "10")  # it ends with what it finds
    assert found.returncode == 1, found.stdout + found.stderr
    first = told(tmp_path, 0)
    assert first["violated"] == ["cancel.fields.avg-fill-price"]
    assert any((tmp_path / "examples").rglob("*"))
    with exchanges(tmp_path, 2, FAULT) as (_, options):
        again = campaign(tmp_path, *options, "--minutes", "10", "--seed", "77")
    assert again.returncode == 1, again.stdout + again.stderr
    for part in range(2):
        later = told(tmp_path, part)
        assert later["violated"] == first["violated"]
        assert int(str(later["requests"])) < int(str(first["requests"])) / 2  # made smaller already


def test_nothing_is_left_by_an_interrupted_one(tmp_path: Path) -> None:
    with exchanges(tmp_path, 2) as (running, options):
        command = [*CLI, "campaign", *options, "--minutes", "5"]
        command += ["--report-dir", str(tmp_path / "reports"), "--examples", str(tmp_path / "examples")]
        process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
        records = [tmp_path / "reports" / f"part{part}" / "record.ndjson" for part in range(2)]
        until = time.monotonic() + 60
        while not all(path.is_file() and path.stat().st_size > 100_000 for path in records):
            assert time.monotonic() < until
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
        for one in running:
            for account in one.accounts.values():
                answer = httpx.get(
                    f"{one.base_url}/spot/orders?symbol=DFUSDT",
                    headers={"Authorization": f"Bearer {account['jwt']}"},
                )
                assert answer.json() == []


def test_one_account_is_not_for_two_parts(tmp_path: Path) -> None:
    with exchanges(tmp_path, 1) as (_, options):
        for given in ([*options, "--workers", "2"], [*options, *options]):
            refused = campaign(tmp_path, *given)
            assert refused.returncode == 2
            assert "account" in refused.stderr
            assert "Traceback" not in refused.stderr
    assert not (tmp_path / "reports").exists()


def test_reports_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "part0").write_text("a file")
    refused = campaign(tmp_path, "--minutes", "0.01")
    assert refused.returncode == 2
    assert refused.stderr.startswith("spot-conformance: cannot write to ")
    assert "Traceback" not in refused.stderr


def test_a_target_that_does_not_answer(tmp_path: Path) -> None:
    env = {"SPOT_CONFORMANCE_OWNER_JWT": "a.good.one"}
    ended = campaign(tmp_path, "--base-url", "http://127.0.0.1:9/api/v1", "--minutes", "0.01", env=env)
    assert ended.returncode == 3
    assert "nothing listens there" in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr
