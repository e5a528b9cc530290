"""Run the exchange as a process: ``serve`` in this one, ``start`` in another one that ends with this one."""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from .settings import Settings

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Announcement:
    """What a client must know of a running exchange. ``accounts`` is as ``accounts.credentials`` makes it."""

    base_url: str
    symbol: str
    pid: int
    accounts: Mapping[str, Mapping[str, str]]


def serve(settings: Settings, *, host: str, port: int, as_json: bool, until_stdin_closes: bool = False) -> None:
    """Serve until SIGINT or SIGTERM; ``port`` 0 takes a free one.

    Once it listens, prints how to reach it: one JSON line, or text with curl lines to paste. Raises OSError
    when the port is taken, ``sqlite3.OperationalError`` when another process holds the database file.
    """
    import uvicorn

    from .accounts import credentials
    from .reference import Reference

    with listening(host, port) as sock, data_file(settings) as path:
        reference = Reference(settings, store_path=path)
        accounts = credentials(reference.secrets, now_s=reference.clock.now_s(), lifetime_s=settings.jwt_lifetime_s)
        url = f"http://{host_text(host)}:{sock.getsockname()[1]}{settings.base_path}"
        announcement = Announcement(url, settings.market.symbol, os.getpid(), accounts)
        text = json.dumps(asdict(announcement)) if as_json else usage_text(announcement)

        class Server(uvicorn.Server):
            """Announces itself, and leaves signals to us: uvicorn would die of them before we clean up."""

            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                print(text, flush=True)

            @contextmanager
            def capture_signals(self) -> Iterator[None]:
                yield

        config = uvicorn.Config(
            reference.app,
            # One parser everywhere, so that the exchange is the same whatever else is installed.
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            # Uvicorn's Date is up to a second old; the application adds its own.
            date_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
            # Room for very long ids, which must reach us to be refused properly.
            h11_max_incomplete_event_size=1 << 20,
        )
        server = Server(config)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, server.handle_exit)
        if until_stdin_closes:
            end_with_stdin(lambda: setattr(server, "should_exit", True))
        # What was imported lives on: the collector need not walk it at every pass.
        gc.freeze()
        asyncio.run(server.serve(sockets=[sock]))


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Bind a TCP socket, so that the port is known before anything is announced."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, or asyncio would leave Nagle's algorithm on, at 40 ms an answer.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        yield sock


def data_file(settings: Settings) -> Any:
    """Return a context whose value is the database's path: the given one, or a temporary one."""
    return nullcontext(settings.db) if settings.db else temporary_file()


@contextmanager
def temporary_file() -> Iterator[str]:
    """Give the path of a database in a directory of its own, with room for SQLite's files beside it."""
    with tempfile.TemporaryDirectory(prefix="spot-reference-") as directory:
        yield str(Path(directory, "exchange.db"))


def end_with_stdin(end: Callable[[], None]) -> None:
    """Call ``end`` when standard input closes, as it does when the parent dies, however it dies."""

    def watch() -> None:
        # os.read, because a daemon thread inside a buffered read would abort the interpreter's exit.
        while os.read(0, 1024):
            pass
        end()

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()


def host_text(host: str) -> str:
    """Return a host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def usage_text(announcement: Announcement) -> str:
    """Return how to use a running exchange: its address, its accounts, and curl lines for both schemes."""
    base, symbol = announcement.base_url, announcement.symbol
    lines = [f"Reference exchange on {base} (market {symbol}, process {announcement.pid})", ""]
    for name, account in announcement.accounts.items():
        lines += [
            f"{name}:",
            *(f"  {key.upper()}={account[key]}" for key in ("jwt", "api_key", "api_secret")),
            "",
        ]
    owner = announcement.accounts["owner"]
    order = f'{{"symbol":"{symbol}","side":"buy","type":"limit","price":"0.5","quantity":"100"}}'
    lines += [
        "Place an order and cancel it with the JWT (paste into a shell):",
        f"  BASE={base}",
        f"  JWT={owner['jwt']}",
        f"""  ORDER_ID=$(curl -s "$BASE/spot/orders" -H "Authorization: Bearer $JWT" -d '{order}' \\""",
        """    | sed 's/.*"id":"\\([^"]*\\)".*/\\1/')""",
        """  curl -s -X DELETE "$BASE/spot/orders/$ORDER_ID" -H "Authorization: Bearer $JWT"; echo""",
        "",
        "Cancel with the API key:",
        f"  API_KEY={owner['api_key']}; API_SECRET={owner['api_secret']}",
        "  PAYLOAD=timestamp=$(date +%s%3N)",
        """  SIGNATURE=$(printf %s "$PAYLOAD" | openssl dgst -sha256 -hmac "$API_SECRET" | sed 's/.* //')""",
        """  curl -s -X DELETE "$BASE/spot/orders/$ORDER_ID?$PAYLOAD&signature=$SIGNATURE" \\""",
        """    -H "X-MBX-APIKEY: $API_KEY"; echo""",
        "",
        "Stop with Ctrl+C.",
    ]
    return "\n".join(lines)


class Running:
    """An exchange in a child process, which ends when this object is stopped or its own process dies.

    ``announcement`` tells how to reach it. Its data survive ``kill`` and ``restart``, and are removed by
    ``stop`` unless the settings name a database file.
    """

    def __init__(
        self, settings: Settings, *, host: str = "127.0.0.1", port: int = 0, wait_healthy: bool = True
    ) -> None:
        self._directory = None if settings.db else tempfile.mkdtemp(prefix="spot-reference-")
        self.settings = (
            settings if settings.db else replace(settings, db=str(Path(str(self._directory), "exchange.db")))
        )
        self.host = host
        self.port = port
        try:
            self._launch(wait_healthy)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """The URL that paths like ``/spot/orders`` are appended to."""
        return self.announcement.base_url

    @property
    def accounts(self) -> Mapping[str, Mapping[str, str]]:
        """The credentials of ``owner`` and ``counterparty``."""
        return self.announcement.accounts

    def health(self) -> dict[str, Any]:
        """Ask for the engine's state. Raises OSError when nothing listens."""
        url = urlsplit(self.base_url)
        connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=STOP_TIMEOUT_S)
        try:
            connection.request("GET", f"{url.path}/spot/health")
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return answer

    def wait_until_healthy(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until every book is loaded. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while self.health()["books_loaded"] != len(self.settings.markets):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the exchange did not load its books within {timeout_s} s")
            time.sleep(0.005)

    def kill(self) -> None:
        """End the process at once (SIGKILL): what it had not committed is lost, as in a crash."""
        self._process.kill()
        self._reap()

    def restart(self, *, wait_healthy: bool = True, **changes: Any) -> None:
        """Kill the process if it runs and start it on the same data and port, with changed settings."""
        self.kill()
        self.settings = replace(self.settings, **changes)
        self.port = urlsplit(self.base_url).port or 0
        self._launch(wait_healthy)

    def stop(self) -> None:
        """End the process and remove temporary data. Harmless when repeated."""
        process: subprocess.Popen[str] | None = getattr(self, "_process", None)
        if process is not None and process.poll() is None:
            # Temporary data need no orderly end.
            process.send_signal(signal.SIGTERM if self._directory is None else signal.SIGKILL)
        if process is not None:
            self._reap()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _launch(self, wait_healthy: bool) -> None:
        command = [sys.executable, "-m", "conformance.reference", "--json", "--until-stdin-closes"]
        command += ["--host", self.host, "--port", str(self.port), "--settings", self.settings.to_json()]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        # A watchdog instead of a timed read: a child that hangs is killed, and the read then ends.
        watchdog = threading.Timer(START_TIMEOUT_S, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            raise RuntimeError(f"the exchange did not start (exit status {self._process.wait()})")
        self.announcement = Announcement(**json.loads(line))
        if wait_healthy:
            self.wait_until_healthy()

    def _reap(self) -> None:
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT_S)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


def start(
    settings: Settings | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    wait_healthy: bool = True,
) -> Running:
    """Start an exchange in a child process and return it, as a context manager; ``port`` 0 takes a free one.

    Waits until it listens, and (``wait_healthy``) until its books are loaded. Raises RuntimeError when it
    does not start; its error output tells why. ``SPOT_REFERENCE_SECRETS`` of the environment is passed on.
    """
    return Running(settings or Settings(), host=host, port=port, wait_healthy=wait_healthy)
