"""A server that keeps what it is asked, byte by byte, and answers each request with the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_INTERESTING = ("authorization", "x-mbx-apikey", "x-api-key", "x-order-id", "x-signature")


@dataclass(frozen=True)
class Wire:
    """One request as it came in. `headers` are the credential headers in the spelling that was sent."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Recording:
    """A server's base URL, and what it was asked so far."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.requests: list[Wire] = []


@contextmanager
def recording(body: bytes = b'{"id": "none"}', status: int = 200) -> Iterator[Recording]:
    """Serve on a free port of this machine until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kept = tuple((k, v) for k, v in self.headers.items() if k.lower() in _INTERESTING)
            told.requests.append(Wire(self.command, self.path, kept, sent))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_DELETE = do_GET = do_POST = do_PUT = answer

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told = Recording(f"http://127.0.0.1:{server.server_address[1]}/api/v1")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
