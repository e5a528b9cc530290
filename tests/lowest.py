"""Prints the lowest versions that pyproject.toml allows, as pip constraints: `tox -e lowest` tries them."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
for dependency in project["dependencies"]:
    name, lowest = re.match(r"([\w-]+)>=([\w.]+)", dependency).groups()  # type: ignore[union-attr]
    print(f"{name}=={lowest}")
