"""Servers for the generated drivers, and what came of a drive."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from conformance.record import Exchange
from conformance.reference.server import start
from conformance.reference.settings import Settings
from conformance.report.result import Result

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
