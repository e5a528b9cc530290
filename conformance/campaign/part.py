"""One part of a campaign: sequences and generated cancels with one seed after the other, on one exchange."""

from __future__ import annotations

import time
from argparse import Namespace
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
from hypothesis.database import DirectoryBasedExampleDatabase

from conformance.fuzz import machine, requests
from conformance.fuzz.generate import generate
from conformance.fuzz.generated import Generated
from conformance.fuzz.machine import explore
from conformance.fuzz.requests import Fuzzer
from conformance.report import write_reports
from conformance.suite.session import Session, check_safety, reference_settings
from conformance.target.settings import Settings, load_settings
from conformance.waivers import judge_with_waivers

FLAGS = (
    "base_url",
    "symbol",
    "allow_trading",
    "insecure",
)  # the options that stand above a configuration
JOB = "SPOT_CONFORMANCE_CAMPAIGN"  # the environment variable that names the file with the job
_STRIDE = 1_000_003  # between the seeds of two parts
_CANCELS = 100  # generated in a round, in all of their phases together
_MOST_ORDERS = 10_000_000  # on the embedded reference, where they cost nothing


class Job(msgspec.Struct):
    """What a campaign does: `seconds` long, in `parts`; `configs` has a file for each part, if there are any."""

    parts: int
    seconds: float
    seed: int
    report_dir: str
    examples: str
    configs: list[str] = []
    base_url: str | None = None
    symbol: str | None = None
    allow_trading: bool | None = None
    insecure: bool | None = None

    def settings(self, part: int) -> Settings | None:
        """The settings of a part's target, None for the embedded reference. Raises ConfigError."""
        config = Path(self.configs[part]) if self.configs else None
        settings = load_settings(config=config, flags={name: getattr(self, name) for name in FLAGS})
        if settings is not None:
            check_safety(settings)
        return settings


class Told(msgspec.Struct):
    """What a part came to: the cases that were carried out to their end, requests, and the MUSTs that are violated.

    `error` and `exit_status` say why it could not be carried out at all.
    """

    cases: int = 0
    requests: int = 0
    violated: list[str] = []
    error: str | None = None
    exit_status: int = 0


def directory(job: Job, part: int) -> Path:
    """Where a part leaves its reports."""
    return Path(job.report_dir) / f"part{part}"


def told_in(job: Job, part: int) -> Path:
    """The file in which a part says what it came to."""
    return directory(job, part) / "told.json"


def carry_out(job: Job, part: int) -> Told:
    """Carry a part out, until its time is over or a MUST is violated. Raises SuiteError without contact."""
    session = _open(job, part)
    database = DirectoryBasedExampleDatabase(job.examples)
    end, number = time.monotonic() + job.seconds, 0
    try:
        session.begin()
        while time.monotonic() < end and not _violated(session):
            _round(session, job.seed + part * _STRIDE + number, database)
            number += 1
    finally:
        session.finish()
    record = session.report_dir / "record.ndjson"
    result, _ = judge_with_waivers(record, session.contract, session.settings.waivers, whole=False)
    write_reports(result, session.report_dir)
    ended = [case for case in result.cases if case.outcome == "passed"]
    violated = [row.id for row in result.requirements if row.verdict == "violated" and row.level == "MUST"]
    return Told(len(ended), result.requests, violated)


def _open(job: Job, part: int) -> Session:
    options = Namespace(
        conformance_seed=job.seed, profile="standard", report_dir=directory(job, part), only=(), overload=False
    )
    with ExitStack() as stack:
        settings = job.settings(part)
        if settings is None:
            settings = reference_settings(stack)
            settings = replace(settings, safety=replace(settings.safety, max_orders=_MOST_ORDERS))
        return Session(settings, options, stack.pop_all())


def _round(session: Session, seed: int, database: DirectoryBasedExampleDatabase) -> None:
    venue, states = session.venue, session.states
    venue.account("counterparty")

    def walk() -> None:
        venue.driver = "state-machine"
        explore(venue, states, "standard", seed, database)

    session.carry_out(f"campaign::sequences {seed}", list(machine.EXERCISES), walk)
    for phase in ("positive", "negative"):
        if _violated(session):
            return
        items = generate(session.contract.openapi, phase, _CANCELS, seed)
        send = partial(_send, session, items)
        session.carry_out(f"campaign::{phase} cancels {seed}", list(requests.EXERCISES), send)


def _send(session: Session, items: list[Generated]) -> None:
    session.venue.driver = "schemathesis"
    Fuzzer(session.venue, session.states).run(items)


def _violated(session: Session) -> bool:
    waived = {waiver.requirement for waiver in session.settings.waivers}
    return any(
        tally.groups and name not in waived and session.contract.requirements[name].level == "MUST"
        for name, tally in session.judge.tallies.items()
    )
