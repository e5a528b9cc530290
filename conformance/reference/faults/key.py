"""Faults of the chapter API key and signature: whose key it is, and where it stands."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import h11
from starlette.requests import Request

from ..auth import Incoming
from ..orders import Order
from ..reference import Reference
from .registry import fault
from .tools import by_key, header, is_fresh, param, remember_request, trust, wrap


def signed_by_anyone(ref: Reference, incoming: Incoming) -> bool:
    """Whether a request is fresh and well signed with some user's secret, whatever its key."""
    given = param(ref, incoming, b"signature")
    payload = ref.auth.payload_to_sign(incoming)
    secrets = (pair.secret for pair in ref.secrets.api_keys.values())
    return is_fresh(ref, incoming) and any(given == ref.auth.sign(secret, payload) for secret in secrets)


def _trust_key(ref: Reference, like: Callable[[bytes, Collection[bytes]], bool]) -> None:
    """Accept a key that nobody owns that is ``like`` those there are, with a signature of some secret."""
    known = ref.auth.accounts_by_key

    def trusted(incoming: Incoming) -> bool:
        key = header(incoming, b"x-mbx-apikey")
        return key not in known and like(key, known) and signed_by_anyone(ref, incoming)

    trust(ref, trusted)


@fault("cancel.key.unknown")
def unknown_keys_accepted(ref: Reference) -> None:
    """A key that nobody owns is accepted with a signature of some user's secret."""
    _trust_key(ref, lambda key, known: len(key) == 32 and key.lower() not in known)


@fault("cancel.key.unknown")
def beginning_of_a_key_is_enough(ref: Reference) -> None:
    """A key that is cut short counts as the one that begins with it."""
    _trust_key(ref, lambda key, known: len(key) > 3 and any(one.startswith(key) for one in known))


@fault("cancel.key.unknown")
def keys_may_be_followed_by_anything(ref: Reference) -> None:
    """A key counts as the one that it begins with."""
    _trust_key(ref, lambda key, known: any(key.startswith(one) for one in known))


@fault("cancel.key.unknown")
def keys_have_no_case(ref: Reference) -> None:
    """A key in another case of letters is accepted as the same key."""
    wrap(ref.auth, "account_of_key", lambda original, key: original(key.lower()))


@fault("cancel.key.absent")
def key_is_guessed_from_the_signature(ref: Reference) -> None:
    """A signed query without any key acts for the user whose secret signed it."""
    trust(ref, lambda r: not names(r) and b"apikey" not in r.query.lower() and signed_by_anyone(ref, r))


@fault("cancel.key.absent")
def key_in_the_query_accepted(ref: Reference) -> None:
    """The API key is taken from a query parameter X-MBX-APIKEY as well."""
    trust(ref, lambda r: not names(r) and param(ref, r, b"X-MBX-APIKEY") is not None and signed_by_anyone(ref, r))


@fault("cancel.key.absent")
def api_key_parameter_accepted(ref: Reference) -> None:
    """The API key is taken from a query parameter apiKey as well."""
    trust(ref, lambda r: not names(r) and param(ref, r, b"apiKey") is not None and signed_by_anyone(ref, r))


@fault("cancel.key.unsigned-legacy")
def legacy_header_accepted(ref: Reference) -> None:
    """The older X-API-Key header acts without a signature."""
    trust(ref, lambda r: header(r, b"x-api-key") in ref.auth.accounts_by_key)


@fault("cancel.key.header-case")
def header_name_has_a_case(ref: Reference) -> None:
    """The API key is only found in a header spelled X-MBX-APIKEY, not in one spelled x-mbx-apikey."""
    next_event: Any = h11.Connection.next_event

    def spelled(connection: Any) -> Any:
        event = next_event(connection)
        if not isinstance(event, h11.Request):
            return event
        kept = [
            (b"X-Lost" if name.lower() == b"x-mbx-apikey" and name != b"X-MBX-APIKEY" else name, value)
            for name, value in event.headers.raw_items()
        ]
        return h11.Request(method=event.method, target=event.target, headers=kept, http_version=event.http_version)

    # Names reach the application in lower case: only the parser still knows how they were spelled.
    setattr(h11.Connection, "next_event", spelled)  # noqa: B010


@fault("cancel.key.other-user", "cancel.errors.forbidden")
def keys_act_on_everybodys_orders(ref: Reference) -> None:
    """An API key cancels the orders of all users; a JWT only its own."""
    current = remember_request(ref)

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        order = ref.exchange.find_order(order_id)
        if order is not None and order.live and by_key(current()):
            account = order.account
        canceled: Order = await original(account, order_id)
        return canceled

    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.key.other-user", "cancel.errors.forbidden.partially-filled")
def keys_act_on_partially_filled_orders(ref: Reference) -> None:
    """An API key cancels other users' orders that have fills."""
    current = remember_request(ref)

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        order = ref.exchange.find_order(order_id)
        if order is not None and order.live and order.filled_qty > 0 and by_key(current()):
            account = order.account
        canceled: Order = await original(account, order_id)
        return canceled

    wrap(ref.exchange, "cancel", cancel)


def names(incoming: Incoming) -> set[bytes]:
    """Return which headers for credentials a request has."""
    return {name for name, _ in incoming.headers} & {b"authorization", b"x-mbx-apikey", b"x-api-key"}


@fault("cancel.key.absent")
def key_as_bearer_token(ref: Reference) -> None:
    """The bare API key passes as a bearer token."""
    trust(
        ref,
        lambda incoming: header(incoming, b"authorization").removeprefix(b"Bearer ") in ref.auth.accounts_by_key,
    )


@fault("cancel.effects.own-orders")
def connection_keeps_its_first_caller(ref: Reference) -> None:
    """Whoever comes by a connection acts as the first one who came by it."""
    first: dict[Any, str] = {}

    async def caller(original: Any, request: Request) -> str:
        account: str = await original(request)
        return first.setdefault(request.client, account)

    wrap(ref.api, "caller", caller)
