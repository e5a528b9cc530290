"""Deliberate violations of the Cancel Order contract, each a small function that spoils a wired exchange.

They show what the suite is worth: a fault that it does not find is a hole in it. The catalogue is split by the
chapters of the contract; ``registry`` says what a fault is, ``tools`` holds what several of them need.
"""

from .registry import CHAPTERS, Fault, UnknownName, fault, load_faults, nearest

__all__ = ["CHAPTERS", "Fault", "UnknownName", "fault", "load_faults", "nearest"]
