"""The cases of races, overload and restart, carried out: on conformant servers, and on faulty ones."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conformance.assemble import judge_record
from conformance.reference.server import start
from conformance.reference.settings import Settings
from conformance.report.result import Result
from conformance.suite import test_overload as overload
from conformance.suite import test_races as races
from conformance.suite import test_restart as restart
from conformance.suite.session import Session
from conformance.target.race import Arena

HERE = Path(__file__).parent
PEER = HERE.parent / "peer" / "server.mjs"
ONE, FILLS = "cancel.races.one-winner", "cancel.races.fills-counted"
ALL, READS = "cancel.races.cancel-all", "cancel.races.monotonic-reads"
BUSY = Settings(queue_size=3, engine_delay_ms=4)


@pytest.fixture(autouse=True)
def _hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))


@contextmanager
def peer(*arguments: str) -> Iterator[dict[str, Any]]:
    """The Node server as a child process."""
    command = ["node", str(PEER), "--port", "0", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        info = json.loads(process.stdout.readline())
        try:
            yield {"base_url": info["base_url"], "accounts": info["accounts"]}
        finally:
            process.stdin.close()
            process.wait(5)


@contextmanager
def reference(settings: Settings) -> Iterator[dict[str, Any]]:
    """The embedded reference as a child process."""
    with start(settings) as running:
        yield {"base_url": running.base_url, "accounts": running.accounts}


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Carry one case out on a target, and judge its record."""

    def carry_out(target: dict[str, Any], case: Callable[[Session], object], name: str, **options: Any) -> Result:
        for account, secrets in target["accounts"].items():
            for secret, value in secrets.items():
                monkeypatch.setenv(f"SPOT_CONFORMANCE_{account.upper()}_{secret.upper()}", value)
        given = {
            "conformance_config": None,
            "base_url": target["base_url"],
            "symbol": None,
            "allow_trading": None,
            "restart_command": None,
            "overload": True,
            "profile": "standard",
            "conformance_seed": 0,
            "report_dir": tmp_path,
        }
        session = Session.open(SimpleNamespace(**{**given, **options}), [])
        try:
            session.carry_out(name, [name], lambda: case(session))
        finally:
            session.finish()
        return judge_record(tmp_path / "record.ndjson", session.contract)

    return carry_out


def race(session: Session, *cases: Callable[..., None]) -> None:
    """Carry races out, with fills part by part and as a whole."""
    venue, states = session.venue, session.states
    with closing(Arena(venue, 6)) as arena:
        for case in cases:
            if case is races.test_cancel_and_fill:
                case(venue, states, arena, whole=False)
                case(venue, states, arena, whole=True)
            else:
                case(venue, states, arena)


def every_race(session: Session) -> None:
    race(
        session,
        races.test_cancel_and_cancel,
        races.test_cancels_of_a_partially_filled_order,
        races.test_cancel_and_fill,
        races.test_cancel_and_query,
        races.test_cancel_and_cancel_all,
    )


def burst(session: Session) -> None:
    overload.test_overload(session.venue, session.states, session)


def verdicts(result: Result) -> dict[str, str]:
    return {row.id: row.verdict for row in result.requirements}


def violated(result: Result) -> set[str]:
    return {name for name, verdict in verdicts(result).items() if verdict == "violated"}


def outcome(result: Result) -> str:
    return f"{result.cases[-1].outcome}: {result.cases[-1].reason}"


# ---------------------------------------------------------------------- races


def test_the_reference_holds(run: Run) -> None:
    with reference(Settings()) as target:
        result = run(target, every_race, ONE)

    assert violated(result) == set()
    assert {verdicts(result)[name] for name in (ONE, FILLS, ALL, READS)} == {"held"}
    assert result.cleanup["left"] == 0
    assert {row.verdict for row in result.races} == {"linearizable"}
    assert len(result.races) >= 4


def test_a_slow_reference_that_is_busy_now_and_then_holds(run: Run) -> None:
    with reference(Settings(queue_size=2, engine_delay_ms=3, clock_offset_ms=-1500)) as target:
        result = run(target, every_race, ONE)

    assert violated(result) == set()
    assert verdicts(result)[ONE] == "held", outcome(result)


@pytest.mark.parametrize("flavour", ["a", "b"])
def test_the_peer_holds(run: Run, flavour: str) -> None:
    with peer("--flavour", flavour) as target:
        result = run(target, every_race, ONE)

    assert violated(result) == set()
    assert {verdicts(result)[name] for name in (ONE, FILLS, ALL, READS)} == {"held"}


@pytest.mark.parametrize(
    ("hook", "case", "requirement"),
    [
        ("two_winners", races.test_cancel_and_cancel, ONE),
        ("lost_fill", races.test_cancel_and_fill, FILLS),
        # whichever is met first in a race: a fill after the cancel, or the order shown as live
        ("late_cancel", races.test_cancel_and_fill, f"{FILLS} or {READS}"),
        ("late_cancel", races.test_cancel_and_query, READS),
    ],
)
def test_a_faulty_reference_is_caught(run: Run, hook: str, case: Callable[..., None], requirement: str) -> None:
    with reference(Settings(hooks=(f"race_hooks:{hook}",))) as target:
        result = run(target, lambda session: race(session, case), ONE)

    assert violated(result) & set(requirement.split(" or ")), outcome(result)
    assert any(row.verdict == "violated" for row in result.races)


@pytest.mark.parametrize(
    ("fault", "case", "requirement"),
    [
        ("race-two-winners", races.test_cancel_and_cancel, ONE),
        ("race-no-winner", races.test_cancel_and_cancel, ONE),
        ("race-fill-lost", races.test_cancel_and_fill, FILLS),
        ("race-fill-overwritten", races.test_cancel_and_fill, FILLS),
        ("race-repeat-500", races.test_cancel_and_cancel, "cancel.answers.status"),
    ],
)
def test_a_faulty_peer_is_caught(run: Run, fault: str, case: Callable[..., None], requirement: str) -> None:
    with peer("--fault", fault) as target:
        result = run(target, lambda session: race(session, case), ONE)

    assert requirement in violated(result), outcome(result)


# ---------------------------------------------------------------------- overload

_TOLD = ("busy", "form", "no-effect", "transient")


def test_a_burst_is_made_on_request_only(run: Run) -> None:
    with reference(BUSY) as target:
        result = run(target, burst, "cancel.unavailable.busy", overload=False)

    assert "--overload" in outcome(result)
    assert verdicts(result)["cancel.unavailable.busy"] == "not_exercised"


def test_a_busy_reference_holds(run: Run) -> None:
    with reference(BUSY) as target:
        result = run(target, burst, "cancel.unavailable.busy")

    assert violated(result) == set()
    assert {verdicts(result)[f"cancel.unavailable.{name}"] for name in _TOLD} == {"held"}, outcome(result)


@pytest.mark.parametrize("flavour", ["a", "b"])
def test_a_busy_peer_holds(run: Run, flavour: str) -> None:
    with peer("--flavour", flavour, "--set", "backlog=2") as target:
        result = run(target, burst, "cancel.unavailable.busy")

    assert violated(result) == set()
    assert {verdicts(result)[f"cancel.unavailable.{name}"] for name in _TOLD} == {"held"}, outcome(result)


@pytest.mark.parametrize(
    ("hook", "requirement"),
    [
        ("empty_promise", "cancel.effects.terminal"),
        ("busy_but_canceled", "cancel.unavailable.no-effect"),
        ("stuck_after_busy", "cancel.unavailable.transient"),
        ("hang_when_busy", "cancel.unavailable.busy"),
    ],
)
def test_mistakes_under_load_are_caught(
    run: Run, monkeypatch: pytest.MonkeyPatch, hook: str, requirement: str
) -> None:
    monkeypatch.setenv("SPOT_CONFORMANCE_TIMEOUT_S", "1")
    with reference(Settings(queue_size=3, engine_delay_ms=4, hooks=(f"race_hooks:{hook}",))) as target:
        result = run(target, burst, "cancel.unavailable.busy")

    assert requirement in violated(result), outcome(result)


# ---------------------------------------------------------------------- restart


def restarted(session: Session, action: Callable[[], None] | None) -> None:
    restart.test_restart(session.venue, session.states, action)


@pytest.mark.parametrize(
    ("hook", "requirement"),
    [
        (None, None),
        ("forgets_cancels", "cancel.unavailable.restarting"),
        ("forgets_orders", "cancel.unavailable.restarting"),
    ],
)
def test_restart(run: Run, hook: str | None, requirement: str | None) -> None:
    hooks = (f"race_hooks:{hook}",) if hook else ()
    with start(Settings(hooks=hooks)) as running:
        target = {"base_url": running.base_url, "accounts": running.accounts}
        result = run(
            target,
            lambda session: restarted(session, lambda: running.restart(recovery_delay_ms=200)),
            "cancel.unavailable.restarting",
        )

    assert violated(result) >= ({requirement} if requirement else set()), outcome(result)
    if hook is None:
        assert violated(result) == set()
        assert verdicts(result)["cancel.unavailable.restarting"] == "held", outcome(result)
        assert result.cases[-1].outcome == "passed", outcome(result)


def test_a_restart_needs_to_be_allowed(run: Run) -> None:
    with reference(Settings()) as target:
        result = run(target, lambda session: restarted(session, None), "cancel.unavailable.restarting")

    assert "--restart-command" in outcome(result)


def test_a_restart_command_that_fails_is_undecided() -> None:
    with pytest.raises(restart.Undecidable, match="exited with 3"):
        restart._run(f"{sys.executable} -c 'raise SystemExit(3)'")
