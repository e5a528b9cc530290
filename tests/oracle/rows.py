"""Builds rows of a record by hand: a small venue on paper, whose answers a test can spoil."""

from __future__ import annotations

import itertools
import json
from typing import Any

from conformance.contract import load_contract
from conformance.oracle.judge import Judge
from conformance.record import SCHEMA, Auth, Exchange, Header, Note, Request, Response, Row, Take

BASE = "/api/v1"
ORDER = "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d10"
OTHER = "1b4e28ba-2fa1-4d1b-883f-0016d3cca427"
CREATED = 1_778_400_000


def order(**changes: Any) -> dict[str, Any]:
    """An order as the venue shows it: a limit buy of 100 at 0.5, open."""
    return {
        "id": ORDER,
        "symbol": "DFUSDT",
        "side": "buy",
        "type": "limit",
        "tif": "gtc",
        "price": "0.5000",
        "quantity": "100",
        "quote_quantity": None,
        "filled_qty": "0",
        "avg_fill_price": "0",
        "status": "open",
        "reject_reason": None,
        "created_at": CREATED,
        "updated_at": CREATED,
        **changes,
    }


class Paper:
    """Collects rows; times advance by a tenth of a second an exchange, or by what `wait` says."""

    def __init__(self) -> None:
        self.rows: list[Row] = [
            Header(SCHEMA, "0", "0", f"http://x{BASE}", BASE, 0.0, 0, "quick", {"owner": ["jwt", "api_key"]}),
            Note("market", data={"tick": "0.0001"}),
        ]
        self.now = 1000.0
        self._n = itertools.count(1)

    def add(
        self,
        op: str,
        method: str,
        path: str,
        status: int | None,
        answer: Any = None,
        *,
        by: str = "owner",
        scheme: str = "jwt",
        flaw: str | None = None,
        either: bool = False,
        query: str = "",
        sent: Any = None,
        headers: list[tuple[str, str]] | None = None,
        **more: Any,
    ) -> Exchange:
        """Append an exchange; `status` None is a lost answer, `answer` a JSON value or a raw text."""
        text = (
            "" if answer is None else answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
        )
        if op in ("open_orders", "my_trades") and not query:
            query = "symbol=DFUSDT"
        kind = [("content-type", "application/json")] if headers is None else headers
        exchange = Exchange(
            n=next(self._n),
            case="paper::case",
            driver="suite",
            op=op,
            start=self.now,
            end=self.now + 0.01,
            sent_at=self.now,
            request=Request(
                method, f"{BASE}{path}" + (f"?{query}" if query else ""), [], sent and json.dumps(sent)
            ),
            auth=Auth(by, scheme, flaw, either),
            response=None if status is None else Response(status, kind, text),
            error="no answer" if status is None else None,
            **more,
        )
        self.now += 0.1
        self.rows.append(exchange)
        return exchange

    def place(self, answer: dict[str, Any] | None = None, *, takes: list[Take] | None = None, **more: Any) -> None:
        """New Order, accepted."""
        answer = answer or order()
        names = ("symbol", "side", "type", "tif", "price", "quantity")
        sent = {name: answer[name] for name in names if answer[name] is not None}
        self.add("new_order", "POST", "/spot/orders", 200, answer, sent=sent, takes=takes, **more)

    def fill(self, quantity: str, *, price: str = "0.5", maker: str = ORDER) -> str:
        """The counterparty sells into the resting order; the id of its order."""
        n = len(self.rows)
        taker = order(
            id=f"00000000-0000-4000-9000-{n:012d}",
            side="sell",
            tif="ioc",
            price=price,
            quantity=quantity,
            filled_qty=quantity,
            avg_fill_price=price,
            status="filled",
        )
        self.place(taker, takes=[Take(maker, price, quantity)], by="counterparty")
        return str(taker["id"])

    def cancel(
        self, status: int | None = 200, answer: Any = None, *, order_id: str = ORDER, **more: Any
    ) -> Exchange:
        """Cancel; a 200 answers the order in its right final state unless told otherwise."""
        if status == 200 and answer is None:
            answer = canceled(self.now)
        elif answer is None and status is not None and status != 401:
            answer = {
                "error": {400: "invalid id", 403: "FORBIDDEN", 404: "ORDER_NOT_FOUND"}.get(status, "ENGINE_BUSY")
            }
        return self.add("cancel_order", "DELETE", f"/spot/orders/{order_id}", status, answer, **more)

    def query(self, answer: dict[str, Any] | None = None, *, order_id: str = ORDER, **more: Any) -> Exchange:
        """Query the order as its owner."""
        answer = answer or order()
        return self.add("query_order", "GET", f"/spot/orders/{order_id}", 200, answer, **more)

    def judge(self) -> Judge:
        """Judge all rows."""
        return Judge(load_contract()).feed_all(self.rows)

    def found(self) -> list[str]:
        """The requirements with findings, in the contract's order."""
        judge = self.judge()
        return [name for name in load_contract().requirements if judge.tallies[name].groups]


def canceled(now: float, **changes: Any) -> dict[str, Any]:
    """The order in its final state, canceled at `now` on the paper's clock."""
    return order(status="canceled", updated_at=CREATED + round(now - 1000.0), **changes)
