"""Runs the benchmarks and tells them as a table."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from compileall import compile_dir
from dataclasses import dataclass
from pathlib import Path

import conformance
from benchmarks.exchanges import own_code, reference_cancel
from benchmarks.generated import driver
from benchmarks.judging import judging
from benchmarks.measure import Row
from benchmarks.verdicts import Run, kill_matrix, verdict, verdicts
from conformance import __version__

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"


@dataclass(frozen=True)
class Sizes:
    """How much is measured. `source` are the arguments of the run whose record is made longer.

    `faults` are those of the kill matrix, all without any.
    """

    repeats: int
    exchanges: int
    cases: int
    records: tuple[int, ...]
    source: tuple[str, ...]
    runs: tuple[Run, ...]
    growth: tuple[Run, ...]
    run_repeats: int
    faults: tuple[str, ...]


_STANDARD = ("--profile", "standard")
FULL = Sizes(
    repeats=5,
    exchanges=400,
    cases=150,
    records=(10_000, 50_000, 200_000),
    source=_STANDARD,
    runs=(
        Run("quick, embedded reference", ("--profile", "quick")),
        Run("standard, embedded reference", _STANDARD),
        Run("standard, round trips of 50 ms", _STANDARD, 0.05),
        Run("standard, round trips of 200 ms", _STANDARD, 0.2),
    ),
    growth=(
        Run("standard, the requirements of one chapter (fields)", (*_STANDARD, "--only", "cancel.fields")),
        Run("standard, of two (fields, key)", (*_STANDARD, "--only", "cancel.fields", "--only", "cancel.key")),
        Run("thorough (1000 generated cases, not 150)", ("--profile", "thorough")),
    ),
    run_repeats=3,
    faults=(),
)
_TINY = ("--profile", "quick", "--only", "cancel.fields.status")
SMOKE = Sizes(
    repeats=2,
    exchanges=10,
    cases=8,
    records=(300,),
    source=_TINY,
    runs=(Run("one requirement, round trips of 5 ms", _TINY, 0.005),),
    growth=(Run("one requirement", _TINY),),
    run_repeats=1,
    faults=("status-in-upper-case",),
)


def _sections(sizes: Sizes, place: Path) -> dict[str, Callable[[], list[Row]]]:
    def judged() -> list[Row]:
        verdict(place, Run("source", sizes.source))
        return judging(place, place / "verdict" / "record.ndjson", sizes.records, min(sizes.repeats, 3))

    return {
        "exchange": lambda: own_code(place / "exchange", sizes.exchanges, sizes.repeats),
        "reference": lambda: reference_cancel(place / "reference", sizes.exchanges, sizes.repeats),
        "generated": lambda: driver(place / "generated", sizes.cases, min(sizes.repeats, 3)),
        "judge": judged,
        "verdict": lambda: verdicts(place, sizes.runs, sizes.run_repeats),
        "matrix": lambda: kill_matrix(place, sizes.faults),
        "growth": lambda: verdicts(place, sizes.growth, 1),
    }


def markdown(rows: Sequence[Row]) -> str:
    """The table, and on what it was measured."""
    head = ["| what | ours | the other | ratio |", "|---|---|---|---|"]
    lines = [f"| {row.what} | {row.ours} | {row.other} | {row.ratio} |" for row in rows]
    where = (
        f"Measured with version {__version__}, Python {platform.python_version()}, {os.cpu_count()} processors, "
        f"{platform.system()}; medians, in brackets the smallest and the largest."
    )
    return "\n".join([*head, *lines, "", where])


def write_between(path: Path, text: str) -> None:
    """Put `text` between the two marks of a file. Raises ValueError if it has none."""
    before = path.read_text("utf-8")
    after, count = re.subn(
        f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: f"{BEGIN}\n{text}\n{END}", before, flags=re.DOTALL
    )
    if count != 1:
        raise ValueError(f"{path} needs one {BEGIN} with one {END}")
    path.write_text(after, "utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and write it where it was asked for."""
    names = list(_sections(SMOKE, Path()))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"some of {', '.join(names)}; default: all")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: only to see that it works")
    parser.add_argument("--write-readme", action="store_true", help="put the table into README.md")
    parser.add_argument("--output", type=Path, help="write the table to a file")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.sections) - set(names):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    compile_dir(Path(conformance.__file__).parent, quiet=1)  # as pip does when it installs
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="spot-benchmarks-") as place:
        for name, section in _sections(SMOKE if chosen.smoke else FULL, Path(place)).items():
            if not chosen.sections or name in chosen.sections:
                sys.stderr.write(f"{name} …\n")
                rows += section()
    text = markdown(rows)
    print(text)
    if chosen.output:
        chosen.output.write_text(text + "\n", "utf-8")
    if chosen.write_readme:
        write_between(README, text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
