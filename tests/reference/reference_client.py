"""Calls an exchange inside the test's process, byte for byte as an HTTP server would hand requests over."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from conformance.reference.accounts import credentials
from conformance.reference.reference import Reference
from conformance.reference.settings import Settings

BASE = "/api/v1"
LIMIT = {"symbol": "DFUSDT", "side": "buy", "type": "limit", "price": "0.5", "quantity": "100"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str]:
        assert list(self.json) == ["error"], self.body
        assert self.headers["content-type"] == "application/json"
        return self.status, self.json["error"]


def signature(secret: str, payload: str) -> str:
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


class Local:
    """A reference exchange with its own event loop, which runs only while a call does."""

    def __init__(self, reference: Reference, runner: asyncio.Runner) -> None:
        self.reference = reference
        self.runner = runner
        now, lifetime = reference.clock.now_s(), reference.settings.jwt_lifetime_s
        self.accounts = credentials(reference.secrets, now_s=now, lifetime_s=lifetime)

    async def send(self, method: str, target: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        raw_path, _, query = target.encode("latin-1").partition(b"?")
        scope = {
            "type": "http",
            "method": method,
            "path": raw_path.decode("latin-1"),
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in headers.items()],
        }
        messages: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def collect(message: Any) -> None:
            messages.append(message)

        await self.reference.app(scope, receive, collect)
        answer_headers = {k.decode(): v.decode() for k, v in messages[0]["headers"]}
        return Answer(messages[0]["status"], answer_headers, b"".join(m["body"] for m in messages[1:]))

    def raw(self, method: str, target: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        return self.runner.run(self.send(method, target, headers, body))

    def headers(self, account: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.accounts[account]['jwt']}"}

    def call(self, method: str, path: str, body: Any = None, account: str = "owner") -> Answer:
        data = b"" if body is None else json.dumps(body).encode()
        return self.raw(method, BASE + path, self.headers(account), data)

    def place(self, account: str = "owner", **changes: Any) -> Answer:
        body = {k: v for k, v in {**LIMIT, **changes}.items() if v is not None}
        return self.call("POST", "/spot/orders", body, account)

    def cancel(self, order_id: str, account: str = "owner") -> Answer:
        return self.call("DELETE", f"/spot/orders/{order_id}", account=account)

    def query(self, order_id: str, account: str = "owner") -> Answer:
        return self.call("GET", f"/spot/orders/{order_id}", account=account)

    def money(self) -> dict[tuple[str, str], tuple[str, str]]:
        table = self.reference.exchange.balances.table
        return {key: (str(balance.free), str(balance.locked)) for key, balance in table.items()}


@contextmanager
def local(settings: Settings | None = None, *, settled: bool = True) -> Iterator[Local]:
    """Give a running exchange; unless ``settled``, its engines have not had a turn yet."""
    with asyncio.Runner() as runner:
        reference = Reference(settings or Settings())
        running = reference.running()
        runner.run(running.__aenter__())
        try:
            if settled:
                runner.run(asyncio.sleep(0.002))
            yield Local(reference, runner)
        finally:
            runner.run(running.__aexit__(None, None, None))
