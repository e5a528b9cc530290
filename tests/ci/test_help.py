"""`--help` of every command has an example, and every example is a command line that is understood."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import conformance
from conformance.cli import cli


def commands(command: click.Command = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The names that lead to every command and group."""
    yield path
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, (*path, name))


def help_of(path: tuple[str, ...]) -> str:
    done = CliRunner().invoke(cli, [*path, "--help"])
    assert done.exit_code == 0
    return done.output


def examples(path: tuple[str, ...]) -> list[list[str]]:
    """The arguments of the examples in a command's help."""
    _, _, text = help_of(path).partition("Example")
    lines = [line.strip() for line in text.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("spot-conformance ")]


def resolved(arguments: list[str]) -> tuple[click.Command, list[str]]:
    """The command that arguments name, and what is left for it."""
    found: Any = cli
    rest = list(arguments)
    while isinstance(found, click.Group):
        found = found.commands[rest.pop(0)]
    return found, rest


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_every_help_has_an_example_of_its_command(path: tuple[str, ...]) -> None:
    found = examples(path)
    assert found
    assert all(tuple(arguments[: len(path)]) == path for arguments in found)


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_every_example_can_be_parsed(path: tuple[str, ...]) -> None:
    for arguments in examples(path):
        command, rest = resolved(arguments)
        command.make_context("spot-conformance", rest)  # raises for what it does not know


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_every_option_is_explained(path: tuple[str, ...]) -> None:
    command: Any = cli
    for name in path:
        command = command.commands[name]
    assert command.help
    assert [p.opts for p in command.params if isinstance(p, click.Option) and not p.help] == []


def test_every_error_says_what_to_do() -> None:
    """Cause and remedy: whoever raises one of our errors gives both."""
    lacking = []
    for path in Path(conformance.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
                continue
            name = getattr(node.exc.func, "id", "")
            if name in ("ConfigError", "TargetError", "NothingToDo") and len(node.exc.args) < 2:
                lacking.append(f"{path.name}:{node.lineno}")
    assert lacking == []
