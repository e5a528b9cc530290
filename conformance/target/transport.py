"""How requests go out: targets byte by byte as they were set, whole exchanges within a deadline, through a proxy.

httpx tidies paths up, and bounds each read instead of an answer. A transport of our own over httpcore does neither,
by the public parts of both.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from urllib.request import getproxies

import httpcore
import httpx

from conformance.errors import ConfigError
from conformance.target.bounds import DeadlineBackend

_PASSED_ON = ("timeout", "trace")  # of a request's extensions
_IDLE_S = 5.0  # how long a connection without a request is kept

# the special ones first: the first that fits is what httpx calls it
_ERRORS: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (httpcore.ConnectTimeout, httpx.ConnectTimeout),
    (httpcore.ReadTimeout, httpx.ReadTimeout),
    (httpcore.WriteTimeout, httpx.WriteTimeout),
    (httpcore.PoolTimeout, httpx.PoolTimeout),
    (httpcore.TimeoutException, httpx.ReadTimeout),
    (httpcore.ConnectError, httpx.ConnectError),
    (httpcore.ReadError, httpx.ReadError),
    (httpcore.WriteError, httpx.WriteError),
    (httpcore.NetworkError, httpx.NetworkError),
    (httpcore.ProxyError, httpx.ProxyError),
    (httpcore.UnsupportedProtocol, httpx.UnsupportedProtocol),
    (httpcore.LocalProtocolError, httpx.LocalProtocolError),
    (httpcore.RemoteProtocolError, httpx.RemoteProtocolError),
    (httpcore.ProtocolError, httpx.ProtocolError),
)


@contextmanager
def _as_httpx() -> Iterator[None]:
    """Raise httpcore's errors as those of httpx, which is what its callers catch."""
    try:
        yield
    except Exception as error:
        named = next((ours for theirs, ours in _ERRORS if isinstance(error, theirs)), None)
        if named is None:
            raise
        raise named(str(error)) from error


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx():
            yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class Transport(httpx.BaseTransport):
    """A pool of at most `connections` connections, `kept` of them when idle, that keep to the thread's deadline.

    A request's extension `target` is its request target: bytes that go out as they are. `proxy` is the URL of an
    HTTP or SOCKS proxy, credentials included. Raises ConfigError for a proxy that cannot be used.
    """

    def __init__(self, tls: ssl.SSLContext, *, proxy: str | None = None, connections: int, kept: int) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls,
            proxy=_proxy(proxy) if proxy is not None else None,
            max_connections=connections,
            max_keepalive_connections=kept,
            keepalive_expiry=_IDLE_S,
            network_backend=DeadlineBackend(httpcore.SyncBackend()),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return the answer with its body still to be read. Raises httpx.TransportError."""
        assert isinstance(request.stream, httpx.SyncByteStream)
        url = request.url
        sent = httpcore.Request(
            request.method,
            httpcore.URL(
                scheme=url.raw_scheme,
                host=url.raw_host,
                port=url.port,
                target=bytes(request.extensions.get("target", url.raw_path)),
            ),
            headers=request.headers.raw,
            content=request.stream,
            # not `target`: httpcore would use it for the CONNECT to a proxy, and in place of the absolute form
            extensions={name: request.extensions[name] for name in _PASSED_ON if name in request.extensions},
        )
        with _as_httpx():
            response = self._pool.handle_request(sent)
        return httpx.Response(
            response.status, headers=response.headers, stream=_Body(response), extensions=dict(response.extensions)
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


def proxy_for(origin: str) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY name for an origin, None if none."""
    if not getproxies():
        return None
    from requests.utils import get_environ_proxies, select_proxy  # takes a while to import

    found = select_proxy(origin, get_environ_proxies(origin, no_proxy=None))
    return f"http://{found}" if found and "://" not in found else found or None


def _proxy(text: str) -> httpcore.Proxy:
    try:
        proxy = httpx.Proxy(text)
    except (ValueError, httpx.InvalidURL):  # not quoted: there may be a password in it
        raise ConfigError("HTTPS_PROXY is no URL of a proxy", "for example http://proxy.example:3128") from None
    if proxy.url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise ConfigError("a SOCKS proxy needs the package socksio", "pip install socksio")
    url = httpcore.URL(scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=b"/")
    return httpcore.Proxy(url, auth=proxy.raw_auth, headers=proxy.headers.raw, ssl_context=proxy.ssl_context)
