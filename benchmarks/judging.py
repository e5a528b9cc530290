"""How fast a record is judged, in how much memory, by its size."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measure import Row, Spread, command_s, interleaved, ratios
from benchmarks.records import lengthen


def _peak_mib() -> float:
    """The most memory that this process has held.

    From /proc where there is one: `ru_maxrss` counts what the process held that started this one.
    """
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        found = None
    if found is not None:
        return int(found[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def judge_once(path: Path) -> dict[str, float]:
    """Judge a record in this process: exchanges, processor seconds, peak memory (MiB) before and after."""
    from conformance.assemble import judge_record
    from conformance.contract import load_contract

    contract = load_contract()
    before, used = _peak_mib(), time.process_time()
    result = judge_record(path, contract)
    seconds = time.process_time() - used
    return {"exchanges": result.requests, "seconds": seconds, "before": before, "peak": _peak_mib()}


def judging(directory: Path, source: Path, sizes: tuple[int, ...], repeats: int) -> list[Row]:
    """A record of a standard run, over and over with other ids, judged by a process of its own each time."""
    rows = []
    for size in sizes:
        path = directory / f"record-{size}.ndjson"
        lengthen(source, path, size)
        runs = [_apart(path) for _ in range(repeats)]
        rates = Spread(tuple(run["exchanges"] / run["seconds"] for run in runs))
        peak = Spread(tuple(run["peak"] for run in runs))
        count = int(runs[0]["exchanges"])
        rows.append(Row(f"judge: exchanges a second and core, record of {count:,}", rates.text()))
        rows.append(
            Row(
                f"judge: peak memory in MiB, record of {count:,}",
                peak.text(),
                f"{runs[0]['before']:.0f} before",
                "",
            )
        )
        if size == max(sizes):
            rows.append(_side_by_side(path, count, repeats))
        path.unlink()
    return rows


def _side_by_side(path: Path, count: int, repeats: int) -> Row:
    """One record, and as many at once as there are processors, as the command line judges them; by turns."""

    def rate(records: int) -> float:
        return records * count / command_s(path.parent, ["judge", *[str(path)] * records], (0,))

    processors = os.cpu_count() or 1
    found = interleaved({"all": lambda: rate(processors), "one": lambda: rate(1)}, repeats, warm=False)
    what = f"judge: exchanges a second of wall time, {processors} records at once / one of {count:,}"
    sides = Spread(found["all"]).text(), Spread(found["one"]).text()
    return Row(what, *sides, ratios(found["all"], found["one"]).text())


def _apart(path: Path) -> dict[str, float]:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.judging", str(path)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=1200,
        check=True,
    )
    return dict(json.loads(ended.stdout))


if __name__ == "__main__":
    print(json.dumps(judge_once(Path(sys.argv[1]))))
