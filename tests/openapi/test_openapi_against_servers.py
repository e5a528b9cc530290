"""The OpenAPI document fits live servers: the reference and the peer keep it, the peer's faults break it.

The peer's two flavours take different answers wherever the pages leave one open. So a document that is too
strict fails here on a conformant server, and one that is too loose fails to see a fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from schemathesis.specs.openapi.schemas import OpenApiSchema

RunningServer = Callable[..., AbstractContextManager[dict[str, Any]]]

REQUEST_TIMEOUT_S = 5
NO_SUCH_ORDER = "00000000-0000-4000-8000-000000000000"


class Caller:
    """Calls operations of the document as one user, and judges each answer by the document."""

    def __init__(self, schema: OpenApiSchema, base_url: str, session: requests.Session, jwt: str | None) -> None:
        self.schema, self.base_url, self.session, self.jwt = schema, base_url, session, jwt

    def call(self, operation_id: str, status: int, **parts: Any) -> Any:
        """Send one request and give its JSON; fail on another status or an undocumented answer."""
        answer = self.send(operation_id, **parts)
        assert answer.status_code == status, answer.text
        self.schema.find_operation_by_id(operation_id).validate_response(answer)
        return answer.json() if answer.content else None

    def send(self, operation_id: str, **parts: Any) -> requests.Response:
        """Send one request; `parts` are `id` (path), `params` (query) and `json` (body)."""
        operation = self.schema.find_operation_by_id(operation_id)
        path = operation.path.replace("{id}", parts.pop("id", ""))
        headers = {"Authorization": f"Bearer {self.jwt}"} if self.jwt else {}
        return self.session.request(
            operation.method, self.base_url + path, headers=headers, timeout=REQUEST_TIMEOUT_S, **parts
        )

    def place(self, side: str = "buy", quantity: str = "100", tif: str = "gtc") -> dict[str, Any]:
        """Place a limit order at 0.5."""
        body = {
            "symbol": "DFUSDT",
            "side": side,
            "type": "limit",
            "tif": tif,
            "price": "0.5",
            "quantity": quantity,
        }
        order: dict[str, Any] = self.call("newOrder", 200, json=body)
        return order


Callers = Callable[..., AbstractContextManager[tuple[Caller, Caller, Caller]]]


@pytest.fixture
def callers(documents: Path, running_peer: RunningServer, running_reference: RunningServer) -> Callers:
    """Give the owner, the counterparty, and a caller without credentials, of a fresh server."""
    config = schemathesis.Config.from_dict({})
    schema = schemathesis.openapi.from_path(documents / "spot-orders.yaml", config=config)

    @contextmanager
    def start(*arguments: str, reference: bool = False) -> Iterator[tuple[Caller, Caller, Caller]]:
        running = running_reference if reference else running_peer
        with running(*arguments) as info, requests.Session() as session:
            owner, counterparty, nobody = (
                Caller(schema, info["base_url"], session, jwt)
                for jwt in (info["accounts"]["owner"]["jwt"], info["accounts"]["counterparty"]["jwt"], None)
            )
            yield owner, counterparty, nobody

    return start


@pytest.mark.parametrize(
    ("arguments", "reference"),
    [
        ((), True),
        (("--flavour", "a"), False),
        (("--flavour", "b"), False),
        (("--set", "listShape=object"), False),
    ],
    ids=["reference", "peer-a", "peer-b", "peer-lists-in-objects"],
)
def test_a_conformant_server_fits_every_operation(
    callers: Callers, arguments: tuple[str, ...], reference: bool
) -> None:
    with callers(*arguments, reference=reference) as (owner, counterparty, nobody):
        nobody.call("markets", 200)
        nobody.call("health", 200)
        order = owner.place()
        counterparty.place(side="sell", quantity="30", tif="ioc")
        owner.call("queryOrder", 200, id=order["id"])
        owner.call("openOrders", 200, params={"symbol": "DFUSDT"})
        owner.call("myTrades", 200, params={"symbol": "DFUSDT", "limit": 5})
        counterparty.call("cancelOrder", 403, id=order["id"])
        assert owner.call("cancelOrder", 200, id=order["id"])["status"] == "canceled"
        owner.call("cancelOrder", 404, id=order["id"])
        owner.call("cancelOrder", 404, id=NO_SUCH_ORDER)
        owner.call("cancelOrder", 400, id="42")
        nobody.call("cancelOrder", 401, id=order["id"])
        owner.place()
        owner.call("cancelAllOrders", 200, params={"symbol": "DFUSDT"})
        market_buy = {"symbol": "DFUSDT", "side": "buy", "type": "market", "quote_quantity": "15"}
        counterparty.place(side="sell")
        owner.call("newOrder", 200, json=market_buy)


@pytest.mark.parametrize("mode", ["restarting", "disabled"])
def test_an_engine_that_is_away_answers_as_documented(callers: Callers, mode: str) -> None:
    with callers("--set", f"mode={mode}") as (owner, _, _):
        owner.call("cancelOrder", 503, id=NO_SUCH_ORDER)


@pytest.mark.parametrize(
    "fault",
    [
        "created-in-ms",
        "created-missing",
        "id-missing",
        "side-upper-case",
        "tif-null",
        "filled-number",
        "filled-null-unfilled",
        "shape-wrapped",
        "shape-camel-case",
        "shape-empty",
        "code-202",
    ],
)
def test_document_alone_sees_a_faulty_cancel(callers: Callers, fault: str) -> None:
    with callers("--fault", fault) as (owner, _, _):
        order = owner.place()
        answer = owner.send("cancelOrder", id=order["id"])
        operation = owner.schema.find_operation_by_id("cancelOrder")
        documented = str(answer.status_code) in operation.definition.raw["responses"]
        assert not (documented and operation.is_valid_response(answer))
