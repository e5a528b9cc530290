"""`spot-conformance doctor`: the harness's own verdict, in seconds, before anything is judged."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from conformance.checkup import Checkup
from conformance.errors import SuiteError
from conformance.report.text import one_line
from conformance.suite.session import Session, check_safety, reference_settings
from conformance.target.contact import credentials, hint_for
from conformance.target.settings import PREFIX, Settings, load_settings
from conformance.target.trouble import LimitReached, NotExercised, Trouble, Undecidable

_ADVICE = (
    ("max_duration_s", "raise max_duration_s under [safety]"),
    ("max_notional", "raise max_notional under [safety]: spot-conformance plan says how large an order is"),
    ("max_orders", "raise max_orders under [safety]"),
    ("INSUFFICIENT_BALANCE", "put more of both tokens on the account: spot-conformance plan says how much"),
    ("somebody else trades", "the market is busy: name a quieter one with --symbol"),
    ("MARKET_", "name another market with --symbol"),
)


def examine(options: Mapping[str, Any], console: Console) -> int:
    """Go through the steps in order, and say of each what it found, or what to do about it.

    What depends on a step that failed is left out. Returns 0 if a run can work, 3 if not. Raises ConfigError for
    settings that cannot be used.
    """
    with ExitStack() as stack:
        settings = load_settings(
            config=options.get("config"),
            flags={name: options.get(name) for name in ("base_url", "symbol", "allow_trading", "insecure")},
        )
        settings = settings or reference_settings(stack)
        check_safety(settings)
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        arguments = SimpleNamespace(report_dir=Path(directory), conformance_seed=0, profile="quick")
        session = Session(settings, arguments, stack.pop_all())
        examination = _Examination(session, settings, console)
        try:
            examination.carry_out()
        finally:
            session.finish()
        return examination.conclude()


class _Examination:
    """Carries steps out and prints a line or two for each."""

    def __init__(self, session: Session, settings: Settings, console: Console) -> None:
        self.session, self.settings, self.console = session, settings, console
        self.checkup = Checkup(session.venue)
        self.failed = 0

    def carry_out(self) -> None:
        """All steps in order; ends early where nothing that follows could work."""
        venue = self.session.venue
        if not self._target() or not self._credentials():
            return
        if venue.closed is not None:
            self._say("–", "placing, reading, filling, canceling", f"not tried: {venue.closed}")
        elif self._step("room in the book", self.checkup.room):
            self._trading()

    def _target(self) -> bool:
        """The target and its market; whether there is one."""
        checkup = self.checkup
        if not self._step("reachable", checkup.reachable):
            return False
        if self.settings.origin.startswith("https:"):
            text = "the certificate is NOT checked (insecure)" if self.settings.insecure else "certificate checked"
            self._say("✓", "TLS", text)
        if not self._step("base path", checkup.base_path):
            return False
        if not self._step("market", checkup.market) and self.session.venue.closed is None:
            return False
        self._step("clock", checkup.clock)
        return True

    def _credentials(self) -> bool:
        """Whether they are let in, and may trade; whether the owner has one."""
        venue, checkup = self.session.venue, self.checkup
        for name, scheme in credentials(venue):
            self._step(f"{name}: {scheme} accepted", partial(checkup.accepted, name, scheme))
        self._missing()
        if checkup.stuck:
            return False
        for name, scheme in credentials(venue):
            if venue.closed is None:
                self._step(f"{name}: {scheme} may trade", partial(checkup.may_trade, name, scheme))
        return not checkup.stuck

    def _trading(self) -> None:
        """What a run does with orders."""
        venue, checkup = self.session.venue, self.checkup
        if len(credentials(venue)) > 1:
            self._step("whose credentials", checkup.users)
        for name in venue.settings.accounts:
            for side in ("buy", "sell"):
                self._step(f"{name}: can {side} as much as the plan needs", partial(checkup.can_place, name, side))
        self._step("can read", checkup.can_read)
        for scheme in venue.account("owner").schemes:
            self._step(f"owner: spoiled {scheme} refused", partial(checkup.spoiled, scheme))
        if venue.settings.counterparty is not None:
            self._step("the two accounts can trade", checkup.can_fill)
        self._step("can cancel", checkup.can_cancel)

    def _missing(self) -> None:
        """What was not given: no failure, but it leaves requirements out."""
        if self.settings.counterparty is None:
            self._say(
                "–",
                "no counterparty account: fills and foreign orders cannot be exercised",
                hint=f"set {PREFIX}COUNTERPARTY_JWT, or its API_KEY and API_SECRET",
            )
        for scheme, names in (("jwt", "JWT"), ("api_key", "API_KEY and …_API_SECRET")):
            if scheme not in self.settings.owner.schemes:
                self._say(
                    "–",
                    f"no {scheme} of the owner: requirements about it cannot be exercised",
                    hint=f"set {PREFIX}OWNER_{names}",
                )

    def _step(self, title: str, step: Callable[[], str]) -> bool:
        try:
            text = step()
        except SuiteError as error:
            self._fail(title, error.message, error.hint or "see the message")
            return False
        except (Trouble, Undecidable, NotExercised, LimitReached) as problem:
            if title == "reachable" and any(sign in str(problem) for sign in ("CERTIFICATE", "SSL", "TLS")):
                title = "TLS"
            self._fail(title, str(problem), _advice(problem))
            return False
        self._say("✓", title, text)
        return True

    def _fail(self, title: str, message: str, hint: str) -> None:
        self.failed += 1
        self._say("✗", title, message, hint)

    def _say(self, mark: str, title: str, text: str = "", hint: str = "") -> None:
        line = f"{mark} {title}{': ' + one_line(text) if text else ''}" + (
            f"\n  → {one_line(hint)}" if hint else ""
        )
        self.console.print(line, markup=False, soft_wrap=True)

    def conclude(self) -> int:
        """Say what it came to; the exit status."""
        if not self.failed:
            self.console.print("A run can work: spot-conformance run", markup=False)
            return 0
        steps = "one step" if self.failed == 1 else f"{self.failed} steps"
        self.console.print(f"{steps} failed: a run goes as far as it can without", markup=False)
        return 3


def _advice(problem: Exception) -> str:
    text = str(problem)
    found = next((advice for sign, advice in _ADVICE if sign in text), None)
    return found or (hint_for(text) if isinstance(problem, Trouble) else "spot-conformance run tells more")
