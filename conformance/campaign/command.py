"""`spot-conformance campaign`: starts the parts, leaves nothing behind, and says what they found."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from conformance import stop
from conformance.campaign.part import FLAGS, JOB, Job, Told, directory, told_in
from conformance.commands.cleanup import end_left
from conformance.errors import ConfigError
from conformance.target.journal import NAME, read_journal, set_aside
from conformance.target.settings import Settings

_HERE = Path(__file__).parent


def campaign(options: Mapping[str, Any], console: Console) -> int:
    """Carry a campaign out; the exit status. Raises SuiteError for what the user can mend."""
    job = _job(options)
    settings = _settings(job, options["workers"])
    targets = sorted({each.base_url for each in settings if each is not None}) or ["the embedded reference"]
    parts = f"{job.parts} parts" if job.parts > 1 else "one part"
    console.print(
        f"Campaign of {job.seconds / 60:g} minutes in {parts} on {', '.join(targets)} (seed {job.seed}); "
        f"sequences that fail are kept in {job.examples}",
        markup=False,
        soft_wrap=True,
    )
    os.environ[JOB] = str(_prepared(job))
    try:
        pytest.main(_arguments(job))
    finally:
        del os.environ[JOB]
        with stop.shielded():
            for part, each in enumerate(settings):
                _clean_up(each, directory(job, part), part)
    told = [_told(job, part) for part in range(job.parts)]
    for part, words in enumerate(told):
        console.print(_line(job, part, words), markup=False, soft_wrap=True)
    if stop.requested():
        return stop.exit_status()
    return next((status for status in (1, 2, 3, 70) if status in {_status(words) for words in told}), 0)


def _prepared(job: Job) -> Path:
    """Make the parts' directories; the file with the job. Raises ConfigError where nothing can be written."""
    file = Path(job.report_dir) / "campaign.json"
    try:
        for part in range(job.parts):
            directory(job, part).mkdir(parents=True, exist_ok=True)
            told_in(job, part).unlink(missing_ok=True)
            if (kept := set_aside(directory(job, part))) is not None:
                sys.stderr.write(
                    f"spot-conformance: an earlier one may have left orders open; its journal is kept as {kept}\n"
                    f"  hint: spot-conformance cleanup --report-dir {directory(job, part)}\n"
                )
        file.write_bytes(msgspec.json.encode(job))
    except OSError as error:
        message = f"cannot write to {job.report_dir}: {error.strerror}"
        raise ConfigError(message, "choose another --report-dir") from None
    return file


def _job(options: Mapping[str, Any]) -> Job:
    configs = [str(path) for path in options["config"]]
    return Job(
        parts=len(configs) if len(configs) > 1 else options["workers"] or 1,
        seconds=options["minutes"] * 60,
        seed=options["seed"],
        report_dir=str(options["report_dir"]),
        examples=str(options["examples"]),
        configs=configs,
        **{name: options.get(name) for name in FLAGS},
    )


def _settings(job: Job, workers: int | None) -> list[Settings | None]:
    """The settings of each part, None for an embedded reference. Raises ConfigError if parts would meet."""
    several = len(job.configs) > 1
    fits = workers in (None, job.parts)
    found = [job.settings(part) for part in range(len(job.configs) or 1)] if fits else []
    if not fits or (job.parts > 1 and not several and found != [None]):
        raise ConfigError(
            "each part of a campaign needs two accounts to itself",
            "pass a --config for each part (and no --workers), or none, for the embedded reference",
        )
    if several and len({(s.base_url, s.owner.jwt, s.owner.api_key) for s in found if s is not None}) < job.parts:
        raise ConfigError("two parts of the campaign have the same account", "name others in each --config")
    if job.parts > 1 and find_spec("xdist") is None:
        raise ConfigError(
            "several parts need pytest-xdist, which is not installed", "pip install 'spot-conformance[campaign]'"
        )
    return found if several else found * job.parts


def _arguments(job: Job) -> list[str]:
    arguments = [str(_HERE / "test_parts.py"), f"--rootdir={_HERE}", "-c", str(_HERE / "pytest.ini")]
    for plugin in ("terminal", "cacheprovider", "schemathesis"):
        arguments += ["-p", f"no:{plugin}"]
    return [*arguments, "-p", "xdist", "-n", str(job.parts)] if job.parts > 1 else [*arguments, "--capture=no"]


def _told(job: Job, part: int) -> Told:
    try:
        return msgspec.json.decode(told_in(job, part).read_bytes(), type=Told)
    except (OSError, msgspec.DecodeError):
        return Told(error="it did not come to its end", exit_status=70)


def _status(told: Told) -> int:
    if told.violated:
        return 1
    return told.exit_status or (0 if told.cases else 3)


def _line(job: Job, part: int, told: Told) -> str:
    if told.error is not None:
        return f"part {part}: {told.error}"
    found = f"violated: {', '.join(told.violated)}" if told.violated else "no violation"
    report = directory(job, part) / "report.html"
    return f"part {part}: {told.cases} cases, {told.requests:,} requests, {found}; report: {report}"


def _clean_up(settings: Settings | None, report_dir: Path, part: int) -> None:
    """End what a part that was cut off has left open. An embedded reference ended with it."""
    journal = report_dir / NAME
    if settings is None or not journal.is_file() or not read_journal(journal).anything:
        return
    if left := end_left(settings, report_dir).left:
        sys.stderr.write(
            f"spot-conformance: {left} orders of part {part} may be open\n"
            f"  hint: spot-conformance cleanup --report-dir {report_dir}\n"
        )
