"""`spot-conformance cleanup`: after a run that was cut off, cancel what it left open, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from conformance import stop
from conformance.commands.quiet import quiet_venue
from conformance.errors import ConfigError, TargetError
from conformance.suite.session import check_safety
from conformance.target.contact import check_credential
from conformance.target.journal import NAME, Left, journals, mark_reconciled, read_journal
from conformance.target.reconcile import Outcome, reconcile
from conformance.target.settings import PREFIX, Settings, load_settings
from conformance.target.trouble import Trouble
from conformance.target.venue import Venue


def clean_up(options: Mapping[str, Any], console: Console) -> int:
    """End all orders that the journals in the report directory leave open; 0 if none is left.

    Raises ConfigError if there is no journal, or the settings are for another target, and TargetError if the
    target cannot be asked about an order of ours.
    """
    with stop.shielded():
        for path in journals(Path(options["report_dir"])):
            _clean_up_one(path, options, console)
    return stop.exit_status() if stop.requested() else 0


def _clean_up_one(path: Path, options: Mapping[str, Any], console: Console) -> None:
    left = read_journal(path)
    if left.embedded:
        console.print("Nothing is left: the run was on the embedded reference, which ended with it.", markup=False)
        return
    if not left.anything and not left.said:
        console.print(f"Nothing is left: {len(left.ids)} orders were placed, and all have ended.", markup=False)
        return
    outcome = end_all(_settings(options, left), left)
    console.print(
        f"{len(left.ids)} orders were placed; {outcome.canceled} were still open and are canceled; "
        f"{outcome.foreign} open orders of others on these accounts were left alone.",
        markup=False,
        soft_wrap=True,
    )
    if outcome.left:
        unlisted = "" if outcome.listed else "; the target does not list open orders"
        raise TargetError(
            f"{outcome.left} orders could not be seen to have ended{unlisted}",
            f"is {left.base_url} up, and are the credentials those of the run? {path} has the ids",
        )
    mark_reconciled(path)


def _settings(options: Mapping[str, Any], left: Left) -> Settings:
    """The settings of the run, which must name the journal's target unless another is asked for by flag."""
    flags = {name: options.get(name) for name in ("base_url", "symbol", "insecure")}
    explicit = flags["base_url"] is not None
    settings = load_settings(config=options.get("config"), flags={**flags, "allow_trading": True})
    if settings is None:  # the journal knows where, and the environment or the file who
        flags["base_url"] = left.base_url
        settings = load_settings(config=options.get("config"), flags={**flags, "allow_trading": True})
    assert settings is not None
    if settings.base_url != left.base_url and not explicit:
        raise ConfigError(
            f"the run was on {left.base_url}, the settings name {settings.base_url}",
            f"set {PREFIX}BASE_URL, or pass --base-url if both are the same exchange",
        )
    check_safety(settings)
    return settings


def _set_clock(venue: Venue) -> None:
    """Signatures need the target's time; a credential that is refused shows in what is left."""
    for name, account in venue.settings.accounts.items():
        if account.schemes[0] == "api_key":
            with suppress(TargetError, Trouble):
                check_credential(venue, name, "api_key")


def end_left(settings: Settings, report_dir: Path) -> Outcome:
    """Ask the target what of ours is still open, and end it: its list of open orders has the last word."""
    if not (report_dir / NAME).is_file():
        return Outcome()
    left = read_journal(report_dir / NAME)
    cleaned = end_all(settings, left) if left.ids or left.unanswered else Outcome()
    if cleaned.left == 0:
        mark_reconciled(report_dir / NAME)
    return cleaned


def end_all(settings: Settings, left: Left) -> Outcome:
    """End all orders that a journal leaves open, and only those; what that came to."""
    with quiet_venue(settings, "cleanup") as venue:
        _set_clock(venue)
        return reconcile(venue, left)
