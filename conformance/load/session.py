"""One process's part of a load run: contact, the users' venues, the record, and the judge that follows it."""

from __future__ import annotations

import resource
import sys
import time
from collections import Counter, deque
from contextlib import suppress
from pathlib import Path

from conformance import __version__
from conformance.contract import load_contract
from conformance.errors import ConfigError, TargetError
from conformance.load.outcome import Part, violations
from conformance.load.plan import Job, process_settings, user_settings
from conformance.load.slots import UsersJournal, band_of
from conformance.load.statistics import Statistics
from conformance.oracle.bodies import try_parse
from conformance.oracle.forget import forget
from conformance.oracle.judge import Judge
from conformance.record import SCHEMA, Exchange, Header, Row
from conformance.target.client import Client
from conformance.target.clock import Clock
from conformance.target.contact import check_credential, hint_for, make_contact
from conformance.target.convoy import Weather
from conformance.target.listing import choose_market
from conformance.target.market import Band
from conformance.target.recorder import Recorder
from conformance.target.redact import Redactor
from conformance.target.settings import Settings
from conformance.target.transport import Transport
from conformance.target.trouble import NotExercised, Trouble, Undecidable
from conformance.target.venue import Venue

DRIVER = "load"
_KEPT = 200  # ended orders that are remembered: the listing at the end must not show them
_POOL = 32  # users that share a connection pool


class UserVenue(Venue):
    """The venue of one user, on connections that it shares with few others."""

    def __init__(self, settings: Settings, session: LoadSession, number: int, http: Transport) -> None:
        super().__init__(settings, session.client, session.judge, seed=number)
        self.http = http
        self.rules, self.band = session.main.rules, band_of(session.main.band, number)
        self.rules = self.band.rules
        self.reached = self.shared = True
        self.weather = Weather(stormy=True)
        self.restart(f"{DRIVER}::user-{number}", DRIVER)


class LoadSession:
    """Opens target and record, hands out venues, and says at the end what it came to."""

    def __init__(self, job: Job) -> None:
        self.job, self.plan = job, job.plan
        self.settings = process_settings(job.settings, job.plan)
        self.contract = load_contract()
        self.judge = Judge(self.contract)
        self.statistics = Statistics()
        self.troubles: Counter[str] = Counter()
        self.measuring = False
        self.fills = 0
        self._placed: dict[str, list[str]] = {}
        self._ended: deque[str] = deque()
        self._pools: list[Transport] = []
        self._cpu = 0.0
        header = Header(
            schema=SCHEMA,
            suite_version=__version__,
            contract_digest=self.contract.digest,
            base_url=self.settings.base_url,
            base_path=self.settings.base_path,
            started_at=time.time(),
            seed=self.plan.seed,
            profile=DRIVER,
            accounts={name: account.schemes for name, account in self.settings.accounts.items()},
            command=job.command,
        )
        directory = Path(job.report_dir)
        try:
            self.recorder = Recorder(directory / "record.ndjson", header, self._hear)
            self.journal = UsersJournal(directory, self.settings.base_url, embedded=self.settings.embedded)
        except OSError as error:
            message = f"cannot write to {directory}: {error.strerror}"
            raise ConfigError(message, "choose another --report-dir") from None
        redactor = Redactor(self.settings.accounts.values())
        self.client = Client(self.settings, self.recorder, Clock(), redactor, self.journal)
        self.main = Venue(self.settings, self.client, self.judge, seed=self.plan.seed)

    def _hear(self, row: Row) -> None:
        """Judge a row as soon as it is written, and count it."""
        self.judge.feed(row)
        if not isinstance(row, Exchange):
            return
        if row.driver == DRIVER and self.measuring:
            self.statistics.add(row)
            self.fills += len(row.takes or ()) if row.response is not None and row.response.status == 200 else 0
        if row.op == "new_order" and row.response is not None and row.response.status == 200:
            answer = try_parse(row.response)
            if isinstance(answer, dict) and isinstance(answer.get("id"), str):
                self._placed.setdefault(row.case, []).append(answer["id"])

    # ------------------------------------------------------------------ life

    def contact(self, band: Band | None) -> None:
        """Reach the target and try the credentials. The band is looked for, unless another process has found it.

        Raises SuiteError with what does not work.
        """
        if band is None:
            make_contact(self.main)
        else:
            try:
                choose_market(self.main)
                for name, account in self.settings.accounts.items():
                    for scheme in account.schemes:
                        check_credential(self.main, name, scheme)
            except (Trouble, Undecidable, NotExercised) as trouble:
                message = f"no contact with {self.settings.base_url}: {trouble}"
                raise TargetError(message, hint_for(str(trouble))) from None
            self.main.band = band
        rules, found = self.main.rules, self.main.band
        self.recorder.note(
            "market",
            symbol=rules.symbol,
            tick=str(rules.tick),
            lot=str(rules.lot),
            min_notional=str(rules.min_notional),
            floor=str(found.floor),
            ceil=str(found.ceil),
            quiet=found.quiet,
        )

    def user(self, number: int) -> UserVenue:
        """The venue of user `number`, which no other user of any process has."""
        pool = number // _POOL
        while len(self._pools) <= pool:
            self._pools.append(self.client.new_http())
        return UserVenue(user_settings(self.settings, self.plan), self, number, self._pools[pool])

    def begin(self) -> None:
        """From now on exchanges are counted."""
        self.measuring = True
        self._cpu, self._since = time.process_time(), time.monotonic()

    def end(self) -> None:
        """From now on they are not; what is open is canceled."""
        if self.measuring:
            self.measuring = False
            self.seconds = time.monotonic() - self._since
            self.busy = (time.process_time() - self._cpu) / max(self.seconds, 1e-9)

    def done(self, venue: Venue) -> None:
        """A user has ended a round: its orders that have ended are forgotten, the latest few excepted."""
        for order_id in self._placed.pop(venue.case, []):
            self._ended.append(order_id)
        while len(self._ended) > _KEPT:
            forget(self.judge, self._ended.popleft())
        self.judge.troubled.discard(venue.case)

    def sweep(self) -> int:
        """Cancel what is still open, and look at the open orders once all is quiet; how many could not be ended."""
        if not hasattr(self.main, "rules"):
            return 0  # contact failed before any order was placed
        self.main.restart(f"{DRIVER}::end", "cleanup")
        left = self.main.sweep(lambda order: True)
        with suppress(Trouble, NotExercised):
            for name in self.settings.accounts:
                self.main.open_orders(name)
        return left

    def close(self) -> None:
        """Close record, journal and connections."""
        self.recorder.close()
        self.journal.close()
        self.client.close()
        for pool in self._pools:
            pool.close()

    # ------------------------------------------------------------------ result

    def part(self, *, final: bool = False, left: int = 0, failure: str = "", fills: str = "") -> Part:
        """What this process has seen so far; at the end with what can only be said then."""
        if final:
            self.judge.finish()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return Part(
            statistics=self.statistics,
            violations=violations(self.judge, self.contract, self.settings.waivers) if final else [],
            checks=sum(tally.checks for tally in self.judge.tallies.values()),
            troubles=dict(self.troubles.most_common(20)),
            fills=self.fills,
            no_fills=fills,
            left=left,
            failure=failure,
            seconds=getattr(self, "seconds", 0.0),
            busy=getattr(self, "busy", 0.0),
            peak_mib=round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1),
        )

    def trouble(self, text: str) -> None:
        """Count what kept a user from a round."""
        if len(self.troubles) < 100 or text in self.troubles:
            self.troubles[text[:200]] += 1
