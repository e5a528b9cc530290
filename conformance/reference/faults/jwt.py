"""Faults of the chapter JWT: tokens that prove nothing and are taken all the same."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from ..auth import Incoming
from ..orders import Order
from ..reference import Reference
from .registry import fault
from .tools import by_key, header, remember_request, trust, wrap

Parts = list[bytes]


def trust_token(ref: Reference, when: Callable[[Parts], bool]) -> None:
    """Let a cancel act whose refused bearer token has parts (between its dots) for which ``when`` is true."""

    def good(incoming: Incoming) -> bool:
        words = header(incoming, b"authorization").split()
        return len(words) == 2 and words[0].lower() == b"bearer" and when(words[1].split(b"."))

    trust(ref, good)


def decoded(part: bytes) -> bytes:
    """Return a base64url part of a token as bytes, empty when it is none."""
    try:
        return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except ValueError:
        return b""


def claims_of(part: bytes) -> dict[str, Any]:
    """Return a part of a token as a JSON object, empty when it is none."""
    try:
        value = json.loads(decoded(part))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def mac(key: str, parts: Parts) -> bytes:
    """Return the HS256 signature that a token should have."""
    return hmac.new(key.encode(), b".".join(parts[:2]), hashlib.sha256).digest()


def has_expired(ref: Reference, parts: Parts) -> bool:
    """Whether a token says that it has expired."""
    return float(claims_of(parts[1]).get("exp", 0)) < ref.clock.now_s()


@fault("cancel.jwt.missing")
def no_credentials_needed(ref: Reference) -> None:
    """A cancel without any credentials acts as the order's owner."""
    trust(ref, lambda incoming: not header(incoming, b"authorization") and not header(incoming, b"x-mbx-apikey"))


@fault("cancel.jwt.missing", "cancel.answers.status")
def no_credentials_crash(ref: Reference) -> None:
    """A request without any credentials is answered with 500."""

    def authenticate(original: Any, incoming: Incoming) -> str:
        names = {name for name, _ in incoming.headers}
        if not names & {b"authorization", b"x-mbx-apikey", b"x-api-key"}:
            raise RuntimeError("no credentials")
        account: str = original(incoming)
        return account

    wrap(ref.auth, "authenticate", authenticate)


@fault("cancel.jwt.garbage")
def any_word_is_a_token(ref: Reference) -> None:
    """Any bearer token that is no JWT at all is accepted."""
    trust_token(ref, lambda parts: len(parts) == 1)


@fault("cancel.jwt.garbage")
def any_three_words_are_a_token(ref: Reference) -> None:
    """A bearer token of three parts is accepted when none of them can be decoded."""
    trust_token(ref, lambda parts: len(parts) == 3 and not claims_of(parts[0]))


@fault("cancel.jwt.altered-payload")
def payload_is_not_signed(ref: Reference) -> None:
    """A token counts when its signature was seen on any good token, whatever its payload says."""
    seen: set[bytes] = set()

    def decode_jwt(original: Any, token: str) -> dict[str, Any]:
        claims: dict[str, Any] = original(token)
        seen.add(token.encode().rpartition(b".")[2])
        return claims

    wrap(ref.auth, "decode_jwt", decode_jwt)
    trust_token(ref, lambda p: len(p) == 3 and p[2] in seen and claims_of(p[0]).get("alg") == "HS256")


@fault("cancel.jwt.altered-signature", "cancel.jwt.altered-payload")
def signature_of_a_token_is_not_checked(ref: Reference) -> None:
    """A token with any signature of the right length is accepted."""
    trust_token(
        ref,
        lambda p: (
            len(p) == 3
            and len(decoded(p[2])) == 32
            and claims_of(p[0]).get("alg") == "HS256"
            and not has_expired(ref, p)
        ),
    )


@fault("cancel.jwt.altered-signature")
def half_a_token_signature_is_enough(ref: Reference) -> None:
    """Only as much of a token's signature is compared as was sent."""
    trust_token(
        ref,
        lambda p: (
            len(p) == 3
            and len(p[2]) > 4
            and mac(ref.secrets.jwt_key, p).startswith(decoded(p[2][: len(p[2]) // 4 * 4]))
            and not has_expired(ref, p)
        ),
    )


@fault("cancel.jwt.altered-signature")
def last_letters_of_a_token_do_not_count(ref: Reference) -> None:
    """The last four letters of a token's signature are not compared."""
    trust_token(
        ref,
        lambda p: (
            len(p) == 3
            and mac(ref.secrets.jwt_key, p)[:-3] == decoded(p[2])[:-3]
            and len(p[2]) > 40
            and not has_expired(ref, p)
        ),
    )


@fault("cancel.jwt.altered-signature")
def an_empty_secret_signs_tokens(ref: Reference) -> None:
    """A token that is signed with the empty secret is accepted."""
    trust_token(ref, lambda p: len(p) == 3 and decoded(p[2]) == mac("", p))


@fault("cancel.jwt.altered-signature")
def a_default_secret_signs_tokens(ref: Reference) -> None:
    """A token that is signed with the word "secret" is accepted: a default was never replaced."""
    trust_token(ref, lambda p: len(p) == 3 and decoded(p[2]) == mac("secret", p))


@fault("cancel.jwt.altered-signature")
def tokens_bring_their_key_along(ref: Reference) -> None:
    """A token is checked with the key that its own header names."""

    def own_key(parts: Parts) -> str:
        key = claims_of(parts[0]).get("jwk")
        return decoded(str(key.get("k")).encode()).decode() if isinstance(key, dict) else ""

    trust_token(ref, lambda p: len(p) == 3 and own_key(p) != "" and decoded(p[2]) == mac(own_key(p), p))


@fault("cancel.jwt.altered-signature")
def longer_hashes_are_not_checked(ref: Reference) -> None:
    """A token that says that it is signed by HS512 is accepted, whatever its signature is."""
    trust_token(ref, lambda p: len(p) == 3 and claims_of(p[0]).get("alg") == "HS512")


@fault("cancel.jwt.altered-signature")
def signatures_by_public_keys_are_not_checked(ref: Reference) -> None:
    """A token that says that it is signed by RS256 is accepted: the check was left to a gateway that is gone."""
    trust_token(ref, lambda p: len(p) == 3 and claims_of(p[0]).get("alg") == "RS256")


@fault("cancel.jwt.altered-signature")
def unknown_key_ids_stand_for_an_empty_key(ref: Reference) -> None:
    """A token that names a key which nobody has is checked with an empty one."""
    trust_token(ref, lambda p: len(p) == 3 and "kid" in claims_of(p[0]) and decoded(p[2]) == mac("", p))


@fault("cancel.jwt.altered-signature")
def api_secrets_sign_tokens(ref: Reference) -> None:
    """A token signed with an API secret is accepted."""
    keys = ref.auth.secrets.api_keys.values()
    trust_token(ref, lambda p: len(p) == 3 and any(decoded(p[2]) == mac(key.secret, p) for key in keys))


@fault("cancel.jwt.stripped-signature")
def empty_token_signature_accepted(ref: Reference) -> None:
    """A token whose third part is empty is accepted."""
    trust_token(ref, lambda p: len(p) == 3 and not p[2] and claims_of(p[0]).get("alg") == "HS256")


@fault("cancel.jwt.stripped-signature")
def two_parts_make_a_token(ref: Reference) -> None:
    """A token without its third part is accepted."""
    trust_token(ref, lambda p: len(p) == 2 and claims_of(p[0]).get("alg") == "HS256")


@fault("cancel.jwt.altered-signature")
def zeros_prove_es256(ref: Reference) -> None:
    """A token that says ES256 is accepted with a signature of zeros, which fits everything if nobody looks."""
    trust_token(
        ref,
        lambda p: len(p) == 3 and claims_of(p[0]).get("alg") == "ES256" and set(decoded(p[2])) == {0},
    )


@fault("cancel.jwt.missing")
def ids_in_upper_case_need_no_credentials(ref: Reference) -> None:
    """A cancel without credentials acts if its id is written in upper case."""
    current = remember_request(ref)

    def nobody(incoming: Incoming) -> bool:
        named = current().url.path.rsplit("/", 1)[-1]
        bare = not header(incoming, b"authorization") and not header(incoming, b"x-mbx-apikey")
        return bare and named != named.lower()

    trust(ref, nobody)


@fault("cancel.jwt.alg-none")
def unsigned_tokens_accepted(ref: Reference) -> None:
    """A token with the algorithm "none" and no signature is accepted."""
    trust_token(ref, lambda p: len(p) == 3 and not p[2] and claims_of(p[0]).get("alg") == "none")


@fault("cancel.jwt.alg-none")
def unsigned_tokens_in_another_case_accepted(ref: Reference) -> None:
    """The algorithm "none" is refused, "None" is accepted."""
    trust_token(ref, lambda p: len(p) == 3 and claims_of(p[0]).get("alg") == "None")


@fault("cancel.jwt.alg-none")
def unsigned_tokens_with_a_signature_accepted(ref: Reference) -> None:
    """A token with the algorithm "none" is accepted when it carries some signature."""
    trust_token(ref, lambda p: len(p) == 3 and bool(p[2]) and claims_of(p[0]).get("alg") == "none")


@fault("cancel.jwt.expired")
def tokens_never_expire(ref: Reference) -> None:
    """A token's expiry is not looked at."""
    wrap(ref.auth, "check_expiry", lambda original, claims: None)


@fault("cancel.jwt.expired")
def tokens_expire_a_day_late(ref: Reference) -> None:
    """A token lives a day longer than it says."""
    late = 24 * 3600
    wrap(ref.auth, "check_expiry", lambda original, claims: original({**claims, "exp": claims["exp"] + late}))


@fault("cancel.jwt.other-scheme")
def any_scheme_carries_a_token(ref: Reference) -> None:
    """A token is accepted after any scheme name, "Basic" say."""
    wrap(ref.auth, "bearer_token", lambda original, value: value.split()[-1].decode("latin-1"))


@fault("cancel.jwt.other-scheme")
def a_token_needs_no_scheme(ref: Reference) -> None:
    """A token alone in the Authorization header is accepted, without the word Bearer."""
    wrap(
        ref.auth,
        "bearer_token",
        lambda original, value: (
            value.decode("latin-1") if value.count(b".") == 2 and b" " not in value else original(value)
        ),
    )


@fault("cancel.jwt.other-user", "cancel.errors.forbidden")
def tokens_act_on_everybodys_orders(ref: Reference) -> None:
    """A JWT cancels the orders of all users; an API key only its own."""
    current = remember_request(ref)

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        order = ref.exchange.find_order(order_id)
        mine = order is None or not order.live or by_key(current())
        canceled: Order = await original(account if mine or order is None else order.account, order_id)
        return canceled

    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.jwt.altered-signature")
def token_signatures_may_be_followed_by_anything(ref: Reference) -> None:
    """What follows the 43 characters of a token's signature is ignored."""
    key = ref.auth.secrets.jwt_key
    trust_token(ref, lambda p: len(p) == 3 and decoded(p[2][:43]) == mac(key, p))


@fault("cancel.jwt.altered-signature")
def token_headers_are_checked_as_they_read(ref: Reference) -> None:
    """A token's signature is checked with its header written anew, so that one that reads alike will do."""
    key = ref.auth.secrets.jwt_key

    def written_anew(part: bytes) -> bytes:
        text = json.dumps(claims_of(part), separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=")

    trust_token(ref, lambda p: len(p) == 3 and decoded(p[2]) == mac(key, [written_anew(p[0]), p[1]]))
