"""Targets with a deliberate fault, and the command line on them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from script_tools import environment

from conformance.reference.server import start
from conformance.reference.settings import Settings
from conformance.target.settings import Account

HERE = Path(__file__).parent
PEER = HERE.parent / "peer" / "server.mjs"
CASES = HERE.parents[1] / "conformance" / "suite"
_GENERATED = ("test_fuzz", "test_races", "test_machine", "test_load")
_SECRETS = ("jwt", "expired_jwt", "api_key", "api_secret")


@dataclass(frozen=True)
class Target:
    """A running server: where it is, and the environment that has its credentials."""

    base_url: str
    accounts: dict[str, Account]

    @property
    def env(self) -> dict[str, str]:
        """An environment that names the target and its credentials."""
        return environment(*self.accounts.values(), SPOT_CONFORMANCE_BASE_URL=self.base_url, COLUMNS="80")

    @property
    def secrets(self) -> set[str]:
        """All secrets of both accounts, and the signatures of their tokens."""
        values = {str(getattr(one, name)) for one in self.accounts.values() for name in _SECRETS}
        return values | {value.rsplit(".", 1)[-1] for value in values}

    def open_orders(self) -> set[str]:
        """The ids of the open orders of both accounts."""
        found = set()
        for one in self.accounts.values():
            headers = {"Authorization": f"Bearer {one.jwt}"}
            answer = httpx.get(f"{self.base_url}/spot/orders", headers=headers, trust_env=False).json()
            found |= {str(order["id"]) for order in answer}
        return found


def _accounts(described: Mapping[str, Mapping[str, str]]) -> dict[str, Account]:
    return {
        name: Account(name, **{key: secrets[key] for key in _SECRETS if key in secrets})
        for name, secrets in described.items()
    }


@contextmanager
def peer(fault: str | None = None) -> Iterator[Target]:
    """The Node.js peer with a fault of its catalogue; it ends when its standard input closes."""
    node = shutil.which("node")
    if node is None:
        pytest.fail("Node.js (20 or later) is not installed: the peer exchange cannot run")
    command = [node, str(PEER), "--port", "0", *(["--fault", fault] if fault else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            told: dict[str, Any] = json.loads(process.stdout.readline())
            yield Target(told["base_url"], _accounts(told["accounts"]))
        finally:
            process.stdin.close()
            process.terminate()
            process.wait(timeout=5)


@contextmanager
def reference(*hooks: str) -> Iterator[Target]:
    """The embedded reference with these hooks of `faulty_hooks`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]))
        with start(Settings(hooks=tuple(f"faulty_hooks:{hook}" for hook in hooks))) as running:
            yield Target(running.base_url, _accounts(running.accounts))


def command(*arguments: str, env: Mapping[str, str], timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    program = [sys.executable, "-c", "from conformance.cli import main; main()", *arguments]
    return subprocess.run(program, env=dict(env), capture_output=True, text=True, timeout=timeout_s, check=False)


def suite(target: Target, report_dir: Path, *only: str) -> int:
    """Run the written cases for some requirements (not the generated ones, which take long); the exit status."""
    files = [str(path) for path in sorted(CASES.glob("test_*.py")) if path.stem not in _GENERATED]
    options = [
        "-p",
        "no:terminal",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:schemathesis",
        "-c",
        str(CASES / "pytest.ini"),
    ]
    config = report_dir / "conformance.toml"
    config.write_text("[safety]\nmax_parallel = 1\n", "ascii")  # findings come in the same order on a busy machine
    wanted = [
        f"--conformance-config={config}",
        f"--report-dir={report_dir}",
        "--profile=quick",
        *(f"--only={name}" for name in only),
    ]
    program = [sys.executable, "-m", "pytest", f"--rootdir={CASES}", *options, *wanted, *files]
    run = subprocess.run(program, env=target.env, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return command(
        "judge", str(report_dir / "record.ndjson"), "--report-dir", str(report_dir), env=target.env
    ).returncode
