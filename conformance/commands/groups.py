"""The commands that come in groups: `faults`, `requirements` and `docs`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from conformance import completion
from conformance.commands.options import console, profile_option, target_options, with_options


@click.group()
def faults() -> None:
    """Try the suite on faulty and on permitted variants of the reference exchange.

    \b
    Example:
      spot-conformance faults run average-is-not-weighted
    """


def _matrix_options(names: completion.Completer) -> Callable[[Any], Any]:
    return with_options(
        click.argument("names", nargs=-1, shell_complete=names),
        click.option("-n", "--jobs", type=click.IntRange(1, 64), help="Runs at a time. Default: 2 a processor."),
        profile_option,
        click.option("--limit", type=float, default=120.0, show_default=True, help="Seconds for one run."),
        click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write as JSON."),
    )


@faults.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--variations", is_flag=True, help="The permitted variations instead.")
def list_faults(as_json: bool, variations: bool) -> None:
    """List the faults with the requirements that they break.

    \b
    Example:
      spot-conformance faults list
    """
    from conformance.commands.faults import print_catalogue

    print_catalogue(console(), variations=variations, as_json=as_json)


@faults.command("run")
@_matrix_options(completion.fault)
@click.option("--full", is_flag=True, help="Whole runs: what else each fault breaks, and what is shown first.")
@click.option(
    "--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Write the kill matrix there (with --full)."
)
def run_faults(**options: Any) -> None:
    """Run the suite on faults (all, or NAMES): does it find each of them? Exit 0 if so, 1 if not.

    A run ends with the case that finds the fault, and begins with the cases for what the fault breaks.

    \b
    Examples:
      spot-conformance faults run average-is-not-weighted
      spot-conformance faults run --markdown docs/kill-matrix.md
    """
    from conformance.commands.faults import kill

    raise SystemExit(kill(options, console()))


@faults.command("variations")
@_matrix_options(completion.variation)
def run_variations(**options: Any) -> None:
    """Run the suite on permitted variations (all, or NAMES): it must find nothing. Exit 0 if so, 1 if not.

    \b
    Example:
      spot-conformance faults variations clock-ahead tiny-tick
    """
    from conformance.commands.faults import spare

    raise SystemExit(spare(options, console()))


@click.group()
def requirements() -> None:
    """List and explain the statements of the contract.

    \b
    Example:
      spot-conformance requirements explain cancel.errors.forbidden
    """


@requirements.command("list")
@click.argument("patterns", nargs=-1, shell_complete=completion.requirements)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_requirements(patterns: tuple[str, ...], as_json: bool) -> None:
    """List requirements, all or those below PATTERNS.

    \b
    Example:
      spot-conformance requirements list cancel.key
    """
    from conformance.explain import as_rows, print_list

    if as_json:
        click.echo(as_rows(patterns))
    else:
        print_list(patterns, console())


@requirements.command()
@click.argument("requirement", shell_complete=completion.requirement)
def explain(requirement: str) -> None:
    """Explain one requirement: what it says, why it matters, where it comes from, what exercises it.

    \b
    Example:
      spot-conformance requirements explain cancel.errors.forbidden
    """
    from conformance.explain import print_requirement

    print_requirement(requirement, console())


_page = click.Path(path_type=Path, dir_okay=False)


@click.group()
def docs() -> None:
    """Check a docs page against the OpenAPI document, run its samples, and see what covers it.

    \b
    Example:
      spot-conformance docs check cancel-order.txt
    """


@docs.command("check")
@click.argument("page", type=_page)
@click.option("--accept-known", is_flag=True, help="Differences that openapi/page.yaml knows do not count.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--digests", is_flag=True, help="Only print a source-rows.yaml for this page.")
def check_docs(page: Path, accept_known: bool, as_json: bool, digests: bool) -> None:
    """Say what PAGE (HTML, Markdown, or a select-all's text) and the OpenAPI document say differently.

    \b
    Example:
      spot-conformance docs check cancel-order.txt
    Exit status: 0 nothing, 1 something, 2 the page cannot be read.
    """
    from conformance.docs.tell import check

    raise SystemExit(check(page, console(), accept_known=accept_known, as_json=as_json, digests=digests))


@docs.command("run")
@click.argument("page", type=_page)
@target_options
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=20.0, show_default=True, help="Of a sample, in s."
)
@click.option(
    "--report-dir", type=click.Path(path_type=Path, file_okay=False), help="Write record and reports there."
)
def run_docs(page: Path, **options: Any) -> None:
    """Run PAGE's own samples against a target, and judge what they send and receive. Shows each one first.

    \b
    Example:
      spot-conformance docs run cancel-order.txt
    """
    from conformance.docs.run import run_page

    raise SystemExit(run_page(page, options, console()))


@docs.command("coverage")
@click.argument("page", type=_page, required=False)
@click.option("--results", type=_page, help="The results.json of a run, for the verdicts.")
@click.option("--markdown", is_flag=True, help="As a Markdown table.")
def cover_docs(page: Path | None, results: Path | None, markdown: bool) -> None:
    """Show each statement of PAGE beside its requirements and their last verdicts.

    \b
    Example:
      spot-conformance docs coverage cancel-order.txt --results reports/results.json
    """
    from conformance.docs.coverage import coverage

    raise SystemExit(coverage(page, results, console(), markdown=markdown))
