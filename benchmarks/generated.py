"""Our generated driver against the schemathesis command line: cases a second on the same operation and server."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.measure import Row, Spread, interleaved, ratios
from benchmarks.targets import session
from conformance.fuzz.generate import generate
from conformance.fuzz.generated import PHASES, Generated
from conformance.fuzz.requests import Fuzzer
from conformance.reference.server import Running
from conformance.target.states import States

_DOCUMENT = Path(__file__).parents[1] / "openapi" / "spot-orders.yaml"
_CASES = re.compile(r"(\d+) generated")
_PHASE = re.compile(r"(?:Coverage|Fuzzing) \(in ([0-9.]+)s\)")


def driver(directory: Path, cases: int, repeats: int) -> list[Row]:
    """Both generate, send and check; ours provisions orders, signs and looks at the orders afterwards as well.

    Neither start is counted: the command line's own word is taken for how long its phases took. In a run the cases
    are generated ahead, by a process of its own. So ours is told without generating them; with it, beside sending,
    from nothing; and one after the other in one process. A case is a request that differs from all others.
    """
    told: dict[str, list[float]] = {"ahead": [], "beside": [], "in turn": []}
    with session(directory) as (running, opened), ProcessPoolExecutor(1, get_context("spawn")) as other:
        venue, document = opened.main, opened.contract.openapi
        seeds = iter(range(10**6))
        for seed in (-1, -2):  # it imports, and builds what it draws from
            _ = [other.submit(generate, document, phase, cases, seed).result() for phase in PHASES]

        def send(phase: str, items: Sequence[Generated]) -> int:
            venue.restart(f"benchmarks::{phase}", "schemathesis")
            Fuzzer(venue, States(venue)).run(items)
            venue.sweep()
            return len(items)

        def ours() -> float:
            seed, sent, generating, sending = next(seeds), 0, 0.0, 0.0
            for phase in PHASES:
                begin = time.perf_counter()
                items = generate(document, phase, cases, seed)
                middle = time.perf_counter()
                sent += send(phase, items)
                generating, sending = generating + middle - begin, sending + time.perf_counter() - middle
            told["ahead"].append(sent / sending)
            told["in turn"].append(sent / (generating + sending))
            return 0.0

        def beside() -> float:
            seed, begin = next(seeds), time.perf_counter()
            coming = [(phase, other.submit(generate, document, phase, cases, seed)) for phase in PHASES]
            sent = sum(send(phase, items.result()) for phase, items in coming)
            told["beside"].append(sent / (time.perf_counter() - begin))
            return 0.0

        sides = {"ours": ours, "beside": beside, "cli": lambda: schemathesis(running, cases, next(seeds))}
        cli = interleaved(sides, repeats)["cli"]
    what = "generated cases a second (of ours a third is drawn, the others recombined) / the schemathesis CLI"
    words = {
        "ahead": "generated ahead as in a run",
        "beside": "generating counted, beside sending as in a run",
        "in turn": "generating counted, before sending in the same process",
    }
    return [
        Row(f"{what}, {words[name]}", Spread(rates).text(), *_beside(rates, cli))
        for name, rates in ((name, tuple(found[-repeats:])) for name, found in told.items())
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
