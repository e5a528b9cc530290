"""A venue without a run around it: nothing is judged, and nothing is written that outlives it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conformance import __version__
from conformance.contract import load_contract
from conformance.oracle.judge import Judge
from conformance.record import SCHEMA, Header
from conformance.target.client import Client
from conformance.target.clock import Clock
from conformance.target.journal import Journal
from conformance.target.recorder import Recorder
from conformance.target.redact import Redactor
from conformance.target.settings import Settings
from conformance.target.venue import Venue


@contextmanager
def quiet_venue(settings: Settings, driver: str = "control") -> Iterator[Venue]:
    """A venue on the target of `settings`, open as long as the context."""
    contract = load_contract()
    with tempfile.TemporaryDirectory() as place:
        header = Header(
            schema=SCHEMA,
            suite_version=__version__,
            contract_digest=contract.digest,
            base_url=settings.base_url,
            base_path=settings.base_path,
            started_at=time.time(),
            seed=0,
            profile="quick",
            accounts={name: account.schemes for name, account in settings.accounts.items()},
        )
        journal = Journal(Path(place), settings.base_url)
        recorder = Recorder(Path(place) / "record.ndjson", header, lambda row: None)
        client = Client(settings, recorder, Clock(), Redactor(settings.accounts.values()), journal)
        venue = Venue(settings, client, Judge(contract), seed=os.getpid())
        venue.restart(driver, driver)
        try:
            yield venue
        finally:
            client.close()
            recorder.close()
            journal.close()
