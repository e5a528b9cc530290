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

from conformance.errors import SuiteError
from conformance.oracle.ledger import State
from conformance.report.text import one_line
from conformance.suite.jwt_flaws import JWT_FLAWS, spoiled_jwt
from conformance.suite.key_flaws import KEY_FLAWS, spoiled_key
from conformance.suite.session import Session, check_safety, reference_settings
from conformance.target.contact import check_credential, choose_market, find_band, hint_for
from conformance.target.settings import load_settings
from conformance.target.trouble import LimitReached, NotExercised, Trouble, Undecidable


def examine(options: Mapping[str, Any], console: Console) -> int:
    """Go through the steps in order, say what each found, and what to do about the first that fails.

    Returns 0 if a run can work, 3 if not. Raises ConfigError for settings that cannot be used.
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
        try:
            return _steps(session, console)
        finally:
            session.finish()


def _steps(session: Session, console: Console) -> int:
    venue, states, settings = session.venue, session.states, session.settings
    steps: list[tuple[str, Callable[[], str]]] = [("reachable, market listed", lambda: _market(session))]
    steps += [
        (f"{name}: {scheme} accepted", partial(_accepted, session, name, scheme))
        for name in settings.accounts
        for scheme in venue.account(name).schemes
    ]
    steps.append(("clock", lambda: _clock(session)))
    steps.append(("can place and cancel, room in the book", lambda: _band(session)))
    steps += [
        (f"owner: spoiled {scheme} refused", partial(_spoiled, session, scheme))
        for scheme in venue.account("owner").schemes
    ]
    steps.append(("can query", lambda: _query(session)))
    if settings.counterparty is not None:
        steps.append(("the two accounts can trade", lambda: f"{states.partially_filled('sell').filled} filled"))
    for title, step in steps:
        try:
            text = step()
        except SuiteError as error:
            console.print(
                f"✗ {title}: {one_line(error.message)}\n  → {error.hint or 'see the message'}", markup=False
            )
            return 3
        except (Trouble, Undecidable, NotExercised, LimitReached) as problem:
            console.print(f"✗ {title}: {one_line(str(problem))}\n  → {_advice(problem)}", markup=False)
            return 3
        console.print(f"✓ {title}{': ' + text if text else ''}", markup=False)
    if settings.counterparty is None:
        console.print(
            "– no counterparty account: fills and foreign orders cannot be exercised\n  → set "
            "SPOT_CONFORMANCE_COUNTERPARTY_JWT, or its API_KEY and API_SECRET",
            markup=False,
            soft_wrap=True,
        )
    return 0


_ADVICE = (
    ("INSUFFICIENT_BALANCE", "put more of both tokens on the account: spot-conformance plan says how much"),
    (" 401", "the credential may read only, or has expired: allow it to trade, or set another"),
    (" 403", "the credential may read only: allow it to trade"),
    ("MARKET_HALTED", "name another market with --symbol"),
    ("MARKET_DELISTED", "name another market with --symbol"),
    ("somebody else trades", "the market is busy: name a quieter one with --symbol"),
    ("spot trading disabled", "trading is switched off there: ask its operator"),
    ("limit of", "raise the limit under [safety]"),
)


def _advice(problem: Exception) -> str:
    text = str(problem)
    found = next((advice for sign, advice in _ADVICE if sign in text), None)
    return found or (hint_for(text) if isinstance(problem, Trouble) else "spot-conformance run tells more")


def _market(session: Session) -> str:
    choose_market(session.venue)
    rules = session.venue.rules
    return f"{rules.symbol}, tick {rules.tick}, lot {rules.lot}, minimum {rules.min_notional}"


def _accepted(session: Session, name: str, scheme: str) -> str:
    check_credential(session.venue, name, scheme)
    return ""


def _clock(session: Session) -> str:
    clock = session.client.clock
    if not clock.samples:
        return "the target shows no Date; its orders' times are used"
    low, high = clock.interval
    return f"{low:+.1f} to {high:+.1f} s from ours"


def _band(session: Session) -> str:
    find_band(session.venue)
    band = session.venue.band
    others = "nobody else in the book" if band.quiet else "others in the book"
    return f"{band.ticks} free price levels from {band.floor} to {band.ceil}, {others}"


def _spoiled(session: Session, scheme: str) -> str:
    venue = session.venue
    order = session.states.open()
    if scheme == "jwt":
        flaw = next(flaw for flaw in JWT_FLAWS if flaw.requirement.endswith("altered-signature"))
        credential = spoiled_jwt(venue, flaw)
    else:
        credential = spoiled_key(venue, next(f for f in KEY_FLAWS if f.requirement.endswith("altered")))
    exchange = venue.cancel(order, credential=credential)
    status = exchange.response.status if exchange.response else 0
    if status != 401:
        raise Undecidable(f"a spoiled {scheme} gets {status}: run the suite, this is a violation")
    return ""


def _query(session: Session) -> str:
    order = session.states.open()
    exchange = session.venue.look(order)
    if exchange.response is None or exchange.response.status != 200 or order.state is not State.LIVE:
        raise Undecidable(f"GET /spot/orders/{order.id} does not show an order that was just placed")
    return ""
