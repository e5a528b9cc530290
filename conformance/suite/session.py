"""One run: opens target, record and oracle, carries cases out, cleans up, and leaves the reports."""

from __future__ import annotations

import shlex
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from conformance import __version__, stop
from conformance.contract import load_contract
from conformance.errors import ConfigError, SuiteError, TargetError
from conformance.fuzz.ahead import Ahead
from conformance.fuzz.generated import budget
from conformance.oracle.findings import Finding
from conformance.oracle.judge import Judge
from conformance.record import SCHEMA, Header, Row
from conformance.report.text import one_line
from conformance.suite.aged import Aged
from conformance.suite.lanes import Lane, Lanes, Overlapping, lanes_for
from conformance.target.abilities import UNKNOWN_ID
from conformance.target.client import RATHER_FAR_S, Client
from conformance.target.clock import Clock
from conformance.target.contact import make_contact
from conformance.target.journal import NAME, Journal, read_journal, set_aside
from conformance.target.reconcile import Outcome, reconcile
from conformance.target.recorder import Recorder
from conformance.target.redact import Redactor
from conformance.target.settings import Settings, Waiver, load_settings
from conformance.target.trouble import BookNeeded, LimitReached, NotExercised, Trouble, Undecidable
from conformance.target.venue import Venue
from conformance.waivers import check_waivers

if TYPE_CHECKING:
    from conformance.reference.server import Running

_STARTS = 8  # how often a case may start over before it is undecided
_PATIENCE = 3  # cases that may end so before the others start over only once: what lasts is not passing trouble


class Session:
    """A run on one target.

    `listeners` are told of each case's end (name, outcome, seconds, reason), and `row_listeners` of each row of
    the record as it is written.
    `failure` is why the last run in this process made no contact, if it did not; `recorded` whether it came as far
    as to record what it tried.
    """

    failure: SuiteError | None = None
    recorded = False
    waivers: tuple[Waiver, ...] = ()

    def __init__(self, settings: Settings, options: Any, cleanup: ExitStack) -> None:
        self.settings, self.options, self._cleanup = settings, options, cleanup
        self.contract = load_contract()
        self.judge = Judge(self.contract)
        self.report_dir = Path(options.report_dir)
        self.listeners: list[Callable[[str, str, float, str | None], None]] = getattr(options, "case_listeners", [])
        self.row_listeners: list[Callable[[Row], None]] = getattr(options, "row_listeners", [])
        self.reference: Running | None = None
        self._fresh: defaultdict[str, list[Finding]] = defaultdict(list)
        self._finished = self._overlapped = False
        self._stuck = 0
        self._telling = threading.Lock()
        header = Header(
            schema=SCHEMA,
            suite_version=__version__,
            contract_digest=self.contract.digest,
            base_url=settings.base_url,
            base_path=settings.base_path,
            started_at=time.time(),
            seed=options.conformance_seed,
            profile=options.profile,
            accounts={name: account.schemes for name, account in settings.accounts.items()},
            command=_command(),
            only=list(getattr(options, "only", ())),
        )
        if (kept := set_aside(self.report_dir)) is not None:
            sys.stderr.write(
                f"spot-conformance: an earlier run may have left orders open; its journal is kept as {kept.name}\n"
                f"  hint: spot-conformance cleanup --report-dir {self.report_dir}\n"
            )
        try:
            self.recorder = Recorder(self.report_dir / "record.ndjson", header, self._hear)
        except OSError as error:
            message = f"cannot write to {self.report_dir}: {error.strerror}"
            raise ConfigError(message, "choose another --report-dir") from None
        Session.recorded = True
        redactor = Redactor(settings.accounts.values())
        self.journal = Journal(self.report_dir, settings.base_url, embedded=settings.embedded)
        self.client = Client(settings, self.recorder, Clock(), redactor, self.journal)
        self.venue = Venue(settings, self.client, self.judge, seed=options.conformance_seed)
        self.lane = Lane(self, self.venue)
        self.states = self.lane.states
        self.aged = Aged(self.venue, self.states)
        self.funds: dict[str, Decimal] = {}  # what the owner could spend at last, by side: where searches begin

    def _hear(self, row: Row) -> None:
        for check in self.judge.feed(row):
            if check.finding is not None:
                self._fresh[check.case].append(check.finding)
        for listener in self.row_listeners:
            listener(row)

    # ------------------------------------------------------------------ life

    @classmethod
    def open(cls, options: Any, items: list[pytest.Item]) -> Session:
        """Find the target (or start the reference), and make contact. Raises SuiteError if that fails."""
        with ExitStack() as stack:
            settings = load_settings(
                config=options.conformance_config,
                flags={
                    "base_url": options.base_url,
                    "symbol": options.symbol,
                    "allow_trading": options.allow_trading,
                    "restart_command": getattr(options, "restart_command", None),
                    "insecure": getattr(options, "insecure", None),
                },
            )
            running = None
            if settings is None:
                settings, running = start_reference(stack)
            check_safety(settings)
            cls.waivers = settings.waivers
            session = cls(settings, options, stack.pop_all())
            session.reference = running
        session.begin(items)
        return session

    def begin(self, items: Sequence[pytest.Item] = ()) -> None:
        """Make contact, and what the cases of `items` need ahead. Raises SuiteError if that fails."""
        try:
            check_waivers(self.settings.waivers, self.contract)
            if self.settings.insecure:
                self.recorder.note("insecure")
                sys.stderr.write(f"WARNING: the certificate of {self.settings.origin} is NOT checked (insecure)\n")
            if any("generated" in getattr(item, "fixturenames", ()) for item in items):
                _ = self.generated  # is made while other cases run
            self._tell(make_contact(self.venue, partly=True))
            self.recorder.note("market", **_market(self.venue))
            # where no cancel seems to be answered, orders that are placed ahead would only take time
            if any(item.get_closest_marker("aged") for item in items) and not self.judge.silence.is_likely:
                with suppress(LimitReached):  # each case says it
                    self.aged.provide()
            self.venue.ask_who_traded()
        except BaseException as error:
            self.abandon(error)
            raise

    @cached_property
    def generated(self) -> Ahead:
        """The generated cancels of the run's profile and seed; they are being made from the first call on."""
        ahead = Ahead(self.options.conformance_seed, budget(self.options.profile))
        self._cleanup.callback(ahead.close)
        return ahead

    def _tell(self, lacks: list[TargetError]) -> None:
        """Say and record what the run goes on without."""
        for lack in lacks:
            sys.stderr.write(f"WARNING: {one_line(lack.message)}\n  hint: {one_line(lack.hint)}\n")
        if lacks:
            self.recorder.note("lacks", texts=[lack.message for lack in lacks])

    def abandon(self, error: BaseException) -> None:
        """Contact failed: leave nothing open and close the record."""
        with stop.shielded():
            self._note_interruption()
            if read_journal(self.report_dir / NAME).anything:
                self.journal.reconciled(self._reconcile().left)
            if isinstance(error, SuiteError):
                self.recorder.note("no-contact", message=error.message)
            self.close()

    def finish(self) -> None:
        """Cancel what is left, close the record and the target. Safe to call twice."""
        if self._finished:
            return
        with stop.shielded():
            self._note_interruption()
            outcome = self._reconcile()
            self.journal.reconciled(outcome.left)
            self.recorder.note("cleanup", left=outcome.left, placed=self.client.limits.orders, **outcome.note())
            self.close()

    def _note_interruption(self) -> None:
        if stop.requested():
            self.recorder.note("interrupted")

    def _reconcile(self) -> Outcome:
        if stop.requested() and self.settings.embedded:  # it ends with the run
            return Outcome()
        if not hasattr(self.venue, "rules"):  # no order was placed
            return Outcome()
        outcome = reconcile(self.venue, read_journal(self.report_dir / NAME))
        self.venue.ask_who_traded()
        return outcome

    def close(self) -> None:
        """Close record, connections and the embedded reference, once."""
        if not self._finished:
            self._finished = True
            low, high = self.client.clock.interval
            self.recorder.note("clock", low=low, high=high, offset=self.client.clock.offset)
            self.recorder.close()
            self.journal.close()
            self.lane.close()
            self.client.close()
            self._cleanup.close()

    # ------------------------------------------------------------------ cases

    def overlap(self, found: Iterable[Overlapping], most: int) -> dict[str, tuple[str, str | None]]:
        """Carry out at the same time what may overlap, in at most `most` lanes, if the target is far away.

        The outcomes by name, of those only that need not be carried out (again) alone. Which cases may overlap
        takes a while to find, and is not asked for close by.
        """
        count = min(most, lanes_for(self._pace, self.settings.safety.max_parallel))
        if count < 2 or len(cases := list(found)) < 2:
            return {}
        self._overlapped = True
        self.recorder.note("lanes", state="begin", lanes=count, pace=self.client.pace)
        lanes = Lanes(self, count)
        try:
            lanes.carry_out(cases)
        finally:
            self.recorder.note("lanes", state="end")
        return lanes.outcomes

    def has_become_distant(self) -> bool:
        """Whether answers take long by now, or the target makes us wait, and no cases have overlapped yet."""
        return not self._overlapped and self._pace > RATHER_FAR_S and self.settings.safety.max_parallel != 1

    @property
    def _pace(self) -> float:
        """How long (s) a case usually waits for an answer; where no cancel seems to get one, for that."""
        return self.settings.timeout_s if self.judge.silence.is_likely else self.client.pace

    @property
    def is_distant(self) -> bool:
        """Whether answers take so long that less has to do; the profile `thorough` does everything all the same."""
        return self._pace > RATHER_FAR_S and self.options.profile != "thorough"

    @property
    def takes_turns(self) -> bool:
        """Whether cases that trade, list orders or go alone are to be tried with one credential by turns."""
        return len(self.settings.owner.schemes) > 1 and self.venue.is_very_far

    def leave_out(self, name: str, requirements: list[str], why: str) -> tuple[str, str | None]:
        """Record that a case is not carried out; its outcome."""
        self.recorder.note("case-begin", name, requirements=requirements)
        self.recorder.note("case-end", name, outcome="not_exercised", reason=why)
        self._tell_end(name, "not_exercised", 0.0, why)
        return "not_exercised", why

    def carry_out(
        self, name: str, requirements: list[str], case: Callable[[], object], lane: Lane | None = None
    ) -> tuple[str, str | None]:
        """Carry a case out, starting over on passing trouble; its outcome and the reason for it.

        The outcome is passed, failed, undecided or not_exercised. Orders of the case are canceled in any event.
        With a `lane` the case overlaps with those of other lanes; raises BookNeeded if it cannot do so in this one.
        """
        started = time.monotonic()
        venue = (lane or self.lane).venue
        self.recorder.note("case-begin", name, requirements=requirements)
        outcome, reason, put_off = "undecided", None, False
        try:
            outcome, reason = self._attempts(name, case, venue)
        except BookNeeded:
            put_off = True
            raise
        except KeyboardInterrupt:
            self.recorder.note("interrupted", name)
            raise
        finally:
            if not stop.requested():  # else the clean-up of the whole run is at hand, and quicker
                venue.sweep()
                venue.ask_who_traded()
            if not put_off:
                outcome, reason = self._told(name, outcome, reason)
                self.recorder.note("case-end", name, outcome=outcome, reason=reason)
        if lane is None or (outcome != "undecided" and name not in self.judge.tangled):
            self._tell_end(name, outcome, time.monotonic() - started, reason)
        return outcome, reason

    def _tell_end(self, name: str, outcome: str, seconds: float, reason: str | None) -> None:
        with self._telling:
            for listener in self.listeners:
                listener(name, outcome, seconds, reason)

    def _told(self, name: str, outcome: str, reason: str | None) -> tuple[str, str | None]:
        """A case's outcome and reason, with what the oracle found in it."""
        findings = self._fresh.pop(name, [])
        musts = [f for f in findings if self.contract.requirements[f.requirement].level == "MUST"]
        if not musts:
            return outcome, reason
        kinds = {f.requirement: f for f in musts}
        for shown in self._shown(name, set(kinds)):
            kinds[shown.requirement] = shown
        return "failed", "\n".join(
            f"{f.requirement}: {f.message}\n  expected {f.expected}\n  seen     {f.seen}"
            + (f"\n  {f.why}" if f.why else "")
            for f in kinds.values()
        )

    def _shown(self, case: str, requirements: set[str]) -> list[Finding]:
        """A case's findings as the report shows them, perhaps made small by a driver; the first one last."""
        return [
            group.first
            for requirement in requirements
            for group in reversed(self.judge.groups_of(requirement))
            if group.first.case == case
        ]

    def _check_sense(self, venue: Venue) -> None:
        """Raise LimitReached if there is no time left for a case, Undecidable if it could show nothing."""
        self.client.limits.check("suite")
        venue.credentials.give_up_expiring()
        silence = self.judge.silence
        if silence.is_total:
            raise Undecidable("no cancel is answered")
        if silence.is_refusing:
            # is it over? What could not be canceled tells, if there is any
            order = next((order for order in self.judge.ledger.live() if order.id in venue.given_up), None)
            asked = venue.send(venue.cancel_call(order or UNKNOWN_ID, by=order.account if order else "owner"))
            if asked.response is None or asked.response.status == 503:
                raise Undecidable("no order can be canceled: 503 for more than half a minute, and no 200")

    def _attempts(self, name: str, case: Callable[[], object], venue: Venue) -> tuple[str, str | None]:
        reason = ""
        starts = _STARTS if self._stuck < _PATIENCE else 2
        self.judge.tangled.discard(name)
        for attempt in range(starts):
            wait = False
            venue.restart(name)
            self.judge.troubled.discard(name)
            try:
                self._check_sense(venue)
                case()
            except LimitReached as limit:
                return "undecided", str(limit)
            except Trouble as trouble:
                reason, wait = str(trouble), trouble.wait
            except Undecidable as problem:
                reason = str(problem)
                if name not in self.judge.troubled:
                    return "undecided", reason
            except NotExercised as lack:
                return "not_exercised", str(lack)
            else:
                if name not in self.judge.troubled:
                    return "passed", None
                reason = "an answer was lost, or somebody else traded with our orders"
            if stop.requested():
                return "undecided", "the run was interrupted"
            if name in self.judge.tangled:
                return "undecided", "an order has changed while other cases were under way"
            venue.sweep()
            if wait:
                venue.pause(min(attempt, 3))
        self._stuck += 1
        return "undecided", f"{reason} ({starts} starts)"


def reference_settings(stack: ExitStack) -> Settings:
    """Start the embedded reference on a free port, as long as `stack` is open, and describe it."""
    return start_reference(stack)[0]


def start_reference(stack: ExitStack) -> tuple[Settings, Running]:
    """The same, and the process itself, which can be restarted."""
    from conformance.reference.server import start
    from conformance.target.settings import Account

    running = stack.enter_context(start())
    described = running.announcement
    accounts = {name: Account(name, **secrets) for name, secrets in described.accounts.items()}
    settings = Settings(
        base_url=described.base_url,
        owner=accounts["owner"],
        counterparty=accounts.get("counterparty"),
        embedded=True,
    )
    return settings, running


def check_host(settings: Settings) -> str:
    """The target's host; raises ConfigError if it is a forbidden one, with or without its port."""
    parts = urlsplit(settings.base_url)
    host = (parts.hostname or "").rstrip(".")
    forbidden = {name.lower().rstrip(".") for name in settings.safety.forbidden_hosts}
    if forbidden & {host, f"{host}:{parts.port}"}:
        raise ConfigError(f"{host} is a forbidden host", "see [safety] forbidden_hosts in conformance.toml")
    return host


def check_safety(settings: Settings) -> None:
    """Refuse to trade where the user has not allowed it."""
    host = check_host(settings)
    if not settings.is_loopback and not settings.safety.allow_trading:
        raise ConfigError(
            f"{host} is not this machine, and a run places orders",
            "pass --allow-trading, or set allow_trading = true under [safety]",
        )


def _market(venue: Venue) -> dict[str, Any]:
    rules, band = venue.rules, venue.band
    return {
        "symbol": rules.symbol,
        "tick": str(rules.tick),
        "lot": str(rules.lot),
        "min_notional": str(rules.min_notional),
        "floor": str(band.floor),
        "ceil": str(band.ceil),
        "quiet": band.quiet,
    }


def _command() -> str:
    return shlex.join(["spot-conformance" if "pytest" not in sys.argv[0] else "pytest", *sys.argv[1:]])
