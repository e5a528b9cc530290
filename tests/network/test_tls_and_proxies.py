"""Own certificate authorities, client certificates, unchecked certificates, and proxies from the environment."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faulty_proxy import FaultyProxy, read_message
from suite_process import PREFIX, Target, reference, suite

SELECTED = ("--profile", "quick", "--only", "cancel.jwt.missing")


@pytest.fixture(scope="module")
def exchange() -> Iterator[Target]:
    with reference() as target:
        yield target


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key in one file."""
    place = tmp_path_factory.mktemp("tls") / "both.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", str(place), "-out", str(place) + ".crt"], check=True, capture_output=True)
    place.write_text(place.read_text() + Path(str(place) + ".crt").read_text())
    return place


def _context(pem: Path, *, wants_client: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    if wants_client:
        context.load_verify_locations(pem)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_an_unknown_authority_is_said_plainly(exchange: Target, pem: Path, tmp_path: Path) -> None:
    """A certificate that nobody vouches for ends the run, with the settings that help."""
    with FaultyProxy(exchange.base_url, tls=_context(pem)) as front:
        ended = suite("run", *SELECTED, env=exchange.env(front.base_url), cwd=tmp_path)
    assert ended.status == 3
    assert "CERTIFICATE_VERIFY_FAILED" in ended.err
    assert "ca_file" in ended.err


def test_own_authority(exchange: Target, pem: Path, tmp_path: Path) -> None:
    """`ca_file` makes it trusted."""
    with FaultyProxy(exchange.base_url, tls=_context(pem)) as front:
        env = exchange.env(front.base_url, **{f"{PREFIX}CA_FILE": str(pem)})
        ended = suite("run", *SELECTED, env=env, cwd=tmp_path)
    assert ended.status == 0, ended.text


def test_insecure_is_said_loudly(exchange: Target, pem: Path, tmp_path: Path) -> None:
    """Without checking the certificate it works, and is written on the wall."""
    with FaultyProxy(exchange.base_url, tls=_context(pem)) as front:
        ended = suite("run", "--insecure", *SELECTED, env=exchange.env(front.base_url), cwd=tmp_path)
    assert ended.status == 0, ended.text
    assert "NOT checked" in ended.err
    assert "NOT checked" in ended.results()["target"]["TLS"]


def test_client_certificate(exchange: Target, pem: Path, tmp_path: Path) -> None:
    """A target that wants a client certificate gets the one of the settings, and refuses without."""
    with FaultyProxy(exchange.base_url, tls=_context(pem, wants_client=True)) as front:
        env = exchange.env(front.base_url, **{f"{PREFIX}CA_FILE": str(pem)})
        assert suite("run", *SELECTED, env=env, cwd=tmp_path).status == 3
        env[f"{PREFIX}CLIENT_CERT"] = str(pem)
        ended = suite("run", *SELECTED, env=env, cwd=tmp_path)
    assert ended.status == 0, ended.text


@pytest.mark.parametrize("setting", ["CA_FILE", "CLIENT_CERT"])
def test_a_file_that_is_not_there(exchange: Target, tmp_path: Path, setting: str) -> None:
    """A TLS file that cannot be read is the user's mistake: exit 2, one line."""
    env = exchange.env(**{f"{PREFIX}{setting}": str(tmp_path / "none.pem")})
    ended = suite("run", *SELECTED, env=env, cwd=tmp_path)
    assert ended.status == 2, ended.text
    assert "TLS settings" in ended.err


def test_a_proxy_from_the_environment(exchange: Target, pem: Path, tmp_path: Path) -> None:
    """A target elsewhere is reached through HTTPS_PROXY, and never without."""
    with FaultyProxy(exchange.base_url, tls=_context(pem)) as front:
        port = int(front.base_url.split(":")[2].split("/")[0])
        with _connect_proxy(port) as (proxy, asked):
            # a name that only the proxy can reach
            env = exchange.env(f"https://exchange.invalid:{port}/api/v1", HTTPS_PROXY=proxy)
            ended = suite("run", "--insecure", "--allow-trading", *SELECTED, env=env, cwd=tmp_path)
    assert ended.status == 0, ended.text
    assert set(asked) == {f"CONNECT exchange.invalid:{port} HTTP/1.1"}
    assert "Plan: about" in ended.out


@contextmanager
def _connect_proxy(port: int) -> Iterator[tuple[str, list[str]]]:
    """A proxy that tunnels every CONNECT to `port` on loopback, and the request lines that it got."""
    server, asked = socket.create_server(("127.0.0.1", 0)), list[str]()

    def pipe(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def tunnel(client: socket.socket) -> None:
        asked.append(read_message(client).split(b"\r\n")[0].decode())
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with client, socket.create_connection(("127.0.0.1", port)) as upstream:
            back = threading.Thread(target=pipe, args=(upstream, client), daemon=True)
            back.start()
            pipe(client, upstream)
            back.join(10)

    def accept() -> None:
        while True:
            try:
                client = server.accept()[0]
            except OSError:
                return
            threading.Thread(target=tunnel, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
