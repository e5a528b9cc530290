"""What lies between client and exchange: latency, gateways, lost connections, encodings, passing refusals."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import EngineBusy, EngineRestarting, Unavailable
from ..faults.tools import every, is_cancel, wrap
from ..reference import Reference
from . import variation

_SHORT = ("--profile", "quick")


def between(ref: Reference, make: Callable[[ASGIApp], ASGIApp]) -> None:
    """Put an ASGI application between the server and the exchange, for requests only."""
    inner: Any = ref.app
    outer = make(inner)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (outer if scope["type"] == "http" else inner)(scope, receive, send)

    setattr(ref, "app", app)  # noqa: B010


def delay(
    ref: Reference, seconds: Callable[[], float], which: Callable[[Request], bool] = lambda request: True
) -> None:
    """Let every answer, or those to `which`, take so much longer."""

    async def handle(original: Any, request: Request, names: Any) -> Response:
        wait = seconds() if which(request) else 0.0
        await asyncio.sleep(wait / 2)
        answer: Response = await original(request, names)
        await asyncio.sleep(wait / 2)
        return answer

    wrap(ref.app, "handle", handle)


@variation(options=_SHORT)
def slow(ref: Reference) -> None:
    """Every answer takes 50 ms."""
    delay(ref, lambda: 0.05)


@variation(options=_SHORT)
def jittery(ref: Reference) -> None:
    """Answers take between nothing and 60 ms, and one in a hundred half a second."""
    chance = random.Random(1)
    delay(ref, lambda: 0.5 if chance.random() < 0.01 else chance.random() * 0.06)


@variation(options=_SHORT)
def slow_cancels(ref: Reference) -> None:
    """Every cancel takes 300 ms, all else nothing."""
    delay(ref, lambda: 0.3, is_cancel)


@variation(options=_SHORT)
def held_up_now_and_then(ref: Reference) -> None:
    """One answer in ten takes half a second."""
    chance = random.Random(3)
    delay(ref, lambda: 0.5 if chance.random() < 0.1 else 0.0)


def now_and_then(ref: Reference, share: float, refusal: Callable[[], Unavailable]) -> None:
    """Refuse this share of the commands to the engine, before they have any effect."""
    chance = random.Random(2)

    async def submit(original: Any, engine: Any, action: Any) -> Any:
        if chance.random() < share:
            raise refusal()
        return await original(engine, action)

    wrap(ref.exchange, "submit", submit)


@variation()
def busy_now_and_then(ref: Reference) -> None:
    """One command in twenty is answered with 503 ENGINE_BUSY, without effect."""
    now_and_then(ref, 0.05, EngineBusy)


@variation()
def restarting_now_and_then(ref: Reference) -> None:
    """One command in thirty is answered with 503 ENGINE_RESTARTING, without effect."""
    now_and_then(ref, 0.03, EngineRestarting)


def gateway(ref: Reference, share: float, make: Callable[[], Response], *, after: bool = False) -> None:
    """Let a gateway answer this share of the requests by itself: before the exchange, or after it in its place."""
    chance = random.Random(3)

    async def handle(original: Any, request: Request, names: Any) -> Response:
        fails = chance.random() < share
        if fails and not after:
            return make()
        answer: Response = await original(request, names)
        return make() if fails else answer

    wrap(ref.app, "handle", handle)


@variation(options=_SHORT)
def rate_limited_now_and_then(ref: Reference) -> None:
    """One request in fifty is answered with 429 and Retry-After."""
    gateway(ref, 0.02, lambda: Response('{"error":"RATE_LIMITED"}', 429, {"retry-after": "1"}))


@variation(options=_SHORT)
def busy_cancels_ask_for_a_second(ref: Reference) -> None:
    """Every fifth cancel is answered with 503 ENGINE_BUSY and Retry-After, before it has any effect."""
    due = every(5)

    async def handle(original: Any, request: Request, names: Any) -> Response:
        if is_cancel(request) and due():
            return JSONResponse({"error": "ENGINE_BUSY"}, 503, {"retry-after": "1"})
        answer: Response = await original(request, names)
        return answer

    wrap(ref.app, "handle", handle)


@variation(options=_SHORT)
def gateway_fails_now_and_then(ref: Reference) -> None:
    """A gateway answers 3 % of the requests with a page for 502, without asking the exchange."""
    gateway(ref, 0.03, lambda: Response("<html>502 Bad Gateway</html>", 502, media_type="text/html"))


@variation(options=_SHORT)
def gateway_times_out_now_and_then(ref: Reference) -> None:
    """A gateway answers 1 % of the requests with 504 although the exchange has carried them out."""
    gateway(ref, 0.01, lambda: Response("<html>504</html>", 504, media_type="text/html"), after=True)


@variation(options=_SHORT)
def gateway_is_overloaded_now_and_then(ref: Reference) -> None:
    """A gateway answers 3 % of the requests with a page for 503, without asking the exchange."""
    gateway(ref, 0.03, lambda: Response("<html>503</html>", 503, {"retry-after": "0"}, media_type="text/html"))


class Drops:
    """Closes the connection of some requests without an answer, before or after they were carried out."""

    def __init__(self, app: ASGIApp, share: float) -> None:
        self.app, self.share, self.chance = app, share, random.Random(4)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or drop it."""
        fate = self.chance.random()
        if fate < self.share / 2:
            close(receive)
            return
        await self.app(scope, receive, close_instead(receive) if fate < self.share else send)


def close(receive: Receive) -> None:
    """Close the connection that a request came in on."""
    cycle: Any = getattr(receive, "__self__", None)
    cycle.transport.abort()


def close_instead(receive: Receive) -> Send:
    """Return a ``send`` that closes the connection instead."""

    async def send(message: Message) -> None:
        close(receive)

    return send


@variation(options=_SHORT)
def connections_drop_now_and_then(ref: Reference) -> None:
    """One request in a hundred ends in a closed connection, before or after it was carried out."""
    between(ref, lambda app: Drops(app, 0.01))


@variation()
def connections_close_after_each_answer(ref: Reference) -> None:
    """Every connection is closed after one answer."""

    async def handle(original: Any, request: Request, names: Any) -> Response:
        answer: Response = await original(request, names)
        answer.headers["connection"] = "close"
        return answer

    wrap(ref.app, "handle", handle)


@variation()
def compressed(ref: Reference) -> None:
    """Answers are compressed with gzip."""
    between(ref, lambda app: GZipMiddleware(app, minimum_size=1))


@variation()
def chunked(ref: Reference) -> None:
    """Answers come in chunks, without a length."""

    async def handle(original: Any, request: Request, names: Any) -> Response:
        return Chunked(await original(request, names))

    wrap(ref.app, "handle", handle)


class Chunked(Response):
    """An answer that is sent in pieces."""

    def __init__(self, whole: Response) -> None:
        self.whole = whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        headers = [(name, value) for name, value in self.whole.raw_headers if name != b"content-length"]
        body = bytes(self.whole.body)
        await send({"type": "http.response.start", "status": self.whole.status_code, "headers": headers})
        for start in range(0, len(body), 40):
            await send({"type": "http.response.body", "body": body[start : start + 40], "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
