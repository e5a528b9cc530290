"""What a generated cancel is, apart from the generator, which takes a while to import."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

PHASES = ("coverage", "positive", "negative", "bytes")
PARTIAL = "own partially filled"  # the target that takes trades
# Parameters that another page, or a framework, may give a meaning: with them, a 401 is as right as the answer.
_MEANT = frozenset(
    ["timestamp", "signature", "recvwindow", "apikey", "api_key", "x-mbx-apikey", "token", "access_token", "jwt"]
)

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FIELD_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")  # RFC 9110, section 5.5, without obs-text
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = re.compile(
    r"(?i)accept|accept-encoding|authorization|connection|content-length|cookie|expect|host|te|trailer"
    r"|transfer-encoding|upgrade|user-agent|x-mbx-apikey|x-schemathesis-.*"
)

Pairs = tuple[tuple[str, str], ...]


def is_field(name: str, value: str) -> bool:
    """Whether HTTP allows it as a header, and it is not one that the client makes itself."""
    return bool(TOKEN.fullmatch(name) and _FIELD_VALUE.fullmatch(value)) and not _OURS.fullmatch(name)


@dataclass(frozen=True)
class Generated:
    """A cancel to be sent. `id` is a raw path segment, used where `target` is "generated" and nowhere else.

    `query` has raw (percent-encoded) pairs. `credential` is jwt, api_key, none, or unsigned (the key alone).
    `decoy` says that an id in the query or body is to be that of another live order.
    """

    phase: str
    about: str
    id: str
    target: str = "generated"
    method: str = "DELETE"
    query: Pairs = ()
    headers: Pairs = ()
    body: str | None = None
    credential: str = "jwt"
    decoy: bool = False

    @property
    def query_string(self) -> str:
        """The raw query string."""
        return "&".join(f"{name}={value}" for name, value in self.query)

    @property
    def is_unusual(self) -> bool:
        """Whether the pages leave open how this is signed or what its parameters mean (see `Auth.either`)."""
        names = [name for name, _ in self.query]
        if any(name.lower() in _MEANT for name in names):
            return True
        if self.credential != "api_key":
            return False
        odd = any(_is_odd(name) or _is_odd(value) or not name or "%5B" in name for name, value in self.query)
        return self.body is not None or odd or len(set(names)) < len(names)


def _is_odd(text: str) -> bool:
    raw = unquote_to_bytes(text)
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return any(byte < 0x20 or byte == 0x7F for byte in raw)


def budget(profile: str) -> int:
    """How many cancels a profile generates."""
    return {"quick": 40, "standard": 150}.get(profile, 1000)
