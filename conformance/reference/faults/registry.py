"""The catalogue's register: what a fault is, and how to find one by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..reference import Reference

Hook = Callable[["Reference"], None]
CHAPTERS = (
    *("success", "errors", "ids", "identity", "jwt", "signature", "timestamp", "key", "fields", "amounts"),
    *("effects", "book", "money", "refusals", "unavailable", "answers", "races", "gateway", "lasting", "some"),
)
_FAULTS: dict[str, Fault] = {}


class UnknownName(ValueError):
    """No fault or variation has this name; the message lists the nearest ones."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A deliberate violation. ``requirements`` are the ids that it breaks, the primary one first.

    ``text`` says what a client sees broken, ``hook`` names the function for ``Settings.hooks``, ``options`` are
    the options of ``spot-conformance run`` without which nothing provokes it.
    """

    name: str
    text: str
    requirements: tuple[str, ...]
    hook: str
    chapter: str
    options: tuple[str, ...] = ()


def fault(*requirements: str, options: tuple[str, ...] = ()) -> Callable[[Hook], Hook]:
    """Register a function as a fault under its own name, with hyphens. Raises ValueError for a bad entry."""

    def register(function: Hook) -> Hook:
        name = function.__name__.replace("_", "-")
        text = " ".join((function.__doc__ or "").split())
        if not requirements or not text:
            raise ValueError(f"the fault {name} needs a requirement and a docstring")
        if name in _FAULTS:
            raise ValueError(f"two faults are called {name}")
        module = function.__module__
        chapter = module.rpartition(".")[2]
        _FAULTS[name] = Fault(name, text, requirements, f"{module}:{function.__name__}", chapter, options)
        return function

    return register


def load_faults() -> Mapping[str, Fault]:
    """Return the whole catalogue by name, in the sequence of the chapters."""
    for chapter in CHAPTERS:
        import_module(f"{__package__}.{chapter}")
    # a chapter that borrows from a later one has had that one registered before its own
    return dict(sorted(_FAULTS.items(), key=lambda item: CHAPTERS.index(item[1].chapter)))


def nearest(name: str, names: Iterable[str], kind: str) -> UnknownName:
    """Return the error that no ``kind`` has this name, with the nearest names that there are."""
    known = sorted(names)
    close = get_close_matches(name, known, n=4, cutoff=0.4) or [other for other in known if name in other][:4]
    hint = f"; nearest: {', '.join(close)}" if close else ""
    return UnknownName(f"there is no {kind} {name!r}{hint}")
