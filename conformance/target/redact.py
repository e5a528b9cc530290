"""Masks secrets by value, in every form in which they may stand in a text."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache

from conformance.target.settings import Account

_SIGNATURE = re.compile(r"(?i)(\bsignature=)([0-9A-Za-z%+/=_.-]{8,})")
_MIN_SEGMENT = 16  # characters; shorter parts of a token are not secret and would mask innocent text
_MIN_SECRET = 5  # characters; less would mask innocent text, and is no secret
_MIN_BASE64 = 6
_ENTITIES = {"&": "amp|AMP", "<": "lt|LT", ">": "gt|GT", '"': "quot|QUOT", "'": "apos"}
_ENCODED = re.compile(r"[%\\;]")  # without any of these a text has nothing percent-encoded, escaped or in entities
_CODE = re.compile(
    r"%(?:25)*([0-9A-Fa-f]{2})|\\+u00([0-9A-Fa-f]{2})|\\+x([0-9A-Fa-f]{2})"
    r"|&(?:amp;)*#(?:[xX]0*([0-9A-Fa-f]{2})|0*([0-9]{2,3}));|\\+"
)
_ORDINARY = re.compile(r"[0-9A-Za-z._~+/=-]{32,}")  # a secret that no encoding can be taken for a part of
_PART = 8  # characters
_SHORT, _REMEMBERED = 64, 4096  # characters, texts
_KINDS = ("jwt", "expired_jwt", "api_key", "api_secret")


def _anyhow(character: str) -> str:
    """A pattern for one character as itself or as URL, JSON, HTML and their repetitions write it."""
    code = ord(character)
    digits = "".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in f"{code:02x}")
    ways = [
        rf"%(?:25)*{digits}",
        rf"\\+u00{digits}",
        rf"\\+x{digits}",
        rf"&(?:amp;)*#(?:0*{code}|[xX]0*{digits});",
    ]
    if character in _ENTITIES:
        ways.append(rf"&(?:amp;)*(?:{_ENTITIES[character]});")
    # quotes, slashes and backslashes are escaped by backslashes, the more the deeper they are nested
    ways.append(r"\\+" if character == "\\" else rf"\\*{re.escape(character)}")
    if character == " ":
        ways.append(r"\+")
    return f"(?:{'|'.join(ways)})"


def _hex(raw: bytes) -> str:
    pairs = (f"{byte:02x}" for byte in raw)
    return "[: ]?".join("".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in pair) for pair in pairs)


def _inners(raw: bytes) -> Iterator[tuple[int, str]]:
    """What base64 makes of a secret at each of the three positions at which it may enter a longer text.

    Without the characters at both ends, that share bits with what is around.
    """
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        inner = text[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]
        if len(inner) >= _MIN_BASE64:
            yield offset, inner


def _base64(raw: bytes) -> Iterator[str]:
    """Patterns for the secret inside a longer base64 text; the characters at both ends stand for any."""
    for offset, inner in _inners(raw):
        either = {"+": "[+-]|%2[bB]", "/": "[/_]|%2[fF]|\\\\/"}
        pattern = "".join(f"(?:{either[c]})" if c in either else c for c in inner)
        before = "[A-Za-z0-9+/_-]?" if offset else ""
        yield f"{before}{pattern}(?:[A-Za-z0-9+/_-]?(?:=|%3[dD]){{0,2}})"


def _needles(raw: bytes) -> Iterator[str]:
    """What a text must contain to match a pattern of `_base64`: the longest part written in one way only."""
    for _, inner in _inners(raw):
        yield max(re.split("[+/]", inner), key=len)


def _decoded(text: str) -> str:
    """`text` with each code of a character as that character, and without backslashes."""

    def character(match: re.Match[str]) -> str:
        digits = match[1] or match[2] or match[3] or match[4]
        return chr(int(digits, 16)) if digits else chr(int(match[5])) if match[5] else ""

    return _CODE.sub(character, text)


def _parts(secret: str) -> set[str]:
    """Parts of a secret, away from its beginning, which is the same for many tokens."""
    return {secret[len(secret) * eighths // 8 :][:_PART] for eighths in (2, 4, 6)} | {secret[-_PART:]}


class Redactor:
    """Replaces each known secret by its name in «guillemets», longest first."""

    _all: list[Redactor] = []  # noqa: RUF012  every redactor of this process, for what no run is at hand to mask

    def __init__(self, accounts: Iterable[Account]) -> None:
        secrets: dict[str, str] = {}
        for account in accounts:
            for kind in _KINDS:
                secret: str | None = getattr(account, kind)
                if not secret or len(secret) < _MIN_SECRET:
                    continue
                secrets.setdefault(secret, f"«{account.name}.{kind}»")
                if kind.endswith("jwt"):
                    # the signature of a token is what must not get out; its other parts say who and until when
                    for part in secret.split(".")[1:]:
                        if len(part) >= _MIN_SEGMENT:
                            secrets.setdefault(part, f"«{account.name}.{kind} part»")
        ordered = sorted(secrets, key=len, reverse=True)
        self._names = [secrets[secret] for secret in ordered]
        plain, encoded = [], []
        self._needles: list[str] = []
        self._hex_needles: list[str] = []
        for number, secret in enumerate(ordered):
            raw = secret.encode()
            self._needles += [secret, *_needles(raw)]
            self._hex_needles.append(raw.hex())
            packed = [_hex(raw), *_base64(raw)]
            plain.append(f"(?P<n{number}>{'|'.join([re.escape(secret), *packed])})")
            encoded.append(f"(?P<n{number}>{'|'.join([''.join(map(_anyhow, secret)), *packed])})")
        self._parts = frozenset[str]().union(*map(_parts, ordered))
        self._are_ordinary = all(map(_ORDINARY.fullmatch, ordered))
        self._named = secrets
        self._as_they_are = re.compile("|".join(map(re.escape, ordered)))
        self._plain_ways, self._encoded_ways = "|".join(plain), "|".join(encoded)
        self._short = lru_cache(_REMEMBERED)(self._mask)
        Redactor._all.append(self)

    # compiled when they are first needed: it takes a while, and mostly no secret is written but as it is
    @cached_property
    def _plain(self) -> re.Pattern[str]:
        return re.compile(self._plain_ways)

    @cached_property
    def _encoded(self) -> re.Pattern[str]:
        return re.compile(self._encoded_ways)

    def _name(self, match: re.Match[str]) -> str:
        return self._names[int((match.lastgroup or "n0")[1:])]

    def text(self, text: str) -> str:
        """`text` with every secret and every signature masked."""
        # header names and most values come again with every exchange
        return self._short(text) if len(text) < _SHORT else self._mask(text)

    def _may_hold(self, text: str) -> bool:
        """Whether a text in which nothing is escaped may hold a secret: quick, since almost none does."""
        if any(needle in text for needle in self._needles):
            return True
        # a few digits would not do: an answer with many ids has any four of them somewhere
        digits = text.lower().replace(":", "").replace(" ", "")
        return any(needle in digits for needle in self._hex_needles)

    def _may_hold_encoded(self, text: str) -> bool:
        """The same for any text."""
        if not self._are_ordinary or self._may_hold(text):
            return True
        readings = {text.replace("\\", ""), _decoded(text)}
        for part in self._parts:
            for reading in readings:
                if part in reading:
                    return True
        return False

    def _mask(self, text: str) -> str:
        if _ENCODED.search(text) is not None:
            if self._may_hold_encoded(text):
                text = self._encoded.sub(self._name, text)
        elif self._may_hold(text):
            text = self._mask_plain(text)
        if "ignature=" in text:
            text = _SIGNATURE.sub(r"\1«signature»", text)
        return text

    def _mask_plain(self, text: str) -> str:
        if self._may_hold(self._as_they_are.sub("«»", text)):
            return self._plain.sub(self._name, text)
        return self._as_they_are.sub(lambda match: self._named[match[0]], text)

    def header(self, name: str, value: str) -> str:
        """A header's value, masked; of a credential header nothing but the scheme is left."""
        masked = self.text(value)
        if name.lower() == "authorization" and masked == value:
            scheme, _, rest = value.partition(" ")
            return f"{scheme} «altered token»" if len(rest) >= _MIN_SEGMENT else value
        return masked


def masked(text: str) -> str:
    """`text` with the secrets of all runs of this process masked."""
    for redactor in Redactor._all:
        text = redactor.text(text)
    return text
