"""A client that nobody here wrote, for an exchange whose signing is the same, cancels orders on the reference."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from binance.api import API
from binance.error import ClientError

from conformance.suite.session import reference_settings
from conformance.target.settings import Account, Settings


@pytest.fixture(scope="module")
def reference() -> Iterator[Settings]:
    with ExitStack() as stack:
        yield reference_settings(stack)


def _ask(reference: Settings, method: str, path: str, body: dict[str, str] | None = None) -> dict[str, str]:
    """Send as the owner, by JWT: the set-up and the look afterwards need no signature."""
    request = urllib.request.Request(
        f"{reference.base_url}{path}",
        method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={"Authorization": f"Bearer {reference.owner.jwt}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, str] = json.load(answer)
        return found


@pytest.fixture
def order(reference: Settings) -> str:
    """Place an order that rests, and give its id."""
    limit = {"symbol": "DFUSDT", "side": "buy", "type": "limit", "price": "0.25", "quantity": "40"}
    return _ask(reference, "POST", "/spot/orders", limit)["id"]


def _client(reference: Settings, account: Account, secret: str | None = None) -> API:
    return API(account.api_key, secret or account.api_secret, base_url=reference.base_url, timeout=10)


def test_its_signed_request_cancels_the_order(reference: Settings, order: str) -> None:
    answer = _client(reference, reference.owner).sign_request("DELETE", f"/spot/orders/{order}")
    assert (answer["id"], answer["status"], answer["avg_fill_price"]) == (order, "canceled", "0")
    assert _ask(reference, "GET", f"/spot/orders/{order}")["status"] == "canceled"


def test_with_its_own_parameters_signed_as_well(reference: Settings, order: str) -> None:
    """The client sends recvWindow in front; the signature covers all of the query."""
    client = _client(reference, reference.owner)
    answer = client.sign_request("DELETE", f"/spot/orders/{order}", {"recvWindow": 5000})
    assert answer["status"] == "canceled"


def test_with_a_wrong_secret_it_is_refused_and_nothing_changes(reference: Settings, order: str) -> None:
    client = _client(reference, reference.owner, secret="0" * 64)
    with pytest.raises(ClientError) as caught:
        client.sign_request("DELETE", f"/spot/orders/{order}")
    assert caught.value.status_code == 401
    assert _ask(reference, "GET", f"/spot/orders/{order}")["status"] == "open"
