"""Bearer tokens that must be refused, as data: the requirement, a name, and how to forge the header.

Each is tried on an order that the good token can cancel, so that a refusal can have no other reason.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from conformance.record import Auth
from conformance.suite.tampering import swap_case_or_flip
from conformance.target.credentials import Credential
from conformance.target.settings import Account
from conformance.target.signing import JwtAuth, decode_segment, encode_segment
from conformance.target.venue import Venue

Forge = Callable[[Account], str | None]


@dataclass(frozen=True)
class JwtFlaw:
    """A spoiled bearer token: `forge` makes the whole Authorization header of an account that has a good one.

    `bash` makes $AUTH, the same header, from $JWT. What is not `in_quick` a quick run leaves out.
    """

    requirement: str
    name: str
    bash: str
    forge: Forge
    needs_secret: bool = False
    in_quick: bool = True
    header: str = "Authorization"


def _parts(account: Account) -> tuple[str, str, str]:
    header, payload, signature = [*(account.jwt or "").split("."), "", ""][:3]
    return header, payload, signature


def _altered_payload(account: Account) -> str:
    header, payload, signature = _parts(account)
    try:
        claims = json.loads(decode_segment(payload))
        claims["exp"] = int(claims.get("exp", 4102444800)) + 86400
        payload = encode_segment(claims)
    except (ValueError, TypeError, AttributeError):
        payload = encode_segment(b'{"sub":"owner","exp":4102444800}')
    return f"Bearer {header}.{payload}.{signature}"


def _as_of(algorithm: str, change: Callable[[str], str]) -> Forge:
    """Name another algorithm, for which there may be no check; the changed signature is wrong for any."""

    def forge(account: Account) -> str:
        _, payload, signature = _parts(account)
        header = encode_segment({"alg": algorithm, "typ": "JWT"} if algorithm else {"typ": "JWT"})
        return f"Bearer {header}.{payload}.{change(signature)}"

    return forge


# a header that brings the key to check it with along, as RFC 7515 (section 4.1.3) lets it: that of "secret"
_OWN_KEY = '{"alg":"HS256","typ":"JWT","jwk":{"kty":"oct","k":"c2VjcmV0"}}'


# the name of a key that nobody has, or of a file that is empty
_NO_KEY = '{"alg":"HS256","typ":"JWT","kid":"../../../../dev/null"}'
# a name that becomes a key of the caller's choice where it is put into a query as it is
_KEY_BY_QUERY = '{"alg":"HS256","typ":"JWT","kid":"\\u0027 UNION SELECT \\u0027secret"}'


def _guessed(secret: str | None, head: str = '{"alg":"HS256","typ":"JWT"}') -> Forge:
    """Sign the token anew, with the account's own API secret where `secret` is None."""

    def forge(account: Account) -> str:
        _, payload, _ = _parts(account)
        header = encode_segment(head.encode())
        key = (account.api_secret or "") if secret is None else secret
        mac = hmac.new(key.encode(), f"{header}.{payload}".encode(), hashlib.sha256).digest()
        return f"Bearer {header}.{payload}.{encode_segment(mac)}"

    return forge


def _signature_part(change: Callable[[str], str], scheme: str = "Bearer") -> Forge:
    def forge(account: Account) -> str:
        header, payload, signature = _parts(account)
        return f"{scheme} {header}.{payload}.{change(signature)}"

    return forge


def _nothing(_: str) -> str:
    return ""


def _other_letter(text: str, at: int | None = None) -> str:
    """With another letter in the middle, or `at` that place."""
    place = len(text) // 2 if at is None else max(at, 0)
    return text[:place] + ("A" if text[place : place + 1] != "A" else "B") + text[place + 1 :]


_JWT = "cancel.jwt."
_ZEROS = "A" * 86  # 64 bytes of zero in base64url: a signature that fits everything where no number is checked
_BLANKS = "ICAg"  # three of them in base64url: in front of a header they change the text and not what it says

JWT_FLAWS = (
    JwtFlaw(_JWT + "missing", "no credentials", "unset AUTH", lambda a: None),
    JwtFlaw(_JWT + "garbage", "a word", "AUTH='Bearer token'", lambda a: "Bearer token"),
    JwtFlaw(_JWT + "garbage", "three words", "AUTH='Bearer a.b.c'", lambda a: "Bearer a.b.c"),
    JwtFlaw(_JWT + "garbage", "null", "AUTH='Bearer null'", lambda a: "Bearer null", in_quick=False),
    JwtFlaw(_JWT + "garbage", "nothing", "AUTH=Bearer", lambda a: "Bearer"),
    JwtFlaw(
        _JWT + "altered-payload",
        "later expiry",
        'parts; AUTH="Bearer $HEAD.$(later "$CLAIMS").$TAIL"',
        _altered_payload,
    ),
    JwtFlaw(
        _JWT + "altered-signature",
        "another letter",
        'parts; AUTH="Bearer $HEAD.$CLAIMS.$(other_letter "$TAIL")"',
        _signature_part(_other_letter),
    ),
    JwtFlaw(
        _JWT + "altered-signature",
        "another letter near the front, header in lower case",
        'HEADER_OF_AUTH=authorization; parts; AUTH="Bearer $HEAD.$CLAIMS.$(other_letter "$TAIL" 4)"',
        _signature_part(lambda s: _other_letter(s, 4)),
        in_quick=False,
        header="authorization",
    ),
    JwtFlaw(
        _JWT + "altered-signature",
        "another letter, scheme in lower case",
        'parts; AUTH="bearer $HEAD.$CLAIMS.$(other_letter "$TAIL")"',
        _signature_part(_other_letter, scheme="bearer"),
        in_quick=False,
    ),
    JwtFlaw(
        _JWT + "altered-signature",
        "another letter at the end",
        'parts; AUTH="Bearer $HEAD.$CLAIMS.$(other_letter "$TAIL" $((${#TAIL} - 2)))"',
        _signature_part(lambda s: _other_letter(s, len(s) - 2)),
    ),
    JwtFlaw(
        _JWT + "altered-signature",
        "first half",
        'parts; AUTH="Bearer $HEAD.$CLAIMS.${TAIL:0:$((${#TAIL} / 2))}"',
        _signature_part(lambda s: s[: len(s) // 2]),
    ),
    *(
        JwtFlaw(
            _JWT + "altered-signature",
            f"another letter, as of {algorithm or 'no algorithm'}",
            f'parts; AUTH="Bearer $(head_of {algorithm}).$CLAIMS.$(other_letter "$TAIL")"',
            _as_of(algorithm, _other_letter),
            in_quick=algorithm not in ("HS384", "ES256"),
        )
        for algorithm in ("HS512", "RS256", "", "HS384", "ES256")
    ),
    JwtFlaw(
        _JWT + "altered-signature",
        "zeros, as of ES256",
        f'parts; AUTH="Bearer $(head_of ES256).$CLAIMS.{_ZEROS}"',
        _as_of("ES256", lambda s: _ZEROS),
        in_quick=False,
    ),
    JwtFlaw(_JWT + "altered-signature", "signed with no secret", "AUTH=\"Bearer $(guessed '')\"", _guessed("")),
    *(
        JwtFlaw(
            _JWT + "altered-signature",
            f"signed with a guessed secret ({guess})",
            f'AUTH="Bearer $(guessed {guess})"',
            _guessed(guess),
            in_quick=guess == "secret",
        )
        for guess in ("secret", "your-256-bit-secret", "changeme")
    ),
    JwtFlaw(
        _JWT + "altered-signature",
        "signed with the API secret",
        'AUTH="Bearer $(guessed "$(secret "${WHO}_API_SECRET")")"',
        _guessed(None),
        needs_secret=True,
    ),
    JwtFlaw(
        _JWT + "altered-signature",
        "signed with a key that it names itself",
        f"AUTH=\"Bearer $(guessed secret '{_OWN_KEY}')\"",
        _guessed("secret", _OWN_KEY),
    ),
    JwtFlaw(
        _JWT + "altered-signature",
        "signed with no secret, for a key that nobody has",
        f"AUTH=\"Bearer $(guessed '' '{_NO_KEY}')\"",
        _guessed("", _NO_KEY),
    ),
    JwtFlaw(
        _JWT + "altered-signature",
        "signed with a key that it has a query make",
        f"AUTH=\"Bearer $(guessed secret '{_KEY_BY_QUERY}')\"",
        _guessed("secret", _KEY_BY_QUERY),
        in_quick=False,
    ),
    JwtFlaw(
        _JWT + "altered-signature",
        "in another case",
        'parts; AUTH="Bearer $HEAD.$CLAIMS.$(other_case "$TAIL")"',
        _signature_part(swap_case_or_flip),
    ),
    JwtFlaw(
        _JWT + "altered-signature",
        "more letters behind it",
        'parts; AUTH="Bearer $HEAD.$CLAIMS.${TAIL}AAAA"',
        _signature_part(lambda s: f"{s}AAAA"),
    ),
    JwtFlaw(
        _JWT + "altered-signature",
        "of a header without the blanks that it has now",
        'AUTH="Bearer ' + _BLANKS + '$JWT"',
        lambda a: f"Bearer {_BLANKS}{a.jwt}",
    ),
    JwtFlaw(_JWT + "garbage", "a fourth part", 'AUTH="Bearer $JWT.x"', lambda a: f"Bearer {a.jwt}.x"),
    JwtFlaw(_JWT + "stripped-signature", "empty", 'parts; AUTH="Bearer $HEAD.$CLAIMS."', _signature_part(_nothing)),
    JwtFlaw(
        _JWT + "stripped-signature",
        "no third part",
        'parts; AUTH="Bearer $HEAD.$CLAIMS"',
        lambda a: "Bearer " + ".".join(_parts(a)[:2]),
    ),
    JwtFlaw(_JWT + "alg-none", "none", 'parts; AUTH="Bearer $(head_of none).$CLAIMS."', _as_of("none", _nothing)),
    JwtFlaw(_JWT + "alg-none", "None", 'parts; AUTH="Bearer $(head_of None).$CLAIMS."', _as_of("None", _nothing)),
    JwtFlaw(
        _JWT + "alg-none",
        "none, signature kept",
        'parts; AUTH="Bearer $(head_of none).$CLAIMS.$TAIL"',
        _as_of("none", lambda s: s),
    ),
    JwtFlaw(_JWT + "other-scheme", "Basic", 'AUTH="Basic $JWT"', lambda a: f"Basic {a.jwt}"),
    JwtFlaw(_JWT + "other-scheme", "Token", 'AUTH="Token $JWT"', lambda a: f"Token {a.jwt}"),
    JwtFlaw(_JWT + "other-scheme", "JWT", 'AUTH="JWT $JWT"', lambda a: f"JWT {a.jwt}", in_quick=False),
    JwtFlaw(
        _JWT + "other-scheme",
        "Basic in front",
        'AUTH="Basic x, Bearer $JWT"',
        lambda a: f"Basic x, Bearer {a.jwt}",
        in_quick=False,
    ),
    JwtFlaw(_JWT + "other-scheme", "no scheme", "AUTH=$JWT", lambda a: a.jwt),
)


def jwt_flaw(name: str) -> JwtFlaw:
    """The (first) flaw of that name."""
    return next(flaw for flaw in JWT_FLAWS if flaw.name == name)


def spoiled_jwt(venue: Venue, flaw: JwtFlaw, name: str = "owner") -> Credential:
    """The JWT of an account with this flaw; raises NotExercised without one, Undecidable if it cannot be used."""
    account = venue.account(name)
    if flaw.requirement != "cancel.jwt.missing":
        account = venue.credentials.offered(name, "jwt")
    if flaw.needs_secret:
        account = replace(account, api_secret=venue.credentials.offered(name, "api_key").api_secret)
    return Credential(Auth(name, "jwt", flaw.requirement, how=flaw.name), JwtAuth(flaw.forge(account), flaw.header))
