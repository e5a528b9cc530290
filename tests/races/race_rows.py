"""Writes records of races by hand: an order, what clients did to it and when, and what they were answered."""

from __future__ import annotations

import json
from typing import Any

from conformance.contract import load_contract
from conformance.oracle.findings import Finding
from conformance.oracle.judge import Judge
from conformance.oracle.ledger import Order
from conformance.record import SCHEMA, Auth, Exchange, Header, Note, Request, Response

ORDER = "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d10"
CASE = "races::by_hand"
JSON = [("content-type", "application/json")]


class Rows:
    """A judge that is fed a race row by row. The order is a buy of 10 at 0.5, placed at second 0."""

    def __init__(self, *, quiet: bool = True) -> None:
        self.judge = Judge(load_contract())
        self.quiet, self.n, self.rows = quiet, 0, 0
        accounts = {"owner": ["jwt", "api_key"], "counterparty": ["jwt"]}
        self.judge.feed(Header(SCHEMA, "0", "", "http://x/api/v1", "/api/v1", 0.0, 0, "standard", accounts))
        self.judge.feed(Note("case-begin", CASE, {"requirements": ["cancel.races.one-winner"]}))
        sent = {"symbol": "DFUSDT", "side": "buy", "type": "limit", "tif": "gtc", "price": "0.5", "quantity": "10"}
        self.row("new_order", 0, 0.1, 200, self.shown("open", "0"), body=json.dumps(sent), race=None)

    def shown(self, status: str, filled: str, **changes: Any) -> dict[str, Any]:
        """The order as the venue shows it."""
        fields = {"id": ORDER, "symbol": "DFUSDT", "side": "buy", "type": "limit", "tif": "gtc", "price": "0.5"}
        average = "0" if filled == "0" else "0.5"
        fields |= {"quantity": "10", "quote_quantity": None, "filled_qty": filled, "avg_fill_price": average}
        fields |= {"status": status, "reject_reason": None, "created_at": 1000, "updated_at": 1001}
        return fields | changes

    def row(
        self,
        op: str,
        start: float,
        end: float,
        status: int | None,
        answer: Any = None,
        *,
        account: str = "owner",
        body: str | None = None,
        race: str | None = "r",
    ) -> None:
        """One exchange. `status` None: no answer."""
        self.n += 1
        method, path = {
            "new_order": ("POST", "/spot/orders"),
            "cancel_order": ("DELETE", f"/spot/orders/{ORDER}"),
            "cancel_all": ("DELETE", "/spot/orders?symbol=DFUSDT"),
            "query_order": ("GET", f"/spot/orders/{ORDER}"),
            "my_trades": ("GET", "/spot/trades/me"),
        }[op]
        response = (
            None if status is None else Response(status, JSON, json.dumps(answer) if answer is not None else "")
        )
        self.judge.feed(
            Exchange(
                n=self.n,
                case=CASE,
                driver="races",
                op=op,
                start=start,
                end=end,
                sent_at=start,
                request=Request(method, f"/api/v1{path}", body=body),
                auth=Auth(account, "jwt"),
                response=response,
                error=None if response else "ReadError",
                race=race,
            )
        )

    def cancel(self, start: float, end: float, status: int | None = 200, filled: str = "0", **changes: Any) -> None:
        """A cancel: 200 shows the order; other statuses carry the error that belongs to them."""
        errors = {404: "ORDER_NOT_FOUND", 503: "ENGINE_BUSY", 500: "INTERNAL", 429: "SLOW_DOWN"}
        answer = self.shown("canceled", filled, **changes) if status == 200 else {"error": errors.get(status or 0)}
        self.row("cancel_order", start, end, status, answer)

    def cancel_all(self, start: float, end: float, *, lists: bool) -> None:
        """A cancel-all that lists the order as canceled, or nothing."""
        self.row("cancel_all", start, end, 200, {"canceled": [self.shown("canceled", "0")] if lists else []})

    def take(self, start: float, end: float, wanted: str, got: str | None, price: str = "0.5") -> None:
        """The counterparty's immediate-or-cancel sell. `got` None: no answer."""
        sent = {
            "symbol": "DFUSDT",
            "side": "sell",
            "type": "limit",
            "tif": "ioc",
            "price": "0.5",
            "quantity": wanted,
        }
        taker = f"00000000-0000-4000-8000-{self.n:012d}"
        average = price if got != "0" else "0"
        answer = self.shown("canceled", got or "0", id=taker, side="sell", quantity=wanted, avg_fill_price=average)
        status = 200 if got is not None else None
        self.row("new_order", start, end, status, answer, account="counterparty", body=json.dumps(sent))

    def look(
        self, start: float, status: str, filled: str = "0", *, race: str | None = "r", end: float | None = None
    ) -> None:
        """A query by the owner."""
        self.row("query_order", start, end or start + 0.1, 200, self.shown(status, filled), race=race)

    def trades(self, start: float, *quantities: str) -> None:
        """The owner's list of fills of this order."""
        items = [{"order_id": ORDER, "quantity": quantity, "price": "0.5"} for quantity in quantities]
        self.row("my_trades", start, start + 0.1, 200, items)

    def end(self) -> set[str]:
        """End the race; the requirements that were found broken."""
        self.judge.feed(
            Note("race-end", CASE, {"race": "r", "order": ORDER, "kind": "by hand", "quiet": self.quiet})
        )
        return self.broken()

    @property
    def order(self) -> Order:
        """The order in the ledger."""
        return self.judge.ledger.orders[ORDER]

    def findings(self) -> list[Finding]:
        """What was found so far."""
        return [group.first for tally in self.judge.tallies.values() for group in tally.groups.values()]

    def broken(self) -> set[str]:
        """The requirements that were found broken so far."""
        return {finding.requirement for finding in self.findings()}

    def held(self, requirement: str) -> bool:
        """Whether there is evidence for a requirement and none against it."""
        tally = self.judge.tallies.get(requirement)
        return tally is not None and tally.checks > 0 and not tally.groups
