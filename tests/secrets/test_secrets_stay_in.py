"""Canary secrets over every artefact and every failure path: no hit in any encoding."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from canaries import JWT_KEY, SECRETS, everything, forms, hits
from faulty_proxy import FaultyProxy, read_message
from suite_process import PREFIX, Ended, Target, reference, suite

SELECTED = ("--profile", "quick", "--only", "cancel.jwt", "--only", "cancel.key", "--only", "cancel.errors")


@pytest.fixture(scope="module")
def exchange() -> Iterator[Target]:
    keys = {name: {"key": s["api_key"], "secret": s["api_secret"]} for name, s in SECRETS.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "SPOT_REFERENCE_SECRETS", json.dumps({"jwt_key": JWT_KEY, "api_keys": keys}))
        with reference() as target:
            yield target


def _assert_silent(ended: Ended, cwd: Path, accounts: dict[str, dict[str, str]]) -> None:
    files = {**everything(cwd), "stdout": ended.out, "stderr": ended.err}
    assert hits(files, accounts) == []


def test_a_run(exchange: Target, tmp_path: Path) -> None:
    """Record, journal, results, HTML, JUnit, SARIF, summary and both outputs of a good run."""
    ended = suite("run", *SELECTED, env=exchange.env(), cwd=tmp_path)
    assert ended.status in (0, 3), ended.text
    assert len(everything(tmp_path)) >= 8
    _assert_silent(ended, tmp_path, exchange.accounts)


def _echo(form: str) -> Callable[[bytes, dict[str, dict[str, str]]], bytes]:
    def answer(request: bytes, accounts: dict[str, dict[str, str]]) -> bytes:
        parts = [forms(secret)[form] for secrets in accounts.values() for secret in secrets.values()]
        return " | ".join(parts).encode()

    return answer


def _echo_all_base64(request: bytes, accounts: dict[str, dict[str, str]]) -> bytes:
    texts = [secret for secrets in accounts.values() for secret in secrets.values()]
    return b" ".join(base64.b64encode(b"x" * n + text.encode() + b"yz") for text in texts for n in range(3))


ECHOES = {name: _echo(name) for name in forms("x" * 8)} | {
    "the request": lambda request, accounts: request,
    "base64 of more": _echo_all_base64,
}


@contextmanager
def _echoing(target: Target, what: str, status: str) -> Iterator[str]:
    """A target that lists its markets and answers everything else with secrets, in body, error and headers."""
    server = socket.create_server(("127.0.0.1", 0))
    market = {"id": "DFUSDT", "tick_size": "0.0001", "lot_size": "0.01", "min_notional": "1", "status": "listed"}

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while request := read_message(connection):
                told = ECHOES[what](request, target.accounts)
                if b"/spot/markets" in request.split(b"\r\n", 1)[0]:
                    body, first = json.dumps([{**market, "note": told.decode("latin-1")}]).encode(), "200 OK"
                else:
                    body, first = json.dumps({"error": told.decode("latin-1"), "id": "x"}).encode(), status
                line = told.replace(b"\r", b" ").replace(b"\n", b" ")
                if what.startswith("url") or what == "raw":
                    body = body[:-1] + b', "raw": "' + line.replace(b"\\", b"").replace(b'"', b"") + b'"}'
                head = f"HTTP/1.1 {first}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                connection.sendall(head.encode() + b"X-Echo: " + line + b"\r\n\r\n" + body)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/api/v1"


@pytest.mark.parametrize("what", ECHOES)
@pytest.mark.parametrize("status", ["401 Unauthorized", "400 Bad Request"])
def test_a_target_that_echoes_them(exchange: Target, tmp_path: Path, what: str, status: str) -> None:
    """What the target sends back is masked before anything is written or shown."""
    with _echoing(exchange, what, status) as base_url:
        ended = suite("run", *SELECTED, env=exchange.env(base_url), cwd=tmp_path)
    assert ended.status in (1, 3), ended.text
    _assert_silent(ended, tmp_path, exchange.accounts)


def test_refused_credentials(exchange: Target, tmp_path: Path) -> None:
    """A wrong secret is refused, and is not shown for it."""
    wrong = {"owner": {"api_key": "nobodykey", "api_secret": "wr0ng&sec"}}
    env = {f"{PREFIX}BASE_URL": exchange.base_url}
    env |= {f"{PREFIX}OWNER_{name.upper()}": value for name, value in wrong["owner"].items()}
    for command in ("run", "doctor"):
        ended = suite(command, env=env, cwd=tmp_path)
        assert ended.status == 3
        _assert_silent(ended, tmp_path, wrong)


CONFIGS = {
    "wrong type": '[accounts]\nowner = "{secret}"',
    "unknown key": '[accounts.owner]\napi_sekret = "{secret}"',
    "no TOML": '[accounts.owner]\napi_secret = "{secret}',
    "white space": '[accounts.owner]\njwt = "{secret} x"',
    "a table": '[accounts.owner]\napi_secret = ["{secret}"]\napi_key = "{secret}"',
    "in the URL": '[target]\nbase_url = "https://user:{secret}@staging.example/api"',
    "in the query": '[target]\nbase_url = "https://staging.example/api?key={secret}"',
    "no scheme": '[target]\nbase_url = "user:{secret}@staging.example/api"',
    "a failing command": "[accounts.owner]\njwt = \"!echo '{secret}' >&2; false\"",
    "too short": '[accounts.owner]\njwt = "s3c-"\napi_key = "{secret}"\napi_secret = "{secret}"',
    "a number": (
        '[target]\nbase_url = "http://127.0.0.1:9"\ntimeout_s = "{secret}"\n[accounts.owner]\njwt = "token"'
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("command", ["run", "doctor", "plan"])
def test_mistakes_in_the_settings(command: str, name: str, tmp_path: Path) -> None:
    """A mistake is named by its place, and never quoted where it may be a secret."""
    secret = "s3cr3t-c4n4ry"
    place = tmp_path / "settings"
    place.mkdir()
    (place / "x.toml").write_text(CONFIGS[name].replace("{secret}", secret))
    more = ["--base-url", "http://127.0.0.1:9"] if "[target]" not in CONFIGS[name] else []
    work = tmp_path / "work"
    work.mkdir()
    arguments = ["--config", str(place / "x.toml"), *more]
    if command == "plan":
        from suite_process import Running

        ended = Running(["plan", *arguments], {}, work).wait(60)
    else:
        ended = suite(command, *arguments, env={}, cwd=work)
    assert ended.status == 2, ended.text
    assert "Traceback" not in ended.text
    _assert_silent(ended, work, {"owner": {"api_secret": secret}})


def test_a_crash(exchange: Target, tmp_path: Path) -> None:
    """An internal error shows a traceback without values, and exits with 70."""
    (tmp_path / "sitecustomize.py").write_text(
        "import conformance.target.venue as v\n"
        "def look(self, order, scheme=None):\n"
        "    secret = self.account('owner').api_secret\n"
        "    raise RuntimeError(f'crashed with {secret} and {self.account(\"owner\").jwt}')\n"
        "v.Venue.look = look\n"
    )
    ended = suite("run", *SELECTED, env=exchange.env(PYTHONPATH=str(tmp_path)), cwd=tmp_path)
    assert ended.status == 70, ended.text
    (tmp_path / "sitecustomize.py").unlink()
    _assert_silent(ended, tmp_path, exchange.accounts)


def test_credentials_go_to_the_origin_only(exchange: Target, tmp_path: Path) -> None:
    """Nothing is sent to any address but the target's: the proxy in front of it sees every request."""
    seen = FaultyProxy(exchange.base_url)
    with seen:
        ended = suite(
            "run", "--profile", "quick", "--only", "cancel.jwt", env=exchange.env(seen.base_url), cwd=tmp_path
        )
    record = (tmp_path / "report" / "record.ndjson").read_text()
    assert ended.status in (0, 3)
    assert sum(seen.met.values()) == record.count('"kind":"exchange"')
