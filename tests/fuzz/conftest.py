"""Runs the generated drivers alone, in this process, against a server of the test's choice."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from conformance.assemble import judge_record
from conformance.contract import load_contract
from conformance.fuzz.generated import PHASES
from conformance.record import Exchange, read_rows
from conformance.reference.server import start
from conformance.reference.settings import Settings
from conformance.report.result import Result
from conformance.suite.session import Session
from conformance.suite.test_fuzz import test_generated_cancels as generated_cancels
from conformance.suite.test_machine import test_sequences as sequences

PEER = Path(__file__).parents[1] / "peer" / "server.mjs"
MACHINE = "machine"


@dataclass
class Outcome:
    """What came of the drivers: each case's outcome and reason, the result, the record's exchanges."""

    cases: dict[str, tuple[str, str | None]]
    result: Result
    exchanges: list[Exchange]

    @property
    def violated(self) -> set[str]:
        return {r.id for r in self.result.requirements if r.verdict == "violated"}


@dataclass(frozen=True)
class Target:
    """A running server: where it is, and the credentials of its accounts."""

    base_url: str
    accounts: Mapping[str, Mapping[str, str]]


@contextmanager
def peer(flavour: str, *options: str) -> Iterator[Target]:
    """The independent server in Node.js, as long as the context is open."""
    command = ["node", str(PEER), "--port", "0", "--flavour", flavour, *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            yield Target(told["base_url"], told["accounts"])
        finally:
            process.terminate()


@contextmanager
def reference(hook: str | None = None) -> Iterator[Target]:
    """The embedded exchange in a child process, with a hook of `fuzz_hooks` if one is named."""
    hooks = (f"fuzz_hooks:{hook}",) if hook else ()
    with start(Settings(hooks=hooks)) as running:
        yield Target(running.base_url, running.accounts)


Drive = Callable[..., Outcome]


@pytest.fixture
def drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drive:
    """Carry out phases of the fuzz driver, or the state machine, and judge the record."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    runs = iter(range(1000))

    def run(
        target: Target, *names: str, seed: int = 0, profile: str = "standard", accounts: tuple[str, ...] = ()
    ) -> Outcome:
        for account, secrets in target.accounts.items():
            for name, value in secrets.items():
                monkeypatch.setenv(f"SPOT_CONFORMANCE_{account.upper()}_{name.upper()}", value)
        directory = tmp_path / f"run-{next(runs)}"
        options = SimpleNamespace(
            conformance_config=None,
            base_url=target.base_url,
            symbol=None,
            allow_trading=None,
            conformance_seed=seed,
            profile=profile,
            report_dir=directory,
            case_listeners=[],
        )
        session = Session.open(options, [])
        try:
            cases = {name: session.carry_out(name, [], _case(session, name)) for name in names}
        finally:
            session.finish()
        path = directory / "record.ndjson"
        rows = [row for row in read_rows(path) if isinstance(row, Exchange)]
        return Outcome(cases, judge_record(path, load_contract()), rows)

    return run


def _case(session: Session, name: str) -> Callable[[], object]:
    venue, states = session.venue, session.states
    if name == MACHINE:
        return lambda: sequences(venue, states)
    assert name in PHASES

    def both() -> None:
        for filled in (False, True):
            generated_cancels(venue, states, session.generated, name, filled)

    return both
