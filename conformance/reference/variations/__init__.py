"""Exchanges that differ from the plain reference and keep the contract all the same.

Each is a small function that changes a wired exchange, as a fault does, perhaps together with other settings. The
suite must find nothing wrong with any of them: one that it reproaches shows a false alarm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..settings import Settings

if TYPE_CHECKING:
    from ..reference import Reference

Hook = Callable[["Reference"], None]
_VARIATIONS: dict[str, Variation] = {}


@dataclass(frozen=True, slots=True)
class Variation:
    """A permitted way to be different. ``hook`` is for ``Settings.hooks``, ``settings`` are changed fields.

    ``options`` are options of ``spot-conformance run`` that keep a slow one short.
    """

    name: str
    text: str
    hook: str
    settings: Mapping[str, Any]
    options: tuple[str, ...] = ()

    def applied(self, settings: Settings) -> Settings:
        """Return these settings with the variation on top."""
        return replace(settings, **self.settings, hooks=(*settings.hooks, self.hook))


def variation(*, options: tuple[str, ...] = (), **settings: Any) -> Callable[[Hook], Hook]:
    """Register a function as a variation under its own name, with hyphens; ``settings`` go with it."""

    def register(function: Hook) -> Hook:
        name = function.__name__.replace("_", "-")
        text = " ".join((function.__doc__ or "").split())
        if not text or name in _VARIATIONS:
            raise ValueError(f"the variation {name} has no docstring, or is there twice")
        hook = f"{function.__module__}:{function.__name__}"
        _VARIATIONS[name] = Variation(name, text, hook, settings, options)
        return function

    return register


def load_variations() -> Mapping[str, Variation]:
    """Return all variations by name."""
    for module in ("markets", "shapes", "clocks", "choices", "strictness", "network"):
        import_module(f"{__package__}.{module}")
    return _VARIATIONS
