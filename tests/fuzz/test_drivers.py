"""The drivers on servers: clean where the contract is kept, complete records, and what only they can find."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from fuzz_drive import MACHINE, Drive, Outcome, peer, reference

from conformance.fuzz import machine
from conformance.fuzz.generated import PHASES

ALL = (*PHASES, MACHINE)
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def assert_clean(outcome: Outcome) -> None:
    assert outcome.cases == dict.fromkeys(outcome.cases, ("passed", None))
    assert outcome.violated == set()
    assert outcome.result.cleanup["left"] == 0


@pytest.mark.parametrize("seed", [0, 7])
def test_clean_on_the_reference(drive: Drive, seed: int) -> None:
    with reference() as target:
        assert_clean(drive(target, *ALL, seed=seed))


@pytest.mark.parametrize("flavour", ["a", "b"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_clean_on_the_peer(drive: Drive, flavour: str, seed: int) -> None:
    with peer(flavour) as target:
        assert_clean(drive(target, *ALL, seed=seed))


@pytest.mark.slow
@pytest.mark.parametrize("flavour", ["a", "b"])
def test_clean_when_thorough(drive: Drive, flavour: str) -> None:
    with peer(flavour) as target:
        assert_clean(drive(target, *ALL, seed=11, profile="thorough"))


def test_share_of_orders_that_exist_is_told(drive: Drive) -> None:
    with reference() as target:
        outcome = drive(target, *PHASES, MACHINE, profile="quick")
    notes = {driver.name: driver.note for driver in outcome.result.drivers}
    told = re.match(r"(\d+) of (\d+) generated cancels", notes["schemathesis"])
    assert told is not None
    assert int(told[1]) * 2 >= int(told[2]) >= 30
    assert re.match(r"\d+ sequences of \d+ steps", notes["state-machine"])


def test_steps_of_a_batch_do_not_overlap_and_its_cancels_do(drive: Drive) -> None:
    """Whatever changed an order was sent after it was placed, and before it was looked at."""
    with reference() as target:
        outcome = drive(target, *PHASES, seed=3)
    rows = [x for x in outcome.exchanges if x.driver == "schemathesis"]
    step = {"cancel_order": "send", "other_method": "send", "new_order": "place", "query_order": "look"}
    pairs = [(a, b) for a, b in pairwise(sorted(rows, key=lambda row: row.start)) if b.start < a.end]
    assert all(step[a.op] == step[b.op] for a, b in pairs)
    assert {step[a.op] for a, _ in pairs} == {"send", "place", "look"}
    sent = [x for x in rows if step[x.op] == "send"]
    assert sum(a.op == "cancel_order" for a, _ in pairs) > len(sent) / 2


def test_trouble_with_some_starts_these_over(drive: Drive) -> None:
    with reference("unavailable_now_and_then") as target:
        outcome = drive(target, *PHASES, profile="quick")
    assert_clean(outcome)
    troubled = [
        x for x in outcome.exchanges if x.driver == "schemathesis" and x.response and x.response.body == "busy"
    ]
    assert len(troubled) > 3


def shape(outcome: Outcome) -> list[tuple[str, str, str, str | None]]:
    """The generated requests of a run without what differs from run to run: order ids, times, signatures."""
    found = []
    for x in outcome.exchanges:
        if x.driver in ("schemathesis", "state-machine"):
            target = re.sub(r"(timestamp|signature)=[0-9a-f]+(?=&|$)", r"\1", _ID.sub("ID", x.request.target))
            body = _ID.sub("ID", x.request.body) if x.request.body is not None else None
            found.append((x.op, x.request.method, target, body))
    return found


def test_same_seed_same_exchanges(drive: Drive) -> None:
    with reference() as target:
        runs = [drive(target, *ALL, seed=5, profile="quick") for _ in range(2)]
        other = drive(target, *ALL, seed=6, profile="quick")
    assert shape(runs[0]) == shape(runs[1])
    assert shape(runs[0]) != shape(other)


def test_the_record_shows_all_that_was_sent(drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "access.log"
    monkeypatch.setenv("FUZZ_ACCESS_LOG", str(log))
    with reference("log_requests") as target:
        log.write_text("")  # the start itself asks for the server's health
        outcome = drive(target, *ALL)

    def visible(method: str, raw: str) -> str:  # signatures are masked in the record
        path, _, query = raw.partition("?")
        query = "&".join(pair for pair in query.split("&") if not pair.lower().startswith("signature="))
        return f"{method} {path}?{query}"

    seen = Counter(visible(*line.split(" ", 1)) for line in log.read_text("latin-1").splitlines())
    shown = Counter(visible(x.request.method, x.request.target) for x in outcome.exchanges)
    assert seen == shown


@pytest.mark.parametrize(
    ("hook", "requirement", "phases"),
    [
        ("crash_on_byte_in_query", "cancel.answers.status", ("bytes",)),
        ("crash_on_byte_in_id", "cancel.answers.status", ("bytes",)),
        ("crash_on_header", "cancel.answers.status", PHASES),
        ("forget_after_the_hundredth", "cancel.fields.filled-qty", PHASES),
        ("cancel_a_neighbour", "cancel.effects.own-orders", (MACHINE,)),
        ("wrong_average_after_the_sixth_fill", "cancel.fields.avg-fill-price", (MACHINE,)),
    ],
)
def test_found(drive: Drive, hook: str, requirement: str, phases: tuple[str, ...]) -> None:
    with reference(hook) as target:
        outcome = drive(target, *phases)
    assert requirement in outcome.violated
    assert "failed" in {how for how, _ in outcome.cases.values()}
    assert outcome.result.cleanup["left"] == 0


def test_a_byte_is_found_alone(drive: Drive) -> None:
    """What is shown is the smallest request that still does it, not the one that first did."""
    with reference("crash_on_byte_in_query") as target:
        outcome = drive(target, "bytes")
    finding = next(r for r in outcome.result.requirements if r.id == "cancel.answers.status").findings[0]
    assert re.search(r"query note=%1B\b(?!%)", finding.why)
    assert "note=%1B" in finding.steps[-1].what
    assert "%1C" not in finding.steps[-1].what


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state machine makes as many sequences, and as short ones, however slowly a busy machine answers."""
    monkeypatch.setattr(machine, "_SHRINK_S", 600)
    endless = {name: (examples, steps, 600.0) for name, (examples, steps, _) in machine.BUDGETS.items()}
    monkeypatch.setattr(machine, "BUDGETS", endless)


@pytest.mark.usefixtures("unhurried")
def test_a_story_is_short_and_shows_its_exchanges(drive: Drive) -> None:
    with reference("wrong_average_after_the_sixth_fill") as target:
        outcome = drive(target, MACHINE)
    finding = next(r for r in outcome.result.requirements if r.id == "cancel.fields.avg-fill-price").findings[0]
    story = finding.why.split("; ")
    assert len(story) <= 12, story
    assert any("places" in line for line in story)
    assert any("cancels o" in line for line in story)
    _, reason = outcome.cases[MACHINE]
    assert reason is not None
    assert story[-1] in reason
    placed = [step for step in finding.steps if step.what.startswith("New Order")]
    assert len(placed) >= 8  # the order, and seven that took from it


@pytest.mark.usefixtures("unhurried")
def test_identical_findings_for_identical_seeds(drive: Drive) -> None:
    found = []
    for _ in range(2):
        with reference("cancel_a_neighbour") as target:
            outcome = drive(target, MACHINE, seed=2)
        found.append({(r.id, f.message, f.why) for r in outcome.result.requirements for f in r.findings})
    assert found[0] == found[1]
    assert found[0]
