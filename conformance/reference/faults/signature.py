"""Faults of the chapter API key and signature: signatures that prove nothing, and good ones that are refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.responses import Response

from ..auth import Incoming
from ..errors import Unauthorized
from ..reference import Reference
from .registry import fault
from .tools import good_signature, header, is_cancel, is_fresh, param, remember_request, trust, verified, wrap

_SIG = "cancel.key.signature."


def trust_signature(ref: Reference, when: Callable[[bytes, bytes], bool]) -> None:
    """Let a fresh request with a known key act when ``when(given, right signature)`` is true."""

    def good(incoming: Incoming) -> bool:
        if param(ref, incoming, b"signature") is None or not is_fresh(ref, incoming):
            return False
        given, expected = good_signature(ref, incoming)
        return bool(expected) and when(given, expected)

    trust(ref, good)


def trust_payload(ref: Reference, payload: Callable[[Incoming, list[bytes]], bytes]) -> None:
    """Let a request act when its signature is right for ``payload(incoming, its segments but the signature)``."""

    def good(incoming: Incoming) -> bool:
        key = header(incoming, b"x-mbx-apikey")
        account, given = ref.auth.accounts_by_key.get(key), param(ref, incoming, b"signature")
        if account is None or not given or not is_fresh(ref, incoming):
            return False
        segments = [s for name, s in ref.auth.query_params(incoming.query) if name != b"signature"]
        return given == ref.auth.sign(ref.auth.secret_of(account), payload(incoming, segments))

    trust(ref, good)


def trust_digest(ref: Reference, digest: Callable[[bytes, bytes], str]) -> None:
    """Let a request act when its signature is ``digest(secret, payload)``."""

    def good(incoming: Incoming) -> bool:
        account = ref.auth.accounts_by_key.get(header(incoming, b"x-mbx-apikey"))
        given = param(ref, incoming, b"signature")
        if account is None or not given or not is_fresh(ref, incoming):
            return False
        return given.decode("latin-1") == digest(
            ref.auth.secret_of(account).encode(), ref.auth.payload_to_sign(incoming)
        )

    trust(ref, good)


@fault(_SIG + "missing")
def key_alone_is_enough(ref: Reference) -> None:
    """A known API key acts without any signature."""
    trust(
        ref,
        lambda r: (
            header(r, b"x-mbx-apikey") in ref.auth.accounts_by_key
            and param(ref, r, b"signature") is None
            and is_fresh(ref, r)
        ),
    )


@fault(_SIG + "missing")
def key_without_any_query_is_enough(ref: Reference) -> None:
    """A known API key with an empty query acts, as if it were a session."""
    trust(ref, lambda r: header(r, b"x-mbx-apikey") in ref.auth.accounts_by_key and not r.query)


@fault(_SIG + "empty")
def empty_signature_accepted(ref: Reference) -> None:
    """An empty signature is accepted."""
    trust_signature(ref, lambda given, expected: given == b"")


@fault(_SIG + "truncated", _SIG + "empty")
def beginning_of_a_signature_is_enough(ref: Reference) -> None:
    """A signature is compared as far as it was sent, so that a part of it is enough."""
    trust_signature(ref, lambda given, expected: expected.startswith(given))


@fault(_SIG + "truncated")
def signature_may_lack_its_last_digit(ref: Reference) -> None:
    """A signature may lack its last digit, and nothing more."""
    trust_signature(ref, lambda given, expected: given == expected[:-1])


@fault(_SIG + "altered", _SIG + "wrong-secret", _SIG + "other-algorithm")
def any_signature_accepted(ref: Reference) -> None:
    """Any signature of 64 digits is accepted."""
    trust_signature(ref, lambda given, expected: len(given) == 64)


@fault(_SIG + "altered")
def last_digit_of_a_signature_ignored(ref: Reference) -> None:
    """The last digit of a signature is not compared."""
    trust_signature(ref, lambda given, expected: len(given) == 64 and given[:-1] == expected[:-1])


@fault(_SIG + "altered")
def first_digit_of_a_signature_ignored(ref: Reference) -> None:
    """The first digit of a signature is not compared."""
    trust_signature(ref, lambda given, expected: len(given) == 64 and given[1:] == expected[1:])


@fault(_SIG + "altered")
def digits_of_a_signature_in_any_order(ref: Reference) -> None:
    """A signature counts when it has the right digits in whatever order."""
    trust_signature(ref, lambda given, expected: sorted(given) == sorted(expected))


@fault(_SIG + "extended")
def signature_may_be_followed_by_anything(ref: Reference) -> None:
    """What follows the right signature in its value is ignored."""
    trust_signature(ref, lambda given, expected: given.startswith(expected))


@fault(_SIG + "wrong-secret", _SIG + "truncated", _SIG + "altered", _SIG + "other-algorithm")
def signatures_are_not_checked(ref: Reference) -> None:
    """A signature must be there and is not looked at."""
    trust_signature(ref, lambda given, expected: bool(given))


@fault(_SIG + "wrong-secret")
def key_signs_for_itself(ref: Reference) -> None:
    """A signature that was made with the API key instead of its secret is accepted."""

    def good(incoming: Incoming) -> bool:
        key, given = header(incoming, b"x-mbx-apikey"), param(ref, incoming, b"signature")
        mine = key in ref.auth.accounts_by_key and is_fresh(ref, incoming)
        return mine and given == ref.auth.sign(key.decode(), ref.auth.payload_to_sign(incoming))

    trust(ref, good)


@fault(_SIG + "wrong-secret")
def empty_secret_signs(ref: Reference) -> None:
    """A signature that was made with an empty secret is accepted."""
    trust_digest(ref, lambda secret, payload: hmac.new(b"", payload, hashlib.sha256).hexdigest())


@fault(_SIG + "other-user")
def any_users_secret_signs(ref: Reference) -> None:
    """A signature that was made with any user's secret is accepted for every key."""

    def signatures_match(original: Any, given: bytes, expected: bytes, request: Incoming) -> bool:
        payload = ref.auth.payload_to_sign(request)
        return any(given == ref.auth.sign(pair.secret, payload) for pair in ref.secrets.api_keys.values())

    def authenticate_api_key(original: Any, api_key: bytes, request: Incoming) -> str:
        try:
            account: str = original(api_key, request)
        except Unauthorized:
            given = param(ref, request, b"signature") or b""
            owner = ref.auth.accounts_by_key.get(api_key)
            if owner is None or not is_fresh(ref, request) or not signatures_match(None, given, b"", request):
                raise
            return owner
        return account

    wrap(ref.auth, "authenticate_api_key", authenticate_api_key)


@fault(_SIG + "other-algorithm")
def hmac_sha512_accepted(ref: Reference) -> None:
    """A signature by HMAC-SHA512 is accepted as well."""
    trust_digest(ref, lambda secret, payload: hmac.new(secret, payload, hashlib.sha512).hexdigest())


@fault(_SIG + "other-algorithm")
def hmac_md5_accepted(ref: Reference) -> None:
    """A signature by HMAC-MD5 is accepted as well."""
    trust_digest(ref, lambda secret, payload: hmac.new(secret, payload, hashlib.md5).hexdigest())


@fault(_SIG + "other-algorithm")
def plain_digest_accepted(ref: Reference) -> None:
    """The plain SHA-256 of the payload, which needs no secret, is accepted as a signature."""
    trust_digest(ref, lambda secret, payload: hashlib.sha256(payload).hexdigest())


@fault(_SIG + "other-algorithm")
def digest_of_secret_and_payload_accepted(ref: Reference) -> None:
    """The SHA-256 of secret and payload, which is no HMAC, is accepted as a signature."""
    trust_digest(ref, lambda secret, payload: hashlib.sha256(secret + payload).hexdigest())


@fault(_SIG + "other-algorithm")
def signatures_in_base64_accepted(ref: Reference) -> None:
    """A signature counts in base64 as well as in hexadecimal."""
    trust_signature(
        ref,
        lambda given, expected: (
            unquote_to_bytes(given) == base64.b64encode(bytes.fromhex(expected.decode("latin-1")))
        ),
    )


@fault(_SIG + "missing")
def signatures_in_a_header_accepted(ref: Reference) -> None:
    """A signature counts that stands in the header X-Signature."""

    def good(incoming: Incoming) -> bool:
        _, expected = good_signature(ref, incoming)
        given = header(incoming, b"x-signature")
        return bool(expected) and given == expected and is_fresh(ref, incoming)

    trust(ref, good)


@fault(_SIG + "covers-added")
def symbols_are_not_signed(ref: Reference) -> None:
    """A parameter symbol may be added without being signed."""
    trust_payload(ref, lambda _, segments: b"&".join(s for s in segments if not s.startswith(b"symbol=")))


@fault(_SIG + "covers-added")
def only_the_timestamp_is_signed(ref: Reference) -> None:
    """A signature over the timestamp alone is accepted, whatever else stands in the query."""
    trust_payload(ref, lambda _, segments: next((s for s in segments if s.startswith(b"timestamp=")), b""))


@fault(_SIG + "covers-added")
def last_parameter_is_not_signed(ref: Reference) -> None:
    """A parameter behind the signed ones is not covered by the signature."""
    trust_payload(ref, lambda _, segments: b"&".join(segments[:-1]))


@fault(_SIG + "covers-added")
def receive_window_is_not_signed(ref: Reference) -> None:
    """A parameter recvWindow may be added without being signed."""
    trust_payload(ref, lambda _, segments: b"&".join(s for s in segments if not s.startswith(b"recvWindow=")))


@fault(_SIG + "covers-added")
def nothing_behind_the_signature_is_signed(ref: Reference) -> None:
    """Parameters that stand behind the signature are not covered by it."""
    trust_payload(ref, lambda r, _: r.query.partition(b"&signature=")[0])


@fault(_SIG + "covers-removed")
def dropped_notes_do_not_count(ref: Reference) -> None:
    """A signature that was made over a further parameter "note=1" counts without it."""
    trust_payload(ref, lambda _, segments: b"note=1&" + b"&".join(s for s in segments if not s.startswith(b"note")))


@fault(_SIG + "covers-order")
def parameters_are_sorted_before_signing(ref: Reference) -> None:
    """A signature counts when it is right for the parameters sorted by name, in whatever order they are sent."""
    trust_payload(ref, lambda _, segments: b"&".join(sorted(segments)))


@fault(_SIG + "covers-timestamp")
def any_timestamp_goes_with_a_signature(ref: Reference) -> None:
    """A signature made in the last two seconds is good with any fresh timestamp."""

    def signatures_match(original: Any, given: bytes, expected: bytes) -> bool:
        return bool(original(given, expected)) or later(given)

    secret, signed = b"", b""

    def sign(original: Any, secret_: str, payload: bytes) -> Any:
        nonlocal secret, signed
        secret, signed = secret_.encode(), payload
        return original(secret_, payload)

    def later(given: bytes) -> bool:
        now = ref.clock.now_ms()
        return signed.removeprefix(b"timestamp=").isdigit() and any(
            given == hmac.digest(secret, b"timestamp=%d" % stamp, "sha256").hex().encode()
            for stamp in range(now - 2000, now + 2)
        )

    wrap(ref.auth, "sign", sign)
    wrap(ref.auth, "signatures_match", signatures_match)


def are_two_timestamps(segments: list[bytes]) -> bool:
    """Whether a query has two timestamps, and nothing else but its signature."""
    return [segment.partition(b"=")[0] for segment in segments] == [b"timestamp"] * 2


@fault(_SIG + "covers-timestamp")
def first_of_two_timestamps_signed(ref: Reference) -> None:
    """Of two timestamps the first is signed and checked, and the second ignored."""
    trust_payload(ref, lambda _, segments: segments[0] if are_two_timestamps(segments) else b"")


@fault(_SIG + "covers-timestamp")
def last_of_two_timestamps_signed(ref: Reference) -> None:
    """Of two timestamps the last is signed, and the first ignored."""
    trust_payload(ref, lambda _, segments: segments[1] if are_two_timestamps(segments) else b"")


@fault(_SIG + "extra-signed")
def further_signed_parameters_refused(ref: Reference) -> None:
    """A well-signed request with a parameter beside timestamp and signature gets 401."""
    refuse_query(ref, lambda query: query.count(b"&") > 1)


@fault(_SIG + "extra-signed")
def repeated_parameters_refused(ref: Reference) -> None:
    """A well-signed request gets 401 when a name occurs twice in its query."""

    def repeated(query: bytes) -> bool:
        names = [segment.partition(b"=")[0] for segment in query.split(b"&")]
        return len(set(names)) < len(names)

    refuse_query(ref, repeated)


@fault(_SIG + "extra-signed")
def parameters_without_a_value_refused(ref: Reference) -> None:
    """A well-signed request gets 401 when a parameter has no value, because parsers drop it."""
    refuse_query(ref, lambda query: any(not s.partition(b"=")[2] for s in query.split(b"&")))


@fault(_SIG + "encoding")
def decoded_query_is_signed(ref: Reference) -> None:
    """The query is decoded before its signature is verified, so that percent escapes make it wrong."""
    wrap(ref.auth, "payload_to_sign", lambda original, request: unquote_to_bytes(original(request)))


@fault(_SIG + "encoding")
def escapes_are_rewritten_before_signing(ref: Reference) -> None:
    """A plus sign is read as a blank and written as %20 before the signature is verified."""
    wrap(ref.auth, "payload_to_sign", lambda original, request: original(request).replace(b"+", b"%20"))


@fault(_SIG + "encoding")
def lower_case_escapes_are_rewritten(ref: Reference) -> None:
    """Percent escapes are put into upper case before the signature is verified."""
    wrap(ref.auth, "payload_to_sign", lambda original, request: original(request).replace(b"%7e", b"%7E"))


def refuse_query(ref: Reference, when: Callable[[bytes], bool]) -> None:
    """Refuse a well-signed DELETE on an order for whose query ``when`` is true."""

    def payload_to_sign(original: Any, request: Incoming) -> bytes:
        if not request.body and not request.query.startswith(b"symbol=") and when(request.query):
            raise Unauthorized("refused")
        payload: bytes = original(request)
        return payload

    wrap(ref.auth, "payload_to_sign", payload_to_sign)


@fault(_SIG + "altered")
def third_wrong_signature_in_a_row_accepted(ref: Reference) -> None:
    """Of wrong signatures in a row the third is accepted."""
    wrong = 0

    def signatures_match(original: Any, given: bytes, expected: bytes) -> bool:
        nonlocal wrong
        matches: bool = original(given, expected)
        wrong = 0 if matches else wrong + 1
        return matches or wrong == 3

    wrap(ref.auth, "signatures_match", signatures_match)


@fault(_SIG + "other-algorithm")
def keys_sign_with_sha512(ref: Reference) -> None:
    """Signatures are HMAC-SHA512 everywhere, and those that the page documents are refused."""
    wrap(
        ref.auth,
        "sign",
        lambda original, secret, payload: hmac.new(secret.encode(), payload, hashlib.sha512).hexdigest().encode(),
    )


@fault(_SIG + "other-algorithm")
def the_path_is_signed_as_well(ref: Reference) -> None:
    """Signatures cover path and query everywhere, and those that the page documents are refused."""
    now = remember_request(ref)
    wrap(ref.auth, "payload_to_sign", lambda original, r: bytes(now().scope["raw_path"]) + b"?" + original(r))


def crash_on_signature(ref: Reference, when: Callable[[str], bool]) -> None:
    """Let a cancel whose signature (empty without one) ``when`` is true for be answered with 500."""

    async def handle(original: Any, request: Request, names: Any) -> Response:
        if is_cancel(request) and when(request.query_params.get("signature", "")):
            return ref.responder.error(500, "INTERNAL_ERROR")
        response: Response = await original(request, names)
        return response

    wrap(ref.app, "handle", handle)


@fault(_SIG + "altered", "cancel.answers.status")
def signatures_that_are_not_hexadecimal_crash(ref: Reference) -> None:
    """A signature that is not hexadecimal is answered with 500."""
    crash_on_signature(ref, lambda signature: not re.fullmatch("[0-9a-fA-F]*", signature))


@fault(_SIG + "extra-signed")
def the_timestamp_must_come_last(ref: Reference) -> None:
    """A good signature is refused if a parameter stands behind the timestamp."""

    def payload_to_sign(original: Any, incoming: Incoming) -> bytes:
        payload: bytes = original(incoming)
        return payload + b"&" if re.search(rb"(^|&)timestamp=[^&]*&", payload) else payload

    wrap(ref.auth, "payload_to_sign", payload_to_sign)


@fault(_SIG + "extended", "cancel.answers.status")
def long_signatures_crash(ref: Reference) -> None:
    """A signature of more than 128 digits is answered with 500."""
    crash_on_signature(ref, lambda signature: len(signature) > 128)


@fault(_SIG + "altered")
def verified_timestamp_needs_no_signature(ref: Reference) -> None:
    """Once a key and timestamp came with a good signature, they pass with any."""

    def pair(incoming: Incoming) -> tuple[bytes, bytes | None]:
        return header(incoming, b"x-mbx-apikey"), param(ref, incoming, b"timestamp")

    good = verified(ref, pair)
    trust(ref, lambda incoming: pair(incoming) in good)


@fault(_SIG + "altered", _SIG + "other-algorithm")
def requests_with_a_body_are_not_checked(ref: Reference) -> None:
    """A cancel that has a body is let in by its key and time, whatever its signature."""
    trust(
        ref,
        lambda r: (
            bool(r.body)
            and header(r, b"x-mbx-apikey") in ref.auth.accounts_by_key
            and param(ref, r, b"signature") is not None
            and is_fresh(ref, r)
        ),
    )


@fault("cancel.errors.not-found.canceled")
def same_signed_request_gets_the_same_answer(ref: Reference) -> None:
    """A signed cancel that is sent again, byte by byte, gets the 200 that it had."""
    answers: dict[tuple[str, bytes], bytes] = {}

    async def cancel_order(original: Any, request: Request) -> Response:
        asked = request.url.path, request.scope["query_string"]
        if b"signature=" in asked[1] and asked in answers:
            return Response(answers[asked], media_type="application/json")
        response: Response = await original(request)
        if response.status_code == 200:
            answers[asked] = bytes(response.body)
        return response

    wrap(ref.api, "cancel_order", cancel_order)
