"""Generates the cancels of a run in a process of its own, while the run does something else.

`python -m conformance.fuzz.ahead SEED TOTAL` writes them, pickled by phase.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading

from conformance.contract import load_contract
from conformance.fuzz.generated import PHASES, Generated

_PATIENCE_S = 600.0
_REMEMBERED: dict[tuple[int, int], dict[str, list[Generated]]] = {}


class Ahead:
    """The cancels for a seed and a budget of `total`, by phase; they are being made from the creation on."""

    def __init__(self, seed: int, total: int) -> None:
        self._lock = threading.Lock()  # cases that overlap ask for their phases at the same time
        self._process: subprocess.Popen[bytes] | None = None
        self._made: dict[str, list[Generated]] | None = _REMEMBERED.get((seed, total))
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
                self._made = pickle.loads(output)
                assert self._made is not None
            return self._made[phase]

    def close(self) -> None:
        """End the process, if it has not ended by itself."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


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
    sys.stdout.buffer.write(pickle.dumps(made))


if __name__ == "__main__":
    main()
