"""What several faults need: putting a function in place of a method, and telling requests and orders apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from decimal import Decimal
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..auth import Incoming
from ..errors import ApiError, Unauthorized
from ..matching import MatchingEngine
from ..orders import Order, Trade
from ..reference import Reference

Fills = dict[str, list[tuple[Decimal, Decimal]]]
_MANY = 500  # trades
_request: ContextVar[Request | None] = ContextVar("request", default=None)


def wrap(owner: object, name: str, function: Callable[..., Any]) -> None:
    """Put ``function(original, *arguments)`` in place of a method of one object, or of several in a list."""
    for one in owner if isinstance(owner, list) else [owner]:
        setattr(one, name, partial(function, getattr(one, name)))


def engines(ref: Reference) -> list[MatchingEngine]:
    """Return the matching engines of all markets."""
    return [engine.matching for engine in ref.exchange.engines.values()]


def every(count: int) -> Callable[[], bool]:
    """Return a function that says True at every ``count``-th call."""
    calls = 0

    def now() -> bool:
        nonlocal calls
        calls += 1
        return calls % count == 0

    return now


def find(ref: Reference, order_id: str | None) -> Order | None:
    """Return anyone's order of any state, None if there is none."""
    return ref.exchange.find_order(order_id.lower()) if order_id else None


def canceled(order: Order) -> bool:
    """Whether an order rested and was canceled."""
    return order.status == "canceled" and order.tif != "ioc"


def is_cancel(request: Request) -> bool:
    """Whether a request is a cancel of one order."""
    return request.method == "DELETE" and "id" in request.path_params


def named(ref: Reference, request: Request) -> Order | None:
    """Return the order that a request's path names, None if it names none."""
    try:
        return find(ref, ref.api.order_id(request))
    except (ApiError, KeyError):
        return None


def remember_request(ref: Reference) -> Callable[[], Request]:
    """Return a function that gives the request in progress."""

    async def handle(original: Any, request: Request, names: Any) -> Response:
        _request.set(request)
        response: Response = await original(request, names)
        return response

    def current() -> Request:
        request = _request.get()
        assert request is not None, "only called while a request is served"
        return request

    wrap(ref.app, "handle", handle)
    return current


def by_key(request: Request) -> bool:
    """Whether a request carries an API key."""
    return "x-mbx-apikey" in request.headers


def on_shown(ref: Reference, change: Callable[[Order, dict[str, Any]], object]) -> None:
    """Let ``change(order, shown)`` alter what Cancel Order answers of a canceled order."""

    def canceled(original: Any, order: Order) -> dict[str, Any]:
        shown: dict[str, Any] = original(order)
        change(order, shown)
        return shown

    wrap(ref.api, "canceled", canceled)


def set_field(ref: Reference, name: str, value: Callable[[Order], Any]) -> None:
    """Let the cancel's answer show ``value(order)`` in a field."""
    on_shown(ref, lambda order, shown: shown.update({name: value(order)}))


def on_answer(ref: Reference, change: Callable[[Request, Response], Response | None]) -> None:
    """Let ``change(request, response)`` replace the answer to a cancel; None leaves it."""

    async def handle(original: Any, request: Request, names: Any) -> Response:
        response: Response = await original(request, names)
        return (change(request, response) or response) if is_cancel(request) else response

    wrap(ref.app, "handle", handle)


def on_refusal(ref: Reference, status: int, make: Callable[[], Response]) -> None:
    """Answer a cancel that is refused with ``status`` by something else."""
    on_answer(ref, lambda request, response: make() if response.status_code == status else None)


def refuse_when(ref: Reference, when: Callable[[Order], bool], refusal: Callable[[], ApiError]) -> None:
    """Refuse to cancel an own live order for which ``when`` is true, with nothing changed."""

    def check_live(original: Any, order: Order) -> None:
        original(order)
        if when(order):
            raise refusal()

    wrap(engines(ref), "check_live", check_live)


def instead_of_dead(ref: Reference, when: Callable[[Order], bool], act: Callable[[Order], None]) -> None:
    """Call ``act`` for an own terminal order in place of the 404.

    It may raise another refusal; returning means that the cancel answers 200 with the order as it is.
    """

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        order = find(ref, order_id)
        if order is not None and order.account == account and not order.live and when(order):
            act(order)
            return order
        canceled: Order = await original(account, order_id)
        return canceled

    wrap(ref.exchange, "cancel", cancel)


def trust(ref: Reference, when: Callable[[Incoming], bool], *, cancels_only: bool = True) -> None:
    """Let a cancel whose credentials are refused act as the owner of its order when ``when(incoming)`` is true."""

    async def caller(original: Any, request: Request) -> str:
        try:
            account: str = await original(request)
        except Unauthorized:
            if (cancels_only and not is_cancel(request)) or not when(await ref.api.incoming(request)):
                raise
            order = named(ref, request)
            return order.account if order is not None else "owner"
        return account

    wrap(ref.api, "caller", caller)


def header(incoming: Incoming, name: bytes) -> bytes:
    """Return the first value of a header, empty when it is absent."""
    return next((value for key, value in incoming.headers if key == name), b"")


def param(ref: Reference, incoming: Incoming, name: bytes) -> bytes | None:
    """Return the first raw value of a query parameter, None when it is absent."""
    params = ref.auth.query_params(incoming.query)
    return next((segment.partition(b"=")[2] for key, segment in params if key == name), None)


def good_signature(ref: Reference, incoming: Incoming) -> tuple[bytes, bytes]:
    """Return the signature that a request carries and the one that it should (both empty for unknown keys)."""
    account = ref.auth.accounts_by_key.get(header(incoming, b"x-mbx-apikey"))
    if account is None:
        return b"", b""
    given = param(ref, incoming, b"signature") or b""
    return given, ref.auth.sign(ref.auth.secret_of(account), ref.auth.payload_to_sign(incoming))


def verified(ref: Reference, part: Callable[[Incoming], Any]) -> set[Any]:
    """Return ``part(incoming)`` of the well-signed requests so far, kept up as they come."""
    seen: set[Any] = set()

    def authenticate_api_key(original: Any, api_key: bytes, incoming: Incoming) -> str:
        account: str = original(api_key, incoming)
        seen.add(part(incoming))
        return account

    wrap(ref.auth, "authenticate_api_key", authenticate_api_key)
    return seen


def is_fresh(ref: Reference, incoming: Incoming) -> bool:
    """Whether a request's (first) timestamp is inside the window."""
    raw = param(ref, incoming, b"timestamp") or b""
    return raw.isdigit() and len(raw) < 16 and abs(ref.clock.now_ms() - int(raw)) <= ref.auth.window_ms


def keep_fills(ref: Reference) -> Fills:
    """Return the (price, quantity) fills of each order by id, kept up as they happen."""
    fills: Fills = defaultdict(list)

    def apply_fill(original: Any, order: Order, price: Decimal, quantity: Decimal) -> None:
        original(order, price, quantity)
        fills[order.id].append((price, quantity))

    wrap(engines(ref), "apply_fill", apply_fill)
    return fills


def all_trades(ref: Reference, account: str) -> list[Trade]:
    """Return an account's newest trades on all markets."""
    return ref.exchange.trades(account, None, None, None, _MANY)


def own_live(ref: Reference, account: str, but: str = "") -> list[Order]:
    """Return an account's live orders, oldest first, without the one with the id ``but``."""
    return [order for order in ref.exchange.open_orders(account, None) if order.id != but]


def cancel_aside(ref: Reference, orders: Sequence[Order]) -> None:
    """Cancel orders that nobody asked to cancel."""
    for order in orders:
        ref.exchange.engine_of(order.symbol).matching.cancel_order(order)


def after_cancel(ref: Reference, act: Callable[[Order], object]) -> None:
    """Call ``act(order)`` once an order has been canceled by Cancel Order, before the answer."""

    async def cancel(original: Callable[[str, str], Awaitable[Order]], account: str, order_id: str) -> Order:
        order = await original(account, order_id)
        act(order)
        return order

    wrap(ref.exchange, "cancel", cancel)
