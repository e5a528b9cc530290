"""Choices that every page leaves open."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..auth import Incoming
from ..errors import ApiError, BadRequest, Forbidden, OrderNotFound, Unauthorized
from ..faults.tools import engines, find, header, is_cancel, wrap
from ..orders import Order
from ..reference import Reference
from . import variation


@variation()
def foreign_terminal_orders_not_found(ref: Reference) -> None:
    """Another user's terminal order is answered with 404."""

    def check_owner(original: Any, order: Order, account: str) -> None:
        if order.account != account:
            raise Forbidden if order.live else OrderNotFound

    wrap(engines(ref), "check_owner", check_owner)


@variation()
def nil_uuid_is_invalid(ref: Reference) -> None:
    """The nil and the max UUID are invalid ids."""
    special = (b"00000000-0000-0000-0000-000000000000", b"ffffffff-ffff-ffff-ffff-ffffffffffff")
    wrap(ref.api, "is_uuid", lambda original, raw: original(raw) and raw.lower() not in special)


@variation()
def upper_case_ids_not_found(ref: Reference) -> None:
    """An id in upper case is answered with 404."""
    wrap(ref.api, "canonical_id", lambda original, raw: raw.decode("ascii"))


@variation()
def upper_case_ids_are_invalid(ref: Reference) -> None:
    """An id in upper case is answered with 400."""
    wrap(ref.api, "is_uuid", lambda original, raw: original(raw) and raw == raw.lower())


@variation()
def ids_without_hyphens_accepted(ref: Reference) -> None:
    """A UUID is taken without hyphens and in braces as well."""
    from uuid import UUID

    def parse_id(original: Any, raw: bytes) -> str:
        try:
            return str(UUID(raw.decode("ascii")))
        except ValueError:
            raise BadRequest("invalid id") from None

    wrap(ref.api, "parse_id", parse_id)


@variation()
def other_methods_not_found(ref: Reference) -> None:
    """A method that a path does not have is answered with 404."""
    wrap(ref.app, "method_not_allowed", lambda original, names: ref.responder.error(404, "NOT_FOUND"))


@variation()
def ids_judged_before_credentials(ref: Reference) -> None:
    """A malformed or unknown id is refused as such, also without good credentials."""

    async def cancel_order(original: Any, request: Request) -> Response:
        if find(ref, ref.api.order_id(request)) is None:
            raise OrderNotFound
        answer: Response = await original(request)
        return answer

    wrap(ref.api, "cancel_order", cancel_order)


@variation()
def both_credentials_refused(ref: Reference) -> None:
    """A request with a JWT and an API key is answered with 401."""
    _refuse_both(ref, Unauthorized("two credentials"))


@variation()
def both_credentials_are_a_bad_request(ref: Reference) -> None:
    """A request with a JWT and an API key is answered with 400, good or not."""
    _refuse_both(ref, BadRequest("ambiguous credentials"))


def _refuse_both(ref: Reference, refusal: ApiError) -> None:
    def authenticate(original: Any, incoming: Incoming) -> str:
        if header(incoming, b"authorization") and header(incoming, b"x-mbx-apikey"):
            raise refusal
        account: str = original(incoming)
        return account

    wrap(ref.auth, "authenticate", authenticate)


@variation()
def api_key_wins(ref: Reference) -> None:
    """Of a JWT and an API key in one request, the API key decides."""

    def authenticate(original: Any, incoming: Incoming) -> str:
        key = ref.auth.header(incoming, b"x-mbx-apikey")
        account: str = original(incoming) if key is None else ref.auth.authenticate_api_key(key, incoming)
        return account

    wrap(ref.auth, "authenticate", authenticate)


@variation()
def scheme_name_has_a_case(ref: Reference) -> None:
    """The scheme of a token must be spelled Bearer."""

    def bearer_token(original: Any, authorization: bytes) -> str:
        if not authorization.startswith(b"Bearer "):
            raise Unauthorized("not a bearer token")
        token: str = original(authorization)
        return token

    wrap(ref.auth, "bearer_token", bearer_token)


@variation(base_path="/exchange/v2/public")
def another_base_path(ref: Reference) -> None:
    """The API lives under another path."""


@variation(base_path="")
def no_base_path(ref: Reference) -> None:
    """The API lives at the root."""


@variation()
def bodies_refused(ref: Reference) -> None:
    """A cancel with a body is refused with 400."""

    async def handle(original: Any, request: Request, names: Any) -> Response:
        try:
            if is_cancel(request) and await ref.api.body(request):
                return ref.responder.error(400, "invalid body")
        except ApiError as refusal:
            return ref.responder.refusal(refusal)
        answer: Response = await original(request, names)
        return answer

    wrap(ref.app, "handle", handle)
