"""Mutation testing of the reference exchange, with the conformance suite as the only test.

``python .ci/mutants.py [MODULE…]`` copies the sources to a temporary directory, lets cosmic-ray mutate them there,
and prints what became of each mutant. ``python .ci/mutants.py try`` is the test that cosmic-ray runs on one mutant.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CONFIG = ".ci/mutants.toml"
SESSION = "mutants.sqlite"
OUTCOMES = ("violated", "unusable", "survived")
# s; on an idle machine a run takes 3 and 6
LIMITS_S = {"quick": 75, "standard": 150}


def run_suite(profile: str) -> tuple[int | str, list[str]]:
    """Run the suite on the reference of the current directory.

    Returns the exit status, or "timeout", and why: the requirements that were violated, or the run's own reason.
    """
    reports = Path("mutant-reports")
    shutil.rmtree(reports, ignore_errors=True)
    command = [str(BIN / "spot-conformance"), "run", "--profile", profile, "--report-dir", str(reports)]
    try:
        status = subprocess.run(command, capture_output=True, timeout=LIMITS_S[profile], check=False).returncode
    except subprocess.TimeoutExpired:
        return "timeout", []
    with suppress(OSError, ValueError, KeyError):
        found = json.loads((reports / "results.json").read_text())
        violated = [row["id"] for row in found["requirements"] if row["verdict"] == "violated"]
        return status, violated or [found["reason"]]
    return status, []


def try_mutant() -> int:
    """Test one mutant and print each run as a line of JSON. Returns 0 when it survived, else 1.

    What passes the quick profile is tried again with the standard one.
    """
    status: int | str = 0
    for profile in LIMITS_S:
        status, why = run_suite(profile)
        print(json.dumps({"profile": profile, "status": status, "why": why}), flush=True)
        if status != 0:
            break
    return int(status != 0)


def outcome(output: str) -> str:
    """Return what became of a mutant, from what its test printed.

    "violated": a requirement was found broken; "unusable": it was not, but the run did not end "conformant" either
    (no answer, too slow, the good credentials refused, so that nothing can be decided); "survived".
    """
    runs = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    statuses = [run["status"] for run in runs]
    if 1 in statuses:
        return "violated"
    return "survived" if statuses and statuses[-1] == 0 else "unusable"


def tool(name: str, *arguments: str, cwd: Path, limit_s: float | None = None) -> None:
    """Run one of cosmic-ray's commands in the copy, for at most ``limit_s`` seconds."""
    path = os.pathsep.join([str(BIN), os.environ.get("PATH", "")])
    environment = {**os.environ, "PYTHONPATH": str(cwd), "PATH": path}
    subprocess.run([str(BIN / name), *arguments], cwd=cwd, env=environment, timeout=limit_s, check=True)


def draw(session: Path, modules: Iterable[str], sample: int | None, seed: int) -> dict[str, int]:
    """Leave a seeded random sample of the mutants in a session, in random order.

    Returns how many mutants each module has.
    """
    from cosmic_ray.work_db import WorkDB, use_db

    with use_db(str(session), WorkDB.Mode.open) as database:
        waiting = sorted(database.pending_work_items, key=lambda item: str(item.mutations))
        chosen = [item for item in waiting if not modules or item.mutations[0].module_path.stem in modules]
        random.Random(seed).shuffle(chosen)
        database.clear()
        database.add_work_items(chosen[:sample])
    return Counter(item.mutations[0].module_path.stem for item in chosen)


def results(session: Path) -> list[dict[str, Any]]:
    """Return the mutants that were tried, as rows for the report, without those that cosmic-ray failed to make."""
    from cosmic_ray.work_db import WorkDB, use_db
    from cosmic_ray.work_item import WorkerOutcome

    rows = []
    with use_db(str(session), WorkDB.Mode.open) as database:
        for item, result in database.completed_work_items:
            if result.worker_outcome != WorkerOutcome.NORMAL:
                continue
            [mutation] = item.mutations
            rows.append(
                {
                    "module": mutation.module_path.stem,
                    "line": mutation.start_pos[0],
                    "in": mutation.definition_name,
                    "operator": mutation.operator_name.removeprefix("core/"),
                    "outcome": outcome(result.output or ""),
                    "output": result.output,
                    "diff": result.diff,
                }
            )
    return sorted(rows, key=lambda row: (row["module"], row["line"], row["operator"]))


def summary(rows: Sequence[dict[str, Any]], total: dict[str, int]) -> str:
    """Return the score as a Markdown table, and the difference that each survivor makes."""
    lines = ["| module | mutants | tried | violated | unusable | survived |", "|---|--:|--:|--:|--:|--:|"]
    for module, count in total.items():
        own = Counter(row["outcome"] for row in rows if row["module"] == module)
        lines.append(f"| {module} | {count} | {own.total()} | " + " | ".join(str(own[o]) for o in OUTCOMES) + " |")
    for row in rows:
        if row["outcome"] == "survived":
            lines += ["", f"{row['module']}.py:{row['line']} {row['operator']}"]
            changed = [
                line for line in row["diff"].splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")
            ]
            lines += [f"    {line}" for line in changed]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Mutate, try, tell. Returns 0 when no mutant survived, else 1; raises CalledProcessError if a tool fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", help="auth, app, engine (default: all)")
    parser.add_argument("--sample", type=int, metavar="N", help="try N mutants, drawn at random (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample (default: %(default)s)")
    parser.add_argument("--time-limit", type=float, metavar="S", help="stop after so many seconds")
    parser.add_argument("--out", type=Path, default=ROOT / "reports" / "mutants.json", help="where the results go")
    options = parser.parse_args(arguments)
    if options.modules == ["try"]:
        return try_mutant()
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        copy = Path(directory)
        for part in ("conformance", "openapi", ".ci"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        tool("cosmic-ray", "--verbosity", "ERROR", "baseline", CONFIG, cwd=copy)
        tool("cosmic-ray", "--verbosity", "ERROR", "init", CONFIG, SESSION, cwd=copy)
        tool("cr-filter-operators", SESSION, CONFIG, cwd=copy)
        total = draw(copy / SESSION, options.modules, options.sample, options.seed)
        with suppress(subprocess.TimeoutExpired):
            tool("cosmic-ray", "exec", CONFIG, SESSION, cwd=copy, limit_s=options.time_limit)
        rows = results(copy / SESSION)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"seed": options.seed, "mutants": total, "tried": rows}, indent=1) + "\n")
    print(summary(rows, total))
    return int(any(row["outcome"] == "survived" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
