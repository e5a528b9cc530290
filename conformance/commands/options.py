"""What several commands have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from conformance import completion

PROFILES = ("quick", "standard", "thorough")


def console() -> Any:
    """Where people read the output."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False)


def profile_option(command: Any) -> Any:
    """Give a command the option that says how much of everything is tried."""
    profiles = click.Choice(PROFILES)
    option = click.option("--profile", type=profiles, default="standard", show_default=True, help="How much.")
    return option(command)


def with_options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """One decorator for all of these, which the help shows in this order."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def report_dir_option(default: str, help_: str) -> Callable[[Any], Any]:
    """The option that names the directory of the reports."""
    directory = click.Path(path_type=Path, file_okay=False)
    return click.option("--report-dir", type=directory, default=Path(default), show_default=True, help=help_)


def target_options(command: Any) -> Any:
    """Give a command the options that name a target."""
    return _target_options(help="A conformance.toml.")(command)


def targets_options(command: Any) -> Any:
    """The same, with a configuration for each of several targets."""
    several = "A conformance.toml. Repeatable: a part for each, with accounts of its own."
    return _target_options(help=several, multiple=True)(command)


def _target_options(**config: Any) -> Callable[[Any], Any]:
    return with_options(
        click.option(
            "--base-url", metavar="URL", help="Target, base path included. Default: the embedded reference."
        ),
        click.option("--symbol", help="Market to use. Default: DFUSDT, else the first one listed."),
        click.option("--config", type=click.Path(path_type=Path, dir_okay=False), **config),
        click.option("--allow-trading", is_flag=True, default=None, help="Place orders on a remote target."),
        click.option("--insecure", is_flag=True, default=None, help="Do not check the target's certificate."),
    )


def extent_options(command: Any) -> Any:
    """Give a command the options that say how much is checked."""
    return with_options(
        profile_option,
        click.option(
            "--only",
            multiple=True,
            metavar="ID",
            shell_complete=completion.requirements,
            help="A requirement, or the beginning of its id. Repeatable.",
        ),
    )(command)
