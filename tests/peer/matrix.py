"""Run the suite on the peer's faults, and tell which it finds and which violation it shows first.

    python tests/peer/matrix.py [--flavour a|b] [-n 2] [--brief] [--profile quick] [--json FILE] [NAME…]

With ``--brief`` a run ends with the first case that finds anything. The peer's faults name no requirement: whether
the first violation names the fault is for a reader to say. Exit status: 0 if every fault was found, else 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

from conformance.matrix import Outcome, Try, make_tries

SERVER = str(Path(__file__).with_name("server.mjs"))
# answered with 429, which any gateway in between may do, so that nobody is blamed for it; or busy without a reason
UNSEEN = {
    "busy-429": "429 is no violation",
    "limit-after-forty": "429 is no violation",
    "busy-no-body": "needs a burst",
}


def catalogue() -> dict[str, str]:
    """What each fault of the peer breaks, by name."""
    listed = subprocess.run(["node", SERVER, "--list-faults"], capture_output=True, check=True, timeout=30)
    return {row["name"]: row["breaks"] for row in json.loads(listed.stdout)}


def tell(outcome: Outcome, breaks: str) -> None:
    """Print an outcome in two lines."""
    found = [*outcome.violated, *outcome.violated_should]
    seen = ", ".join(found[:4]) if found else f"NOT FOUND ({outcome.verdict}: {outcome.reason})"
    print(f"{outcome.name}: {breaks}\n    {outcome.seconds:5.1f} s  {seen}{outcome.output}", flush=True)


def main() -> int:
    """Run what the arguments ask for; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--flavour", choices=("a", "b"), default="a")
    parser.add_argument("-n", "--jobs", type=int, default=2)
    parser.add_argument("--brief", action="store_true")
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    faults = catalogue()
    command = ("node", SERVER, "--port", "0", "--flavour", options.flavour, "--fault")
    tries = [Try(name, (*command, name), brief=options.brief) for name in options.names or faults]
    outcomes = make_tries(
        tries, jobs=options.jobs, profile=options.profile, limit_s=120, told=lambda o: tell(o, faults[o.name])
    )
    missed = [o.name for o in outcomes if not (o.violated or o.violated_should)]
    if options.json is not None:
        rows = {o.name: {"breaks": faults[o.name], "violated": o.violated, "seconds": o.seconds} for o in outcomes}
        options.json.write_text(json.dumps(rows, indent=1), "utf-8")
    print(
        f"{len(outcomes) - len(missed)} of {len(outcomes)} faults found. Not found: {', '.join(missed) or 'none'}"
    )
    for name in missed:
        print(f"    {name}: {UNSEEN.get(name, faults[name])}")
    return 1 if set(missed) - set(UNSEEN) else 0


if __name__ == "__main__":
    raise SystemExit(main())
