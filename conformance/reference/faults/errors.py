"""Faults of the chapter Errors: the wrong refusal, or none, for an order that may not be canceled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..errors import ApiError, BadRequest, Forbidden, OrderNotFound, Unauthorized
from ..orders import Order
from ..reference import Reference
from .registry import fault
from .tools import cancel_aside, canceled, engines, instead_of_dead, is_cancel, named, on_refusal, own_live, wrap


def refuse_foreign(ref: Reference, refusal: Any, when: Any = lambda order: True) -> None:
    """Refuse another user's order otherwise than with 403, or not at all (``refusal`` None)."""

    def check_owner(original: Any, order: Order, account: str) -> None:
        if order.account == account or not when(order):
            original(order, account)
        elif refusal is not None:
            raise refusal

    wrap(engines(ref), "check_owner", check_owner)


def refuse_dead(ref: Reference, refusal: ApiError, when: Any) -> None:
    """Refuse an own terminal order for which ``when`` is true with another error than the documented one."""

    def act(order: Order) -> None:
        raise refusal

    instead_of_dead(ref, when, act)


def show_dead(ref: Reference, when: Any) -> None:
    """Answer the cancel of an own terminal order with 200 and the order as a canceled one."""

    def canceled(original: Any, order: Order) -> dict[str, Any]:
        return {**original(order), "status": "canceled"}

    instead_of_dead(ref, when, lambda order: None)
    wrap(ref.api, "canceled", canceled)


@fault("cancel.errors.forbidden", "cancel.errors.forbidden.partially-filled")
def foreign_orders_not_found(ref: Reference) -> None:
    """Another user's order is answered with 404, so that nobody learns of it."""
    refuse_foreign(ref, OrderNotFound())


@fault("cancel.errors.forbidden", "cancel.errors.forbidden.partially-filled")
def foreign_orders_unauthorized(ref: Reference) -> None:
    """Another user's order is answered with 401, as if the credentials were bad."""
    refuse_foreign(ref, Unauthorized())


@fault("cancel.errors.forbidden", "cancel.errors.forbidden.partially-filled")
def forbidden_in_lower_case(ref: Reference) -> None:
    """The error of a 403 reads "forbidden"."""
    on_refusal(ref, 403, lambda: ref.responder.error(403, "forbidden"))


@fault("cancel.errors.forbidden", "cancel.errors.forbidden.partially-filled", "cancel.jwt.other-user")
def anybody_may_cancel(ref: Reference) -> None:
    """Any user can cancel any order of any other user."""
    refuse_foreign(ref, None)


@fault("cancel.errors.forbidden", "cancel.jwt.other-user", "cancel.key.other-user")
def anybody_may_cancel_sells(ref: Reference) -> None:
    """Any user can cancel the sell orders of any other user."""
    refuse_foreign(ref, None, lambda order: order.side == "sell")


@fault("cancel.errors.forbidden")
def foreign_open_buys_are_400(ref: Reference) -> None:
    """Another user's open buy order is refused with 400 instead of 403."""
    refuse_foreign(ref, BadRequest("invalid id"), lambda order: order.side == "buy" and order.status == "open")


@fault("cancel.errors.forbidden.partially-filled")
def foreign_partially_filled_not_found(ref: Reference) -> None:
    """Another user's order is 403 as long as it has no fill and 404 afterwards."""
    refuse_foreign(ref, OrderNotFound(), lambda order: order.filled_qty > 0)


@fault("cancel.errors.forbidden.partially-filled")
def anybody_may_cancel_partially_filled(ref: Reference) -> None:
    """The counterparty of a fill can cancel the rest of the other user's order."""
    refuse_foreign(ref, None, lambda order: order.live and order.filled_qty > 0)


def return_foreign(ref: Reference, when: Callable[[Order], bool]) -> None:
    """Answer the cancel of another user's terminal order for which ``when`` is true with 200."""

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        order = ref.exchange.find_order(order_id)
        if order is not None and order.account != account and not order.live and when(order):
            return order
        canceled: Order = await original(account, order_id)
        return canceled

    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.errors.foreign-terminal")
def foreign_terminal_orders_returned(ref: Reference) -> None:
    """Another user's terminal order is returned with 200."""
    return_foreign(ref, lambda order: True)


@fault("cancel.errors.foreign-terminal")
def foreign_ioc_orders_returned(ref: Reference) -> None:
    """Another user's immediate-or-cancel or market order is returned with 200."""
    return_foreign(ref, lambda order: order.tif == "ioc")


@fault("cancel.errors.foreign-terminal")
def foreign_filled_orders_are_400(ref: Reference) -> None:
    """Another user's filled order is refused with 400."""
    refuse_foreign(ref, BadRequest("ORDER_FILLED"), lambda order: order.status == "filled")


@fault("cancel.errors.not-found.unknown")
def unknown_orders_forbidden(ref: Reference) -> None:
    """An id that no order has is answered with 403."""
    on_unknown(ref, lambda: ref.responder.error(403, "FORBIDDEN"))


@fault("cancel.errors.not-found.unknown")
def unknown_orders_accepted(ref: Reference) -> None:
    """An id that no order has is answered with 200 and an empty object."""
    on_unknown(ref, lambda: ref.responder.json(200, {}))


@fault("cancel.errors.not-found.unknown", "cancel.answers.status")
def unknown_orders_gone(ref: Reference) -> None:
    """An id that no order has is answered with 410."""
    on_unknown(ref, lambda: ref.responder.error(410, "ORDER_NOT_FOUND"))


@fault("cancel.errors.not-found.unknown", "cancel.errors.not-found.canceled")
def not_found_by_another_name(ref: Reference) -> None:
    """The error of a 404 reads "NOT_FOUND"."""
    on_refusal(ref, 404, lambda: ref.responder.error(404, "NOT_FOUND"))


def on_unknown(ref: Reference, make: Any) -> None:
    """Answer the cancel of a valid id that no order has by ``make()``."""

    async def handle(original: Any, request: Request, names: Any) -> Response:
        answer: Response = await original(request, names)
        unknown = is_cancel(request) and answer.status_code == 404 and named(ref, request) is None
        return make() if unknown else answer

    wrap(ref.app, "handle", handle)


@fault("cancel.errors.not-found.canceled")
def cancel_is_idempotent(ref: Reference) -> None:
    """Every further cancel of a canceled order answers 200 with it again."""
    instead_of_dead(ref, canceled, lambda order: None)


@fault("cancel.errors.not-found.canceled")
def cancel_is_idempotent_for_a_second(ref: Reference) -> None:
    """A second cancel within the same or the next second answers 200 again; a later one is 404."""
    instead_of_dead(
        ref,
        lambda o: canceled(o) and ref.clock.now_s() - o.updated_at <= 1,
        lambda order: None,
    )


@fault("cancel.errors.not-found.canceled", "cancel.answers.status")
def canceled_orders_conflict(ref: Reference) -> None:
    """A second cancel is answered with 409."""

    class Conflict(ApiError):
        status, error = 409, "ORDER_ALREADY_CANCELED"

    refuse_dead(ref, Conflict(), canceled)


@fault("cancel.errors.not-found.canceled")
def partially_filled_can_be_canceled_twice(ref: Reference) -> None:
    """A second cancel is 404, but 200 for an order that had fills."""
    instead_of_dead(
        ref, lambda o: o.status == "canceled" and o.filled_qty > 0 and o.tif == "gtc", lambda order: None
    )


@fault("cancel.errors.not-found.filled")
def filled_orders_returned_as_canceled(ref: Reference) -> None:
    """The cancel of a filled order answers 200 with status canceled."""
    show_dead(ref, lambda order: order.status == "filled" and order.type == "limit")


@fault("cancel.errors.not-found.filled")
def filled_orders_refused_as_such(ref: Reference) -> None:
    """The cancel of a filled order is refused with 400 ORDER_FILLED."""
    refuse_dead(ref, BadRequest("ORDER_FILLED"), lambda o: o.status == "filled" and o.type == "limit")


@fault("cancel.errors.not-found.filled")
def filled_sells_returned(ref: Reference) -> None:
    """The cancel of a filled sell order answers 200 with the filled order."""
    instead_of_dead(
        ref, lambda o: o.status == "filled" and o.side == "sell" and o.type == "limit", lambda order: None
    )


@fault("cancel.errors.not-found.ioc-remainder")
def ioc_orders_returned(ref: Reference) -> None:
    """The cancel of an immediate-or-cancel order answers 200, because it is canceled after all."""
    instead_of_dead(
        ref, lambda o: o.tif == "ioc" and o.type == "limit" and o.status == "canceled", lambda order: None
    )


@fault("cancel.errors.not-found.ioc-remainder")
def partly_filled_ioc_orders_returned(ref: Reference) -> None:
    """The cancel of an immediate-or-cancel order that had fills answers 200."""
    instead_of_dead(
        ref,
        lambda o: o.tif == "ioc" and o.type == "limit" and o.status == "canceled" and o.filled_qty > 0,
        lambda order: None,
    )


@fault("cancel.errors.not-found.ioc-remainder")
def ioc_orders_forbidden(ref: Reference) -> None:
    """The cancel of an own immediate-or-cancel order that found too little is answered with 403."""
    refuse_dead(ref, Forbidden(), lambda o: o.tif == "ioc" and o.type == "limit" and o.status == "canceled")


@fault("cancel.errors.not-found.market")
def market_orders_returned_as_canceled(ref: Reference) -> None:
    """The cancel of a market order that has traded answers 200 with status canceled."""
    show_dead(ref, lambda order: order.type == "market")


@fault("cancel.errors.not-found.market")
def market_orders_are_400(ref: Reference) -> None:
    """The cancel of a market order is refused with 400, because it never rested."""
    refuse_dead(ref, BadRequest("NOT_CANCELABLE"), lambda order: order.type == "market")


@fault("cancel.errors.not-found.market", "cancel.answers.status")
def cancels_of_market_buys_crash(ref: Reference) -> None:
    """The cancel of a market buy, which has no quantity, is answered with 500."""
    refuse_dead(ref, ApiError(), lambda order: order.type == "market" and order.side == "buy")


def method_cancels(ref: Reference, *methods: str) -> None:
    """Let these methods on an order's path do what DELETE does."""
    for path, names in ref.app.operations.items():
        if path.endswith("/{id}"):
            names.update(dict.fromkeys(methods, "cancel_order"))


@fault("cancel.errors.other-methods")
def post_cancels(ref: Reference) -> None:
    """POST on an order's path cancels it."""
    method_cancels(ref, "POST")


@fault("cancel.errors.other-methods")
def put_and_patch_cancel(ref: Reference) -> None:
    """PUT and PATCH on an order's path cancel it."""
    method_cancels(ref, "PUT", "PATCH")


@fault("cancel.errors.other-methods")
def head_cancels(ref: Reference) -> None:
    """HEAD on an order's path cancels it, as where methods are not told apart."""
    method_cancels(ref, "HEAD")


def request_cancels(ref: Reference, when: Callable[[Request], bool]) -> None:
    """Let requests on an order's path for which ``when`` is true cancel it, and be answered as ever."""

    async def handle(original: Any, request: Request, names: Any) -> Response:
        if "id" in request.path_params and when(request):
            order = named(ref, request)
            if order is not None and order.live:
                cancel_aside(ref, [order])
        answer: Response = await original(request, names)
        return answer

    wrap(ref.app, "handle", handle)


@fault("cancel.errors.other-methods")
def options_cancels(ref: Reference) -> None:
    """OPTIONS on an order's path cancels it and answers 405 all the same."""
    request_cancels(ref, lambda request: request.method == "OPTIONS")


@fault("cancel.errors.other-methods")
def methods_are_overridden(ref: Reference) -> None:
    """A GET with X-HTTP-Method-Override: DELETE, or with the parameter _method=DELETE, cancels the order."""

    def overridden(request: Request) -> bool:
        meant = request.headers.get("x-http-method-override") or request.query_params.get("_method")
        return request.method == "GET" and meant == "DELETE"

    request_cancels(ref, overridden)


@fault("cancel.errors.empty-id")
def empty_id_cancels_all(ref: Reference) -> None:
    """A cancel whose id is empty cancels all orders of the caller."""

    async def unknown_path(original: Any, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        if request.method == "DELETE" and scope["path"].endswith("/spot/orders/"):
            try:
                account = await ref.api.caller(request)
            except ApiError as refusal:
                await ref.responder.refusal(refusal)(scope, receive, send)
                return
            cancel_aside(ref, own_live(ref, account))
            await ref.responder.json(200, {"canceled": []})(scope, receive, send)
            return
        await original(scope, receive, send)

    wrap(ref.app, "unknown_path", unknown_path)
    ref.app.starlette.router.default = ref.app.unknown_path


@fault("cancel.errors.forbidden", "cancel.answers.parity")
def foreign_orders_not_found_once_queried(ref: Reference) -> None:
    """Another user's order is answered with 404 to one who has queried it before and not found it."""
    missing: set[tuple[str, str]] = set()

    def query(original: Any, account: str, order_id: str) -> Order:
        try:
            found: Order = original(account, order_id)
        except OrderNotFound:
            missing.add((account, order_id))
            raise
        return found

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        if (account, order_id) in missing:
            raise OrderNotFound
        canceled: Order = await original(account, order_id)
        return canceled

    wrap(ref.exchange, "order", query)
    wrap(ref.exchange, "cancel", cancel)
