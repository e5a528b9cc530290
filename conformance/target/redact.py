"""Masks secrets by value, in every form in which they may stand in a text."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from conformance.target.settings import Account

_SIGNATURE = re.compile(r"(?i)(\bsignature=)([0-9A-Za-z%+/=_.-]{8,})")
_MIN_SEGMENT = 16  # characters; shorter parts of a token are not secret and would mask innocent text


def _forms(secret: str) -> set[str]:
    raw = secret.encode()
    forms = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        forms.add(encode(raw).decode())
        forms.add(encode(raw).decode().rstrip("="))
        # inside a longer base64 text the secret may begin at any of three positions
        for pad in (1, 2):
            forms.add(encode(b"\0" * pad + raw).decode().rstrip("=")[4:-4])
    forms.add(raw.hex())
    return {form for form in forms if len(form) >= 6}


class Redactor:
    """Replaces each known secret by its name in «guillemets», longest first."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        named: dict[str, str] = {}
        for account in accounts:
            for kind in ("jwt", "expired_jwt", "api_key", "api_secret"):
                secret: str | None = getattr(account, kind)
                if not secret:
                    continue
                for form in _forms(secret):
                    named.setdefault(form, f"«{account.name}.{kind}»")
                if kind.endswith("jwt"):
                    # the signature of a token is what must not get out; its other parts say who and until when
                    for part in secret.split(".")[1:]:
                        if len(part) >= _MIN_SEGMENT:
                            named.setdefault(part, f"«{account.name}.{kind} part»")
        self._named = named
        ordered = sorted(named, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def text(self, text: str) -> str:
        """`text` with every secret and every signature masked."""
        if self._pattern is not None:
            text = self._pattern.sub(lambda match: self._named[match[0]], text)
        if "ignature=" in text:
            text = _SIGNATURE.sub(r"\1«signature»", text)
        return text

    def header(self, name: str, value: str) -> str:
        """A header's value, masked; of a credential header nothing but the scheme is left."""
        masked = self.text(value)
        if name.lower() == "authorization" and masked == value:
            scheme, _, rest = value.partition(" ")
            return f"{scheme} «altered token»" if len(rest) >= _MIN_SEGMENT else value
        return masked
