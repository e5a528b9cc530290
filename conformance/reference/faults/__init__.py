"""Deliberate violations of the Cancel Order contract, each a small function that spoils a wired exchange.

They show what the suite is worth: a fault that it does not find is a hole in it. The catalogue is split by the
chapters of the contract; ``registry`` says what a fault is, ``tools`` holds what several of them need.
"""

from __future__ import annotations

from dataclasses import replace

from ..settings import Settings
from .registry import CHAPTERS, Fault, UnknownName, fault, load_faults, nearest

__all__ = ["CHAPTERS", "Fault", "UnknownName", "fault", "load_faults", "nearest", "spoiled"]


def spoiled(settings: Settings, fault_name: str | None, variation_name: str | None) -> Settings:
    """Return settings with a fault and a variation on top, where they are named. Raises UnknownName."""
    if variation_name is not None:
        from ..variations import load_variations

        variations = load_variations()
        if variation_name not in variations:
            raise nearest(variation_name, variations, "variation")
        settings = variations[variation_name].applied(settings)
    if fault_name is not None:
        faults = load_faults()
        if fault_name not in faults:
            raise nearest(fault_name, faults, "fault")
        settings = replace(settings, hooks=(*settings.hooks, faults[fault_name].hook))
    return settings
