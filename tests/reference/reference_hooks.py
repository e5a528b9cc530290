"""Hooks for child processes: an exchange that dies in the middle of an order."""

from __future__ import annotations

import os
import signal
from typing import Any

from conformance.reference.reference import Reference


def die_after_first_fill(reference: Reference) -> None:
    """Kill the process right after the first fill is committed."""
    for engine in reference.exchange.engines.values():
        fill = engine.matching.fill

        def fatal(*arguments: Any, fill: Any = fill) -> None:
            fill(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(engine.matching, "fill", fatal)  # noqa: B010


def die_before_answer(reference: Reference) -> None:
    """Kill the process when a cancel is committed and not answered."""
    for engine in reference.exchange.engines.values():
        cancel = engine.matching.cancel

        def fatal(*arguments: Any, cancel: Any = cancel) -> None:
            cancel(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(engine.matching, "cancel", fatal)  # noqa: B010
