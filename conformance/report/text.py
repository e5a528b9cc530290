"""Text that came from a target, made harmless, and small matters of wording.

A target may answer with anything: terminal escapes, text that runs right to left, half of a surrogate pair.
What every report shows goes through `clean` once, so that no template or writer can forget to.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import Any

import msgspec

from conformance.report.result import Result

_PLAIN = re.compile(r"[^\x20-\x7e\n\t]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# controls, format characters (bidi overrides, zero width), surrogates, private use, unassigned, line separators
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _escape(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _show(match: re.Match[str]) -> str:
    character = match[0]
    return _escape(character) if unicodedata.category(character) in _UNSEEN else character


def visible(text: str) -> str:
    """`text` with everything that does not show, or that changes how the rest shows, spelled out.

    Each such character becomes a backslash escape. Line feed and tab stay.
    What is left can stand in XML 1.0, in a terminal and in UTF-8.
    """
    return _PLAIN.sub(_show, text)


def _mapped(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {_mapped(key, change): _mapped(item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mapped(item, change) for item in value]
    return value


def clean(result: Result) -> Result:
    """A copy of `result` in which every string is `visible`."""
    return msgspec.convert(_mapped(msgspec.to_builtins(result), visible), Result)


def encodable(result: Result) -> Result:
    """`result`, with lone surrogates spelled out if it holds any: JSON in UTF-8 has no place for them."""
    try:
        msgspec.json.encode(result)
    except UnicodeEncodeError:

        def spell(text: str) -> str:
            return _SURROGATE.sub(lambda match: _escape(match[0]), text)

        return msgspec.convert(_mapped(msgspec.to_builtins(result), spell), Result)
    return result


def one_line(text: str) -> str:
    """`text` with each run of white space as one blank."""
    return " ".join(text.split())


def shorten(text: str, limit: int) -> str:
    """`text` in at most about `limit` characters, saying how many were left out."""
    left_out = len(text) - limit
    return text if left_out <= 0 else f"{text[:limit]}… ({left_out:,} more characters)"


def plural(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun: "1 case", "2,000 cases"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """A span of time in the two units that matter: "48 ms", "3.2 s", "2 min 5 s", "1 h 4 min"."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def milliseconds(value: float) -> str:
    """A time in ms with the digits that carry meaning: "0.84 ms", "12.3 ms", "4.10 s"."""
    if value >= 1000:
        return f"{value / 1000:.2f} s"
    if value >= 100:
        return f"{value:.0f} ms"
    return f"{value:.1f} ms" if value >= 1 else f"{value:.2f} ms"


def moment(stamp: str) -> str:
    """An ISO 8601 time as "2026-11-22 15:35 UTC"; any other text as it is."""
    try:
        when = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
