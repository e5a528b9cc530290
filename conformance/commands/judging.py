"""`spot-conformance judge`: judges records again; several of them side by side, a process for each processor."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from rich.console import Console

from conformance.assemble import judge_record
from conformance.contract import load_contract
from conformance.errors import ConfigError
from conformance.report.result import Result

_WORST_FIRST = (1, 3, 4, 0)  # exit statuses


def judge(records: Sequence[Path], report_dir: Path | None, console: Console) -> int:
    """Judge records, print a summary of each, and write the reports of a single one; the worst exit status.

    Raises ConfigError for a file that is no record, or reports of several.
    """
    from conformance.report import write_reports
    from conformance.report.terminal import print_summary

    if len(records) > 1 and report_dir is not None:
        raise ConfigError("the reports of several records do not go into one --report-dir", "judge one at a time")
    statuses = []
    for path, result in zip(records, _judged(records), strict=True):
        if report_dir is not None:
            write_reports(result, report_dir)
        if len(records) > 1:
            console.print(f"{path}:", markup=False, soft_wrap=True)
        print_summary(result, console, report_dir)
        statuses.append(result.exit_status)
    return min(statuses, key=_WORST_FIRST.index)


def _judged(records: Sequence[Path]) -> Iterator[Result]:
    if len(records) == 1:
        yield _judge(records[0])
        return
    spawn = multiprocessing.get_context("spawn")
    ignore = signal.SIGINT, signal.SIG_IGN  # it is for us to obey
    with ProcessPoolExecutor(mp_context=spawn, initializer=signal.signal, initargs=ignore) as pool:
        try:
            yield from pool.map(_judge, records)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _judge(path: Path) -> Result:
    return judge_record(path, load_contract())
