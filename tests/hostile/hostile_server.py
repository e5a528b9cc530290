"""Servers on loopback that answer as no server should. Each behaviour is a function of (connection, request)."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

Behaviour = Callable[[socket.socket, bytes], None]
ESCAPES = "\x1b]0;pwned\x07\x1b[2J\x1b[31m\x9b31m\u202e<script>alert(1)</script><img src=x onerror=alert(2)>"


def message(status: str, body: bytes, *headers: str, kind: str = "application/json") -> bytes:
    """A response with a right Content-Length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def _head(*headers: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", "Content-Type: application/json", *headers, "", ""]).encode("latin-1")


def endless_body(connection: socket.socket, request: bytes) -> None:
    connection.sendall(_head("Connection: close") + b"[")
    for _ in range(1_000_000):
        connection.sendall(b'{"id": "DFUSDT"},' * 4000)


def endless_chunks(connection: socket.socket, request: bytes) -> None:
    connection.sendall(_head("Transfer-Encoding: chunked"))
    for _ in range(1_000_000):
        connection.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")


def slow_body(connection: socket.socket, request: bytes) -> None:
    connection.sendall(_head("Content-Length: 1000"))
    for _ in range(1000):
        connection.sendall(b" ")
        time.sleep(1)


def slow_headers(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(1000):
        connection.sendall(f"X-{number}: 1\r\n".encode())
        time.sleep(0.5)


def gigabyte(connection: socket.socket, request: bytes) -> None:
    connection.sendall(_head(f"Content-Length: {10**9}"))
    block = b" " * 1_000_000
    for _ in range(1000):
        connection.sendall(block)


def gzip_bomb(connection: socket.socket, request: bytes) -> None:
    connection.sendall(message("200 OK", _bomb(), "Content-Encoding: gzip"))


def double_gzip_bomb(connection: socket.socket, request: bytes) -> None:
    connection.sendall(message("200 OK", gzip.compress(_bomb(), 9), "Content-Encoding: gzip, gzip"))


def deflate_bomb(connection: socket.socket, request: bytes) -> None:
    connection.sendall(message("200 OK", zlib.compress(bytes(400_000_000), 9), "Content-Encoding: deflate"))


_made: list[bytes] = []


def _bomb() -> bytes:
    if not _made:
        packer, parts = zlib.compressobj(9, zlib.DEFLATED, 31), []
        block = b" " * 1_000_000
        parts = [packer.compress(block) for _ in range(1000)]
        _made.append(b"".join([*parts, packer.flush()]))
    return _made[0]


def not_gzip(connection: socket.socket, request: bytes) -> None:
    connection.sendall(message("200 OK", b"[]", "Content-Encoding: gzip"))


def deep_json(connection: socket.socket, request: bytes) -> None:
    connection.sendall(message("200 OK", b"[" * 100_000 + b"]" * 100_000))


def deep_objects(connection: socket.socket, request: bytes) -> None:
    connection.sendall(message("200 OK", b'{"a":' * 100_000 + b"1" + b"}" * 100_000))


def invalid_utf8(connection: socket.socket, request: bytes) -> None:
    connection.sendall(message("200 OK", b'[{"id": "\xff\xfe\xc3"}]'))


def surrogates(connection: socket.socket, request: bytes) -> None:
    connection.sendall(message("200 OK", rb'[{"id": "\ud800DF\u0000", "status": "\udfff"}]'))


def huge_number(connection: socket.socket, request: bytes) -> None:
    connection.sendall(message("200 OK", b'[{"id": "A", "tick_size": ' + b"9" * 500_000 + b"}]"))


def many_headers(connection: socket.socket, request: bytes) -> None:
    connection.sendall(message("200 OK", b"[]", *(f"X-Header-{n}: {n}" for n in range(5000))))


def huge_header(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Huge: " + b"a" * 50_000_000 + b"\r\n\r\n")


def terminal_escapes(connection: socket.socket, request: bytes) -> None:
    body = json.dumps({"error": ESCAPES}, ensure_ascii=False).encode()
    connection.sendall(message("403 \x1b[31mForbidden", body, f"X-Note: {ESCAPES[:20]}".replace("\x07", "")))


def escapes_in_markets(connection: socket.socket, request: bytes) -> None:
    row = {"id": ESCAPES, "tick_size": ESCAPES, "lot_size": "1", "min_notional": "1", "status": ESCAPES}
    connection.sendall(message("200 OK", json.dumps([row], ensure_ascii=False).encode()))


def login_page(connection: socket.socket, request: bytes) -> None:
    page = b"<!doctype html><title>Sign in</title><form><script>alert(1)</script></form>"
    connection.sendall(message("200 OK", page, "Set-Cookie: session=1", kind="text/html"))


def too_long_length(connection: socket.socket, request: bytes) -> None:
    connection.sendall(message("200 OK", b"[]").replace(b"Length: 2", b"Length: 200"))
    connection.close()


def too_short_length(connection: socket.socket, request: bytes) -> None:
    connection.sendall(message("200 OK", b'[{"id": 1}]').replace(b"Length: 11", b"Length: 3"))


def negative_length(connection: socket.socket, request: bytes) -> None:
    connection.sendall(message("200 OK", b"[]").replace(b"Length: 2", b"Length: -2"))


def http_0_9(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"<html>hello, this is 1991</html>\n")
    connection.close()


def garbage(connection: socket.socket, request: bytes) -> None:
    connection.sendall(bytes(range(256)) * 10)
    connection.close()


def close_at_once(connection: socket.socket, request: bytes) -> None:
    connection.close()


def not_json(connection: socket.socket, request: bytes) -> None:
    connection.sendall(message("200 OK", b"OK", kind="text/plain"))


def empty(connection: socket.socket, request: bytes) -> None:
    connection.sendall(message("200 OK", b""))


def strange_status(connection: socket.socket, request: bytes) -> None:
    connection.sendall(message("999 What", b"[]"))


def endless_interim(connection: socket.socket, request: bytes) -> None:
    for _ in range(1_000_000):
        connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")
        time.sleep(0.02)


def always_busy(connection: socket.socket, request: bytes) -> None:
    connection.sendall(message("503 No", b'{"error": "ENGINE_BUSY"}', "Retry-After: 99999999999999"))


def _markets(**values: object) -> Behaviour:
    row = {"id": "DFUSDT", "tick_size": "0.0001", "lot_size": "0.01", "min_notional": "1", "status": "listed"}
    row = {k: v for k, v in {**row, **values}.items() if v is not None}

    def behaviour(connection: socket.socket, request: bytes) -> None:
        if b"/spot/markets" in request.split(b"\r\n", 1)[0]:
            connection.sendall(message("200 OK", json.dumps([row]).encode()))
        elif request.startswith(b"POST"):
            connection.sendall(message("400 Bad Request", b'{"error": "INVALID_TICK"}'))
        else:
            connection.sendall(message("404 Not Found", b'{"error": "ORDER_NOT_FOUND"}'))

    return behaviour


BEHAVIOURS: dict[str, Behaviour] = {
    function.__name__: function
    for function in (
        *(endless_body, endless_chunks, slow_body, slow_headers, gigabyte, gzip_bomb, double_gzip_bomb),
        *(deflate_bomb, not_gzip, deep_json, deep_objects, invalid_utf8, surrogates, huge_number, many_headers),
        *(huge_header, terminal_escapes, escapes_in_markets, login_page, too_long_length, too_short_length),
        *(negative_length, http_0_9, garbage, close_at_once, not_json, empty, strange_status, endless_interim),
        always_busy,
    )
} | {
    "tick_zero": _markets(tick_size="0"),
    "tick_negative": _markets(tick_size="-1"),
    "lot_1e400": _markets(lot_size="1e400"),
    "tick_1e400": _markets(tick_size="1e400"),
    "tick_1e-400": _markets(tick_size="1e-400"),
    "notional_1e999999": _markets(min_notional="1e999999"),
    "tick_nan": _markets(tick_size="NaN"),
    "notional_infinite": _markets(min_notional="Infinity"),
    "lot_missing": _markets(lot_size=None),
    "lot_a_list": _markets(lot_size=["0.01"]),
    "id_missing": _markets(id=None),
    "id_a_number": _markets(id=7),
    "refuses_all_orders": _markets(),
}


@dataclass
class HostileServer:
    """Answers every request with one behaviour. `base_url` is where; `requests` is what it was sent."""

    behaviour: Behaviour
    requests: list[bytes] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/api/v1"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def _connections(self) -> Iterator[socket.socket]:
        with contextlib.suppress(OSError):
            while True:
                yield self._socket.accept()[0]

    def _accept(self) -> None:
        for connection in self._connections():
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(20)
        with contextlib.suppress(OSError), connection:
            while request := _read(connection):
                self.requests.append(request)
                self.behaviour(connection, request)


def _read(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(x[15:]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")), 0)
    while len(body) < length and (more := connection.recv(65536)):
        body += more
    return head + b"\r\n\r\n" + body
