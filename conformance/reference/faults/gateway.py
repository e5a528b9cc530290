"""Faults of what stands in front of the exchange: routes, caches and proxies that read what nobody wrote."""

from __future__ import annotations

import gzip
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..auth import Incoming
from ..errors import BadRequest
from ..orders import Order
from ..reference import Reference
from .answers import crash
from .jwt import claims_of
from .registry import fault
from .tools import (
    by_key,
    cancel_aside,
    find,
    header,
    instead_of_dead,
    on_answer,
    on_shown,
    own_live,
    remember_request,
    trust,
    verified,
    wrap,
)


@fault("cancel.errors.invalid-id", "cancel.refusals.invalid-id")
def format_suffix_is_taken_off(ref: Reference) -> None:
    """An id with .json behind it cancels the order."""
    wrap(ref.api, "parse_id", lambda original, raw: original(raw.removesuffix(b".json")))


@fault("cancel.errors.invalid-id", "cancel.refusals.invalid-id")
def letters_are_read_as_digits(ref: Reference) -> None:
    """The letters o and l in an id are read as 0 and 1."""
    wrap(ref.api, "parse_id", lambda original, raw: original(raw.translate(bytes.maketrans(b"ol", b"01"))))


@fault("cancel.success.open")
def empty_bodies_are_refused(ref: Reference) -> None:
    """A cancel with a body of length 0 gets 400."""

    async def cancel_order(original: Any, request: Request) -> Response:
        if request.headers.get("content-length") == "0":
            raise BadRequest("empty body")
        response: Response = await original(request)
        return response

    wrap(ref.api, "cancel_order", cancel_order)


@fault("cancel.answers.json", "cancel.success.open")
def last_answer_of_a_connection_is_lost(ref: Reference) -> None:
    """Who asks for the connection to be closed gets a 200 without a body."""

    def change(request: Request, answer: Response) -> Response | None:
        return Response(status_code=answer.status_code) if request.headers.get("connection") == "close" else None

    on_answer(ref, change)


@fault("cancel.success.open", "cancel.answers.status")
def who_does_not_say_what_it_accepts_is_refused(ref: Reference) -> None:
    """A cancel without the header Accept gets 406."""

    async def cancel_order(original: Any, request: Request) -> Response:
        response: Response = await original(request) if "accept" in request.headers else Response(status_code=406)
        return response

    wrap(ref.api, "cancel_order", cancel_order)


@fault("cancel.answers.json")
def success_is_compressed_for_everybody(ref: Reference) -> None:
    """A 200 is compressed by gzip, whether the client accepts that or not."""

    def change(request: Request, answer: Response) -> Response | None:
        if answer.status_code != 200:
            return None
        return Response(gzip.compress(bytes(answer.body)), 200, {"Content-Encoding": "gzip"}, "application/json")

    on_answer(ref, change)


@fault("cancel.success.open", "cancel.answers.status")
def thirty_open_orders_are_too_many(ref: Reference) -> None:
    """An account with thirty open orders, or more, gets 500 for a cancel by API key."""
    current = remember_request(ref)
    crash(ref, lambda order: by_key(current()) and len(own_live(ref, order.account)) >= 30)


@fault("cancel.key.signature.extra-signed")
def long_queries_are_cut(ref: Reference) -> None:
    """Of a query the first 256 characters are handed on: a good signature over a longer one gets 401."""

    def payload_to_sign(original: Any, incoming: Incoming) -> bytes:
        payload: bytes = original(incoming)
        return payload[:256]

    wrap(ref.auth, "payload_to_sign", payload_to_sign)


@fault("cancel.key.signature.other-user")
def keys_share_a_cache_of_signatures(ref: Reference) -> None:
    """A query that came with a good signature passes with anybody's key."""
    good, known = verified(ref, lambda incoming: incoming.query), ref.auth.accounts_by_key
    trust(ref, lambda incoming: incoming.query in good and header(incoming, b"x-mbx-apikey") in known)


@fault("cancel.errors.forbidden", "cancel.refusals.forbidden")
def forwarded_user_is_the_caller(ref: Reference) -> None:
    """The header X-Forwarded-User names the caller, whoever sends it."""

    async def caller(original: Any, request: Request) -> str:
        account: str = await original(request)
        named = request.headers.get("x-forwarded-user")
        return named if named is not None and named in ref.secrets.api_keys else account

    wrap(ref.api, "caller", caller)


@fault("cancel.errors.not-found.canceled")
def upper_case_ids_cancel_again(ref: Reference) -> None:
    """That an order was canceled is remembered under its id as it was written: in upper case it can be again."""
    current = remember_request(ref)

    def again(order: Order) -> bool:
        return order.status == "canceled" and re.search(r"[0-9A-F]{8}-", current().url.path) is not None

    instead_of_dead(ref, again, lambda order: None)


@fault("cancel.key.signature.altered")
def two_credentials_need_no_proof(ref: Reference) -> None:
    """A request with a known key and a token beside it passes, since each check leaves it to the other."""
    known = ref.auth.accounts_by_key
    trust(
        ref,
        lambda incoming: header(incoming, b"authorization") != b"" and header(incoming, b"x-mbx-apikey") in known,
    )


@fault("cancel.key.other-user", "cancel.errors.forbidden")
def tokens_name_the_caller_of_a_key(ref: Reference) -> None:
    """Beside a good key a token is not checked, and the caller is who the token names."""

    def authenticate(original: Any, incoming: Incoming) -> str:
        parts = header(incoming, b"authorization").removeprefix(b"Bearer ").split(b".")
        if len(parts) == 3 and header(incoming, b"x-mbx-apikey"):
            ref.auth.authenticate_api_key(header(incoming, b"x-mbx-apikey"), incoming)
            return ref.auth.account_of(claims_of(parts[1]))
        account: str = original(incoming)
        return account

    wrap(ref.auth, "authenticate", authenticate)


@fault("cancel.jwt.other-user", "cancel.errors.forbidden")
def keys_name_the_caller_of_a_token(ref: Reference) -> None:
    """Beside a good token a key needs no signature, and the caller is who owns the key."""

    def authenticate(original: Any, incoming: Incoming) -> str:
        account: str = original(incoming)
        beside = header(incoming, b"x-mbx-apikey") if header(incoming, b"authorization") else b""
        return ref.auth.accounts_by_key.get(beside, account)

    wrap(ref.auth, "authenticate", authenticate)


@fault("cancel.success.open", "cancel.answers.status")
def two_good_credentials_crash(ref: Reference) -> None:
    """A request with a good token and a good key beside it is answered with 500."""

    def authenticate(original: Any, incoming: Incoming) -> str:
        account: str = original(incoming)
        if header(incoming, b"authorization") and (key := header(incoming, b"x-mbx-apikey")):
            ref.auth.authenticate_api_key(key, incoming)
            raise RuntimeError
        return account

    wrap(ref.auth, "authenticate", authenticate)


@fault("cancel.jwt.missing")
def local_callers_need_no_credentials(ref: Reference) -> None:
    """A cancel whose X-Forwarded-For says that it comes from the machine itself needs no credentials."""
    trust(ref, lambda incoming: header(incoming, b"x-forwarded-for") == b"127.0.0.1")


@fault("cancel.jwt.missing")
def a_slash_at_the_end_needs_no_credentials(ref: Reference) -> None:
    """With a slash behind the id a cancel reaches the order by a route that asks for no credentials."""

    async def default(original: Any, scope: Scope, receive: Receive, send: Send) -> None:
        named = find(ref, scope["path"].rstrip("/").rpartition("/")[2]) if scope["type"] == "http" else None
        if named is None or not named.live or scope["method"] != "DELETE":
            await original(scope, receive, send)
            return
        cancel_aside(ref, [named])
        await ref.responder.json(200, ref.api.canceled(named))(scope, receive, send)

    wrap(ref.app.starlette.router, "default", default)


@fault("cancel.fields.decimal-strings")
def small_averages_in_scientific_notation(ref: Reference) -> None:
    """An avg_fill_price below 0.001 is written with an exponent, as 5E-4."""

    def shorten(order: Order, shown: dict[str, Any]) -> None:
        if str(shown["avg_fill_price"]).startswith("0.000"):
            shown["avg_fill_price"] = f"{float(shown['avg_fill_price']):E}"

    on_shown(ref, shorten)
