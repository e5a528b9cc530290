"""Signatures that must be refused, as data: see `key_flaws`."""

from __future__ import annotations

import secrets

from conformance.suite.tampering import (
    KeyFlaw,
    cased,
    flip,
    in_base64,
    later,
    send_query,
    set_fields,
    sign_anew,
    signature,
    signature_in_header,
    stamp,
    swap_case_or_flip,
    use_other_key,
    use_other_secret,
)
from conformance.target.signing import digest, sign

_SIG = "cancel.key.signature."

SIGNATURE_FLAWS = (
    KeyFlaw(_SIG + "missing", "no signature", "sign; unset SIGNATURE", after=set_fields(signature=None)),
    KeyFlaw(
        _SIG + "missing",
        "only the key",
        "unset TIMESTAMP; sign; unset SIGNATURE",
        before=stamp(lambda t: None),
        after=set_fields(signature=None),
    ),
    KeyFlaw(
        _SIG + "missing",
        "in a header",
        'sign; BESIDE="X-Signature: $SIGNATURE"; unset SIGNATURE',
        after=signature_in_header,
    ),
    KeyFlaw(_SIG + "empty", "empty signature", "sign; SIGNATURE=", after=set_fields(signature="")),
    KeyFlaw(
        _SIG + "truncated",
        "one digit short",
        "sign; SIGNATURE=${SIGNATURE%?}",
        after=signature(lambda s: s[:-1]),
    ),
    KeyFlaw(
        _SIG + "truncated",
        "first half",
        "sign; SIGNATURE=${SIGNATURE:0:32}",
        after=signature(lambda s: s[:32]),
    ),
    KeyFlaw(
        _SIG + "truncated",
        "first digits",
        "sign; SIGNATURE=${SIGNATURE:0:8}",
        after=signature(lambda s: s[:8]),
    ),
    KeyFlaw(_SIG + "altered", "first digit", 'sign; SIGNATURE=$(flip 0 "$SIGNATURE")', after=signature(flip(0))),
    KeyFlaw(
        _SIG + "altered",
        "middle digit",
        'sign; SIGNATURE=$(flip 33 "$SIGNATURE")',
        after=signature(flip(33)),
    ),
    KeyFlaw(_SIG + "altered", "last digit", 'sign; SIGNATURE=$(flip 63 "$SIGNATURE")', after=signature(flip(-1))),
    KeyFlaw(
        _SIG + "altered",
        "first digit, beside a token that is wrong too",
        """sign; SIGNATURE=$(flip 0 "$SIGNATURE"); BESIDE='Authorization: Bearer a.b.c'""",
        before=set_fields(headers={"Authorization": "Bearer a.b.c"}),
        after=signature(flip(0)),
    ),
    KeyFlaw(
        _SIG + "altered",
        "not hexadecimal",
        "sign; SIGNATURE=${SIGNATURE%?}z",
        after=signature(lambda s: s[:-1] + "z"),
    ),
    KeyFlaw(
        _SIG + "altered",
        "no hexadecimal at all",
        "sign; SIGNATURE=not-a-signature",
        after=set_fields(signature="not-a-signature"),
    ),
    KeyFlaw(
        _SIG + "altered", "escaped letters", "sign; SIGNATURE=%C3%A9%00", after=set_fields(signature="%C3%A9%00")
    ),
    KeyFlaw(
        _SIG + "altered", "all zeros", "sign; SIGNATURE=$(printf %064d 0)", after=set_fields(signature="0" * 64)
    ),
    KeyFlaw(
        _SIG + "altered",
        "reversed",
        'sign; SIGNATURE=$(reverse "$SIGNATURE")',
        after=signature(lambda s: s[::-1]),
    ),
    KeyFlaw(
        _SIG + "extended",
        "one digit more",
        "sign; SIGNATURE=${SIGNATURE}0",
        after=signature(lambda s: s + "0"),
    ),
    KeyFlaw(_SIG + "extended", "twice", "sign; SIGNATURE=$SIGNATURE$SIGNATURE", after=signature(lambda s: s + s)),
    KeyFlaw(
        _SIG + "extended",
        "four times",
        "sign; SIGNATURE=$SIGNATURE$SIGNATURE$SIGNATURE$SIGNATURE",
        after=signature(lambda s: s * 4),
    ),
    KeyFlaw(
        _SIG + "wrong-secret",
        "random secret",
        "SECRET=$(openssl rand -hex 32); sign",
        before=lambda d: setattr(d, "secret", secrets.token_hex(32)),
    ),
    KeyFlaw(_SIG + "wrong-secret", "empty secret", "SECRET=; sign", before=set_fields(secret="")),
    KeyFlaw(
        _SIG + "wrong-secret",
        "the key as secret",
        "SECRET=$KEY; sign",
        before=lambda d: setattr(d, "secret", d.key),
    ),
    KeyFlaw(
        _SIG + "wrong-secret",
        "secret in another case",
        'SECRET=$(other_case "$SECRET"); sign',
        before=lambda d: setattr(d, "secret", swap_case_or_flip(d.secret)),
    ),
    KeyFlaw(
        _SIG + "wrong-secret",
        "secret in lower case",
        'SECRET=$(cased "$SECRET" lower upper); sign',
        before=lambda d: setattr(d, "secret", cased(d.secret, str.lower, str.upper)),
    ),
    KeyFlaw(
        _SIG + "wrong-secret",
        "secret in upper case",
        'SECRET=$(cased "$SECRET" upper lower); sign',
        before=lambda d: setattr(d, "secret", cased(d.secret, str.upper, str.lower)),
    ),
    KeyFlaw(
        _SIG + "other-user",
        "the other user's secret",
        'SECRET=$(secret "${OTHER}_API_SECRET"); sign',
        before=use_other_secret,
        needs_other=True,
    ),
    KeyFlaw(
        _SIG + "other-user",
        "the other user's key",
        'KEY=$(secret "${OTHER}_API_KEY"); sign',
        before=use_other_key,
        needs_other=True,
    ),
    KeyFlaw(
        _SIG + "other-algorithm",
        "HMAC-SHA1",
        'sign; SIGNATURE=$(hmac sha1 "$SECRET" "$SENT$BODY")',
        after=sign_anew(lambda d: sign(d.secret, d.payload, "sha1")),
    ),
    KeyFlaw(
        _SIG + "other-algorithm",
        "HMAC-SHA512",
        'sign; SIGNATURE=$(hmac sha512 "$SECRET" "$SENT$BODY")',
        after=sign_anew(lambda d: sign(d.secret, d.payload, "sha512")),
    ),
    KeyFlaw(
        _SIG + "other-algorithm",
        "HMAC-MD5",
        'sign; SIGNATURE=$(hmac md5 "$SECRET" "$SENT$BODY")',
        after=sign_anew(lambda d: sign(d.secret, d.payload, "md5")),
    ),
    KeyFlaw(
        _SIG + "other-algorithm",
        "plain SHA-256",
        'sign; SIGNATURE=$(sha256 "$SENT$BODY")',
        after=sign_anew(lambda d: digest(d.payload)),
    ),
    KeyFlaw(
        _SIG + "other-algorithm",
        "SHA-256 of secret and payload",
        'sign; SIGNATURE=$(sha256 "$SECRET$SENT$BODY")',
        after=sign_anew(lambda d: digest(d.secret.encode() + d.payload)),
    ),
    KeyFlaw(
        _SIG + "other-algorithm",
        "in base64",
        'sign; SIGNATURE=$(hmac sha256 "$SECRET" "$SENT$BODY" -binary | in_base64)',
        after=signature(in_base64),
    ),
    KeyFlaw(
        _SIG + "other-algorithm",
        "path and query are signed",
        'sign; SIGNATURE=$(hmac sha256 "$SECRET" "$ROOT$PLACE?$SENT$BODY")',
        after=sign_anew(lambda d: sign(d.secret, d.path + b"?" + d.payload)),
    ),
    KeyFlaw(
        _SIG + "other-algorithm",
        "method, path and query are signed",
        'sign; SIGNATURE=$(hmac sha256 "$SECRET" "DELETE$ROOT$PLACE?$SENT$BODY")',
        after=sign_anew(lambda d: sign(d.secret, d.method.encode() + d.path + b"?" + d.payload)),
    ),
    KeyFlaw(
        _SIG + "other-algorithm",
        "method, path and query are signed, without a mark between",
        'sign; SIGNATURE=$(hmac sha256 "$SECRET" "DELETE$ROOT$PLACE$SENT$BODY")',
        after=sign_anew(lambda d: sign(d.secret, d.method.encode() + d.path + d.payload)),
    ),
    KeyFlaw(
        _SIG + "covers-added",
        "behind",
        'sign; SENT="$SENT&note=1"',
        after=send_query(lambda d: f"{d.signed_query}&note=1"),
    ),
    KeyFlaw(
        _SIG + "covers-added",
        "in front",
        'sign; SENT="note=1&$SENT"',
        after=send_query(lambda d: f"note=1&{d.signed_query}"),
    ),
    KeyFlaw(
        _SIG + "covers-added",
        "behind the signature",
        'sign; SIGNATURE="$SIGNATURE&note=1"',
        after=signature(lambda s: s + "&note=1"),
    ),
    KeyFlaw(
        _SIG + "covers-added",
        "recvWindow",
        'sign; SENT="$SENT&recvWindow=60000"',
        after=send_query(lambda d: f"{d.signed_query}&recvWindow=60000"),
    ),
    KeyFlaw(
        _SIG + "covers-added",
        "symbol",
        'sign; SENT="symbol=ABC&$SENT"',
        after=send_query(lambda d: f"symbol=ABC&{d.signed_query}"),
    ),
    KeyFlaw(
        _SIG + "covers-removed",
        "parameter",
        "sign; SENT=timestamp=$TIMESTAMP",
        after=send_query(lambda d: f"timestamp={d.timestamp}"),
        query="note=1",
    ),
    KeyFlaw(
        _SIG + "covers-removed",
        "value",
        'sign; SENT="note=&timestamp=$TIMESTAMP"',
        after=send_query(lambda d: f"note=&timestamp={d.timestamp}"),
        query="note=1",
    ),
    KeyFlaw(
        _SIG + "covers-order",
        "swapped",
        'sign; SENT="b=2&a=1&timestamp=$TIMESTAMP"',
        after=send_query(lambda d: f"b=2&a=1&timestamp={d.timestamp}"),
        query="a=1&b=2",
    ),
    KeyFlaw(
        _SIG + "covers-order",
        "timestamp first",
        'sign; SENT="timestamp=$TIMESTAMP&a=1"',
        after=send_query(lambda d: f"timestamp={d.timestamp}&a=1"),
        query="a=1",
    ),
    KeyFlaw(
        _SIG + "covers-timestamp",
        "nothing is signed",
        'sign; SIGNATURE=$(hmac sha256 "$SECRET" "")',
        after=sign_anew(lambda d: sign(d.secret, b"")),
    ),
    KeyFlaw(
        _SIG + "covers-timestamp",
        "the bare number is signed",
        'sign; SIGNATURE=$(hmac sha256 "$SECRET" "$TIMESTAMP")',
        after=sign_anew(lambda d: sign(d.secret, (d.timestamp or "").encode())),
    ),
    KeyFlaw(
        _SIG + "covers-timestamp",
        "exchanged",
        "sign; SENT=timestamp=$((TIMESTAMP + 1))",
        after=send_query(lambda d: f"timestamp={later(d)}"),
    ),
    KeyFlaw(
        _SIG + "covers-timestamp",
        "second behind",
        'sign; SENT="$SENT&timestamp=$((TIMESTAMP + 1))"',
        after=send_query(lambda d: f"timestamp={d.timestamp}&timestamp={later(d)}"),
    ),
    KeyFlaw(
        _SIG + "covers-timestamp",
        "second in front",
        'sign; SENT="timestamp=$((TIMESTAMP + 1))&$SENT"',
        after=send_query(lambda d: f"timestamp={later(d)}&timestamp={d.timestamp}"),
    ),
)
