"""Both schemes accept what the documentation describes and refuse everything else with an empty 401."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from reference_client import BASE, LIMIT, Answer, Local, local, signature

from conformance.reference.settings import Settings

TARGET = f"{BASE}/spot/orders"


@pytest.fixture(scope="module")
def exchange() -> Iterator[Local]:
    with local() as running:
        yield running


def now(exchange: Local) -> int:
    return exchange.reference.clock.now_ms()


def signed(exchange: Local, query: str, *, sign: str | None = None, secret: str | None = None) -> Answer:
    """Send ``query``, with ``{sig}`` in it replaced by the signature of ``sign``."""
    account = exchange.accounts["owner"]
    value = signature(secret or account["api_secret"], query if sign is None else sign)
    return exchange.raw("GET", f"{TARGET}?{query.format(sig=value)}", {"X-MBX-APIKEY": account["api_key"]})


def assert_refused(answer: Answer) -> None:
    assert answer.status == 401
    assert answer.body == b""
    assert "content-type" not in answer.headers


def test_the_signature_is_the_documented_one(exchange: Local) -> None:
    """The HMAC-SHA256 of a fixed payload, as ``openssl dgst -sha256 -hmac your_api_secret`` prints it."""
    signed = exchange.reference.auth.sign("your_api_secret", b"timestamp=1778400000000")
    assert signed == b"2a924e902469a485e9c002d5a815794ec94db5c28edbd95e30d2f3557b8cc378"


@pytest.mark.parametrize("offset", [0, -4500, 4500])
def test_signed_query_is_accepted_inside_the_window(exchange: Local, offset: int) -> None:
    query = f"timestamp={now(exchange) + offset}"
    assert signed(exchange, query + "&signature={sig}", sign=query).status == 200


@pytest.mark.parametrize("offset", [-5500, 5500, -(10**9)])
def test_timestamp_outside_the_window_is_refused(exchange: Local, offset: int) -> None:
    query = f"timestamp={now(exchange) + offset}"
    assert_refused(signed(exchange, query + "&signature={sig}", sign=query))


def test_the_window_is_exact() -> None:
    with local() as exchange:
        exchange.reference.clock.now_ms = lambda: 1778400005000  # type: ignore[method-assign]
        for timestamp, status in (
            (1778400000000, 200),
            (1778399999999, 401),
            (1778400010000, 200),
            (1778400010001, 401),
        ):
            query = f"timestamp={timestamp}"
            assert signed(exchange, query + "&signature={sig}", sign=query).status == status, timestamp


@pytest.mark.parametrize(
    ("query", "sign"),
    [
        ("signature={sig}&timestamp={now}", "timestamp={now}"),
        ("symbol=DFUSDT&timestamp={now}&signature={sig}", "symbol=DFUSDT&timestamp={now}"),
        ("symbol=%44FUSDT&signature={sig}&timestamp={now}", "symbol=%44FUSDT&timestamp={now}"),
        ("timestamp={now}&&signature={sig}", "timestamp={now}&"),
    ],
    ids=["signature first", "more parameters", "raw encoding is signed", "empty segments stay"],
)
def test_payload_is_the_raw_query_without_signature(exchange: Local, query: str, sign: str) -> None:
    at = str(now(exchange))
    answer = signed(exchange, query.replace("{now}", at), sign=sign.replace("{now}", at))
    assert answer.status == 200


@pytest.mark.parametrize(
    ("query", "sign"),
    [
        ("timestamp={now}", "timestamp={now}"),
        ("signature={sig}", ""),
        ("timestamp={now}&signature=", "timestamp={now}"),
        ("timestamp={now}&signature={sig}0", "timestamp={now}"),
        ("timestamp={now}&signature={sig}", "timestamp={now}&"),
        ("timestamp={now}&signature={sig}", "path=/spot/orders&timestamp={now}"),
        ("symbol=DFUSDT&timestamp={now}&signature={sig}", "timestamp={now}&symbol=DFUSDT"),
        ("symbol=%44FUSDT&timestamp={now}&signature={sig}", "symbol=DFUSDT&timestamp={now}"),
        ("timestamp={now}&timestamp={now}&signature={sig}", "timestamp={now}&timestamp={now}"),
        ("timestamp={now}&signature={sig}&signature={sig}", "timestamp={now}"),
        ("timestamp={now}&signature={sig}&%73ignature={sig}", "timestamp={now}"),
        ("timestamp=+{now}&signature={sig}", "timestamp=+{now}"),
        ("timestamp={now}.0&signature={sig}", "timestamp={now}.0"),
        ("timestamp=&signature={sig}", "timestamp="),
        ("timestamp={seconds}&signature={sig}", "timestamp={seconds}"),
        ("timestamp={digits}&signature={sig}", "timestamp={digits}"),
    ],
)
def test_bad_signed_queries_are_refused(exchange: Local, query: str, sign: str) -> None:
    values = {"{now}": str(now(exchange)), "{seconds}": str(now(exchange) // 1000), "{digits}": "9" * 5000}
    for name, value in values.items():
        query, sign = query.replace(name, value), sign.replace(name, value)
    assert_refused(signed(exchange, query, sign=sign))


def test_wrong_secret_unknown_key_and_upper_case_hex_are_refused(exchange: Local) -> None:
    query = f"timestamp={now(exchange)}"
    other = exchange.accounts["counterparty"]["api_secret"]
    assert_refused(signed(exchange, query + "&signature={sig}", sign=query, secret=other))
    good = signature(exchange.accounts["owner"]["api_secret"], query)
    key = exchange.accounts["owner"]["api_key"]
    assert_refused(exchange.raw("GET", f"{TARGET}?{query}&signature={good.upper()}", {"X-MBX-APIKEY": key}))
    assert_refused(exchange.raw("GET", f"{TARGET}?{query}&signature={good}", {"X-MBX-APIKEY": "nobody"}))
    assert_refused(exchange.raw("GET", f"{TARGET}?{query}&signature={good}", {"X-API-Key": key}))
    assert_refused(exchange.raw("GET", f"{TARGET}?{query}&signature={good}", {}))


def test_the_body_is_signed_too(exchange: Local) -> None:
    body = b'{"symbol":"DFUSDT","side":"buy","type":"limit","price":"0.5","quantity":"100"}'
    account = exchange.accounts["owner"]
    query = f"timestamp={now(exchange)}"
    good = signature(account["api_secret"], query + body.decode())
    headers = {"X-MBX-APIKEY": account["api_key"]}
    assert exchange.raw("POST", f"{TARGET}?{query}&signature={good}", headers, body).status == 200
    assert_refused(exchange.raw("POST", f"{TARGET}?{query}&signature={good}", headers, body + b" "))


def token(
    exchange: Local, claims: dict[str, Any] | None = None, *, key: str | None = None, alg: str = "HS256"
) -> str:
    at = exchange.reference.clock.now_s()
    values = {"sub": "owner", "exp": at + 60} if claims is None else claims
    return jwt.encode(values, exchange.reference.secrets.jwt_key if key is None else key, algorithm=alg)


def with_jwt(exchange: Local, text: str, scheme: str = "Bearer ") -> Answer:
    return exchange.raw("GET", TARGET, {"Authorization": scheme + text})


def test_good_tokens_are_accepted(exchange: Local) -> None:
    assert with_jwt(exchange, token(exchange)).status == 200
    assert with_jwt(exchange, token(exchange), "bearer ").status == 200


def test_bad_tokens_are_refused(exchange: Local) -> None:
    at = exchange.reference.clock.now_s()
    good = token(exchange)
    bad = [
        "",
        "x",
        "a.b.c",
        "\xff.\xff.\xff",
        good[:-2] + ("AA" if good[-2:] != "AA" else "BB"),
        good + ".",
        token(exchange, key="k" * 64),
        token(exchange, {"sub": "owner", "exp": at - 1}),
        token(exchange, {"sub": "owner", "exp": at}),
        token(exchange, {"sub": "owner"}),
        token(exchange, {"exp": at + 60}),
        token(exchange, {"sub": "nobody", "exp": at + 60}),
        token(exchange, {"sub": "fees", "exp": at + 60}),
        token(exchange, {"sub": "owner", "exp": at + 60, "nbf": at + 30}),
        token(exchange, alg="HS512"),
        token(exchange, key="", alg="none"),
        exchange.accounts["owner"]["expired_jwt"],
    ]
    for text in bad:
        assert_refused(with_jwt(exchange, text))
    assert_refused(with_jwt(exchange, good, ""))
    assert_refused(with_jwt(exchange, good, "Basic "))


def test_a_jwt_wins_over_a_key(exchange: Local) -> None:
    """Left open by every page; this is what the reference does."""
    bad_key = {"X-MBX-APIKEY": "nobody"}
    assert exchange.raw("GET", TARGET, {**exchange.headers("owner"), **bad_key}).status == 200
    query = f"timestamp={now(exchange)}"
    account = exchange.accounts["owner"]
    good = signature(account["api_secret"], query)
    headers = {"Authorization": "Bearer x", "X-MBX-APIKEY": account["api_key"]}
    assert_refused(exchange.raw("GET", f"{TARGET}?{query}&signature={good}", headers))


def test_every_private_operation_needs_credentials(exchange: Local) -> None:
    order = exchange.place().json
    for method, path in (
        ("DELETE", f"/spot/orders/{order['id']}"),
        ("DELETE", "/spot/orders/no-uuid"),
        ("GET", f"/spot/orders/{order['id']}"),
        ("GET", "/spot/orders"),
        ("POST", "/spot/orders"),
        ("DELETE", "/spot/orders?symbol=DFUSDT"),
        ("GET", "/spot/trades/me"),
    ):
        assert_refused(exchange.raw(method, BASE + path, {}, str(LIMIT).encode()))
    assert exchange.query(order["id"]).json["status"] == "open"


def test_a_shifted_clock_shifts_the_window() -> None:
    with local(Settings(clock_offset_ms=-60_000)) as exchange:
        query = f"timestamp={now(exchange)}"
        assert signed(exchange, query + "&signature={sig}", sign=query).status == 200
        ahead = f"timestamp={now(exchange) + 60_000}"
        assert_refused(signed(exchange, ahead + "&signature={sig}", sign=ahead))
        assert with_jwt(exchange, token(exchange)).status == 200
