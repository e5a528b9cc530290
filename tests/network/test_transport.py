"""The proxy of the environment, and request targets and errors of our own transport over httpcore."""

from __future__ import annotations

import socket
import ssl
import threading

import httpcore
import httpx
import pytest
from faulty_proxy import read_message

from conformance.errors import ConfigError
from conformance.target import bounds, transport
from conformance.target.transport import Transport, proxy_for

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("env", "origin", "proxy"),
    [
        ({}, "https://x.example", None),
        ({"HTTPS_PROXY": "http://u:p@proxy.example:3128"}, "https://x.example", "http://u:p@proxy.example:3128"),
        ({"HTTPS_PROXY": "proxy.example:3128"}, "https://x.example:8443", "http://proxy.example:3128"),
        ({"HTTPS_PROXY": "http://p"}, "http://x.example", None),
        ({"HTTP_PROXY": "http://p"}, "http://x.example", "http://p"),
        ({"ALL_PROXY": "http://p"}, "https://x.example", "http://p"),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": ".internal,10.0.0.0/8"}, "https://x.internal:8443", None),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": ".internal,10.0.0.0/8"}, "https://10.1.2.3", None),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "*"}, "https://x.example", None),
    ],
)
def test_the_proxy_of_the_environment(
    env: dict[str, str], origin: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(origin) == proxy


@pytest.mark.parametrize("proxy", ["gopher://p:s3cr3t@x", "http://u:s3cr3t@x:port", "socks5://u:s3cr3t@x:1"])
def test_proxies_that_cannot_be_used(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.target.transport.find_spec", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        Transport(ssl.create_default_context(), proxy=proxy, connections=1, kept=1)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("through_proxy", [False, True])
def test_targets_go_out_as_they_are(through_proxy: bool) -> None:
    """Nothing is decoded, encoded or folded, neither directly nor in the absolute form for a proxy."""
    seen: list[bytes] = []
    target = b"/api/v1/spot/orders/%2e%2E/..//a%zz?x=%41&y=/../#"

    def serve(server: socket.socket) -> None:
        connection = server.accept()[0]
        with connection:
            seen.append(read_message(connection).split(b"\r\n")[0])
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        here = f"http://127.0.0.1:{server.getsockname()[1]}"
        origin = "http://exchange.invalid" if through_proxy else here
        wire = Transport(ssl.create_default_context(), proxy=here if through_proxy else None, connections=1, kept=1)
        with httpx.Client(transport=wire, trust_env=False) as client:
            assert client.get(origin, extensions={"target": target}).text == "ok"
        thread.join(5)
    absolute = origin.encode() if through_proxy else b""
    assert seen == [b"GET " + absolute + target + b" HTTP/1.1"]


def test_every_error_of_httpcore_has_a_name_in_httpx() -> None:
    """So that none of them, and none to come, gets past those who catch httpx's."""
    public = [getattr(httpcore, name) for name in httpcore.__all__]
    errors = [found for found in public if isinstance(found, type) and issubclass(found, Exception)]
    for error in [*errors, bounds.TooSlow]:
        if error is httpcore.ConnectionNotAvailable:  # never leaves the pool
            continue
        expected = httpx.TransportError
        with pytest.raises(expected) as caught, transport._as_httpx():
            raise error("why")
        if error not in (httpcore.TimeoutException, bounds.TooSlow):
            assert type(caught.value).__name__ == error.__name__
