"""The peer exchange keeps the contract in both flavours, and each of its faults can be seen by a client."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

HERE = Path(__file__).parent
FIELDS = {
    "id", "symbol", "side", "type", "tif", "price", "quantity", "quote_quantity", "filled_qty",
    "avg_fill_price", "status", "reject_reason", "created_at", "updated_at",
}  # fmt: skip
NOT_FOUND = (404, {"error": "ORDER_NOT_FOUND"})
# Every sixth fault unless PEER_PROBE=all: the whole catalogue takes a minute.
PROBE_STEP = 1 if os.environ.get("PEER_PROBE") == "all" else 6


def node() -> str:
    """The path of Node.js; the test fails, and is not skipped, when there is none."""
    path = shutil.which("node")
    if path is None:
        pytest.fail("Node.js (20 or later) is not installed: the peer exchange cannot run")
    return path


class Peer:
    """A client of one running peer. Requests are sent as `owner` unless told otherwise."""

    def __init__(self, info: dict[str, Any]) -> None:
        self.accounts: dict[str, dict[str, str]] = info["accounts"]
        self.http = httpx.Client(base_url=info["base_url"], timeout=5)

    def jwt(self, method: str, path: str, who: str = "owner", **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.accounts[who]['jwt']}"}
        return self.http.request(method, path, headers=headers, **more)

    def signed(self, path: str, who: str = "owner", shift_ms: int = 0, extra: str = "") -> httpx.Response:
        account = self.accounts[who]
        query = f"{extra}timestamp={int(time.time() * 1000) + shift_ms}"
        mac = hmac.new(account["api_secret"].encode(), query.encode(), hashlib.sha256).hexdigest()
        headers = {"X-MBX-APIKEY": account["api_key"]}
        return self.http.delete(f"{path}?{query}&signature={mac}", headers=headers)

    def place(self, side: str, price: str, quantity: str, tif: str = "gtc", who: str = "owner") -> Any:
        order = {"symbol": "DFUSDT", "side": side, "type": "limit", "tif": tif}
        return self.jwt("POST", "/spot/orders", who, json={**order, "price": price, "quantity": quantity}).json()

    def cancel(self, order_id: str, who: str = "owner") -> tuple[int, Any]:
        answer = self.jwt("DELETE", f"/spot/orders/{order_id}", who)
        return answer.status_code, answer.json()

    def status(self, order_id: str) -> Any:
        return self.jwt("GET", f"/spot/orders/{order_id}").json()["status"]


@contextmanager
def running(*options: str) -> Iterator[Peer]:
    """Start a peer with these options; it ends when its stdin closes, which is checked too."""
    command = [node(), str(HERE / "server.mjs"), "--port", "0", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            peer = Peer(json.loads(process.stdout.readline()))
            with peer.http:
                yield peer
            process.stdin.close()
            assert process.wait(timeout=5) == 0
        finally:
            process.kill()


@pytest.fixture(scope="module", params=["a", "b"])
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    with running("--flavour", request.param) as started:
        yield started
        for who in started.accounts:
            started.jwt("DELETE", "/spot/orders", who)


@pytest.fixture(autouse=True)
def _empty_book(request: pytest.FixtureRequest) -> None:
    if "peer" in request.fixturenames:
        peer: Peer = request.getfixturevalue("peer")
        for who in peer.accounts:
            peer.jwt("DELETE", "/spot/orders", who, params={"symbol": "DFUSDT"})


def test_an_open_order_is_canceled_and_leaves_the_book(peer: Peer) -> None:
    placed = peer.place("buy", "0.5000", "100")
    status, order = peer.cancel(placed["id"])
    assert status == 200
    assert order.keys() >= FIELDS
    assert {name: order[name] for name in ("id", "symbol", "side", "type", "tif", "created_at")} == {
        name: placed[name] for name in ("id", "symbol", "side", "type", "tif", "created_at")
    }
    assert (order["status"], order["avg_fill_price"], Decimal(order["filled_qty"])) == ("canceled", "0", Decimal(0))
    assert (order["quote_quantity"], order["reject_reason"]) == (None, None)
    assert abs(order["updated_at"] - time.time()) <= 2
    assert peer.jwt("GET", "/spot/orders").json() == []
    assert peer.place("sell", "0.5000", "100", "ioc", "counterparty")["fills"] == []
    assert peer.jwt("GET", f"/spot/orders/{placed['id']}").json() == order


def test_a_partially_filled_order_shows_the_exact_average_of_its_fills(peer: Peer) -> None:
    peer.place("sell", "0.4980", "10.01", who="counterparty")
    peer.place("sell", "0.4991", "20.57", who="counterparty")
    placed = peer.place("buy", "0.5000", "100")
    assert (placed["status"], len(placed["fills"])) == ("partially_filled", 2)
    peer.place("sell", "0.5000", "7.77", "ioc", "counterparty")
    answer = peer.signed(f"/spot/orders/{placed['id']}")
    order = answer.json()
    assert (answer.status_code, order["status"], Decimal(order["filled_qty"])) == (
        200,
        "canceled",
        Decimal("38.35"),
    )
    value = sum(
        Decimal(price) * Decimal(quantity)
        for price, quantity in (("0.4980", "10.01"), ("0.4991", "20.57"), ("0.5000", "7.77"))
    )
    digits = len(order["avg_fill_price"].split(".")[1])
    assert abs(Decimal(order["avg_fill_price"]) - value / Decimal("38.35")) <= Decimal(1).scaleb(-digits)
    mine = peer.jwt("GET", "/spot/trades/me").json()
    assert [row["role"] for row in mine if row["order_id"] == placed["id"]] == ["maker", "taker", "taker"]


def test_refusals_of_cancel(peer: Peer) -> None:
    order_id = peer.place("buy", "0.5000", "100")["id"]
    assert peer.cancel("nonsense") == (400, {"error": "invalid id"})
    assert peer.cancel(f"{order_id}%00") == (400, {"error": "invalid id"})
    assert peer.cancel("%zz") == (400, {"error": "invalid id"})
    assert peer.cancel(str(uuid4())) == NOT_FOUND
    assert peer.cancel(order_id, "counterparty") == (403, {"error": "FORBIDDEN"})
    assert peer.status(order_id) == "open"
    assert peer.cancel(order_id.upper())[0] == 200
    assert peer.cancel(order_id) == NOT_FOUND
    filled = peer.place("buy", "0.5000", "10")["id"]
    peer.place("sell", "0.5000", "10", "ioc", "counterparty")
    assert peer.cancel(filled) == NOT_FOUND
    assert peer.status(filled) == "filled"


def attempts(peer: Peer, path: str) -> dict[str, httpx.Response]:
    """Requests to cancel that must all be refused with 401."""
    owner = peer.accounts["owner"]
    key = {"X-MBX-APIKEY": owner["api_key"]}
    now = int(time.time() * 1000)
    wrong = f"{path}?timestamp={now}&signature={'0' * 64}"
    return {
        "nothing": peer.http.delete(path),
        "unsigned": peer.http.delete(path, headers=key),
        "wrong signature": peer.http.delete(wrong, headers=key),
        "stale": peer.signed(path, shift_ms=-5500),
        "ahead": peer.signed(path, shift_ms=5500),
        "expired": peer.http.delete(path, headers={"Authorization": f"Bearer {owner['expired_jwt']}"}),
        "cut token": peer.http.delete(path, headers={"Authorization": f"Bearer {owner['jwt'][:-4]}"}),
    }


def test_bad_credentials_are_refused_and_change_nothing(peer: Peer) -> None:
    order_id = peer.place("buy", "0.5000", "100")["id"]
    answers = attempts(peer, f"/spot/orders/{order_id}")
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 401)
    assert peer.status(order_id) == "open"


@pytest.mark.parametrize(("shift_ms", "extra"), [(-4500, ""), (4500, ""), (0, "z=1&a=%2C%20&")])
def test_good_signatures_are_accepted(peer: Peer, shift_ms: int, extra: str) -> None:
    order_id = peer.place("buy", "0.5000", "100")["id"]
    assert peer.signed(f"/spot/orders/{order_id}", shift_ms=shift_ms, extra=extra).status_code == 200


def test_refusals_of_place(peer: Peer) -> None:
    resting = peer.place("sell", "0.6000", "50")["id"]
    errors = [
        peer.place("buy", "0.6000", "10", "post_only", "counterparty")["error"],
        peer.place("buy", "0.6000", "10")["error"],
        peer.place("buy", "0.50001", "10")["error"],
        peer.place("buy", "0.5000", "10.001")["error"],
        peer.place("buy", "0.5000", "1")["error"],
        peer.place("buy", "0.5000", "9000000")["error"],
    ]
    expected = "POST_ONLY_REJECT SELF_TRADE INVALID_TICK INVALID_LOT BELOW_MIN_NOTIONAL INSUFFICIENT_BALANCE"
    assert errors == expected.split()
    assert peer.status(resting) == "open"


def test_a_lock_is_given_back_once(peer: Peer) -> None:
    for _ in range(3):
        order = peer.place("buy", "0.5000", "1200000")
        assert peer.cancel(order["id"])[0] == 200
    assert peer.place("buy", "0.5000", "2400000") == {"error": "INSUFFICIENT_BALANCE"}


def test_price_time_priority_and_market_orders(peer: Peer) -> None:
    prices = ("0.7000", "0.6900", "0.6900")
    first, second, third = (peer.place("sell", price, "10")["id"] for price in prices)
    body = {"symbol": "DFUSDT", "side": "buy", "type": "market", "quote_quantity": "8.28"}
    taken = peer.jwt("POST", "/spot/orders", "counterparty", json=body).json()
    assert (taken["status"], taken["tif"], Decimal(taken["filled_qty"])) == ("filled", "ioc", Decimal(12))
    assert [peer.status(one) for one in (first, second, third)] == ["open", "filled", "partially_filled"]
    canceled = peer.jwt("DELETE", "/spot/orders", params={"symbol": "DFUSDT"}).json()["canceled"]
    assert {order["id"] for order in canceled} == {first, third}


def test_public_pages(peer: Peer) -> None:
    (market,) = peer.http.get("/spot/markets").json()
    assert (market["id"], market["tick_size"], market["lot_size"], market["min_notional"]) == (
        "DFUSDT", "0.0001", "0.01", "1",
    )  # fmt: skip
    assert peer.http.get("/spot/health").json()["engine"] == "running"


@pytest.mark.parametrize(
    ("mode", "error"), [("disabled", "spot trading disabled"), ("restarting", "ENGINE_RESTARTING")]
)
def test_a_stopped_engine_answers_503(mode: str, error: str) -> None:
    with running("--set", f"mode={mode}") as peer:
        assert peer.cancel(str(uuid4())) == (503, {"error": error})


def test_the_flavours_differ_where_the_pages_leave_it_open() -> None:
    def seen(flavour: str) -> list[Any]:
        with running("--flavour", flavour) as peer:
            order_id = peer.place("buy", "0.5000", "100")["id"]
            bare = peer.cancel(order_id.replace("-", ""))[0]
            shown = peer.jwt("GET", f"/spot/orders/{order_id}").json()["price"]
            peer.jwt("DELETE", "/spot/orders")
            foreign = peer.cancel(order_id, "counterparty")[0]
            anonymous = peer.http.delete("/spot/orders/nonsense")
            return [
                bare,
                shown,
                foreign,
                anonymous.status_code,
                peer.jwt("PUT", f"/spot/orders/{order_id}").status_code,
            ]

    assert seen("a") == [400, "0.5", 403, 401, 405]
    assert seen("b") == [200, "0.5000", 404, 400, 404]


@pytest.fixture(scope="module")
def catalogue() -> list[dict[str, str]]:
    command = [node(), str(HERE / "server.mjs"), "--list-faults"]
    rows: list[dict[str, str]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return rows


def test_the_catalogue_is_well_formed(catalogue: list[dict[str, str]]) -> None:
    assert len(catalogue) >= 70
    assert len({row["name"] for row in catalogue}) == len(catalogue)
    assert len({row["breaks"] for row in catalogue}) == len(catalogue)
    assert all(row["breaks"].endswith(".") for row in catalogue)


@pytest.mark.slow
def test_a_client_can_see_the_faults(catalogue: list[dict[str, str]]) -> None:
    names = [row["name"] for row in catalogue][::PROBE_STEP]
    run = subprocess.run(
        [node(), str(HERE / "probe.mjs"), "--jobs", "8", *names], capture_output=True, text=True, timeout=180
    )
    result = json.loads(run.stdout)
    assert (result["silent"], result["unsteady"]) == ([], [])
    assert set(result["seen"]) == set(names)


def test_an_unknown_fault_or_choice_is_refused() -> None:
    def status(*options: str) -> int:
        command = [node(), str(HERE / "server.mjs"), *options]
        return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=10).returncode

    assert status("--fault", "no-such") == 2
    assert status("--set", "no=1") == 2
    assert status("--flavour", "c") == 2
