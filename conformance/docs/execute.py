"""Runs a sample as a process of its own: scratch directory, time limit, an environment without secrets."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_SHOWN = 64_000  # bytes kept of what a sample prints
_FILE_BLOCKS = 20_480  # of 512 bytes: the largest file that a sample may write, its output included
LANGUAGES = ("shell", "python")


@dataclass(frozen=True)
class Ended:
    """How a sample ended: its exit status (None: the time limit came first) and what it printed."""

    status: int | None
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        """The last line of its errors, or of its output."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return lines[-1][:200] if lines else "nothing"


def lacking(code: str, language: str) -> str | None:
    """What this machine lacks to run a sample, or why it is not run at all; None if it can be."""
    if language not in LANGUAGES:
        return f"samples in {language or 'an unknown language'} are not run"
    if language == "python":
        return None
    tools = ["bash", *(tool for tool in ("curl", "openssl", "awk", "jq", "xxd") if re.search(rf"\b{tool}\b", code))]
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return f"this machine has no {', '.join(missing)}" if missing else None


def execute(code: str, language: str, timeout_s: float) -> Ended:
    """Run `code` to its end, or kill it and all that it started after `timeout_s` seconds."""
    with tempfile.TemporaryDirectory(prefix="sample-") as scratch:
        directory = Path(scratch)
        script = directory / ("sample.py" if language == "python" else "sample.sh")
        script.touch(mode=0o600)
        script.write_text(code + "\n", "utf-8")
        # -I: neither the environment nor the scratch directory changes what Python imports
        program = [sys.executable, "-I"] if language == "python" else ["bash", "--noprofile", "--norc"]
        limited = ["sh", "-c", f'ulimit -f {_FILE_BLOCKS}; exec "$@"', "sample", *program, str(script)]
        out, err = directory / "stdout", directory / "stderr"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                limited,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=directory,
                env=_environment(directory),
                start_new_session=True,
            )
            try:
                status: int | None = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                _end(process)
        return Ended(status, _read(out), _read(err))


def _environment(directory: Path) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(directory),
        "TMPDIR": str(directory),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        # the sample talks to the recording proxy and to nothing on the way there
        "NO_PROXY": "*",
        "no_proxy": "*",
    }


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the sample's process group, which is its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_SHOWN).decode("utf-8", "replace")
