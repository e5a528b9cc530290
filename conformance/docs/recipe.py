"""Reads out of a sample, without running it, what it would send and how it signs it.

A sample is read by its text alone, so some of it may stay unknown (None); what is unknown is said and never taken
for right. Running the sample (`docs run`) tells the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from conformance.docs.parts import Sample

_HEADER = re.compile(r"""["']([A-Za-z][A-Za-z0-9-]*-[A-Za-z0-9-]+|Authorization)["']?\s*:""")
_QUERY = re.compile(r"""[^\s"'`]*\?([A-Za-z_][\w.]*=[^\s"'`]*)""")
_METHOD = re.compile(
    r"(?:-X|--request)[ =]?[\"']?([A-Z]+)|requests\.(\w+)\(|\bmethod\s*[:=]\s*[\"'](\w+)", re.IGNORECASE
)
_HASH = re.compile(
    r"openssl\s+(?:dgst|sha\w*)[^|\n]*?-(sha\w+|md5)|hashlib\.(\w+)|createHmac\(\s*[\"'](\w+)|digestmod\s*=\s*[\"'](\w+)"
)
_HMAC_KEY = re.compile(
    r"-hmac\s+[\"']?\$\{?(\w+)|hmac\.new\(\s*(\w+)|createHmac\([^,]+,\s*(\w+)|-macopt\s+\"?(?:hex)?key:\$\{?(\w+)"
)
_HMAC_TEXT = re.compile(r"hmac\.new\([^,]+,\s*(?:msg\s*=\s*)?(\w+)|\.update\(\s*(\w+)")
_PIPED = re.compile(r"(echo|printf)\s+((?:-\w+\s+|%s\s+|[\"']%s[\"']\s+)*)[\"']?([^|\"']+)[\"']?\s*\|\s*openssl")
_ASSIGNED = re.compile(r"^\s*(?:export\s+|const\s+|let\s+|var\s+)?(\w+)\s*=\s*(.+?);?\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Recipe:
    """What a sample does, as far as its text tells. Templates have `{}` for every value that is filled in.

    `unit` is ms or s; `newline` says that the signed text ends in one; `encoding` is hex, upper-hex or base64.
    """

    method: str | None
    headers: frozenset[str]
    query: tuple[str, ...]
    signs: bool
    hash: str | None = None
    key: str | None = None
    signed: str | None = None
    sent: str | None = None
    unit: str | None = None
    newline: bool = False
    encoding: str | None = None


def _template(text: str) -> str:
    return re.sub(r"\$?\{[^}]*\}|\$\w+", "{}", text)


def _first(found: re.Match[str] | None) -> str | None:
    return next((group for group in found.groups() if group), None) if found else None


def _parts(query: str) -> list[str]:
    return [part for part in _template(query).split("&") if part]


def read_recipe(sample: Sample) -> Recipe:
    """What `sample` would send, read from its text."""
    code = sample.code
    headers = frozenset(_HEADER.findall(code))
    found = _QUERY.search(code)
    parts = _parts(found[1]) if found else []
    names = tuple(part.split("=")[0] for part in parts)
    method = _first(_METHOD.search(code))
    signs = "signature" in names or bool(re.search(r"\bhmac\b|signature", code, re.IGNORECASE))
    if not signs:
        return Recipe(method.upper() if method else None, headers, names, False)
    values = dict(_ASSIGNED.findall(code))
    signed, newline = _signed(code, values)
    return Recipe(
        method=method.upper() if method else None,
        headers=headers,
        query=names,
        signs=True,
        hash=(_first(_HASH.search(code)) or "").lower() or None,
        key=_first(_HMAC_KEY.search(code)),
        signed=signed,
        sent="&".join(part for part in parts if not part.startswith("signature=")) if parts else None,
        unit=_unit(code),
        newline=newline,
        encoding=_encoding(code),
    )


def _signed(code: str, values: dict[str, str]) -> tuple[str | None, bool]:
    """The template of the text that is signed, and whether a newline comes after it."""
    piped = _PIPED.search(code)
    if piped is not None:
        newline = piped[1] == "echo" and "n" not in "".join(re.findall(r"-(\w+)", piped[2]))
        text = piped[3].strip()
        name = re.fullmatch(r"\$\{?(\w+)\}?", text)
        literal = values.get(name[1]) if name else f'"{text}"'
    else:
        newline, literal = False, values.get(_first(_HMAC_TEXT.search(code)) or "")
    quoted = re.fullmatch(r"""[bf]{0,2}(["'`])(.*)\1(?:\.encode\(.*\))?""", (literal or "").strip())
    return ("&".join(_parts(quoted[2])) if quoted else None), newline


def _unit(code: str) -> str | None:
    if re.search(
        r"%s%3N|%3N|\*\s*1_?000\b|Date\.now\(\)|time_ns\(\)\s*//\s*1_?000_?000|currentTimeMillis|EPOCHREALTIME",
        code,
    ):
        return "ms"
    if re.search(r"date \+[\"']?%s\b|int\(time\.time\(\)\)", code):
        return "s"
    return None


def _encoding(code: str) -> str | None:
    if re.search(r"hexdigest\(\)\.upper|tr ['\"]?(?:\[:lower:\]|a-z|a-f)|\^\^\}", code):
        return "upper-hex"
    if re.search(r"b64encode|base64|digest\(['\"]base64", code):
        return "base64"
    if re.search(r"hexdigest|digest\(['\"]hex|openssl\s+dgst(?![^|\n]*-binary)|xxd|od ", code):
        return "hex"
    return None
