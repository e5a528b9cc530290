"""Ways to spoil a signed request before and after it is signed."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from conformance.target.signing import Draft, Tamper


@dataclass(frozen=True)
class KeyFlaw:
    """A spoiled signed request. `query` is sent (and signed) in front of the timestamp.

    `bash` does the same to $QUERY $TIMESTAMP $KEY $SECRET $HEADER, calls `sign`, and changes $SENT and $SIGNATURE.
    What is not `in_quick` a quick run leaves out.
    """

    requirement: str
    name: str
    bash: str
    before: Tamper | None = None
    after: Tamper | None = None
    query: str = ""
    needs_other: bool = False
    in_quick: bool = True


def set_fields(**values: object) -> Tamper:
    """Set parts of the draft."""

    def tamper(draft: Draft) -> None:
        for name, value in values.items():
            setattr(draft, name, value)

    return tamper


def signature(change: Callable[[str], str]) -> Tamper:
    """Change the right signature."""

    def tamper(draft: Draft) -> None:
        draft.signature = change(draft.signature or "")

    return tamper


def sign_anew(make: Callable[[Draft], str]) -> Tamper:
    """Replace the signature."""

    def tamper(draft: Draft) -> None:
        draft.signature = make(draft)

    return tamper


def signature_in_header(draft: Draft) -> None:
    """Send the right signature as a header, and not in the query."""
    draft.headers["X-Signature"], draft.signature = draft.signature or "", None


def in_base64(digits: str) -> str:
    """The bytes that these hex digits stand for in base64, escaped for a query."""
    return quote(base64.b64encode(bytes.fromhex(digits)), safe="")


def send_query(change: Callable[[Draft], str]) -> Tamper:
    """Send another query than the one that was signed."""

    def tamper(draft: Draft) -> None:
        draft.sent_query = change(draft)

    return tamper


def stamp(change: Callable[[int], str | None]) -> Tamper:
    """Change the timestamp (ms), None to leave it out."""

    def tamper(draft: Draft) -> None:
        draft.timestamp = change(int(draft.timestamp or 0))

    return tamper


def put_behind(parameter: str) -> Tamper:
    """Put a parameter behind the timestamp."""

    def tamper(draft: Draft) -> None:
        draft.query, draft.timestamp = f"{draft.signed_query}&{parameter}", None

    return tamper


def use_other_secret(draft: Draft) -> None:
    """Sign with the other account's secret."""
    assert draft.other is not None
    draft.secret = draft.other.api_secret or ""


def use_other_key(draft: Draft) -> None:
    """Name the other account's key."""
    assert draft.other is not None
    draft.key = draft.other.api_key


def change_key(change: Callable[[str], str]) -> Tamper:
    """Change the API key."""

    def tamper(draft: Draft) -> None:
        draft.key = change(draft.key or "")

    return tamper


def key_in_query(draft: Draft) -> None:
    """Send the key as the value of the query, which is its name, and not as a header."""
    draft.query, draft.key = f"{draft.query}={draft.key}", None


def key_as_token(draft: Draft) -> None:
    """Send the key as a bearer token, and nothing else."""
    draft.timestamp, draft.key_header, draft.key = None, "Authorization", f"Bearer {draft.key}"


def flip(index: int) -> Callable[[str], str]:
    """Another hex digit at `index`."""

    def flipped(text: str) -> str:
        digits = list(text or "1")
        digits[index] = "0" if digits[index] != "0" else "1"
        return "".join(digits)

    return flipped


def cased(text: str, first: Callable[[str], str], second: Callable[[str], str]) -> str:
    """`text` in the first case, or in the second if it is in the first already, or else with another digit."""
    return next((t for t in (first(text), second(text)) if t != text), flip(0)(text))


def swap_case_or_flip(text: str) -> str:
    """`text` in the other case; one without letters with another digit."""
    swapped = text.swapcase()
    return swapped if swapped != text else flip(0)(text)


def later(draft: Draft) -> str:
    """The timestamp of a millisecond later."""
    return str(int(draft.timestamp or 0) + 1)
