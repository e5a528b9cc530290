"""Starts targets and the suite's command line as processes, and asks a target what is open on it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
PREFIX = "SPOT_CONFORMANCE_"


@dataclass
class Target:
    """A running exchange: its base URL and the secrets of its accounts."""

    base_url: str
    accounts: dict[str, dict[str, str]]
    process: subprocess.Popen[str] | None = None

    def env(self, base_url: str | None = None, **more: str) -> dict[str, str]:
        """Environment variables that point the suite at it (or at `base_url`, in front of it)."""
        found = {f"{PREFIX}BASE_URL": base_url or self.base_url, **more}
        for account, secrets in self.accounts.items():
            for name, value in secrets.items():
                found[f"{PREFIX}{account.upper()}_{name.upper()}"] = value
        return found

    def call(self, account: str, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request of an account, by JWT."""
        headers = {"Authorization": f"Bearer {self.accounts[account]['jwt']}"}
        with httpx.Client(trust_env=False) as client:
            return client.request(method, self.base_url + path, headers=headers, **more)

    def open_orders(self) -> dict[str, list[str]]:
        """The ids of the open orders of each account."""
        return {
            name: [row["id"] for row in self.call(name, "GET", "/spot/orders").json()] for name in self.accounts
        }

    def place(self, account: str, side: str, price: str, quantity: str) -> str:
        """Place a resting order by hand; its id."""
        order = {"symbol": "DFUSDT", "side": side, "type": "limit", "price": price, "quantity": quantity}
        response = self.call(account, "POST", "/spot/orders", json=order)
        assert response.status_code == 200, response.text
        return str(response.json()["id"])


@contextmanager
def _started(command: list[str]) -> Iterator[Target]:
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        announced = json.loads(process.stdout.readline())
        yield Target(announced["base_url"], announced["accounts"], process)
    finally:
        process.terminate()
        process.wait(10)
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()


def reference(*arguments: str) -> Any:
    """The reference exchange as a process of its own (a context manager that gives a `Target`)."""
    return _started([sys.executable, "-m", "conformance.reference", "--port", "0", "--json", *arguments])


def serve(*arguments: str) -> Any:
    """`spot-conformance serve`, which knows faults and variations (a context manager that gives a `Target`)."""
    return _started(
        [str(Path(sys.executable).parent / "spot-conformance"), "serve", "--port", "0", "--json", *arguments]
    )


def peer(*arguments: str) -> Any:
    """The independent Node server (a context manager that gives a `Target`)."""
    return _started(["node", str(ROOT / "tests/peer/server.mjs"), "--port", "0", *arguments])


@dataclass
class Ended:
    """How a command ended: exit status, output, highest resident memory in MB, duration in s."""

    status: int
    out: str
    err: str
    peak_mb: float
    seconds: float
    report_dir: Path = field(default_factory=Path)

    @property
    def text(self) -> str:
        """Both outputs."""
        return self.out + self.err

    def results(self) -> dict[str, Any]:
        """The results.json of a run."""
        return dict(json.loads((self.report_dir / "results.json").read_text()))

    def violations(self) -> dict[str, str]:
        """Violated requirements with the first message of each."""
        rows = self.results()["requirements"]
        return {r["id"]: r["findings"][0]["message"] for r in rows if r["verdict"] == "violated"}


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has it ignored


def _peak_kb(pid: int) -> int:
    """The most memory that a process has held since it began, in KiB; 0 where it has just ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) if found else 0


class Running:
    """The command line under way, in a directory of its own; its environment has nothing of ours but `env`."""

    def __init__(self, arguments: list[str], env: Mapping[str, str], cwd: Path) -> None:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX) and "proxy" not in k.lower()}
        # files and not pipes: nothing that a target makes the suite print can block it
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [str(Path(sys.executable).parent / "spot-conformance"), *arguments],
            env={**clean, "COLUMNS": "100", **env},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
            # a shell that runs the tests in the background has Ctrl-C ignored, and so would its children
            preexec_fn=_heed_ctrl_c,
        )

    def wait(self, timeout: float = 120) -> Ended:
        """Wait for the end; kills and fails after `timeout` s."""
        timer = threading.Timer(timeout, self.process.kill)
        timer.daemon = True
        timer.start()
        # not wait4's maxrss: it counts what the process that started it held at that moment
        peak_kb = 0
        while (ended := os.waitpid(self.process.pid, os.WNOHANG))[0] == 0:
            peak_kb = max(peak_kb, _peak_kb(self.process.pid))
            time.sleep(0.02)
        status = ended[1]
        timer.cancel()
        self.process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - self.started
        texts = []
        for file in (self._out, self._err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "surrogateescape"))
            file.close()
        assert seconds < timeout, f"not done after {timeout} s:\n{texts}"
        return Ended(self.process.returncode, texts[0], texts[1], peak_kb / 1024, seconds)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.process.pid, number)  # not send_signal: it would reap the process, and wait4 gets nothing


def suite(command: str, *arguments: str, env: Mapping[str, str], cwd: Path, timeout: float = 120) -> Ended:
    """Run a command of the suite that has a report directory, and wait for it."""
    more = [] if command in ("doctor", "init") else ["--report-dir", str(cwd / "report")]
    ended = Running([command, *arguments, *more], env, cwd).wait(timeout)
    ended.report_dir = cwd / "report"
    return ended
