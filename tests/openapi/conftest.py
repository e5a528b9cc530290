"""What the tests of the documents share: the documents, two validators, Redocly CLI, servers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema
import jsonschema_rs
import pytest
import yaml

HERE = Path(__file__).parent
DOCUMENTS = HERE.parents[1] / "openapi"
INSTALL_TIMEOUT_S = 400
RUN_TIMEOUT_S = 180
PEER = HERE.parent / "peer" / "server.mjs"
STOP_TIMEOUT_S = 5

Accepts = Callable[[str, Any], bool]
Redocly = Callable[..., "subprocess.CompletedProcess[str]"]
RunningServer = Callable[..., AbstractContextManager[dict[str, Any]]]


@pytest.fixture(scope="session")
def documents() -> Path:
    """Give the folder of the contract's documents."""
    return DOCUMENTS


@pytest.fixture(scope="session")
def spec() -> dict[str, Any]:
    """Load the OpenAPI document as plain data."""
    loaded: dict[str, Any] = yaml.safe_load((DOCUMENTS / "spot-orders.yaml").read_text(encoding="utf-8"))
    return loaded


def _accepts_by_jsonschema(schema: dict[str, Any], instance: Any) -> bool:
    validator = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    return bool(validator.is_valid(instance))


def _accepts_by_jsonschema_rs(schema: dict[str, Any], instance: Any) -> bool:
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True).is_valid(instance)


# Two independent implementations: the document must not mean one thing to Python and another to schemathesis.
@pytest.fixture(params=[_accepts_by_jsonschema, _accepts_by_jsonschema_rs], ids=["jsonschema", "jsonschema_rs"])
def accepts(request: pytest.FixtureRequest, spec: dict[str, Any]) -> Accepts:
    """Give `accepts(pointer, instance)`: whether an instance is valid for the schema at `#/` + pointer."""

    def check(pointer: str, instance: Any) -> bool:
        schema = {
            "$ref": f"#/{quote(pointer, safe='/~')}",
            "components": spec["components"],
            "paths": spec["paths"],
        }
        return bool(request.param(schema, instance))

    return check


def _installed_version(modules: Path) -> str | None:
    package = modules / "@redocly" / "cli" / "package.json"
    return json.loads(package.read_text(encoding="utf-8"))["version"] if package.is_file() else None


def _with_trusted_certificates() -> dict[str, str]:
    """The environment, in which Node.js trusts what everybody else is told to: it has a list of its own."""
    trusted = os.environ.get("SSL_CERT_FILE")
    return {**({"NODE_EXTRA_CA_CERTS": trusted} if trusted else {}), **os.environ}


@pytest.fixture(scope="session")
def redocly() -> Redocly:
    """Give a function that runs the pinned Redocly CLI; install it beside this file if it is not there.

    A linter that cannot be had fails the test: a document that was not linted is not clean.
    """
    pinned = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["devDependencies"]["@redocly/cli"]
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.fail("Node.js with npm is needed to lint the documents: install Node.js 20.19 or later")
    modules = HERE / "node_modules"
    if _installed_version(modules) != pinned:
        try:
            done = subprocess.run(
                [npm, "ci", "--no-audit", "--no-fund", "--prefix", str(HERE)],
                env=_with_trusted_certificates(),
                capture_output=True,
                text=True,
                timeout=INSTALL_TIMEOUT_S,
                check=False,
            )
            trouble = done.stderr if done.returncode else ""
        except subprocess.TimeoutExpired:
            trouble = f"no answer within {INSTALL_TIMEOUT_S} s"
        if _installed_version(modules) != pinned:
            pytest.fail(f"npm could not install @redocly/cli {pinned}; is the npm registry reachable?\n{trouble}")

    environment = os.environ | {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}

    def run(*arguments: str, cwd: Path = DOCUMENTS) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [node, str(modules / "@redocly" / "cli" / "bin" / "cli.js"), *arguments],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )

    return run


@contextmanager
def _run(*command: str) -> Iterator[dict[str, Any]]:
    """Run a server until the block ends, and give what it announces; it stops when its stdin closes."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            announced = process.stdout.readline()
            assert announced, f"no server was started by {command}"
            yield json.loads(announced)
        finally:
            process.stdin.close()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="session")
def running_peer() -> RunningServer:
    """Give a context manager that runs the peer exchange with some arguments on a free port of 127.0.0.1."""
    node = shutil.which("node")
    assert node is not None, "Node.js is needed to run the peer exchange"
    return lambda *arguments: _run(node, str(PEER), "--port", "0", *arguments)


@pytest.fixture(scope="session")
def running_reference() -> RunningServer:
    """Give a context manager that runs the reference exchange, in the same way."""
    command = (sys.executable, "-m", "conformance.reference", "--port", "0", "--json", "--until-stdin-closes")
    return lambda *arguments: _run(*command, *arguments)
