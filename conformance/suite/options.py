"""The suite's pytest options, which get along with those of any other plugin.

Each has a name of its own, `--conformance-…`. The short name beside it is taken only where it is free when all
other plugins have added theirs: to add it earlier would make the plugin that comes later fail.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

PROFILES = ("quick", "standard", "thorough")
_PREFIX = "conformance-"
_LONG_ONLY = ("config", "seed")  # names that other plugins often have
_OPTIONS: dict[str, dict[str, Any]] = {
    "base-url": {"help": "base URL of the target, with its base path (default: the embedded reference)"},
    "symbol": {"help": "the market to use (default: DFUSDT, else the first one listed)"},
    "config": {"type": Path, "help": "conformance.toml (default: the one in this directory)"},
    "profile": {"choices": PROFILES, "default": "standard", "help": "how much to try"},
    "seed": {"type": int, "default": 0, "help": "seed of everything that is drawn"},
    "report-dir": {"type": Path, "default": Path("reports"), "help": "where the reports go"},
    "only": {"action": "append", "default": [], "help": "a requirement or the beginning of its id"},
    "insecure": {"action": "store_true", "default": None, "help": "do not check the target's certificate"},
    "allow-trading": {"action": "store_true", "default": None, "help": "place orders on a remote target"},
    "overload": {"action": "store_true", "default": False, "help": "fill the engine's backlog on purpose"},
    "restart-command": {"metavar": "CMD", "help": "a shell command that restarts the target"},
}


def add_options(parser: pytest.Parser) -> None:
    """Add the options; to be called when all other plugins have added theirs."""
    group = parser.getgroup("spot-conformance", "conformance of a spot exchange's Cancel Order")
    for name, attributes in _OPTIONS.items():
        long = f"--{_PREFIX}{name}"
        settings = {**attributes, "dest": long[2:].replace("-", "_")}
        short = [] if name in _LONG_ONLY or _is_taken(parser, f"--{name}") else [f"--{name}"]
        group.addoption(long, *short, **settings)


def _is_taken(parser: pytest.Parser, option: str) -> bool:
    try:
        return option not in parser.parse_known_and_unknown_args([option])[1]
    except pytest.UsageError:  # it is known, and wants a value
        return True


def set_options(config: pytest.Config, values: Mapping[str, Any]) -> None:
    """Give all options the values that they have under their short names, with underscores; or their defaults."""
    for name, attributes in _OPTIONS.items():
        value = values.get(name.replace("-", "_")) or attributes.get("default")
        setattr(config.option, f"{_PREFIX}{name}".replace("-", "_"), value)


def options_of(config: pytest.Config) -> Namespace:
    """The values of the options by their short names, and who listens.

    `base_url` may be another plugin's, as that of pytest-base-url: it means the same. No other name is shared.
    """
    names = {f"{_PREFIX}{name}".replace("-", "_"): name.replace("-", "_") for name in _OPTIONS}
    found = Namespace(**{short: config.getoption(long) for long, short in names.items()})
    found.base_url = found.base_url or getattr(config.option, "base_url", None) or None  # without: ""
    found.conformance_config, found.conformance_seed = found.config, found.seed
    for name in ("case_listeners", "row_listeners"):
        setattr(found, name, getattr(config.option, name, []))
    return found
