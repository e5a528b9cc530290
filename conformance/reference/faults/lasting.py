"""Faults that need time, a connection or a crowd: right for a fresh order, for a first request, or for a few."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request

from ..auth import Incoming
from ..errors import OrderNotFound, Unauthorized
from ..orders import Order, Trade
from ..reference import Reference
from .effects import stay_in_book
from .money import keep_lock, release_again
from .refusals import despite, drop_later
from .registry import fault
from .tools import by_key, is_cancel, named, own_live, param, remember_request, trust, verified, wrap

_OLD_S = 2
_CROWD = 8
_MOMENT_S = 0.02


def _is_old(ref: Reference, order: Order) -> bool:
    return ref.clock.now_s() - order.created_at >= _OLD_S


def _ended_long_ago(ref: Reference, order: Order) -> bool:
    return ref.clock.now_s() - order.updated_at >= _OLD_S


@fault("cancel.effects.off-book")
def old_canceled_orders_stay_in_the_book(ref: Reference) -> None:
    """Orders that were a few seconds old when they were canceled still fill."""
    stay_in_book(ref, lambda order: _is_old(ref, order))


@fault("cancel.effects.lock-released")
def funds_of_old_orders_stay_locked(ref: Reference) -> None:
    """The funds of orders that were a few seconds old when they were canceled stay locked."""
    keep_lock(ref, lambda order: _is_old(ref, order))


@fault("cancel.effects.lock-released-once")
def late_second_cancels_release_again(ref: Reference) -> None:
    """The cancel of an order that was canceled seconds ago is answered with 404 and gives its funds back again."""
    release_again(ref, lambda order: _ended_long_ago(ref, order))


@fault("cancel.key.signature.covers-timestamp")
def last_good_signature_passes_again(ref: Reference) -> None:
    """A key's signature that was good once passes with any timestamp."""

    def signature(incoming: Incoming) -> bytes | None:
        return param(ref, incoming, b"signature")

    good = verified(ref, signature)
    trust(ref, lambda incoming: signature(incoming) in good)


@fault("cancel.key.timestamp.stale")
def first_request_of_a_connection_has_any_timestamp(ref: Reference) -> None:
    """The timestamp of the first signed request of a connection is not looked at."""
    current, known = remember_request(ref), set[Any]()

    def check_timestamp(original: Any, timestamp_ms: int) -> None:
        client = current().client
        if client in known:
            original(timestamp_ms)
        known.add(client)

    wrap(ref.auth, "check_timestamp", check_timestamp)


@fault("cancel.success.by-api-key")
def second_signature_of_a_connection_is_refused(ref: Reference) -> None:
    """Of the signed requests of a connection only the first is accepted."""
    known = set[Any]()

    async def caller(original: Any, request: Request) -> str:
        account: str = await original(request)
        if by_key(request) and request.client in known:
            raise Unauthorized("a signature was left over")
        if by_key(request):
            known.add(request.client)
        return account

    wrap(ref.api, "caller", caller)


@fault("cancel.success.by-api-key")
def connection_keeps_its_first_key(ref: Reference) -> None:
    """Another user's key, on a connection that somebody else's came by, is refused."""
    first: dict[Any, str] = {}

    async def caller(original: Any, request: Request) -> str:
        account: str = await original(request)
        if by_key(request) and first.setdefault(request.client, account) != account:
            raise Unauthorized("checked with the first one's secret")
        return account

    wrap(ref.api, "caller", caller)


@fault("cancel.errors.forbidden", "cancel.refusals.forbidden")
def upper_case_ids_are_everybodys(ref: Reference) -> None:
    """With its id in upper case, anybody may cancel an order."""

    async def caller(original: Any, request: Request) -> str:
        account: str = await original(request)
        order = named(ref, request) if is_cancel(request) else None
        upper = request.url.path != request.url.path.lower()
        return order.account if order is not None and upper else account

    wrap(ref.api, "caller", caller)


@fault("cancel.effects.fills-kept")
def fills_of_canceled_orders_vanish_later(ref: Reference) -> None:
    """Two seconds after an order was canceled its fills are not listed any more."""

    def is_gone(trade: Trade) -> bool:
        order = ref.exchange.find_order(trade.order_id)
        return order is not None and order.status == "canceled" and _ended_long_ago(ref, order)

    def trades(original: Any, *where: Any) -> list[Trade]:
        return [trade for trade in original(*where) if not is_gone(trade)]

    wrap(ref.exchange, "trades", trades)


@fault("cancel.errors.invalid-id", "cancel.refusals.invalid-id")
def the_word_last_is_an_id(ref: Reference) -> None:
    """The word last stands for the caller's newest order."""

    async def cancel_order(original: Any, request: Request) -> Any:
        if request.path_params["id"] == "last":
            account = await ref.api.caller(request)
            if orders := own_live(ref, account):
                request.path_params["id"] = orders[-1].id
        return await original(request)

    wrap(ref.api, "cancel_order", cancel_order)


@fault("cancel.success.open")
def crowds_of_cancels_find_nothing(ref: Reference) -> None:
    """While more than eight cancels are under way, others get 404."""
    under_way = 0

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        nonlocal under_way
        under_way += 1
        try:
            if under_way > _CROWD:
                raise OrderNotFound
            await asyncio.sleep(_MOMENT_S)
            canceled: Order = await original(account, order_id)
        finally:
            under_way -= 1
        return canceled

    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.key.timestamp.stale")
def accepted_queries_are_good_for_ever(ref: Reference) -> None:
    """A signed query that was accepted once is accepted again, however old its timestamp."""
    current, known = remember_request(ref), set[bytes]()

    def check_timestamp(original: Any, timestamp_ms: int) -> None:
        query = current().scope["query_string"]
        if query not in known:
            original(timestamp_ms)
        known.add(query)

    wrap(ref.auth, "check_timestamp", check_timestamp)


@fault("cancel.refusals.unauthorized")
def unauthorized_cancels_are_carried_out_later(ref: Reference) -> None:
    """A cancel without credentials is answered with 401, and the order is canceled a second later."""

    def act(request: Request, order: Order | None) -> None:
        if not {"authorization", "x-mbx-apikey"} & set(request.headers):
            drop_later(ref, order)

    despite(ref, 401, act)
