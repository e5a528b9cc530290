"""The three 503s: each has its string, and none has an effect."""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from reference_client import BASE, LIMIT, Local, local

from conformance.reference.settings import Settings


def test_overflow_is_busy_and_without_effect() -> None:
    with local(Settings(queue_size=2, engine_delay_ms=5)) as exchange:
        ids = [exchange.place(price=f"0.{n}").json["id"] for n in range(40, 50)]
        headers = exchange.headers("owner")

        async def burst() -> list[tuple[int, str]]:
            targets = (f"{BASE}/spot/orders/{order_id}" for order_id in ids)
            answers = await asyncio.gather(*(exchange.send("DELETE", target, headers) for target in targets))
            return [(a.status, a.json.get("error", a.json.get("status"))) for a in answers]

        outcomes = exchange.runner.run(burst())
        assert set(outcomes) == {(200, "canceled"), (503, "ENGINE_BUSY")}
        refused = [order_id for order_id, (status, _) in zip(ids, outcomes, strict=True) if status == 503]
        assert len(refused) == 8
        live = exchange.call("GET", "/spot/orders").json
        assert [order["id"] for order in live] == refused
        assert {order["status"] for order in live} == {"open"}
        locked = sum(float(order["price"]) * 100 for order in live)
        assert float(exchange.money()["owner", "USDT"][1]) == pytest.approx(locked)
        # It passes: a retry succeeds.
        assert exchange.cancel(refused[0]).status == 200


def test_a_full_queue_refuses_new_orders_too() -> None:
    with local(Settings(queue_size=1, engine_delay_ms=5)) as exchange:
        body = json.dumps(LIMIT).encode()

        async def burst() -> list[int]:
            sends = (
                exchange.send("POST", f"{BASE}/spot/orders", exchange.headers("owner"), body) for _ in range(5)
            )
            return [answer.status for answer in await asyncio.gather(*sends)]

        assert sorted(exchange.runner.run(burst())) == [200, 503, 503, 503, 503]
        assert len(exchange.call("GET", "/spot/orders").json) == 1


def order_calls(exchange: Local, order_id: str) -> list[tuple[int, str]]:
    answers = [
        exchange.place(),
        exchange.cancel(order_id),
        exchange.cancel(str(uuid.uuid4())),
        exchange.call("DELETE", "/spot/orders?symbol=DFUSDT"),
    ]
    return [answer.error for answer in answers]


def test_restarting_until_the_book_is_rebuilt(tmp_path: Path) -> None:
    settings = Settings(db=str(tmp_path / "exchange.db"))
    with local(settings) as exchange:
        order = exchange.place().json
    with local(replace(settings, recovery_delay_ms=150), settled=False) as exchange:
        assert order_calls(exchange, order["id"]) == [(503, "ENGINE_RESTARTING")] * 4
        assert exchange.query(order["id"]).error == (503, "ENGINE_RESTARTING")
        assert exchange.cancel("x").error == (400, "invalid id")
        assert exchange.call("GET", "/spot/health").json["books_loaded"] == 0
        exchange.runner.run(asyncio.sleep(0.2))
        assert exchange.call("GET", "/spot/health").json["books_loaded"] == 1
        assert exchange.query(order["id"]).json["status"] == "open"
        assert exchange.cancel(order["id"]).status == 200


def test_disabled_trading_still_answers_reads(tmp_path: Path) -> None:
    settings = Settings(db=str(tmp_path / "exchange.db"))
    with local(settings) as exchange:
        order = exchange.place().json
    with local(replace(settings, trading_enabled=False)) as exchange:
        money = exchange.money()
        assert order_calls(exchange, order["id"]) == [(503, "spot trading disabled")] * 4
        assert exchange.query(order["id"]).json["status"] == "open"
        assert [o["id"] for o in exchange.call("GET", "/spot/orders").json] == [order["id"]]
        assert exchange.call("GET", "/spot/trades/me").json == []
        assert exchange.call("GET", "/spot/health").json["engine"] == "disabled"
        assert exchange.money() == money


def test_a_broken_store_is_a_restart_and_not_a_wrong_answer() -> None:
    with local() as exchange:
        order = exchange.place().json
        store = exchange.reference.store
        working = store.update_order

        def broken(order: object) -> None:
            raise OSError("disk is gone")

        store.update_order = broken  # type: ignore[method-assign]
        assert exchange.cancel(order["id"]).error == (503, "ENGINE_RESTARTING")
        store.update_order = working  # type: ignore[method-assign]
        exchange.runner.run(asyncio.sleep(0.002))
        assert exchange.query(order["id"]).json["status"] == "open"
        assert exchange.cancel(order["id"]).status == 200
        assert exchange.money()["owner", "USDT"][1] in ("0", "0.0")
