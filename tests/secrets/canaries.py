"""Secrets that can be recognised, and every form in which they may get out."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote, quote_plus

import jwt

# a short secret, one with characters that every encoding writes differently, and a key that is a user's name
SECRETS = {
    "owner": {"api_key": "ownerkey", "api_secret": "s3cr&t/+"},
    "counterparty": {"api_key": "counterparty-user", "api_secret": 'a"b\\c<d>%e=~' + "\u0021" * 3},
}
JWT_KEY = "canary-jwt-signing-key-0123456789abcdef"


def token(account: str, expires: int) -> str:
    """A token of an account."""
    return jwt.encode({"sub": account, "iat": 1, "exp": expires}, JWT_KEY, algorithm="HS256")


def forms(secret: str) -> dict[str, str]:
    """A secret in every encoding in which a target or a library may write it."""
    raw = secret.encode()
    found = {
        "raw": secret,
        "json": json.dumps(secret)[1:-1],
        "json twice": json.dumps(json.dumps(secret))[3:-3],
        "json unicode": "".join(f"\\u{ord(c):04x}" for c in secret),
        "url": quote(secret, safe=""),
        "url plus": quote_plus(secret),
        "url lower": "".join(f"%{b:02x}" for b in raw),
        "url upper": "".join(f"%{b:02X}" for b in raw),
        "url twice": quote(quote(secret, safe=""), safe=""),
        "html": secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;"),
        "hex": raw.hex(),
        "hex upper": raw.hex().upper(),
    }
    for offset in range(3):
        # the characters that depend on the secret alone, wherever in a longer text it stands
        cut = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        inner = cut[(offset * 8 + 5) // 6 : (len(raw) + offset) * 8 // 6]
        found[f"base64 at {offset}"] = inner
        found[f"base64url at {offset}"] = inner.replace("+", "-").replace("/", "_")
    return found


def hits(files: dict[str, str], accounts: dict[str, dict[str, str]]) -> list[str]:
    """Where a secret shows, in which form: empty if all is well."""
    found = []
    for account, secrets in accounts.items():
        for kind, secret in secrets.items():
            for form, text in forms(secret).items():
                if len(text) < 6:
                    continue
                found += [
                    f"{account}.{kind} as {form} in {name}" for name, content in files.items() if text in content
                ]
    return found


def everything(directory: Path) -> dict[str, str]:
    """The text of every file below a directory."""
    return {
        str(path.relative_to(directory)): path.read_bytes().decode("utf-8", "replace")
        for path in directory.rglob("*")
        if path.is_file()
    }
