"""Runs the generated drivers alone, in this process, against a server of the test's choice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from fuzz_drive import MACHINE, Drive, Outcome, Target

from conformance.assemble import judge_record
from conformance.contract import load_contract
from conformance.fuzz.generated import PHASES
from conformance.record import Exchange, read_rows
from conformance.suite.session import Session
from conformance.suite.test_fuzz import test_generated_cancels as generated_cancels
from conformance.suite.test_machine import test_sequences as sequences


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
