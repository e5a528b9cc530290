"""What our code costs for one exchange, and what the reference's cancel costs its server."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from benchmarks.measure import Row, Spread, cpu_of, interleaved, ratios
from benchmarks.targets import constant, session
from conformance.load.session import LoadSession


def _order(opened: LoadSession) -> dict[str, str]:
    venue = opened.main
    price = venue.band.resting("buy")
    amounts = {"price": format(price, "f"), "quantity": format(venue.rules.quantity(price), "f")}
    return {"symbol": venue.rules.symbol, "side": "buy", "type": "limit", "tif": "gtc", **amounts}


def own_code(directory: Path, exchanges: int, repeats: int) -> list[Row]:
    """Placing and canceling through our client (signed, recorded, judged) and through a bare httpx client."""
    with session(directory) as (running, opened), httpx.Client(trust_env=False) as client:
        venue, order = opened.main, _order(opened)
        price, base = venue.band.resting("buy"), running.base_url
        quantity = venue.rules.quantity(price)
        headers = {"Authorization": f"Bearer {running.accounts['owner']['jwt']}"}
        cpu: dict[str, list[float]] = {"ours": [], "bare": []}

        def ours() -> None:
            for _ in range(exchanges // 2):
                placed = venue.place("buy", price, quantity, scheme="api_key")
                venue.cancel(placed, scheme="api_key")

        def bare() -> None:
            for _ in range(exchanges // 2):
                placed = client.post(f"{base}/spot/orders", json=order, headers=headers).json()
                client.delete(f"{base}/spot/orders/{placed['id']}", headers=headers).json()

        def timed(name: str, work: Callable[[], None]) -> Callable[[], float]:
            def run() -> float:
                began, used = time.perf_counter(), time.process_time()
                work()
                cpu[name].append((time.process_time() - used) / exchanges * 1e6)
                return exchanges / (time.perf_counter() - began)

            return run

        rates = interleaved({"ours": timed("ours", ours), "bare": timed("bare", bare)}, repeats)
    mine, its = tuple(cpu["ours"][1:]), tuple(cpu["bare"][1:])
    return [
        Row(
            "exchanges a second: signed, recorded, judged / bare httpx",
            Spread(rates["ours"]).text(),
            Spread(rates["bare"]).text(),
            ratios(rates["ours"], rates["bare"]).text(),
        ),
        Row(
            "processor µs an exchange, on the client's side",
            Spread(mine).text(),
            Spread(its).text(),
            ratios(mine, its).text(),
        ),
    ]


def reference_cancel(directory: Path, exchanges: int, repeats: int) -> list[Row]:
    """The reference's cancels of open orders, and a bare Starlette route with an answer of the same size."""
    with session(directory) as (running, opened):
        headers = {"Authorization": f"Bearer {running.accounts['owner']['jwt']}"}
        connection = _connect(urlsplit(running.base_url).port or 0)
        body = _ask(connection, "DELETE", f"/api/v1/spot/orders/{_place(connection, opened, headers)}", headers)
        cpu: dict[str, list[float]] = {"reference": [], "constant": []}
        with constant(json.dumps(body)) as bare:
            other = _connect(bare.port)

            def measured(name: str, pid: int, to: http.client.HTTPConnection, paths: list[str]) -> float:
                used, began = cpu_of(pid), time.perf_counter()
                for path in paths:
                    _ask(to, "DELETE", path, headers)
                seconds, now = time.perf_counter() - began, cpu_of(pid)
                if used is not None and now is not None:
                    cpu[name].append((now - used) / exchanges * 1e6)
                return exchanges / seconds

            def reference() -> float:
                ids = [_place(connection, opened, headers) for _ in range(exchanges)]
                paths = [f"/api/v1/spot/orders/{order_id}" for order_id in ids]
                return measured("reference", running.announcement.pid, connection, paths)

            def route() -> float:
                return measured("constant", bare.pid, other, [f"/api/v1/spot/orders/{body['id']}"] * exchanges)

            rates = interleaved({"reference": reference, "constant": route}, repeats)
            other.close()
        connection.close()
    rows = [
        Row(
            "the reference's cancels a second / a bare Starlette route's, one connection",
            Spread(rates["reference"]).text(),
            Spread(rates["constant"]).text(),
            ratios(rates["reference"], rates["constant"]).text(),
        )
    ]
    if cpu["reference"] and all(cpu["constant"]):
        mine, its = tuple(cpu["reference"][1:]), tuple(cpu["constant"][1:])
        rows.append(
            Row(
                "processor µs a cancel, on the server's side",
                Spread(mine).text(),
                Spread(its).text(),
                ratios(mine, its).text(),
            )
        )
    return rows


def _connect(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=30)


def _place(connection: http.client.HTTPConnection, opened: LoadSession, headers: dict[str, str]) -> str:
    return str(_ask(connection, "POST", "/api/v1/spot/orders", headers, json.dumps(_order(opened)))["id"])


def _ask(
    connection: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str], body: str | None = None
) -> dict[str, Any]:
    more = {"Content-Type": "application/json"} if body is not None else {}
    connection.request(method, path, body, {**headers, **more})
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        raise RuntimeError(f"{method} {path} answers {response.status}: {answer[:200]!r}")
    return dict(json.loads(answer))
