"""Limits that are enforced, waivers that are kept honest, and the plan: through the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from suite_process import Ended, Running, Target, peer, reference, suite

from conformance import stop
from conformance.target.limits import Limits
from conformance.target.settings import Safety
from conformance.target.trouble import LimitReached, Undecidable

FIELD = ("--profile", "quick", "--only", "cancel.fields.updated-at", "--only", "cancel.fields.id")


@pytest.fixture(scope="module")
def exchange() -> Iterator[Target]:
    with reference() as target:
        yield target


def _order(price: str, quantity: str) -> str:
    return json.dumps({"price": price, "quantity": quantity})


def test_orders_that_are_too_large_or_too_many_are_never_sent() -> None:
    limits = Limits(Safety(max_notional=Decimal(10), max_orders=2))
    limits.check_order(_order("2", "5"))
    with pytest.raises(Undecidable, match="max_notional"):
        limits.check_order(_order("2", "5.01"))
    with pytest.raises(Undecidable, match="max_notional"):
        limits.check_order(json.dumps({"quote_quantity": "11"}))
    with pytest.raises(Undecidable, match="max_notional"):
        limits.check_order(json.dumps({"quantity": "5.01", "type": "market"}))
    limits.check_order(_order("1", "1"))
    with pytest.raises(Undecidable, match="max_orders"):
        limits.check_order(_order("1", "1"))
    assert (limits.orders, limits.largest) == (2, Decimal(10))


def test_no_order_is_placed_once_a_signal_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even by what borrowed the clean-up's leave: a thread that has not heard of the end yet."""
    limits = Limits(Safety())
    monkeypatch.setattr(stop, "requested", lambda: True)
    limits.check("cleanup")
    with pytest.raises(LimitReached, match="interrupted"):
        limits.check_order(_order("1", "1"))


def _run(exchange: Target, cwd: Path, config: str, *arguments: str) -> Ended:
    (cwd / "conformance.toml").write_text(config)
    return suite("run", *(arguments or FIELD), env=exchange.env(), cwd=cwd)


def _sent(cwd: Path, op: str) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in (cwd / "report" / "record.ndjson").read_text().splitlines()]
    return [row for row in rows if row["kind"] == "exchange" and row["op"] == op]


def test_max_orders_in_a_run(exchange: Target, tmp_path: Path) -> None:
    ended = _run(exchange, tmp_path, "[safety]\nmax_orders = 12\n")
    assert ended.status == 3, ended.text
    assert len(_sent(tmp_path, "new_order")) == 12
    assert "max_orders" in ended.out
    assert exchange.open_orders() == {"owner": [], "counterparty": []}


def test_max_notional_in_a_run(exchange: Target, tmp_path: Path) -> None:
    ended = _run(exchange, tmp_path, '[safety]\nmax_notional = "3"\n')
    assert ended.status == 3, ended.text
    bodies = [json.loads(row["request"]["body"]) for row in _sent(tmp_path, "new_order")]  # type: ignore[index]
    assert bodies
    assert all(Decimal(b["price"]) * Decimal(b["quantity"]) <= 3 for b in bodies)


def test_max_duration_in_a_run(exchange: Target, tmp_path: Path) -> None:
    ended = _run(exchange, tmp_path, "[safety]\nmax_duration_s = 2\n", "--profile", "standard")
    assert ended.status == 3, ended.text
    assert ended.seconds < 15
    assert "max_duration_s" in ended.out
    assert exchange.open_orders() == {"owner": [], "counterparty": []}


def test_max_requests_per_second_in_a_run(exchange: Target, tmp_path: Path) -> None:
    config = "[safety]\nmax_requests_per_second = 50\n"
    assert _run(exchange, tmp_path, config, "--profile", "quick", "--only", "cancel.jwt.missing").status == 0
    rows = [json.loads(line) for line in (tmp_path / "report" / "record.ndjson").read_text().splitlines()]
    starts = sorted(row["sent_at"] for row in rows if row["kind"] == "exchange")
    for first, later in zip(starts, starts[50:], strict=False):
        assert later - first > 0.9


def _waiver(requirement: str, until: str = "2999-12-31", message: str = "") -> str:
    text = f'[[waiver]]\nrequirement = "{requirement}"\nreason = "ticket 1"\nuntil = "{until}"\n'
    return text + (f'message = "{message}"\n' if message else "")


@pytest.fixture(scope="module")
def faulty() -> Iterator[Target]:
    with peer("--fault", "updated-in-ms") as target:
        yield target


@pytest.fixture(scope="module")
def violated(faulty: Target, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the faulty server breaks, with the messages."""
    ended = _run(faulty, tmp_path_factory.mktemp("violated"), "")
    assert ended.status == 1, ended.text
    return ended.violations()


def test_a_waiver_lets_a_run_pass(faulty: Target, violated: dict[str, str], tmp_path: Path) -> None:
    ended = _run(faulty, tmp_path, "".join(_waiver(name, message=text[:12]) for name, text in violated.items()))
    assert ended.status in (0, 3), ended.text
    rows = {row["id"]: row for row in ended.results()["requirements"]}
    for name in violated:
        assert rows[name]["verdict"] == "waived"
        assert "ticket 1" in rows[name]["reason"]
        assert all(finding["waived"] for finding in rows[name]["findings"])


@pytest.mark.parametrize(
    ("until", "message", "expected"),
    [("2020-01-01", "", "expired on 2020-01-01"), ("2999-01-01", "something else", "expects 'something else'")],
)
def test_a_waiver_that_does_not_count(
    faulty: Target, violated: dict[str, str], tmp_path: Path, until: str, message: str, expected: str
) -> None:
    """Expired, or for another message: the violation stands, and the status says that the waiver is wrong."""
    name = next(iter(violated))
    ended = _run(faulty, tmp_path, _waiver(name, until, message))
    assert ended.status == 2, ended.text
    assert re.search(rf"waiver of {name}: it .*{expected}", ended.err)
    assert name in ended.violations()


def test_an_unexpected_pass(exchange: Target, tmp_path: Path) -> None:
    ended = _run(exchange, tmp_path, _waiver("cancel.fields.id"))
    assert ended.status == 2, ended.text
    assert "holds now" in ended.err
    assert (tmp_path / "report" / "report.html").exists()


def test_a_waiver_of_nothing(exchange: Target, tmp_path: Path) -> None:
    ended = _run(exchange, tmp_path, _waiver("cancel.fields.update-at"))
    assert ended.status == 2, ended.text
    assert "did you mean cancel.fields.updated-at" in ended.err


def test_the_plan_matches_the_run(exchange: Target, tmp_path: Path) -> None:
    """Counts that hold within what retries and races make of them; nothing is placed for it."""
    before = exchange.call("owner", "GET", "/spot/trades/me").json()
    ended = Running(["plan", *FIELD], exchange.env(), tmp_path).wait(60)
    assert ended.status == 0, ended.text
    assert exchange.call("owner", "GET", "/spot/trades/me").json() == before
    numbers = [int(text.replace(",", "")) for text in re.findall(r"([\d,]+) (?:requests|orders of)", ended.out)]
    run = _run(exchange, tmp_path, "")
    assert run.status in (0, 3), run.text
    assert numbers[0] == pytest.approx(run.results()["requests"], rel=0.2)
    assert numbers[1] == pytest.approx(len(_sent(tmp_path, "new_order")), rel=0.2)
