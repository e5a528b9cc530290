"""Bounds on an answer that hold whatever the target sends: a total time, and a size after decoding."""

from __future__ import annotations

import ssl
import threading
import time
import zlib
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from conformance import stop
from conformance.target.overlap import give_way

MAX_BODY = 1_000_000  # bytes kept of a body: far above any order, far below any memory
ENCODINGS = "gzip, deflate"
_MAX_LAYERS = 2
_LOOK_S = 0.05  # for an answer that may have come while another one was waited for

_now = threading.local()


class TooSlow(httpcore.ReadTimeout):
    """An answer whose parts come in time, but not the whole of it."""


def start_deadline(seconds: float) -> None:
    """Let every network operation of this thread end within `seconds` s from now, all together."""
    _now.began = time.monotonic()
    _now.deadline, _now.away = _now.began + seconds, 0.0


def end_deadline() -> None:
    """Let this thread's network operations take as long as they may each."""
    _now.deadline = None


def _left(timeout: float | None) -> float | None:
    deadline = getattr(_now, "deadline", None)
    if deadline is None:
        return timeout
    left = float(deadline) - time.monotonic()
    hurried = stop.left_for(_now.began)
    if hurried is not None:
        left = min(left, max(hurried, _LOOK_S))
    if left <= 0:
        raise TooSlow("the answer did not end in time")
    return left if timeout is None else min(timeout, left)


def away() -> float:
    """How long (s) other tasks went on while this one's answer was waited for, since `start_deadline`."""
    return float(getattr(_now, "away", 0.0))


def _let_others() -> None:
    """Let the other tasks of this thread go on; the time that they take is not this one's."""
    deadline, before = getattr(_now, "deadline", None), away()
    took = give_way()
    _now.deadline, _now.away = deadline + took if deadline is not None else None, before + took


class _Stream(httpcore.NetworkStream):
    """A network stream that keeps to the thread's deadline, and lets others go on before an answer is read."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self._asked = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._asked:
            self._asked = False
            _let_others()
        with stop.exposed():
            return self._inner.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._asked = True
        with stop.exposed():
            self._inner.write(buffer, _left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        with stop.exposed():
            return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class DeadlineBackend(httpcore.NetworkBackend):
    """Opens connections whose streams keep to the thread's deadline."""

    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Open a connection, name look-up included, within what is left of the deadline (s)."""
        with stop.exposed():
            return _Stream(self._inner.connect_tcp(host, port, _left(timeout), local_address, socket_options))

    def sleep(self, seconds: float) -> None:
        """Wait (s)."""
        self._inner.sleep(seconds)


def read_body(response: httpx.Response) -> tuple[bytes, bool]:
    """The decoded body, at most MAX_BODY bytes of it, and whether more was cut off.

    Raises httpx.DecodingError for an encoding that is wrong or was not asked for.
    """
    raw, cut = bytearray(), False
    for chunk in response.iter_raw():
        raw += chunk
        if len(raw) > MAX_BODY:
            cut = True
            break
    names = [name.strip().lower() for name in response.headers.get("content-encoding", "").split(",")]
    layers = [name for name in names if name not in ("", "identity")]
    if len(layers) > _MAX_LAYERS:
        raise httpx.DecodingError(f"{len(layers)} content encodings on top of each other")
    body = bytes(raw[:MAX_BODY])
    for name in reversed(layers):
        body, more = _decoded(name, body, partial=cut)
        cut = cut or more
    return body, cut


def _decoded(name: str, data: bytes, *, partial: bool) -> tuple[bytes, bool]:
    if name in ("gzip", "x-gzip"):
        windows: tuple[int, ...] = (31,)
    elif name == "deflate":
        windows = (15, -15)  # with the zlib header, as it should be, and without, as some servers do
    else:
        raise httpx.DecodingError(f"the content encoding {name[:40]!r} was not asked for")
    for bits in windows:
        unpack = zlib.decompressobj(bits)
        try:
            body = unpack.decompress(data, MAX_BODY)
        except zlib.error as error:
            failure = error
            continue
        if not unpack.eof and not unpack.unconsumed_tail and not partial and data:
            raise httpx.DecodingError(f"the {name} body ends too early")
        return body, bool(unpack.unconsumed_tail)
    raise httpx.DecodingError(f"the body is not {name}: {failure}")
