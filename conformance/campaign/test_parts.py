"""The parts of a campaign as tests, which pytest-xdist spreads over its workers."""

import os
from pathlib import Path

import msgspec
import pytest

from conformance import stop
from conformance.campaign.part import JOB, Job, Told, carry_out, told_in
from conformance.errors import SuiteError

_job = msgspec.json.decode(Path(os.environ[JOB]).read_bytes(), type=Job)


@pytest.mark.parametrize("part", range(_job.parts))
def test_part(part: int) -> None:
    """It violates no MUST."""
    stop.install()
    try:
        told = carry_out(_job, part)
    except SuiteError as error:
        told = Told(error=str(error), exit_status=error.exit_status)
    told_in(_job, part).write_bytes(msgspec.json.encode(told))
    if told.violated or told.error:
        pytest.fail(told.error or ", ".join(told.violated), pytrace=False)
