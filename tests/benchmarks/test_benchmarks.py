"""The benchmarks work at tiny sizes, and their parts do what they say. No test looks at how fast anything is."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from benchmarks.__main__ import BEGIN, END, markdown, write_between
from benchmarks.delay import delayed
from benchmarks.measure import Row, Spread, interleaved, ratios
from benchmarks.records import lengthen
from conformance.assemble import judge_record
from conformance.contract import load_contract
from conformance.record import Exchange, read_rows

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of a small run."""
    place = tmp_path_factory.mktemp("record")
    command = [sys.executable, "-c", "from conformance.cli import main; main()", "run", "--profile", "quick"]
    subprocess.run(
        [*command, "--only", "cancel.fields", "--only", "cancel.effects", "--report-dir", str(place)],
        check=True,
        capture_output=True,
        timeout=120,
        cwd=place,
    )
    return place / "record.ndjson"


def test_command_line(tmp_path: Path) -> None:
    """All peers are measured beside us, and the table is written."""
    sections = ["exchange", "reference", "generated", "judge", "verdict", "matrix"]
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--smoke", "--output", str(tmp_path / "table.md"), *sections],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    table = (tmp_path / "table.md").read_text()
    assert ended.stdout.strip() == table.strip()
    for peer in (
        "bare httpx",
        "schemathesis CLI",
        "bare Starlette route",
        "peak memory",
        "round trips of 5 ms",
        "1 of 1 faults found",
    ):
        assert peer in table
    assert table.count("\n| ") > 7


def test_unknown_section() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nonsense"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "nonsense" in ended.stderr


def test_long_record_is_judged_as_the_short_one(tmp_path: Path, record: Path) -> None:
    """Made longer, a record has other orders, distinct numbers, and the same verdicts with more checks."""
    contract = load_contract()
    short = judge_record(record, contract)
    count = lengthen(record, tmp_path / "long.ndjson", 3 * short.requests)
    long = judge_record(tmp_path / "long.ndjson", contract)
    rows = [row for row in read_rows(tmp_path / "long.ndjson") if isinstance(row, Exchange)]
    placed = [
        json.loads(r.response.body)["id"]
        for r in rows
        if r.op == "new_order" and r.response and r.response.status == 200
    ]
    assert count == long.requests == len(rows) >= 3 * short.requests
    assert len({row.n for row in rows}) == len(rows)
    assert len(set(placed)) == len(placed)
    assert {r.id: r.verdict for r in long.requirements} == {r.id: r.verdict for r in short.requirements}
    checks = {r.id: r.checks for r in long.requirements}
    assert sum(checks.values()) > 2.5 * sum(r.checks for r in short.requirements)


def test_sides_take_turns() -> None:
    calls: list[str] = []

    def side(name: str, value: float) -> float:
        calls.append(name)
        return value

    found = interleaved({"a": lambda: side("a", 4.0), "b": lambda: side("b", 2.0)}, 2)
    assert found == {"a": (4.0, 4.0), "b": (2.0, 2.0)}
    assert calls == ["b", "a", "a", "b", "b", "a"]
    assert ratios(found["a"], found["b"]).text() == "2 (2–2)"
    assert Spread((1.0, 3.0, 2.0)).text() == "2 (1–3)"
    assert Spread((12345.0,)).text() == "12,345"


def test_way_is_made_longer() -> None:
    """An answer through the proxy takes no less than the round trip; bytes come through unchanged."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def echo() -> None:
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(100):
                    connection.sendall(data)

        thread = threading.Thread(target=echo)
        thread.start()
        with delayed(f"http://127.0.0.1:{port}/x", 0.1) as url:
            assert url.endswith("/x")
            with socket.create_connection(("127.0.0.1", int(url.split(":")[2].split("/")[0])), timeout=10) as way:
                began = time.monotonic()
                way.sendall(b"hello")
                assert way.recv(100) == b"hello"
                assert time.monotonic() - began >= 0.1
        thread.join(10)


def test_readme_has_a_place_for_the_table(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text()
    assert text.count(BEGIN) == text.count(END) == 1
    copy = tmp_path / "README.md"
    copy.write_text(text)
    write_between(copy, markdown([Row("what", "1", "2", "0.5")]))
    assert "| what | 1 | 2 | 0.5 |" in copy.read_text()
    write_between(copy, "second")
    assert copy.read_text().count("second\n") == 1
    copy.write_text("nothing")
    with pytest.raises(ValueError, match="needs one"):
        write_between(copy, "x")
