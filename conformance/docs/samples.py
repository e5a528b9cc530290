"""Makes a printed sample fit to run: undoes what printing did to it, and puts credentials and an order in.

Both are reported: what was repaired, and what was filled in where.
"""

from __future__ import annotations

import io
import json
import re
import shlex
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass

from conformance.docs.parts import Sample

_UUID = re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
_URL = re.compile(r"https?://[\w.:@\[\]-]+(?:/[\w.~-]+)*")
_ASSIGNMENT = re.compile(
    r"^(?P<head>[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_]\w*)[ \t]*=[ \t]*)"
    r"(?P<quote>[\"'])(?P<value>[^\"'\n]*)(?P=quote)",
    re.MULTILINE,
)
_QUOTES = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'"})
_STEP = 4  # blanks of one level of indentation that is put back


@dataclass(frozen=True)
class Repaired:
    """A sample's code after repair. `repairs` says what was done; `broken` why it still cannot work, if so."""

    code: str
    repairs: tuple[str, ...] = ()
    broken: str | None = None


def repair(sample: Sample) -> Repaired:
    """Undo what printing a sample does to it: typographic quotes, and lost indentation where one level is lost."""
    code, repairs = sample.code, []
    if (straight := code.translate(_QUOTES)) != code:
        code = straight
        repairs.append("typographic quotes were made straight")
    if sample.language != "python":
        return Repaired(code, tuple(repairs))
    problem = _syntax(code)
    if problem is None:
        return Repaired(code, tuple(repairs))
    try:
        indented, count = _indent(code)
    except ValueError as error:
        return Repaired(code, tuple(repairs), f"{problem}; {error}")
    if (still := _syntax(indented)) is not None:
        return Repaired(code, tuple(repairs), still if count else problem)
    repairs.append(f"lost indentation was put back in {count} lines: a block ends at the next blank line")
    return Repaired(indented, tuple(repairs))


def _syntax(code: str) -> str | None:
    try:
        compile(code, "sample", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        return f"{getattr(error, 'msg', error)}{f' (line {line})' if line else ''}"
    return None


def _indent(code: str) -> tuple[str, int]:
    """Indent what follows a line that opens a block, up to the next blank line; the code and the lines changed.

    Raises ValueError where that is not certain: blocks inside of blocks, or code that is indented in part.
    """
    lines = code.splitlines()
    logical = _logical_lines(code)
    inside: set[int] = set()
    opened = False
    for first, last, opens in logical:
        if opened and first > 1 and not lines[first - 2].strip():
            opened = False
        if opened:
            if opens:
                raise ValueError("where its inner block ends cannot be known")
            inside.update(range(first, last + 1))
        opened = opened or opens
    if any(lines[number - 1][:1].isspace() and lines[number - 1].strip() for number in inside):
        raise ValueError("it is indented in part")
    fixed = [" " * _STEP + line if number in inside else line for number, line in enumerate(lines, 1)]
    return "\n".join(fixed), len(inside)


def _logical_lines(code: str) -> list[tuple[int, int, bool]]:
    """(first line, last line, whether it ends in a colon) of each statement's line."""
    found: list[tuple[int, int, bool]] = []
    first, last_token = 0, ""
    try:
        for token in tokenize.generate_tokens(io.StringIO(code + "\n").readline):
            if token.type in (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER):
                continue
            if token.type == tokenize.NEWLINE:
                found.append((first, token.start[0], last_token == ":"))
                first = 0
            else:
                first, last_token = first or token.start[0], token.string
    except (tokenize.TokenError, SyntaxError) as error:
        raise ValueError(f"it cannot be split into lines: {error}") from None
    return found


@dataclass(frozen=True)
class Filled:
    """A sample with credentials and an order in place. `wants` is the credential that it has room for."""

    code: str
    filled: tuple[str, ...]
    wants: str | None
    has_order: bool


def _role(name: str) -> str | None:
    """What a variable of this name holds: jwt, api_key, api_secret or order; None for anything else."""
    words = name.upper()
    if "SECRET" in words:
        return "api_secret"
    if "JWT" in words or "TOKEN" in words:
        return "jwt"
    if "KEY" in words:
        return "api_key"
    return "order" if re.fullmatch(r"(ORDER_?)?(UU)?ID", words) else None


def fill(code: str, language: str, values: Mapping[str, str], base_urls: tuple[str, ...], base_url: str) -> Filled:
    """Put `values` (by role: jwt, api_key, api_secret, order) in place of the sample's own, and `base_url` for its.

    Variables are told by their names; any UUID that is left is the order's id.
    """
    filled: list[str] = []
    roles: set[str] = set()

    def assign(found: re.Match[str]) -> str:
        role = _role(found["name"])
        if role is None:
            return found[0]
        roles.add(role)
        filled.append(f"{found['name']} = the {role.replace('_', ' ')}")
        value = values.get(role, "")
        return found["head"] + (shlex.quote(value) if language == "shell" else json.dumps(value))

    code = _ASSIGNMENT.sub(assign, code)
    order = values["order"]
    rest, count = _UUID.subn(lambda match: order, code)
    if count and "order" not in roles:
        roles.add("order")
        filled.append("the UUID in the sample = the order")
    code = rest
    for url in sorted(base_urls, key=len, reverse=True):
        if url in code:
            code = code.replace(url, base_url)
            filled.append(f"{url} = the target, through the recording proxy")
    # no credential goes to an address that the page names elsewhere: all of them become the proxy's
    for url in dict.fromkeys(_URL.findall(code)):
        if base_url and not url.startswith(base_url):
            code = code.replace(url, base_url)
            filled.append(f"{url} = the recording proxy")
    wants = "api_key" if {"api_key", "api_secret"} <= roles else "jwt" if "jwt" in roles else None
    return Filled(code, tuple(filled), wants, "order" in roles)
