"""Measuring: alternate what is compared, repeat, and tell the middle and the ends."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Spread:
    """Several measurements of one thing: the median, and the smallest and largest."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.values)

    def text(self, digits: int = 2) -> str:
        """The median with the range, or the one value."""
        middle = _number(self.median, digits)
        if len(self.values) == 1:
            return middle
        return f"{middle} ({_number(min(self.values), digits)}–{_number(max(self.values), digits)})"


def _number(value: float, digits: int) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}f}".rstrip("0").rstrip(".") or "0"


@dataclass(frozen=True)
class Row:
    """A line of the table: what was measured, the two sides, and the ratio (`None`: nothing to compare with)."""

    what: str
    ours: str
    other: str = ""
    ratio: str = ""


def interleaved(
    sides: Mapping[str, Callable[[], float]], repeats: int, *, warm: bool = True
) -> dict[str, tuple[float, ...]]:
    """Run all sides in turn, `repeats` times, the first side first in every other round; what each returned.

    A round in advance (`warm`) is not counted.
    """
    found: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for turn in range(-1 if warm else 0, repeats):
        for name in names if turn % 2 == 0 else reversed(names):
            value = sides[name]()
            if turn >= 0:
                found[name].append(value)
    return {name: tuple(values) for name, values in found.items()}


def command_s(
    directory: Path, arguments: Sequence[str], statuses: Sequence[int], env: dict[str, str] | None = None
) -> float:
    """Wall seconds of a command of the suite; raises RuntimeError if it ends with none of `statuses`."""
    command = [str(Path(sys.executable).parent / "spot-conformance"), *arguments]
    began = time.perf_counter()
    ended = subprocess.run(
        command, cwd=directory, env=env, capture_output=True, text=True, timeout=1800, check=False
    )
    seconds = time.perf_counter() - began
    if ended.returncode not in statuses:
        said = f"{ended.stdout[-2000:]}{ended.stderr[-2000:]}"
        raise RuntimeError(f"{' '.join(arguments)} ended with {ended.returncode}:\n{said}")
    return seconds


def ratios(ours: tuple[float, ...], other: tuple[float, ...]) -> Spread:
    """The ratio of each round."""
    return Spread(tuple(a / b for a, b in zip(ours, other, strict=True)))


def cpu_of(pid: int) -> float | None:
    """The processor seconds that a process has used, None where the system does not tell (it is not Linux)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    import os

    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
