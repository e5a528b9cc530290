"""Which credential a request really carried, found out with the secrets in hand, and what is wrong with it.

So a target that refuses a sample's wrong signature is not blamed for it: the sample is.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from conformance.docs.proxy import Sent
from conformance.record import Auth
from conformance.target.settings import Account
from conformance.target.signing import KEY_HEADER, sign

_WINDOW_MS = 5000  # Errors page: how far a timestamp may be from the server's time


@dataclass(frozen=True)
class Carried:
    """The credential of a request for the record, and what is wrong with it ("" if nothing is)."""

    auth: Auth | None
    wrong: str = ""


def credential_of(sent: Sent, account: Account, now_ms: int, uncertainty_ms: int) -> Carried:
    """What `sent` carries, given the account it was to act for, the target's time and its uncertainty (ms)."""
    bearer = sent.header("Authorization")
    if bearer is not None:
        if account.jwt and bearer == f"Bearer {account.jwt}":
            return Carried(Auth(account.name, "jwt"))
        scheme = bearer.partition(" ")[0]
        if scheme != "Bearer":
            return Carried(
                Auth(account.name, "jwt", flaw="cancel.jwt.other-scheme"),
                f"the scheme is {scheme[:20]!r}, not Bearer",
            )
        return Carried(Auth(account.name, "jwt", flaw="cancel.jwt.garbage"), "the token is not the one put in")
    key = sent.header(KEY_HEADER)
    pairs = [pair.partition("=") for pair in sent.query.split("&") if pair]
    names = [name for name, _, _ in pairs]
    if key is None:
        if sent.header("X-API-Key") is not None:
            return Carried(_flawed(account, "unsigned-legacy"), f"the key is in X-API-Key, not in {KEY_HEADER}")
        if "signature" in names:
            return Carried(_flawed(account, "absent"), f"there is no header {KEY_HEADER}")
        return Carried(None, "it carries no credential")
    if key != account.api_key:
        return Carried(_flawed(account, "unknown"), f"{KEY_HEADER} is not the key that was put in")
    if "signature" not in names:
        return Carried(_flawed(account, "signature.missing"), "there is no signature")
    return _signature(sent, account, {name: value for name, _, value in pairs}, now_ms, uncertainty_ms)


def _flawed(account: Account, requirement: str) -> Auth:
    return Auth(account.name, "api_key", flaw=f"cancel.key.{requirement}")


def _signature(sent: Sent, account: Account, values: dict[str, str], now_ms: int, uncertainty_ms: int) -> Carried:
    secret = account.api_secret or ""
    covered = "&".join(pair for pair in sent.query.split("&") if not pair.startswith("signature="))
    given = values["signature"]
    stamp = values.get("timestamp")
    if stamp is None:
        return Carried(_flawed(account, "timestamp.missing"), "there is no timestamp")
    if not stamp.isdecimal() or len(stamp) > 20:
        return Carried(_flawed(account, "timestamp.not-a-number"), f"the timestamp is {stamp[:30]!r}")
    distance = int(stamp) - now_ms
    if abs(int(stamp) * 1000 - now_ms) < 3_600_000:
        return Carried(_flawed(account, "timestamp.seconds"), "the timestamp is in seconds, not in milliseconds")
    right = sign(secret, covered.encode("latin-1", "replace") + sent.body)
    if given != right:
        requirement, text = _diagnose(covered, sent, account, given)
        return Carried(_flawed(account, requirement), text)
    if abs(distance) > _WINDOW_MS + uncertainty_ms:
        part = "timestamp.stale" if distance < 0 else "timestamp.ahead"
        return Carried(_flawed(account, part), f"the timestamp is {abs(distance)} ms off")
    return Carried(Auth(account.name, "api_key", either=abs(distance) > _WINDOW_MS - uncertainty_ms))


def _diagnose(covered: str, sent: Sent, account: Account, given: str) -> tuple[str, str]:
    """The requirement that a wrong signature falls under, and what was done instead of the right thing."""
    secret, text = (account.api_secret or ""), covered.encode("latin-1", "replace")
    right = sign(secret, text)
    stamp = next((p.partition("=")[2] for p in covered.split("&") if p.startswith("timestamp=")), "")
    tries: list[tuple[str, str, Callable[[], str]]] = [
        ("signature.altered", "it is in upper case", lambda: right.upper()),
        ("signature.altered", "a newline is signed as well", lambda: sign(secret, text + b"\n")),
        ("signature.altered", "only the timestamp's digits are signed", lambda: sign(secret, stamp.encode())),
        ("signature.altered", "the path is signed as well", lambda: sign(secret, sent.path.encode() + b"?" + text)),
        (
            "signature.wrong-secret",
            "it is made with the key in place of the secret",
            lambda: sign(account.api_key or "", text),
        ),
        (
            "signature.altered",
            "it is in base64, not in hex",
            lambda: base64.b64encode(hmac.digest(secret.encode(), text, "sha256")).decode(),
        ),
    ]
    for algorithm in ("sha1", "sha512", "sha384", "md5"):
        tries.append(
            (
                "signature.other-algorithm",
                f"it is HMAC with {algorithm}",
                lambda algorithm=algorithm: sign(secret, text, algorithm),  # type: ignore[misc]
            )
        )
    tries.append(
        (
            "signature.other-algorithm",
            "it is a plain SHA-256 without the secret",
            lambda: hashlib.sha256(text).hexdigest(),
        )
    )
    for requirement, what, make in tries:
        if make() == given:
            return requirement, f"the signature is wrong: {what}"
    return "signature.altered", "the signature is not HMAC-SHA256, under the secret, of the query without it"
