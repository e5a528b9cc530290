"""What the tests of scripts share: credentials, running bash, and making a record by hand."""

from __future__ import annotations

import os
import subprocess

import jwt

from conformance.oracle.findings import Finding
from conformance.record import SCHEMA, Auth, Exchange, Header, Request, Response
from conformance.target.settings import Account

NOW = 1778400000123  # Unix ms
TOKEN_SECRET = "a secret that no script may hold, of 32 bytes"


def account(name: str) -> Account:
    """An account with credentials that look like real ones."""
    token = jwt.encode({"sub": name, "iat": NOW // 1000, "exp": NOW // 1000 + 3600}, TOKEN_SECRET)
    expired = jwt.encode({"sub": name, "iat": 1, "exp": 2}, TOKEN_SECRET)
    return Account(name, token, expired, f"{name}Key0123456789abcdefXYZ", f"{name}Secret-9f8e7d6c5b4a3F2E1D")


def environment(*accounts: Account, **more: str) -> dict[str, str]:
    """An environment with these accounts' credentials and nothing else of the suite's."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SPOT_CONFORMANCE_")}
    for one in accounts:
        for secret in ("jwt", "expired_jwt", "api_key", "api_secret"):
            env[f"SPOT_CONFORMANCE_{one.name.upper()}_{secret.upper()}"] = str(getattr(one, secret))
    return {**env, **more}


def bash(script: str, env: dict[str, str], timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a script as it stands, without a terminal."""
    return subprocess.run(
        ["bash"], input=script, env=env, capture_output=True, text=True, timeout=timeout_s, check=False
    )


def header(base_url: str) -> Header:
    """A record's header for a target."""
    return Header(SCHEMA, "0", "0", base_url, "/api/v1", NOW / 1000, 0, "quick", {})


def finding(*exchanges: int, message: str = "a message", expected: str = "401", seen: str = "200") -> Finding:
    """A finding that these exchanges show."""
    return Finding("cancel.key.signature.missing", message, expected, seen, list(exchanges), "key::case")


def exchange(
    n: int,
    method: str,
    target: str,
    auth: Auth | None = None,
    *,
    body: str | None = None,
    answer: str = "",
    status: int = 200,
    headers: list[tuple[str, str]] | None = None,
    op: str | None = None,
) -> Exchange:
    """An exchange of the record, a millisecond long and a millisecond after the one before."""
    ops = {"DELETE": "cancel_order", "POST": "new_order", "GET": "query_order"}
    return Exchange(
        n=n,
        case="key::case",
        driver="suite",
        op=op or ops[method],
        start=n / 500,
        end=n / 500 + 0.001,
        sent_at=NOW / 1000,
        request=Request(method, f"/api/v1{target}", headers or [], body),
        auth=auth,
        response=Response(status, [], answer),
    )
