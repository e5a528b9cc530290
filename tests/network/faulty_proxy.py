"""A reverse proxy on loopback that does to HTTP what bad networks do: it waits, drops, resets and closes."""

from __future__ import annotations

import random
import re
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Faults:
    """Shares of requests (0 to 1) that meet each fault, and delays in s.

    `before` closes before the request reaches the server; `after` when the server has answered, so that the answer
    is lost; `body` resets in the middle of the answer; `silent` closes a kept connection after an answer without
    having said so; `gateway` answers 502 in place of the server; `limited` answers 429 with a Retry-After; `short`
    says one byte less than it sends. Only requests that begin with `only` meet any of them.
    """

    latency: float = 0.0
    jitter: float = 0.0
    before: float = 0.0
    after: float = 0.0
    body: float = 0.0
    silent: float = 0.0
    gateway: float = 0.0
    limited: float = 0.0
    short: float = 0.0
    only: bytes = b""


@dataclass
class FaultyProxy:
    """Stands in front of `upstream` (a base URL on loopback). Use as a context manager; `base_url` is its own."""

    upstream: str
    faults: Faults = Faults()
    seed: int = 0
    tls: ssl.SSLContext | None = None
    met: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Self:
        parts = urlsplit(self.upstream)
        self._to = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._random, self._lock = random.Random(self.seed), threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        scheme = "https" if self.tls else "http"
        self.base_url = f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}{parts.path}"
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self._socket.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(30)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection:
                while self._one(connection):
                    pass
        except OSError:
            connection.close()

    def _one(self, connection: socket.socket) -> bool:
        """Pass one request on; whether the connection is to be kept."""
        request = read_message(connection)
        if not request:
            return False
        fault, delay = self._draw() if request.startswith(self.faults.only) else ("none", 0.0)
        self.met[fault] += 1
        time.sleep(delay / 2)
        if fault == "before":
            return False
        if fault == "gateway":
            connection.sendall(_answer(502, "<html>bad gateway</html>"))
            return True
        if fault == "limited":
            connection.sendall(_answer(429, "slow down", "Retry-After: 1\r\n"))
            return True
        with socket.create_connection(self._to, timeout=30) as server:
            server.sendall(request)
            response = read_message(server)
        time.sleep(delay / 2)
        if fault == "after":
            return False
        if fault == "body":
            connection.sendall(response[: len(response) - len(response.partition(b"\r\n\r\n")[2]) // 2 - 1])
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            return False
        if fault == "short":
            response = re.sub(
                rb"(?i)(content-length: *)(\d+)", lambda m: m[1] + b"%d" % (int(m[2]) - 1), response, count=1
            )
        connection.sendall(response)
        return fault != "silent"

    def _draw(self) -> tuple[str, float]:
        with self._lock:
            point, faults = self._random.random(), self.faults
            delay = max(0.0, faults.latency + self._random.uniform(-faults.jitter, faults.jitter))
        for name in ("before", "after", "body", "silent", "gateway", "limited", "short"):
            share = getattr(faults, name)
            if point < share:
                return name, delay
            point -= share
        return "none", delay


def _answer(status: int, body: str, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status} Whatever\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return (head + body).encode()


def read_message(connection: socket.socket) -> bytes:
    """One HTTP message with a Content-Length or chunked body, as raw bytes; empty at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lines = [line.lower().replace(b" ", b"") for line in head.split(b"\r\n")]
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
    chunked = b"transfer-encoding:chunked" in lines
    while len(body) < length or (chunked and not body.endswith(b"0\r\n\r\n")):
        more = connection.recv(65536)
        if not more:
            break
        body += more
    return head + b"\r\n\r\n" + body
