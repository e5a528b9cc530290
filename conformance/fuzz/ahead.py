"""Generates the cancels of a run in a process of its own, while the run does something else.

`python -m conformance.fuzz.ahead SEED TOTAL` writes them as JSON, by phase. A seed and a total always give the same
ones, so they are kept in the user's cache (`$XDG_CACHE_HOME`, else `~/.cache`) for the next run.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import msgspec

from conformance.contract import load_contract
from conformance.fuzz.generated import PHASES, Generated

_PATIENCE_S = 600.0
_KEPT = 20  # files in the cache

Made = dict[str, list[Generated]]
_made = msgspec.json.Decoder(Made)
_REMEMBERED: dict[tuple[int, int], Made] = {}


class Ahead:
    """The cancels for a seed and a budget of `total`, by phase; they are being made from the creation on."""

    def __init__(self, seed: int, total: int) -> None:
        self._lock = threading.Lock()  # cases that overlap ask for their phases at the same time
        self._process: subprocess.Popen[bytes] | None = None
        self._cache: Path | None = None
        self._made = _REMEMBERED.get((seed, total))
        if self._made is None:
            self._cache = _cache_for(seed, total)
            self._made = _cached(self._cache)
        if self._made is not None:
            return
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "conformance.fuzz.ahead", str(seed), str(total)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the run; it ends this process itself
        )

    def get(self, phase: str) -> list[Generated]:
        """The cancels of a phase, in the order in which they are to be sent; waits until they are made.

        Raises RuntimeError if the generator broke.
        """
        with self._lock:
            if self._made is None:
                assert self._process is not None
                output, complaint = self._process.communicate(timeout=_PATIENCE_S)
                if self._process.returncode:
                    said = complaint.decode("utf-8", "replace")[-500:]
                    raise RuntimeError(f"the generator of cancels broke: {said}")
                self._made = _made.decode(output)
                _keep(self._cache, output)
            return self._made[phase]

    def close(self) -> None:
        """End the process, if it has not ended by itself."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


def _cache_for(seed: int, total: int) -> Path | None:
    """Where the cancels for a seed and a total are kept, under a name for all that they depend on.

    None if the user has no place for it.
    """
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
    here = Path(__file__).parent
    parts = [
        *((here / name).read_bytes() for name in ("generate.py", "generated.py", "recombine.py", "widened.py")),
        msgspec.json.encode(load_contract().openapi, order="sorted"),
        repr((seed, total, sys.version_info[:2], version("schemathesis"), version("hypothesis"))).encode(),
    ]
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]
    return base / "spot-conformance" / f"cancels-{digest}.json"


def _cached(path: Path | None) -> Made | None:
    if path is not None:
        with suppress(OSError, msgspec.MsgspecError):
            made = _made.decode(path.read_bytes())
            return made if made.keys() == set(PHASES) else None
    return None


def _keep(path: Path | None, output: bytes) -> None:
    """Put what was generated into the cache, and the oldest out; where that cannot be, the next run generates."""
    if path is None:
        return
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(output)
        unfinished.replace(path)
        kept = sorted(path.parent.glob("cancels-*"), key=lambda one: one.stat().st_mtime, reverse=True)
        for old in kept[_KEPT:]:
            old.unlink()


def remember(seed: int, total: int) -> None:
    """Generate the cancels for a seed and a budget now, for all runs that are forked from this process."""
    ahead = Ahead(seed, total)
    _REMEMBERED[seed, total] = {phase: ahead.get(phase) for phase in PHASES}


def main() -> None:
    """Generate what the arguments say, and write it to the standard output."""
    from conformance.fuzz.generate import generate

    seed, total = map(int, sys.argv[1:])
    document = load_contract().openapi
    made = {phase: generate(document, phase, total, seed) for phase in PHASES}
    sys.stdout.buffer.write(msgspec.json.encode(made))


if __name__ == "__main__":
    main()
