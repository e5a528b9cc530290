"""Faults of several chapters that show on some orders or requests only: sells, old orders, every seventh cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..auth import Incoming
from ..orders import Order
from ..reference import Reference
from .answers import Silence
from .effects import stay_in_book
from .jwt import claims_of, has_expired
from .refusals import despite
from .registry import fault
from .tools import every, good_signature, header, is_cancel, is_fresh, named, param, remember_request, trust, wrap

_OLD_S = 2
_DEAR = 1000


def trust_for(ref: Reference, which: Callable[[Order], bool], when: Callable[[Incoming], bool]) -> None:
    """Let a cancel act that is refused for its credentials, where its order is of these and ``when(incoming)``."""
    current = remember_request(ref)

    def good(incoming: Incoming) -> bool:
        order = named(ref, current())
        return order is not None and which(order) and when(incoming)

    trust(ref, good)


@fault("cancel.jwt.missing")
def no_credentials_needed_for_old_orders(ref: Reference) -> None:
    """A cancel without any credentials acts as the owner of an order that is more than two seconds old."""
    bare = (b"authorization", b"x-mbx-apikey")
    trust_for(
        ref,
        lambda order: ref.clock.now_s() - order.created_at > _OLD_S,
        lambda incoming: not any(header(incoming, name) for name in bare),
    )


@fault("cancel.jwt.expired")
def expired_tokens_cancel_sells(ref: Reference) -> None:
    """An expired token is good enough to cancel a sell order."""

    def good(incoming: Incoming) -> bool:
        parts = header(incoming, b"authorization").removeprefix(b"Bearer ").split(b".")
        return len(parts) == 3 and "exp" in claims_of(parts[1]) and has_expired(ref, parts)

    trust_for(ref, lambda order: order.side == "sell", good)


@fault("cancel.key.timestamp.stale")
def old_timestamps_cancel_sells(ref: Reference) -> None:
    """A rightly signed request of any age cancels a sell order."""

    def is_signed(incoming: Incoming) -> bool:
        given, right = good_signature(ref, incoming)
        raw = param(ref, incoming, b"timestamp") or b""
        is_old = raw.isdigit() and int(raw) <= ref.clock.now_ms() and not is_fresh(ref, incoming)
        return is_old and bool(given) and given == right

    trust_for(ref, lambda order: order.side == "sell", is_signed)


@fault("cancel.key.signature.extra-signed")
def names_that_end_in_signature_are_not_signed(ref: Reference) -> None:
    """What is signed is the query without each parameter whose name ends in "signature"."""

    def payload_to_sign(original: Any, request: Incoming) -> bytes:
        params = ref.auth.query_params(ref.auth.raw_query(request))
        return b"&".join(segment for name, segment in params if not name.endswith(b"signature"))

    wrap(ref.auth, "payload_to_sign", payload_to_sign)


def read_as(ref: Reference, change: Callable[[bytes], bytes]) -> None:
    """Let the API read an id in the path as ``change`` makes it."""
    wrap(ref.api, "parse_id", lambda original, raw: original(change(raw)))


@fault("cancel.errors.invalid-id.hostile", "cancel.errors.invalid-id", "cancel.identity.whole-id")
def a_line_feed_behind_an_id_is_ignored(ref: Reference) -> None:
    """An id may end in a line feed, as where a pattern ends in a dollar sign."""
    read_as(ref, lambda raw: raw.removesuffix(b"\n"))


@fault("cancel.errors.invalid-id.hostile", "cancel.errors.invalid-id", "cancel.identity.whole-id")
def the_last_part_of_an_id_counts(ref: Reference) -> None:
    """Of an id with an escaped slash in it, what stands behind that counts."""
    read_as(ref, lambda raw: raw.rpartition(b"/")[2])


@fault("cancel.errors.invalid-id", "cancel.identity.whole-id")
def numbers_of_orders_are_ids(ref: Reference) -> None:
    """The number under which an order is kept names it as well: the first one is 1."""
    placed: list[str] = []

    async def place(original: Any, *arguments: Any) -> Any:
        answer = await original(*arguments)
        placed.append(answer[0].id)
        return answer

    wrap(ref.exchange, "place", place)
    read_as(ref, lambda raw: placed[int(raw) - 1].encode() if _is_one_of(raw, placed) else raw)


def _is_one_of(raw: bytes, placed: list[str]) -> bool:
    return raw.isdigit() and len(raw) < 9 and 0 < int(raw) <= len(placed)


@fault("cancel.effects.off-book")
def dear_orders_stay_in_the_book(ref: Reference) -> None:
    """A canceled order at a price of a thousand or more still fills."""
    stay_in_book(ref, lambda order: order.price is not None and order.price >= _DEAR)


@fault("cancel.refusals.not-found")
def refused_cancels_of_ended_orders_move_the_time(ref: Reference) -> None:
    """A cancel of an order that was filled, or found too little, gets 404 and makes now its updated_at."""

    def touch(request: Request, order: Order | None) -> None:
        if order is not None and (order.status == "filled" or order.tif == "ioc"):
            order.updated_at = ref.clock.now_s()
            ref.exchange.engine_of(order.symbol).matching.commit(order)

    despite(ref, 404, touch)


@fault("cancel.answers.in-time")
def one_answer_in_seven_breaks_off(ref: Reference) -> None:
    """One cancel in seven is carried out, and its connection closed in the middle of the answer."""
    due = every(7)

    async def handle(original: Any, request: Request, names: Any) -> Response:
        answer: Response = await original(request, names)
        return Silence() if is_cancel(request) and answer.status_code == 200 and due() else answer

    wrap(ref.app, "handle", handle)


@fault("cancel.unavailable.form")
def one_cancel_in_five_is_a_503_without_a_word(ref: Reference) -> None:
    """One cancel in five is answered with 503 and no body, without effect."""
    due = every(5)

    async def handle(original: Any, request: Request, names: Any) -> Response:
        if is_cancel(request) and due():
            return Response(status_code=503)
        answer: Response = await original(request, names)
        return answer

    wrap(ref.app, "handle", handle)
