"""Reports of a run, made of its result and the contract's wording and nothing else.

`write_reports` is the way in; `conformance.report.terminal.print_summary` tells the same in a terminal.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from conformance.contract import load_contract
from conformance.errors import ConfigError
from conformance.report.badge import render_badge
from conformance.report.html import render_html
from conformance.report.junit import render_junit
from conformance.report.markdown import render_markdown
from conformance.report.overview import Overview
from conformance.report.result import Result, write_results
from conformance.report.sarif import render_sarif
from conformance.report.text import clean, encodable

__all__ = ["write_reports"]


def _replace(path: Path, write: Callable[[Path], None]) -> Path:
    # written beside its place and moved there: a reader sees the whole old file or the whole new one
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _append_to_step_summary(summary: bytes) -> None:
    if not (place := os.environ.get("GITHUB_STEP_SUMMARY")):
        return
    with Path(place).open("ab") as file:
        file.write(summary)


def write_reports(result: Result, directory: Path) -> dict[str, Path]:
    """Write every report of `result` into `directory`, which is made if need be; the paths by file name.

    `results.json` holds the values as they came; in all others, what does not show is spelled out. Each file is
    whole or not there. The summary is appended to `$GITHUB_STEP_SUMMARY` as well, where that is set. Raises
    ConfigError if a file cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # first the result itself: nothing that goes wrong in telling it may lose it
        paths = {"results.json": _replace(directory / "results.json", partial(write_results, encodable(result)))}
        contract = load_contract()
        overview = Overview(clean(result), contract)
        summary = render_markdown(overview)
        for name, content in {
            "report.html": render_html(overview, contract),
            "junit.xml": render_junit(overview),
            "results.sarif": render_sarif(overview, contract),
            "summary.md": summary,
            "badge.svg": render_badge(overview),
        }.items():
            paths[name] = _replace(directory / name, partial(_write, content))
        _append_to_step_summary(summary)
    except OSError as error:
        raise ConfigError(
            f"cannot write the reports to {directory}: {error.strerror}", "choose another --report-dir"
        ) from None
    return paths
