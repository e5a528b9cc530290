"""A recording proxy on loopback: what a sample sends goes on to the target, and both ways into the record.

It passes on only what belongs to the sample's task, the operation of the page on the one order that was put in, and
reads. All else is refused here, so that a sample from a docs page cannot touch anything else of the account.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from conformance.record import Exchange

_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "host"}
)
_NOT_COPIED = _HOP | {"content-length", "content-encoding", "date", "server"}
_MAX_BODY = 1_000_000  # bytes of a request: no sample sends more


@dataclass(frozen=True)
class Sent:
    """One request as a sample sent it, secrets and all: it stays in memory."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def path(self) -> str:
        """The request target without the query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The raw query string."""
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def forwarded(self) -> dict[str, str]:
        """The headers that go on to the target."""
        return {name: value for name, value in self.headers if name.lower() not in _HOP | {"content-length"}}


Forward = Callable[[Sent], Exchange | None]


@dataclass
class Proxy:
    """A running proxy. `base_url` takes the place of the target's; `sent` has every request that came."""

    base_url: str
    sent: list[Sent] = field(default_factory=list)
    refused: list[Sent] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)


@contextmanager
def recording_proxy(base_path: str, forward: Forward, *, most: int = 50) -> Iterator[Proxy]:
    """A proxy on a free port of 127.0.0.1 for as long as the context is open.

    `forward` sends a request on and returns the exchange, or None for what is not to be sent on, which gets 421.
    After `most` requests every further one is refused: a sample that loops does not reach the target.
    """
    proxy = Proxy("")
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10  # s without a byte

        def _serve(self) -> None:
            length = self.headers.get("Content-Length") or "0"
            if not length.isdecimal() or int(length) > _MAX_BODY:
                self._answer(413, [], b"")
                self.close_connection = True
                return
            sent = Sent(self.command, self.path, tuple(self.headers.items()), self.rfile.read(int(length)))
            with lock:
                proxy.sent.append(sent)
                exchange = forward(sent) if len(proxy.sent) <= most else None
                if exchange is None:
                    proxy.refused.append(sent)
                else:
                    proxy.exchanges.append(exchange)
            if exchange is None:
                self._answer(421, [], b"")
            elif exchange.response is None:
                self._answer(504, [], b"")
            else:
                self._answer(exchange.response.status, exchange.response.headers, exchange.response.body.encode())

        def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in _NOT_COPIED:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_DELETE = do_POST = do_PUT = do_PATCH = do_HEAD = do_OPTIONS = _serve

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the record has it all."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.base_url = f"http://127.0.0.1:{server.server_address[1]}{base_path}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
