"""Hooks for the reference: it keeps the contract, but keys, balances or the market are not as a run needs them."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from conformance.reference.errors import ApiError, EngineBusy
from conformance.reference.money import ZERO
from conformance.reference.reference import Reference


class _ReadOnly(ApiError):
    """What an exchange says to a key that may not trade."""

    status = 403
    error = "PERMISSION_DENIED"


class _ReadOnly401(_ReadOnly):
    status = 401


def _refuse(reference: Reference, refusal: type[ApiError], header: str, names: tuple[str, ...]) -> None:
    for name in names:
        original = getattr(reference.api, name)

        async def refused(request: Request, original: Any = original) -> Any:
            await reference.api.caller(request)
            if header in request.headers:
                raise refusal
            return await original(request)

        setattr(reference.api, name, refused)


_WRITES = ("new_order", "cancel_order", "cancel_all")


def read_only_keys(reference: Reference) -> None:
    """API keys may read only."""
    _refuse(reference, _ReadOnly, "x-mbx-apikey", _WRITES)


def read_only_keys_401(reference: Reference) -> None:
    """API keys may read only, and get a 401 for all else."""
    _refuse(reference, _ReadOnly401, "x-mbx-apikey", _WRITES)


def read_only_tokens(reference: Reference) -> None:
    """JWTs may read only."""
    _refuse(reference, _ReadOnly, "authorization", _WRITES)


def keys_do_not_cancel(reference: Reference) -> None:
    """A violation: API keys may place, and not cancel."""
    _refuse(reference, _ReadOnly, "x-mbx-apikey", ("cancel_order",))


def keys_do_not_place(reference: Reference) -> None:
    """API keys may cancel, and not place."""
    _refuse(reference, _ReadOnly, "x-mbx-apikey", ("new_order",))


def _without(reference: Reference, *holdings: tuple[str, str]) -> None:
    balances = reference.exchange.balances
    fund = reference.exchange.start

    def start() -> None:
        fund()
        for account, token in holdings:
            balances._touch(account, token).free = ZERO

    reference.exchange.start = start  # type: ignore[method-assign]


def owner_without_base(reference: Reference) -> None:
    """The owner has nothing to sell."""
    _without(reference, ("owner", "DF"))


def owner_without_quote(reference: Reference) -> None:
    """The owner has nothing to buy with."""
    _without(reference, ("owner", "USDT"))


def counterparty_without_anything(reference: Reference) -> None:
    """The counterparty has nothing at all."""
    _without(reference, ("counterparty", "DF"), ("counterparty", "USDT"))


def nobody_has_anything(reference: Reference) -> None:
    """No account has anything."""
    _without(reference, *((name, token) for name in ("owner", "counterparty") for token in ("DF", "USDT")))


def halted_in_secret(reference: Reference) -> None:
    """The market's list says that it is listed, and orders are refused."""
    from conformance.reference.errors import MarketHalted

    def check_market(market: object) -> None:
        raise MarketHalted

    reference.exchange.check_market = check_market  # type: ignore[method-assign]


def login_page(reference: Reference) -> None:
    """A web site: every path answers 200 with a page."""
    answer = reference.app.handle

    async def handle(request: Request, names: Any) -> Response:
        if request.url.path.endswith("/health"):  # those who start it ask it
            return await answer(request, names)
        return HTMLResponse("<!doctype html><html><title>Sign in</title><form>…</form></html>")

    async def unknown(scope: Any, receive: Any, send: Any) -> None:
        await HTMLResponse("<!doctype html><html><title>Sign in</title></html>")(scope, receive, send)

    reference.app.handle = handle  # type: ignore[method-assign]
    reference.app.starlette.router.default = unknown


def no_cancel_is_answered(reference: Reference) -> None:
    """A violation: cancels wait without end."""

    async def wait(request: Request) -> Any:
        await asyncio.sleep(300)

    reference.api.cancel_order = wait  # type: ignore[method-assign]


def no_order_can_be_canceled(reference: Reference) -> None:
    """The engine is busy whenever a cancel would end an order."""
    original = reference.exchange.cancel

    async def cancel(account: str, order_id: str) -> Any:
        order = reference.exchange.find_order(order_id)
        if order is not None and order.account == account and order.live:
            raise EngineBusy
        return await original(account, order_id)

    setattr(reference.exchange, "cancel", cancel)  # noqa: B010
