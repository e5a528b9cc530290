"""What is measured against: the reference, a route that answers a constant, and a venue with record and judge."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from conformance.load.plan import Job, Plan
from conformance.load.session import LoadSession
from conformance.reference.server import Running, start
from conformance.target.settings import PREFIX, Account, Safety, Settings

CONSTANT = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
BODY = sys.argv[1].encode()
async def cancel(request):
    return Response(BODY, media_type="application/json")
app = Starlette(routes=[Route("/api/v1/spot/orders/{id}", cancel, methods=["DELETE"])])
class Server(uvicorn.Server):
    def _log_started_message(self, listeners):
        print(listeners[0].getsockname()[1], flush=True)
Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", access_log=False)).run()
"""


@dataclass(frozen=True)
class Constant:
    """A bare Starlette route under uvicorn."""

    port: int
    pid: int


@contextmanager
def constant(body: str) -> Iterator[Constant]:
    """A server whose cancel answers `body`, whatever is asked."""
    process = subprocess.Popen([sys.executable, "-c", CONSTANT, body], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Constant(int(process.stdout.readline()), process.pid)
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def settings_of(running: Running) -> Settings:
    """The settings of a run on the reference."""
    accounts = {name: Account(name, **secrets) for name, secrets in running.accounts.items()}
    return Settings(
        running.base_url,
        accounts["owner"],
        accounts["counterparty"],
        safety=Safety(max_orders=10**6),
        embedded=True,
    )


def environment(running: Running, base_url: str | None = None) -> dict[str, str]:
    """The environment that points the command line at the reference (or at `base_url`, in front of it)."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)} | {
        f"{PREFIX}BASE_URL": base_url or running.base_url
    }
    for account, secrets in running.accounts.items():
        for name, value in secrets.items():
            env[f"{PREFIX}{account.upper()}_{name.upper()}"] = value
    return env


@contextmanager
def session(directory: Path) -> Iterator[tuple[Running, LoadSession]]:
    """The reference and, in contact with it, a venue that records and judges as in a run."""
    with start() as running:
        opened = LoadSession(Job(settings_of(running), Plan(max_orders=10**6), str(directory), "benchmarks"))
        try:
            opened.contact(None)
            yield running, opened
        finally:
            opened.close()
