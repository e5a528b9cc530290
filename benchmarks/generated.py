"""Our generated driver against the schemathesis command line: cases a second on the same operation and server."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measure import Row, Spread, interleaved, ratios
from benchmarks.targets import session
from conformance.fuzz.generate import generate
from conformance.fuzz.generated import PHASES
from conformance.fuzz.requests import Fuzzer
from conformance.reference.server import Running
from conformance.target.states import States

_DOCUMENT = Path(__file__).parents[1] / "openapi" / "spot-orders.yaml"
_CASES = re.compile(r"(\d+) generated")
_PHASE = re.compile(r"(?:Coverage|Fuzzing) \(in ([0-9.]+)s\)")


def driver(directory: Path, cases: int, repeats: int) -> list[Row]:
    """Both generate, send and check; ours provisions orders, signs and looks at the orders afterwards as well.

    Neither start is counted: the command line's own word is taken for how long its phases took. In a run the cases
    are generated ahead, by a process of its own, so ours is told without generating them, and with it.
    """
    with session(directory) as (running, opened):
        venue = opened.main
        seeds = iter(range(10**6))
        whole: list[float] = []

        def ours() -> float:
            seed, began, sent, waited = next(seeds), time.perf_counter(), 0, 0.0
            for phase in PHASES:
                before = time.perf_counter()
                items = generate(opened.contract.openapi, phase, cases, seed)
                waited += time.perf_counter() - before
                venue.restart(f"benchmarks::{phase}", "schemathesis")
                Fuzzer(venue, States(venue)).run(items)
                venue.sweep()
                sent += len(items)
            seconds = time.perf_counter() - began
            whole.append(sent / seconds)
            return sent / (seconds - waited)

        def command_line() -> float:
            return schemathesis(running, cases, next(seeds))

        rates = interleaved({"ours": ours, "cli": command_line}, repeats)
    cli, both = rates["cli"], tuple(whole[1:])
    what = "generated cases a second / the schemathesis CLI"
    return [
        Row(f"{what}, generated ahead as in a run", Spread(rates["ours"]).text(), *_beside(rates["ours"], cli)),
        Row(f"{what}, generating counted", Spread(both).text(), *_beside(both, cli)),
    ]


def _beside(ours: tuple[float, ...], cli: tuple[float, ...]) -> tuple[str, str]:
    return Spread(cli).text(), ratios(ours, cli).text()


def schemathesis(running: Running, cases: int, seed: int) -> float:
    """Cases a second of the schemathesis CLI on Cancel Order."""
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", str(_DOCUMENT), "--url", running.base_url]
    command += [
        "-H",
        f"Authorization: Bearer {running.accounts['owner']['jwt']}",
        "--no-color",
        "--seed",
        str(seed),
    ]
    command += ["--include-operation-id", "cancelOrder", "--phases", "coverage,fuzzing", "-n", str(cases)]
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    count, took = _CASES.search(ended.stdout), [float(text) for text in _PHASE.findall(ended.stdout)]
    if count is None or not took:
        raise RuntimeError(f"schemathesis did not run:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    return int(count[1]) / max(sum(took), 1e-3)
