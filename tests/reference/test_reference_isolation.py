"""The exchange stands alone, so that any other server can take its place."""

from __future__ import annotations

import json
import subprocess
import sys

LIST_MODULES = """
import json, pkgutil, importlib, sys
import conformance.reference
for module in pkgutil.walk_packages(conformance.reference.__path__, "conformance.reference."):
    if not module.name.startswith("conformance.reference.faults"):
        importlib.import_module(module.name)
print(json.dumps(sorted(name for name in sys.modules if name.split(".")[0] == "conformance")))
"""


def test_imports_nothing_else_of_the_project() -> None:
    output = subprocess.run([sys.executable, "-c", LIST_MODULES], check=True, capture_output=True, text=True).stdout
    modules = json.loads(output)
    assert "conformance.reference.app" in modules
    foreign = [m for m in modules if m != "conformance" and not m.startswith("conformance.reference")]
    assert foreign == []
