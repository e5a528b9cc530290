"""Whatever was acknowledged survives kill -9; what was in flight ends as the Overview page says."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from conformance.reference.server import Running, start
from conformance.reference.settings import Settings

LIMIT = {"symbol": "DFUSDT", "side": "buy", "type": "limit", "price": "0.5", "quantity": "100"}


class Trader:
    """One account of a running exchange."""

    def __init__(self, running: Running, account: str) -> None:
        self.running = running
        self.http = httpx.Client(headers={"Authorization": f"Bearer {running.accounts[account]['jwt']}"}, timeout=5)

    def call(self, method: str, path: str, **options: Any) -> Any:
        answer = self.http.request(method, self.running.base_url + path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def place(self, **changes: Any) -> Any:
        body = {k: v for k, v in {**LIMIT, **changes}.items() if v is not None}
        return self.call("POST", "/spot/orders", json=body)

    def cancel(self, order_id: str) -> Any:
        return self.call("DELETE", f"/spot/orders/{order_id}")

    def query(self, order_id: str) -> Any:
        return self.call("GET", f"/spot/orders/{order_id}")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with start(Settings(db=str(tmp_path / "exchange.db"))) as exchange:
        yield exchange


@pytest.fixture
def traders(running: Running) -> Iterator[tuple[Trader, Trader]]:
    pair = (Trader(running, "owner"), Trader(running, "counterparty"))
    yield pair
    for trader in pair:
        trader.http.close()


def stored_money(running: Running) -> tuple[dict[str, Decimal], Decimal]:
    """Return each token's total in the database file, and the sum of all locks of live orders less all locks."""
    running.kill()
    database = sqlite3.connect(str(running.settings.db))
    totals: dict[str, Decimal] = {}
    unexplained = Decimal(0)
    for token, free, locked in database.execute("SELECT token, free, locked FROM balances").fetchall():
        totals[token] = totals.get(token, Decimal(0)) + Decimal(free) + Decimal(locked)
        unexplained += Decimal(locked)
    for (locked,) in database.execute("SELECT locked FROM orders WHERE status IN ('open', 'partially_filled')"):
        unexplained -= Decimal(locked)
    database.close()
    return totals, unexplained


def test_nothing_acknowledged_is_lost(running: Running, traders: tuple[Trader, Trader]) -> None:
    owner, counterparty = traders
    placed: dict[str, str] = {}
    filled: dict[str, Decimal] = {}
    asked: set[str] = set()

    def trade() -> None:
        try:
            for n in range(100_000):
                mine = owner.place(price=f"0.4{n % 10}")["id"]
                placed[mine] = "open"
                if n % 3 == 0:
                    asked.add(mine)
                    placed[mine] = owner.cancel(mine)["status"]
                if n % 3 == 1:
                    order = counterparty.place(side="sell", price="0.3", quantity="30")
                    filled[order["id"]] = Decimal(order["filled_qty"])
        except httpx.TransportError:
            return

    thread = threading.Thread(target=trade)
    thread.start()
    until = time.monotonic() + 30
    while len(placed) <= 60 and thread.is_alive() and time.monotonic() < until:
        time.sleep(0.02)
    running.kill()
    thread.join()
    running.restart()
    assert len(placed) > 50
    for order_id, status in placed.items():
        now = owner.query(order_id)["status"]
        if status == "canceled":
            assert now == "canceled"
        elif order_id not in asked:
            assert now in ("open", "partially_filled", "filled")
    sold: dict[str, Decimal] = {}
    for trade_ in counterparty.call("GET", "/spot/trades/me?limit=1000"):
        sold[trade_["order_id"]] = sold.get(trade_["order_id"], Decimal(0)) + Decimal(trade_["quantity"])
    for order_id, quantity in filled.items():
        assert quantity == 30
        assert sold[order_id] == quantity
    assert stored_money(running) == ({"DF": Decimal(2 * 10**9), "USDT": Decimal(2 * 10**9)}, Decimal(0))


def test_resting_orders_come_back_in_time_priority(running: Running, traders: tuple[Trader, Trader]) -> None:
    owner, counterparty = traders
    first = owner.place()["id"]
    second = owner.place(tif="post_only")["id"]
    third = owner.place()["id"]
    counterparty.place(side="sell", quantity="30")
    running.restart()
    assert [order["id"] for order in owner.call("GET", "/spot/orders")] == [first, second, third]
    assert owner.query(first)["filled_qty"] == "30"
    counterparty.place(side="sell", quantity="120")
    states = [(o["status"], o["filled_qty"]) for o in map(owner.query, (first, second, third))]
    assert states == [("filled", "100"), ("partially_filled", "50"), ("open", "0")]


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ({"tif": "ioc"}, "canceled"),
        ({"type": "market", "price": None, "quantity": None, "quote_quantity": "50"}, "canceled"),
        ({"tif": "gtc"}, "filled"),
    ],
    ids=["ioc", "market", "gtc"],
)
def test_orders_killed_between_their_fills(
    running: Running,
    traders: tuple[Trader, Trader],
    monkeypatch: pytest.MonkeyPatch,
    order: dict[str, Any],
    status: str,
) -> None:
    """An IOC or market order caught in flight is canceled and its lock freed; a gtc order goes on matching."""
    owner, counterparty = traders
    makers = [counterparty.place(side="sell", quantity="50")["id"] for _ in range(2)]
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    running.restart(hooks=("reference_hooks:die_after_first_fill",))
    with pytest.raises(httpx.TransportError):
        owner.place(**order)
    running.restart(hooks=())
    trades = owner.call("GET", "/spot/trades/me")
    assert len(trades) == (2 if status == "filled" else 1)
    taker = owner.query(trades[0]["order_id"])
    assert (taker["status"], Decimal(taker["filled_qty"])) == (status, 50 * len(trades))
    assert taker["updated_at"] >= taker["created_at"]
    assert counterparty.query(makers[0])["status"] == "filled"
    assert counterparty.query(makers[1])["status"] == ("filled" if status == "filled" else "open")
    totals, unexplained = stored_money(running)
    assert set(totals.values()) == {Decimal(2 * 10**9)}
    assert unexplained == 0


def test_a_cancel_committed_but_not_answered_stays(
    running: Running, traders: tuple[Trader, Trader], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, _ = traders
    order = owner.place()["id"]
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    running.restart(hooks=("reference_hooks:die_before_answer",))
    with pytest.raises(httpx.TransportError):
        owner.cancel(order)
    running.restart(hooks=())
    assert owner.query(order)["status"] == "canceled"


def test_a_second_exchange_on_the_same_file_is_refused(running: Running) -> None:
    command = [sys.executable, "-m", "conformance.reference", "--db", str(running.settings.db)]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=10)
    assert outcome.returncode == 2
    assert "locked" in outcome.stderr


def test_a_temporary_exchange_cleans_up_and_dates_its_answers() -> None:
    started = time.monotonic()
    with start() as exchange:
        assert time.monotonic() - started < 5
        answer = httpx.get(f"{exchange.base_url}/spot/orders/x")
        assert (answer.status_code, answer.content) == (401, b"")
        assert "date" in answer.headers
        assert "server" not in answer.headers
        assert "content-type" not in answer.headers
        directory = Path(str(exchange.settings.db)).parent
        assert directory.exists()
    assert not directory.exists()


def test_announcement_is_ready_to_paste() -> None:
    command = [sys.executable, "-m", "conformance.reference", "--until-stdin-closes"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Stop with"):
                break
        start_at = next(n for n, line in enumerate(lines) if line.startswith("Place an order"))
        script = "".join(line for line in lines[start_at:] if line.startswith("  "))
        once, _, key = script.partition("  API_KEY=")
        first = subprocess.run(["bash", "-c", once], capture_output=True, text=True, timeout=10).stdout
        place = once.rpartition("  curl")[0]
        second = subprocess.run(
            ["bash", "-c", f"{place}\n  API_KEY={key}"], capture_output=True, text=True, timeout=10
        )
        process.stdin.close()
        assert process.wait(5) == 0
    assert '"status":"canceled"' in first
    assert '"status":"canceled"' in second.stdout
