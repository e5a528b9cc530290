"""What the shell offers while a command is typed: requirement ids, faults, findings. Sends nothing.

click makes the scripts for bash, zsh and fish; these are the words for what only we know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from conformance.errors import SuiteError

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _beginning(words: Mapping[str, str], incomplete: str, given: Iterable[str] = ()) -> list[CompletionItem]:
    taken = set(given)
    return [
        CompletionItem(word, help=about)
        for word, about in words.items()
        if word.startswith(incomplete) and word not in taken
    ]


def _given(context: click.Context, parameter: click.Parameter) -> Iterable[str]:
    value = context.params.get(parameter.name or "")
    return value if isinstance(value, tuple | list) else ()


def requirement(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The ids of requirements that begin with `incomplete`, each with its sentence."""
    from conformance.contract import load_contract

    ids = {r.id: r.text for r in load_contract().requirements.values()}
    return _beginning(ids, incomplete, _given(context, parameter))


def requirements(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The same, and the chapters: what `--only` takes."""
    from conformance.contract import load_contract

    chapters = {f"cancel.{c.id}": c.title for c in load_contract().chapters.values()}
    own = _beginning(chapters, incomplete, _given(context, parameter))
    return own + requirement(context, parameter, incomplete)


def fault(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of faults."""
    from conformance.reference.faults import load_faults

    return _beginning(_described(load_faults()), incomplete, _given(context, parameter))


def variation(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of permitted variations."""
    from conformance.reference.variations import load_variations

    return _beginning(_described(load_variations()), incomplete, _given(context, parameter))


def _described(catalogue: Mapping[str, Any]) -> dict[str, str]:
    return {name: " ".join(str(entry.text).split()) for name, entry in catalogue.items()}


def finding(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The findings in the results.json of the report directory, each with its message; none if there is none."""
    from conformance.report.result import read_results
    from conformance.report.text import clean

    directory = Path(context.params.get("report_dir") or "reports")
    try:
        result = clean(read_results(directory / "results.json"))
    except SuiteError:
        return []
    return _beginning({f.id: f.message for r in result.requirements for f in r.findings}, incomplete)
