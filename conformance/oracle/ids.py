"""What a path says about the order that it names."""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from urllib.parse import unquote_to_bytes
from uuid import UUID

import msgspec

_HYPHENATED = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_AND_MORE = re.compile(r".[;:]|\.[a-z]{0,5}$")  # parameters, a colon and a verb, the suffix of a format
_SPECIAL = {"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"}
_LONG = 512  # characters; beyond it servers and gateways refuse a path for its length alone


class IdKind(Enum):
    """How an id in a path is to be read.

    UUID is the documented spelling. SPELLING is the same 128 bits written otherwise, which the pages leave open.
    MALFORMED is no UUID. HOSTILE and FOLLOWED are none either, and may be refused on the way: for their form alone,
    or since a router takes what follows an id for more than that, and knows no such path.
    """

    UUID = "uuid"
    SPELLING = "spelling"
    MALFORMED = "malformed"
    HOSTILE = "hostile"
    FOLLOWED = "followed"
    EMPTY = "empty"


class PathId(msgspec.Struct, frozen=True):
    """The id in a path: its kind, and the canonical (lower case, hyphenated) UUID if it has one.

    A hostile id has one where some parser takes the middle of it.
    """

    kind: IdKind
    uuid: str | None


def _is_hostile(segment: str, raw: bytes) -> bool:
    if len(segment) > _LONG or any(byte < 0x20 or byte in b"\x7f/\\?#" for byte in raw):
        return True
    if any(byte in b"'\"`<>" for byte in raw):  # a firewall takes it for an injection
        return True
    if raw.strip(b". ") == b"" or re.search(r"%(?![0-9a-fA-F]{2})", segment) or "/" in segment:
        return True
    if b"%" in raw:  # escaped twice: a gateway that decodes once more sees something else
        return True
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def _in_the_middle(text: str) -> str | None:
    """The UUID that one parser in use finds in 38 characters, whatever the first and the last of them are."""
    return text[1:-1].lower() if _HYPHENATED.fullmatch(text[1:-1]) else None


def _other_spelling(text: str) -> str | None:
    # the most generous parser in use: no hyphens or odd ones, braces, urn:uuid:, digits of other scripts; a blank
    # on one side only makes it no UUID to anybody
    if text[:1].isspace() != text[-1:].isspace():
        return None
    if (inner := _in_the_middle(text)) is not None:
        return inner
    try:
        return str(UUID(text.strip().lower()))
    except ValueError:
        return None


@lru_cache(1024)  # an order is named several times within a short time
def read_id(segment: str) -> PathId:
    """Classify the raw (still percent-encoded) id segment of a path.

    Upper case is the same UUID (RFC 9562, section 4), but no page says that it must be taken, so like the nil and
    max UUIDs and other spellings of 128 bits it is left open: a server may know it as a UUID or not.
    """
    if _HYPHENATED.fullmatch(segment):  # as nearly all are: nothing in it is encoded, nothing hostile
        uuid = segment.lower()
        return PathId(IdKind.SPELLING if uuid in _SPECIAL or uuid != segment else IdKind.UUID, uuid)
    raw = unquote_to_bytes(segment)
    if not raw:
        return PathId(IdKind.EMPTY, None)
    if _is_hostile(segment, raw):
        return PathId(IdKind.HOSTILE, _in_the_middle(raw.decode("latin-1")))
    text = raw.decode("utf-8")
    if _HYPHENATED.fullmatch(text):
        uuid = text.lower()
        return PathId(IdKind.SPELLING if uuid in _SPECIAL or uuid != text else IdKind.UUID, uuid)
    spelled = _other_spelling(text)
    if spelled is not None:
        return PathId(IdKind.SPELLING, spelled)
    return PathId(IdKind.FOLLOWED if _AND_MORE.search(text) else IdKind.MALFORMED, None)


def id_segment(target: str, base_path: str) -> str | None:
    """The raw id segment of a request target under `base_path`/spot/orders/, or None if the path is another one.

    Everything behind the prefix is the id, slashes included: that is how it was meant when it was sent.
    """
    path = target.partition("?")[0]
    prefix = base_path + "/spot/orders/"
    return path[len(prefix) :] if path.startswith(prefix) else None
