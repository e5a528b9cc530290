"""`spot-conformance load`: starts the Locust process, follows it, cleans up after it, and tells what it saw."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from conformance import stop
from conformance.commands.cleanup import end_left
from conformance.contract import load_contract
from conformance.errors import ConfigError, SuiteError
from conformance.load.outcome import Line, Outcome, Part, as_json, lines, verdict_of
from conformance.load.plan import Job, Role, make_plan
from conformance.suite.session import check_safety, reference_settings
from conformance.target.journal import set_aside
from conformance.target.reconcile import Outcome as Cleaned
from conformance.target.settings import load_settings
from conformance.waivers import check_waivers

RESULT = "load.json"
_GRACE_S = 240.0  # how long the process may take to begin and to clean up before it is killed
_WORKER_S = 2 * 86_400.0  # a worker's master knows how long it takes


def load(options: Mapping[str, Any], console: Console) -> int:
    """Carry out a load run; the exit status. Raises SuiteError for what the user can mend."""
    if find_spec("locust") is None:
        raise ConfigError("load needs Locust, which is not installed", "pip install 'spot-conformance[load]'")
    role = _role(options)
    report_dir = Path(options["report_dir"])
    with ExitStack() as stack:
        flags = {name: options.get(name) for name in ("base_url", "symbol", "allow_trading", "insecure")}
        settings = load_settings(config=options.get("config"), flags=flags)
        if settings is None:
            if role != "local":
                raise ConfigError(f"a {role} needs a target that the others reach as well", "pass --base-url")
            settings = reference_settings(stack)
        check_safety(settings)
        check_waivers(settings.waivers, load_contract())
        job = Job(
            settings,
            make_plan(settings, dict(options)),
            str(report_dir),
            shlex.join(["spot-conformance", *sys.argv[1:]]),
            role,
            options["bind_host"] if role == "master" else options["master_host"],
            options["port"],
        )
        report_dir.mkdir(parents=True, exist_ok=True)
        if (kept := set_aside(report_dir)) is not None:
            console.print(
                f"An earlier run may have left orders open; its journal is kept as {kept.name}", markup=False
            )
        console.print(_headline(job), markup=False, soft_wrap=True)
        started_at = time.time()
        process = _Process(job, console)
        try:
            part = process.follow()
        finally:
            with stop.shielded():
                cleaned = end_left(settings, report_dir)
        result = _result(job, part, cleaned, process.interrupted, started_at)
    (report_dir / RESULT).write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    for line in lines(result):
        console.print(line, markup=False, soft_wrap=True)
    console.print(f"Result: {report_dir / RESULT}", markup=False, soft_wrap=True)
    return stop.exit_status() if process.interrupted else int(result["exit_status"])


def _role(options: Mapping[str, Any]) -> Role:
    if options.get("master") and options.get("worker"):
        raise ConfigError("a process is either master or worker", "pass one of --master and --worker")
    return "master" if options.get("master") else "worker" if options.get("worker") else "local"


def _headline(job: Job) -> str:
    plan = job.plan
    if job.role == "worker":
        return f"Worker of {job.host}:{job.port} on {job.settings.base_url}"
    of = f", {plan.workers} workers" if job.role == "master" else ""
    return (
        f"Load on {job.settings.base_url}: {plan.users} users, {plan.rate:g} orders/s, {plan.duration_s:g} s{of} "
        f"(at most {plan.max_orders} orders)"
    )


class _Process:
    """The Locust process. It is in a session of its own, so that Ctrl-C reaches it through us, once."""

    def __init__(self, job: Job, console: Console) -> None:
        self.job, self.console, self.interrupted = job, console, False
        self._ended = threading.Event()
        self._part: Part | None = None
        self._error: SuiteError | None = None
        self._live = console.is_terminal and not console.is_dumb_terminal
        self._process = subprocess.Popen(
            [sys.executable, "-m", "conformance.load.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(job))
        self._process.stdin.close()

    def follow(self) -> Part:
        """Wait for it; what it saw. Raises SuiteError for what kept it from its work."""
        limit = self.job.plan.duration_s + _GRACE_S if self.job.role != "worker" else _WORKER_S
        watchdog = threading.Timer(limit, self._process.kill)
        watchdog.daemon = True
        watchdog.start()
        threading.Thread(target=self._read).start()
        try:
            self._wait()
        finally:
            watchdog.cancel()
            if self._process.poll() is None:
                self._process.kill()
            status = self._process.wait()
            self._ended.wait()
        self._clear()
        if self._error is not None:
            raise self._error
        return self._part or Part(failure=f"the Locust process ended early (status {status})")

    def _wait(self) -> None:
        # not Thread.join: when a signal interrupts it, Python 3.11 takes the thread for ended
        try:
            while not self._ended.wait(0.5):
                continue
        except KeyboardInterrupt:
            self.interrupted = True
            self._process.terminate()
            with stop.shielded():
                self._ended.wait(stop.HURRY_S)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as said_lines, closing(self):
            for line in said_lines:
                said = msgspec.json.decode(line, type=Line)
                self._part = said.part or self._part
                if said.error is not None:
                    self._error = SuiteError(*said.error[:2])
                    self._error.exit_status = said.error[2]
                self._progress(said)

    def close(self) -> None:
        """Its output has ended."""
        self._ended.set()

    def _progress(self, said: Line) -> None:
        if said.waiting:
            self.console.print(f"waiting for {said.waiting} workers on port {self.job.port}", markup=False)
        elif self._live and said.part is None:
            broken = f", {said.broken} requirements violated" if said.broken else ""
            text = f"{said.orders} orders, {said.exchanges} exchanges{broken}"
            self.console.file.write("\r" + text.ljust(self.console.width - 1)[: self.console.width - 1])
            self.console.file.flush()

    def _clear(self) -> None:
        if self._live:
            self.console.file.write("\r" + " " * (self.console.width - 1) + "\r")


def _result(job: Job, part: Part, cleaned: Cleaned, interrupted: bool, started_at: float) -> dict[str, Any]:
    # in this process's own part nothing is left once the target's list says so; of the workers' we know their word
    left = cleaned.left if job.role == "local" and cleaned.listed else cleaned.left + part.left
    verdict, reason = verdict_of(part, left)
    outcome = Outcome(
        part=part,
        processes=job.plan.workers if job.role == "master" else 1,
        verdict=verdict,
        reason=reason,
        left=left,
        canceled=cleaned.canceled,
        foreign=cleaned.foreign,
        interrupted=interrupted,
    )
    return as_json(outcome, job, started_at)
