"""`spot-conformance faults`: the kill matrix, and the variations that must be spared."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from conformance.errors import ConfigError
from conformance.matrix import Outcome, Try, make_tries
from conformance.matrix_report import Progress, faults_markdown, print_faults, print_variations, to_json
from conformance.reference.faults import UnknownName, load_faults, nearest
from conformance.reference.settings import Settings
from conformance.reference.variations import load_variations


def kill(options: Mapping[str, Any], console: Console) -> int:
    """Try the suite on faults; exit status 0 if it finds them all, else 1. Raises ConfigError for unknown names."""
    faults = load_faults()
    names = options["names"]
    full = options["full"] or options["markdown"] is not None
    progress = Progress(console, len(names or faults), faults=True, full=full)
    try:
        outcomes = run_faults(
            names,
            jobs=_jobs(options),
            profile=options["profile"],
            limit_s=options["limit"],
            full=full,
            told=progress,
        )
    except UnknownName as error:
        raise ConfigError(str(error), "see spot-conformance faults list") from None
    print_faults(outcomes, console, complete=not names, full=full)
    _write(options["json_file"], to_json(outcomes))
    _write(options["markdown"], faults_markdown(outcomes, faults))
    return 0 if all(outcome.killed for outcome in outcomes) else 1


def _jobs(options: Mapping[str, Any]) -> int:
    return options["jobs"] or min(2 * (os.cpu_count() or 1), 64)  # half of the time a run waits


def spare(options: Mapping[str, Any], console: Console) -> int:
    """Try the suite on variations; 0 if it finds nothing, else 1. Raises ConfigError for unknown names."""
    try:
        tries = variation_tries(options["names"])
    except UnknownName as error:
        raise ConfigError(str(error), "see spot-conformance faults list --variations") from None
    outcomes = make_tries(
        tries,
        jobs=_jobs(options),
        profile=options["profile"],
        limit_s=options["limit"],
        told=Progress(console, len(tries), faults=False),
    )
    print_variations(outcomes, console)
    _write(options["json_file"], to_json(outcomes))
    return 0 if all(outcome.conformant for outcome in outcomes) else 1


def _write(path: Path | None, text: str) -> None:
    if path is None:
        return
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}", "choose another file") from None


def print_catalogue(console: Console, *, variations: bool, as_json: bool) -> None:
    """Print all faults, or all variations, with what a client sees of them."""
    rows: list[dict[str, Any]]
    if variations:
        rows = [{"name": row.name, "text": row.text} for row in load_variations().values()]
    else:
        rows = [
            {"name": row.name, "text": row.text, "requirements": row.requirements, "options": row.options}
            for row in load_faults().values()
        ]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        click.echo(row["name"])
        click.echo(f"    {row['text']}")
        if not variations:
            click.echo(f"    breaks {', '.join(row['requirements'])}")


# What is said of every answer is exercised by all cases and by none in particular: these show it.
_GENERAL = (
    *("cancel.success.open", "cancel.success.partially-filled", "cancel.errors.forbidden"),
    *("cancel.errors.not-found.unknown", "cancel.errors.not-found.canceled", "cancel.errors.invalid-id"),
)


def fault_tries(names: Iterable[str], *, whole: bool, focus: str | None = None) -> list[Try]:
    """The tries for these faults, all without names. Raises UnknownName.

    Unless they are ``whole``, they end as soon as they have found what the fault breaks. ``focus`` names a profile,
    of which only the cases are run that exercise it: quicker still, and blind to the rest.
    """
    faults = load_faults()
    tries = []
    for name in dict.fromkeys(names or faults):
        if name not in faults:
            raise nearest(name, faults, "fault")
        found = faults[name]
        arguments = list(found.options)
        if focus:
            general = found.requirements[0].startswith(("cancel.answers.", "cancel.unavailable."))
            arguments += [f"--only={one}" for one in (*found.requirements, *(_GENERAL if general else ()))]
            if not found.requirements[0].startswith("cancel.races."):  # these are run in the standard profile only
                arguments += ["--profile", focus]
        tries.append(Try(name, Settings(hooks=(found.hook,)), found.requirements, tuple(arguments), not whole))
    return tries


def run_faults(
    names: Iterable[str], *, jobs: int, profile: str, limit_s: float, full: bool, told: Callable[[Outcome], None]
) -> list[Outcome]:
    """Try faults; the outcomes in the sequence of the catalogue. Raises UnknownName.

    Each fault meets the cases for its own requirements first; only what survives these meets the whole suite, and
    a run ends with the case that finds the fault. So every kill is one that the whole suite makes, at a fraction
    of the time. ``full`` makes whole runs, which tell what else each fault breaks, and what a user reads first.
    """
    if full:
        whole = fault_tries(names, whole=True)
        return make_tries(whole, jobs=jobs, profile=profile, limit_s=limit_s, told=told)
    wider: defaultdict[str, list[str | None]] = defaultdict(lambda: [None, "standard"])

    def again(outcome: Outcome) -> Try | None:
        if outcome.killed or not wider[outcome.name]:
            return None
        return fault_tries([outcome.name], whole=False, focus=wider[outcome.name].pop())[0]

    focused = fault_tries(names, whole=False, focus="quick")
    # what takes long first, or it is waited for at the end
    tries = sorted(focused, key=lambda one: "--profile" in one.arguments)
    made = make_tries(tries, jobs=jobs, profile=profile, limit_s=limit_s, told=told, again=again)
    outcomes = {outcome.name: outcome for outcome in made}
    return [outcomes[one.name] for one in focused]


def variation_tries(names: Iterable[str]) -> list[Try]:
    """The tries for these variations, all without names. Raises UnknownName."""
    variations = load_variations()
    tries = []
    for name in dict.fromkeys(names or variations):
        if name not in variations:
            raise nearest(name, variations, "variation")
        found = variations[name]
        tries.append(Try(name, found.applied(Settings()), arguments=found.options))
    # what takes long first, or it is waited for at the end: a network's troubles are waited out
    return sorted(tries, key=lambda one: (not one.arguments, ".network:" not in variations[one.name].hook))
