"""Whatever a target answers: an end in bounded time and memory, one plain line, no traceback, nothing executed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hostile_server import BEHAVIOURS, HostileServer, message
from suite_process import PREFIX, Ended, suite

SECRETS = {f"{PREFIX}OWNER_JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJvd25lciJ9.c2lnbmF0dXJlb2Z0aGVvd25lcg"}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _env(server: HostileServer) -> dict[str, str]:
    return {**SECRETS, f"{PREFIX}BASE_URL": server.base_url, f"{PREFIX}TIMEOUT_S": "0.5"}


def _check(ended: Ended, name: str) -> None:
    assert ended.status == 3, ended.text
    assert ended.seconds < 60
    assert ended.peak_mb < 300
    assert "Traceback" not in ended.text
    assert "INTERNALERROR" not in ended.text
    assert not CONTROL.search(ended.text), name
    assert len(ended.text) < 4000


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_run(name: str, tmp_path: Path) -> None:
    """`run` ends undecided, and says why in a line or two."""
    with HostileServer(BEHAVIOURS[name]) as server:
        ended = suite("run", env=_env(server), cwd=tmp_path, timeout=90)
    _check(ended, name)
    assert "spot-conformance: " in ended.err


@pytest.mark.parametrize("name", ["slow_headers", "gzip_bomb", "deep_json", "terminal_escapes", "tick_1e400"])
def test_doctor(name: str, tmp_path: Path) -> None:
    """`doctor` says what is wrong and ends."""
    with HostileServer(BEHAVIOURS[name]) as server:
        ended = suite("doctor", env=_env(server), cwd=tmp_path, timeout=90)
    _check(ended, name)
    assert "✗" in ended.out


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_credentials_do_not_follow_a_redirect(status: str, tmp_path: Path) -> None:
    """A redirect elsewhere is not followed at all."""
    with HostileServer(BEHAVIOURS["empty"]) as elsewhere:
        location = f"Location: {elsewhere.base_url}/spot/markets"
        with HostileServer(lambda c, r: c.sendall(message(status, b"", location))) as server:
            ended = suite("run", env=_env(server), cwd=tmp_path, timeout=60)
        assert ended.status == 3, ended.text
        assert elsewhere.requests == []
