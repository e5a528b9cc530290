"""Faults of the chapter What identifies the order: something else than the whole path id decides."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..errors import ApiError
from ..orders import Order
from ..reference import Reference
from .registry import fault
from .tools import after_cancel, all_trades, cancel_aside, find, is_cancel, named, own_live, remember_request, wrap


def redirect(ref: Reference, other_id: Any, *, only_unknown: bool = False) -> None:
    """Let ``await other_id(request)``, when it names an order, take the place of the path's id."""

    async def cancel_order(original: Any, request: Request) -> Response:
        other = find(ref, await other_id(request))
        try:
            known = find(ref, ref.api.order_id(request)) is not None
        except ApiError:
            known = False
        if other is not None and not (only_unknown and known):
            request.path_params["id"] = other.id
        response: Response = await original(request)
        return response

    wrap(ref.api, "cancel_order", cancel_order)


def in_query(name: str) -> Any:
    """Return a function that reads a query parameter of a request."""

    async def read(request: Request) -> str | None:
        return request.query_params.get(name)

    return read


@fault("cancel.identity.path-only")
def id_in_the_query_wins(ref: Reference) -> None:
    """A query parameter "id" names the order that is canceled, not the path."""
    redirect(ref, in_query("id"))


@fault("cancel.identity.path-only")
def order_id_in_the_query_wins(ref: Reference) -> None:
    """A query parameter "orderId" names the order that is canceled, not the path."""
    redirect(ref, in_query("orderId"))


@fault("cancel.identity.path-only")
def query_helps_out_for_unknown_ids(ref: Reference) -> None:
    """Where the path names no order, the query parameter "id" does."""
    redirect(ref, in_query("id"), only_unknown=True)


@fault("cancel.identity.path-only")
def header_names_the_order(ref: Reference) -> None:
    """A header X-Order-Id names the order that is canceled, not the path."""

    async def read(request: Request) -> str | None:
        return request.headers.get("x-order-id")

    redirect(ref, read)


@fault("cancel.identity.path-only")
def body_names_the_order(ref: Reference) -> None:
    """A body with an "id" names the order that is canceled, not the path."""

    async def read(request: Request) -> str | None:
        try:
            return str(json.loads(await ref.api.body(request)).get("id"))
        except (ValueError, AttributeError):
            return None

    redirect(ref, read)


@fault("cancel.identity.path-only")
def order_in_the_query_goes_too(ref: Reference) -> None:
    """An order that the query names as "order_id" is canceled along with the one in the path."""
    current = remember_request(ref)

    def also(order: Order) -> None:
        other = find(ref, current().query_params.get("order_id"))
        if other is not None and other.live and is_cancel(current()):
            cancel_aside(ref, [other])

    after_cancel(ref, also)


def alike(ref: Reference, part: Any) -> None:
    """Let an unknown id name the live order of which ``part(id)`` is the same."""

    def parse_id(original: Any, raw: bytes) -> str:
        order_id: str = original(raw)
        if find(ref, order_id) is None:
            for account in ("owner", "counterparty"):
                for order in ref.exchange.open_orders(account, None):
                    if part(order.id) == part(order_id):
                        return order.id
        return order_id

    wrap(ref.api, "parse_id", parse_id)


@fault("cancel.identity.whole-id")
def first_eight_digits_identify(ref: Reference) -> None:
    """Only the first eight digits of an id are compared."""
    alike(ref, lambda order_id: order_id[:8])


@fault("cancel.identity.whole-id")
def last_digit_does_not_count(ref: Reference) -> None:
    """The last digit of an id is not compared."""
    alike(ref, lambda order_id: order_id[:-1])


@fault("cancel.identity.whole-id")
def low_half_identifies(ref: Reference) -> None:
    """Only the last 64 bits of an id are compared, as where it is stored in a long integer."""
    alike(ref, lambda order_id: order_id[-17:])


@fault("cancel.identity.whole-id")
def node_part_does_not_count(ref: Reference) -> None:
    """The last twelve digits of an id are not compared."""
    alike(ref, lambda order_id: order_id[:24])


@fault("cancel.identity.whole-id")
def digits_identify_in_any_order(ref: Reference) -> None:
    """Ids are compared by a sum over their digits."""
    alike(ref, sorted)


@fault("cancel.effects.own-orders")
def symbol_in_the_query_cancels_all(ref: Reference) -> None:
    """With a parameter symbol the cancel of one order is a Cancel All as well."""
    current = remember_request(ref)

    def also(order: Order) -> None:
        if ref.api.query(current()).get("symbol"):
            cancel_aside(ref, own_live(ref, order.account))

    after_cancel(ref, also)


@fault("cancel.identity.whole-id")
def version_digit_does_not_count(ref: Reference) -> None:
    """The digit of an id that tells its version is not compared."""
    alike(ref, lambda order_id: order_id[:14] + order_id[15:])


@fault("cancel.identity.whole-id")
def variant_digit_does_not_count(ref: Reference) -> None:
    """The digit of an id that tells its variant is not compared."""
    alike(ref, lambda order_id: order_id[:19] + order_id[20:])


@fault("cancel.errors.forbidden", "cancel.jwt.other-user", "cancel.key.other-user", "cancel.refusals.forbidden")
def symbol_in_the_query_opens_every_order(ref: Reference) -> None:
    """With a parameter symbol another user's order can be canceled."""

    async def caller(original: Any, request: Request) -> str:
        account: str = await original(request)
        order = named(ref, request) if is_cancel(request) and ref.api.query(request).get("symbol") else None
        return order.account if order is not None else account

    wrap(ref.api, "caller", caller)


@fault("cancel.identity.whole-id", "cancel.refusals.not-found")
def ids_of_fills_are_ids(ref: Reference) -> None:
    """The id of a fill stands for the order that it belongs to."""

    async def cancel_order(original: Any, request: Request) -> Any:
        account = await ref.api.caller(request)
        for trade in all_trades(ref, account):
            if trade.trade_id == request.path_params["id"]:
                request.path_params["id"] = trade.order_id
        return await original(request)

    wrap(ref.api, "cancel_order", cancel_order)


@fault("cancel.refusals.invalid-id")
def the_symbol_as_an_id_cancels_all(ref: Reference) -> None:
    """With the market's symbol as the id all orders of the caller are canceled, and the answer is 400."""

    async def cancel_order(original: Any, request: Request) -> Any:
        if request.path_params["id"] == ref.settings.market.symbol:
            cancel_aside(ref, own_live(ref, await ref.api.caller(request)))
        return await original(request)

    wrap(ref.api, "cancel_order", cancel_order)
