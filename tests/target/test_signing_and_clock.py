"""Signatures as the page makes them, and the measured clock."""

from __future__ import annotations

import subprocess

import httpx
from hypothesis import given
from hypothesis import strategies as st

from conformance.target.clock import Clock
from conformance.target.settings import Account
from conformance.target.signing import ApiKeyAuth, sign

SECRET, TIMESTAMP = "your_api_secret", 1778400120000
OWNER = Account("owner", api_key="your_api_key", api_secret=SECRET)


def _signed(method: str, target: str, body: bytes = b"") -> tuple[str, httpx.Request]:
    request = httpx.Request(method, "http://x", content=body, extensions={"target": target.encode()})
    (sent,) = ApiKeyAuth(OWNER, lambda: TIMESTAMP).auth_flow(request)
    return bytes(sent.extensions["target"]).decode(), sent


def _openssl(payload: str) -> str:
    command = ["openssl", "dgst", "-sha256", "-hmac", SECRET]
    done = subprocess.run(command, input=payload.encode(), capture_output=True, check=True)
    return done.stdout.decode().split()[-1]


def test_the_pages_own_recipe() -> None:
    """`timestamp=…` signed with HMAC-SHA256, in lower-case hex, as openssl makes it."""
    target, request = _signed("DELETE", "/api/v1/spot/orders/1")
    signature = _openssl(f"timestamp={TIMESTAMP}")
    assert target == f"/api/v1/spot/orders/1?timestamp={TIMESTAMP}&signature={signature}"
    assert request.headers["X-MBX-APIKEY"] == "your_api_key"
    assert signature == signature.lower()


def test_a_fixed_vector() -> None:
    """HMAC-SHA256 of RFC 4231, test case 2."""
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert sign("Jefe", b"what do ya want for nothing?") == expected


def test_query_and_body_are_covered() -> None:
    """The query string in front, then the raw body."""
    target, request = _signed("POST", "/spot/orders?a=%C3%A4&b=", b'{"price":"1"}')
    signature = _openssl(f'a=%C3%A4&b=&timestamp={TIMESTAMP}{{"price":"1"}}')
    assert target == f"/spot/orders?a=%C3%A4&b=&timestamp={TIMESTAMP}&signature={signature}"
    assert bytes(request.extensions["signed"]).endswith(b'{"price":"1"}')


@given(
    offset=st.floats(-50_000, 50_000),
    trips=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 3), st.floats(0, 3), st.floats(0, 0.99)), min_size=1),
)
def test_the_interval_always_holds_the_true_offset(
    offset: float, trips: list[tuple[float, float, float, float]]
) -> None:
    """Whatever the delays both ways, and a Date that is up to a second old."""
    clock, now = Clock(), 1_778_400_000.0
    for pause, there, back, stale in trips:
        sent = now + pause
        answered = sent + there
        clock.observe(int(answered + offset - stale), sent, answered + back)
        now = answered + back
    low, high = clock.interval
    assert low - 1e-3 <= offset <= high + 1e-3


def test_equal_clocks_are_left_alone() -> None:
    clock = Clock()
    clock.observe(1000, 1000.2, 1000.3)
    assert clock.offset == 0.0


def test_a_clock_that_was_set_starts_anew() -> None:
    clock = Clock()
    clock.observe(1000, 1000.0, 1000.1)
    clock.observe(5000, 1001.0, 1001.1)
    assert clock.interval[0] > 3000


def test_a_date_that_is_none_is_no_sample() -> None:
    clock = Clock()
    for text in ("", "yesterday", "Sun, 99 Foo 2026 00:00:00 GMT", None, "\x00"):
        clock.observe_date(text, 1.0, 2.0)
    assert (clock.samples, clock.offset, clock.interval) == (0, 0.0, (0.0, 0.0))


def test_who_writes_another_date_does_not_set_a_clock_that_was_right() -> None:
    clock = Clock()
    clock.observe(1000, 1000.2, 1000.3)
    clock.accept()
    for second in range(1001, 1005):  # one of two gateways is eight seconds ahead, and has the last word
        clock.observe(second, second + 0.2, second + 0.3)
        clock.observe(second + 8, second + 0.4, second + 0.5)
        assert clock.offset == 0.0
    for second in range(1005, 1012):  # now all agree
        clock.observe(second + 8, second + 0.4, second + 0.5)
    assert 7 < clock.offset < 9
