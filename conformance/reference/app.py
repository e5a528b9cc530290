"""The HTTP face: routes, what they read from a request, and what they answer."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from .auth import Authenticator, Incoming
from .clock import Clock
from .errors import ApiError, BadRequest, BodyTooLarge
from .exchange import Exchange
from .orders import Order, parse_new_order
from .responses import Responder
from .settings import Settings
from .views import OrderView, TradeView, health_view, market_view

Handler = Callable[[Request], Awaitable[Response]]
Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]
logger = logging.getLogger(__name__)

# The hyphenated form of RFC 9562, section 4, in either case; any version and variant is well-formed.
UUID_TEXT = re.compile(rb"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
MAX_BODY = 64 * 1024
DEFAULT_TRADES, MAX_TRADES = 100, 1000


class Api:
    """One method an operation.

    Each judges the credentials first, then its parameters, then calls the exchange.
    """

    def __init__(
        self,
        exchange: Exchange,
        auth: Authenticator,
        orders: OrderView,
        trades: TradeView,
        responder: Responder,
    ) -> None:
        self.exchange = exchange
        self.auth = auth
        self.orders = orders
        self.trades = trades
        self.responder = responder

    # Operations

    async def cancel_order(self, request: Request) -> Response:
        """``DELETE /spot/orders/:id``: cancel one order."""
        account = await self.caller(request)
        order = await self.exchange.cancel(account, self.order_id(request))
        return self.responder.json(200, self.canceled(order))

    def canceled(self, order: Order) -> dict[str, Any]:
        """Return what Cancel Order shows of the order that it has canceled."""
        return self.orders.render(order)

    async def query_order(self, request: Request) -> Response:
        """``GET /spot/orders/:id``: show one order."""
        account = await self.caller(request)
        order = self.exchange.order(account, self.order_id(request))
        return self.responder.json(200, self.orders.render(order))

    async def new_order(self, request: Request) -> Response:
        """``POST /spot/orders``: place an order; answers it with the fills of this request."""
        account = await self.caller(request)
        order, fills = await self.exchange.place(account, parse_new_order(await self.body(request)))
        shown = {**self.orders.render(order), "fills": [self.trades.fill(trade) for trade in fills]}
        return self.responder.json(200, shown)

    async def open_orders(self, request: Request) -> Response:
        """``GET /spot/orders``: list the caller's live orders, oldest first, as a bare array."""
        account = await self.caller(request)
        orders = self.exchange.open_orders(account, self.query(request).get("symbol"))
        return self.responder.json(200, [self.orders.render(order) for order in orders])

    async def cancel_all(self, request: Request) -> Response:
        """``DELETE /spot/orders?symbol=``: cancel all of the caller's live orders in a market.

        The symbol must be given: a Cancel Order call that lost its id must not empty the book.
        """
        account = await self.caller(request)
        symbol = self.query(request).get("symbol")
        if not symbol:
            raise BadRequest("invalid symbol")
        orders = await self.exchange.cancel_all(account, symbol)
        return self.responder.json(200, {"canceled": [self.orders.render(order) for order in orders]})

    async def own_trades(self, request: Request) -> Response:
        """``GET /spot/trades/me``: list the caller's fills, newest first, as a bare array."""
        account = await self.caller(request)
        params = self.query(request)
        start, end = self.whole_number(params, "start"), self.whole_number(params, "end")
        limit = self.whole_number(params, "limit")
        if limit == 0:
            raise BadRequest("invalid limit")
        limit = min(limit or DEFAULT_TRADES, MAX_TRADES)
        trades = self.exchange.trades(account, params.get("symbol"), start, end, limit)
        return self.responder.json(200, [self.trades.render(trade) for trade in trades])

    async def markets(self, request: Request) -> Response:
        """``GET /spot/markets``: list the markets, as a bare array. Public."""
        return self.responder.json(200, [market_view(market) for market in self.exchange.settings.markets])

    async def health(self, request: Request) -> Response:
        """``GET /spot/health``: show the engine's state. Public."""
        return self.responder.json(200, health_view(self.exchange))

    # Reading a request

    async def caller(self, request: Request) -> str:
        """Return the account whose credentials the request carries. Raises Unauthorized."""
        return self.auth.authenticate(await self.incoming(request))

    async def incoming(self, request: Request) -> Incoming:
        """Return what of a request can carry credentials, as raw bytes."""
        return Incoming(request.scope["headers"], request.scope["query_string"], await self.body(request))

    async def body(self, request: Request) -> bytes:
        """Return the whole body, read once. Raises BodyTooLarge beyond 64 KiB."""
        if not hasattr(request.state, "body"):
            chunks, size = [], 0
            async for chunk in request.stream():
                size += len(chunk)
                if size > MAX_BODY:
                    raise BodyTooLarge
                chunks.append(chunk)
            request.state.body = b"".join(chunks)
        body: bytes = request.state.body
        return body

    def order_id(self, request: Request) -> str:
        """Return the canonical (lower case) order id of the path. Raises BadRequest ``invalid id``."""
        return self.parse_id(self.raw_id(request))

    def raw_id(self, request: Request) -> bytes:
        """Return the id segment of the path with its percent-encoding undone, once."""
        return unquote_to_bytes(request.path_params["id"])

    def parse_id(self, raw: bytes) -> str:
        """Return a UUID in canonical form; upper case is the same UUID (RFC 9562, section 4)."""
        if not self.is_uuid(raw):
            raise BadRequest("invalid id")
        return self.canonical_id(raw)

    def is_uuid(self, raw: bytes) -> bool:
        """Whether the bytes are a hyphenated UUID."""
        return UUID_TEXT.fullmatch(raw) is not None

    def canonical_id(self, raw: bytes) -> str:
        """Return a valid UUID in lower case."""
        return raw.decode("ascii").lower()

    def query(self, request: Request) -> dict[str, str]:
        """Return the decoded query parameters; of a repeated one, the first."""
        pairs = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        return dict(reversed(pairs))

    def whole_number(self, params: Mapping[str, str], name: str) -> int | None:
        """Return a parameter as a whole number, None when absent. Raises BadRequest ``invalid <name>``."""
        text = params.get(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= 15):
            raise BadRequest(f"invalid {name}")
        return int(text)


class App:
    """The ASGI application: routes on the raw path, turns refusals into answers, dates every answer."""

    def __init__(
        self, api: Api, settings: Settings, clock: Clock, responder: Responder, lifespan: Lifespan
    ) -> None:
        self.clock = clock
        self.responder = responder
        base = settings.base_path
        # Handlers are looked up by name at each call, so that one replaced later takes effect.
        self.operations: dict[str, dict[str, str]] = {
            f"{base}/spot/orders/{{id}}": {"DELETE": "cancel_order", "GET": "query_order"},
            f"{base}/spot/orders": {"POST": "new_order", "GET": "open_orders", "DELETE": "cancel_all"},
            f"{base}/spot/trades/me": {"GET": "own_trades"},
            f"{base}/spot/markets": {"GET": "markets"},
            f"{base}/spot/health": {"GET": "health"},
        }
        self.api = api
        routes = [Route(path, self.endpoint(names), methods=None) for path, names in self.operations.items()]
        self.starlette = Starlette(routes=routes, lifespan=lifespan)
        self.starlette.router.redirect_slashes = False
        self.starlette.router.default = self.unknown_path

    def endpoint(self, names: Mapping[str, str]) -> Any:
        """Return the ASGI application of one path.

        Not a function, so that Starlette leaves the method to it.
        """
        return Endpoint(self, names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event of the server."""
        if scope["type"] == "http":
            # A decoded path would let an encoded slash end the id and find another route.
            raw = scope.get("raw_path") or quote(scope["path"]).encode()
            scope = {**scope, "path": raw.decode("latin-1")}
            send = self.dated(send)
        await self.starlette(scope, receive, send)

    def dated(self, send: Send) -> Send:
        """Add a ``Date`` header as of the answer: clients measure the server's clock by it."""

        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"date", self.clock.http_date().encode()))
            await send(message)

        return send_dated

    async def handle(self, request: Request, names: Mapping[str, str]) -> Response:
        """Answer a request to a known path."""
        name = names.get(request.method)
        if name is None:
            return self.method_not_allowed(names)
        try:
            handler: Handler = getattr(self.api, name)
            return await handler(request)
        except ApiError as refusal:
            return self.responder.refusal(refusal)
        except ClientDisconnect:
            return Response(status_code=400)  # goes nowhere: the client left before its body was whole
        except Exception:
            logger.exception("%s failed", name)
            return self.responder.error(500, "INTERNAL_ERROR")

    def method_not_allowed(self, names: Mapping[str, str]) -> Response:
        """Return the answer to a method that a path does not have."""
        return self.responder.error(405, "METHOD_NOT_ALLOWED", {"allow": ", ".join(sorted(names))})

    async def unknown_path(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a path that is none of ours; an empty id makes one."""
        await self.responder.error(404, "NOT_FOUND")(scope, receive, send)


class Endpoint:
    """One path of the application."""

    def __init__(self, app: App, names: Mapping[str, str]) -> None:
        self.app = app
        self.names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self.app.handle(Request(scope, receive), self.names)
        await response(scope, receive, send)
