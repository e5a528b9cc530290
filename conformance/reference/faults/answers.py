"""Faults of the chapter Every answer: form and manners."""

from __future__ import annotations

import asyncio
import hmac
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..auth import Incoming
from ..errors import Unauthorized
from ..orders import Order
from ..reference import Reference
from .registry import fault
from .tools import by_key, every, find, header, is_cancel, named, on_answer, on_refusal, on_shown, wrap

_LEAK = "cancel.answers.no-leak"


def reshape(ref: Reference, status: int, make: Any, media_type: str = "application/json") -> None:
    """Rewrite the parsed body of every answer to a cancel with this status by ``make(body)``, a text."""

    def change(request: Request, answer: Response) -> Response | None:
        if answer.status_code != status or not answer.body:
            return None
        return Response(make(json.loads(bytes(answer.body))), status, media_type=media_type)

    on_answer(ref, change)


@fault("cancel.answers.status", "cancel.errors.foreign-terminal", "cancel.errors.not-found.canceled")
def second_cancel_crashes(ref: Reference) -> None:
    """The cancel of a terminal order is answered with 500."""
    crash(ref, lambda order: not order.live)


@fault("cancel.answers.status", "cancel.success.partially-filled")
def cancel_crashes_after_many_fills(ref: Reference) -> None:
    """The cancel of an order with fills is carried out, and answered with 500."""

    def canceled(original: Any, order: Order) -> Any:
        if order.filled_qty:
            raise ZeroDivisionError
        return original(order)

    wrap(ref.api, "canceled", canceled)


@fault("cancel.answers.status", "cancel.errors.forbidden")
def foreign_orders_are_451(ref: Reference) -> None:
    """Another user's order is answered with 451."""
    on_refusal(ref, 403, lambda: ref.responder.error(451, "FORBIDDEN"))


def crash(ref: Reference, when: Any) -> None:
    """Fail unexpectedly in the cancel of an order for which ``when`` is true."""

    async def cancel(original: Any, account: str, order_id: str) -> Order:
        order = find(ref, order_id)
        if order is not None and when(order):
            raise ZeroDivisionError
        canceled: Order = await original(account, order_id)
        return canceled

    wrap(ref.exchange, "cancel", cancel)


@fault("cancel.answers.error-form")
def errors_in_a_message(ref: Reference) -> None:
    """A refusal says its error under "message"."""
    for status in (400, 403, 404):
        reshape(ref, status, lambda body: json.dumps({"message": body["error"]}))


@fault("cancel.answers.error-form")
def errors_are_objects(ref: Reference) -> None:
    """The error of a refusal is an object that holds a text."""
    for status in (400, 403, 404):
        reshape(ref, status, lambda body: json.dumps({"error": {"text": body["error"]}}))


@fault(_LEAK)
def forbidden_orders_are_described(ref: Reference) -> None:
    """The 403 for another user's order says in a sentence what that is."""

    def change(request: Request, answer: Response) -> Response | None:
        order = named(ref, request) if answer.status_code == 403 else None
        if order is None:
            return None
        text = f"the {order.side} of {order.quantity} at {order.price} is not yours"
        return ref.responder.json(403, {"error": "FORBIDDEN", "message": text})

    on_answer(ref, change)


@fault("cancel.answers.error-form")
def not_found_is_html(ref: Reference) -> None:
    """A 404 is answered with a page of HTML."""
    on_refusal(ref, 404, lambda: Response("<html><body>Not Found</body></html>", 404, media_type="text/html"))


@fault("cancel.answers.error-form")
def forbidden_is_empty(ref: Reference) -> None:
    """A 403 has an empty body."""
    on_refusal(ref, 403, lambda: Response(None, 403))


@fault("cancel.answers.error-form")
def errors_in_a_list(ref: Reference) -> None:
    """A 400 is answered with a list of one error."""
    reshape(ref, 400, lambda body: json.dumps([body]))


@fault("cancel.answers.json")
def success_in_a_list(ref: Reference) -> None:
    """The canceled order is answered inside a list."""
    reshape(ref, 200, lambda body: json.dumps([body]))


@fault("cancel.answers.json")
def success_in_an_envelope_of_text(ref: Reference) -> None:
    """The canceled order is answered as a JSON text that holds JSON."""
    reshape(ref, 200, lambda body: json.dumps(json.dumps(body)))


@fault("cancel.answers.json")
def success_followed_by_more(ref: Reference) -> None:
    """The answer is followed by a second JSON object."""
    reshape(ref, 200, lambda body: json.dumps(body) + "\n{}")


@fault("cancel.answers.json")
def success_is_cut_off(ref: Reference) -> None:
    """The answer's last brace is missing for orders with fills."""

    def change(request: Request, answer: Response) -> Response | None:
        if answer.status_code != 200 or json.loads(bytes(answer.body))["filled_qty"] == "0":
            return None
        return Response(bytes(answer.body)[:-1], 200, media_type="application/json")

    on_answer(ref, change)


@fault("cancel.answers.json")
def not_a_number_in_the_answer(ref: Reference) -> None:
    """The reject_reason is the word NaN, which is no JSON."""
    reshape(ref, 200, lambda body: json.dumps({**body, "reject_reason": float("nan")}))


@fault("cancel.answers.json")
def refusals_labelled_as_html(ref: Reference) -> None:
    """A refusal is JSON but is labelled as text/html."""
    for status in (400, 403, 404):
        reshape(ref, status, json.dumps, "text/html")


@fault("cancel.answers.json")
def success_labelled_as_utf_16(ref: Reference) -> None:
    """A 200 is UTF-8, and is labelled as UTF-16."""
    reshape(ref, 200, json.dumps, "application/json; charset=utf-16")


@fault("cancel.answers.in-time", "cancel.errors.forbidden")
def foreign_orders_hang(ref: Reference) -> None:
    """The cancel of another user's order is never answered."""

    async def handle(original: Any, request: Request, names: Any) -> Response:
        answer: Response = await original(request, names)
        if is_cancel(request) and answer.status_code == 403:
            await asyncio.sleep(120)
        return answer

    wrap(ref.app, "handle", handle)


@fault("cancel.answers.in-time", "cancel.errors.invalid-id")
def words_as_ids_drop_the_connection(ref: Reference) -> None:
    """A cancel of an id that is no UUID ends in a closed connection without an answer."""

    async def send_nothing(scope: Any, receive: Any, send: Any) -> None:
        return

    async def handle(original: Any, request: Request, names: Any) -> Any:
        answer: Response = await original(request, names)
        return Silence() if is_cancel(request) and answer.status_code == 400 else answer

    wrap(ref.app, "handle", handle)


class Silence(Response):
    """An answer that is announced as longer than it is, so that the server closes the connection."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Announce a body and send none of it."""
        headers = [(b"content-length", b"100"), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 400, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@fault(_LEAK)
def foreign_orders_are_shown(ref: Reference) -> None:
    """The 403 for another user's order carries the order."""

    def change(request: Request, answer: Response) -> Response | None:
        order = named(ref, request)
        if answer.status_code != 403 or order is None:
            return None
        return ref.responder.json(403, {"error": "FORBIDDEN", "order": ref.orders.render(order)})

    on_answer(ref, change)


@fault(_LEAK)
def owner_of_a_foreign_order_is_named(ref: Reference) -> None:
    """The 403 for another user's order says whose it is."""

    def change(request: Request, answer: Response) -> Response | None:
        order = named(ref, request)
        if answer.status_code != 403 or order is None:
            return None
        return ref.responder.json(403, {"error": "FORBIDDEN", "owner": order.account})

    on_answer(ref, change)


@fault(_LEAK)
def secret_in_the_answer(ref: Reference) -> None:
    """The canceled order carries the API secret of its owner."""
    on_shown(
        ref,
        lambda order, shown: shown.update(client={"secret": ref.auth.secret_of(order.account)}),
    )


@fault(_LEAK)
def token_in_a_header(ref: Reference) -> None:
    """Every answer repeats the caller's JWT in a header."""

    def change(request: Request, answer: Response) -> None:
        token = request.headers.get("authorization", "")
        if token.startswith("Bearer "):
            answer.headers["x-debug-token"] = token.removeprefix("Bearer ")

    on_answer(ref, change)


@fault(_LEAK)
def stack_trace_in_a_refusal(ref: Reference) -> None:
    """A refused id is answered with 400, the right error, and a stack trace beside it."""
    trace = 'Traceback (most recent call last):\n  File "/srv/spot/orders.py", line 88, in cancel\nValueError'
    reshape(ref, 400, lambda body: json.dumps({**body, "detail": trace}))


@fault(_LEAK)
def query_in_a_refusal(ref: Reference) -> None:
    """A 404 carries the database query that found nothing."""
    reshape(ref, 404, lambda body: json.dumps({**body, "debug": "SELECT id, status FROM orders WHERE id = $1"}))


@fault(_LEAK)
def unauthorized_cancels_show_the_order(ref: Reference) -> None:
    """A 401 has the order that was to be canceled as its body."""

    def show(request: Request, answer: Response) -> Response | None:
        order = named(ref, request)
        return JSONResponse(ref.api.canceled(order), 401) if answer.status_code == 401 and order else None

    on_answer(ref, show)


@fault(_LEAK)
def expected_signature_in_a_401(ref: Reference) -> None:
    """A 401 for a wrong signature tells the right one."""

    def tell(request: Request, answer: Response) -> Response | None:
        account = ref.auth.accounts_by_key.get(request.headers.get("x-mbx-apikey", "").encode())
        if answer.status_code != 401 or account is None:
            return None
        signed = request.scope["query_string"].partition(b"&signature=")[0]
        secret = ref.secrets.api_keys[account].secret.encode()
        return JSONResponse({"expected": hmac.new(secret, signed, "sha256").hexdigest()}, 401)

    on_answer(ref, tell)


@fault("cancel.key.signature.altered", "cancel.answers.status")
def bad_signatures_are_403(ref: Reference) -> None:
    """A bad signature is answered with 403 instead of 401."""

    def change(request: Request, answer: Response) -> Response | None:
        bad = answer.status_code == 401 and by_key(request)
        return ref.responder.error(403, "FORBIDDEN") if bad else None

    on_answer(ref, change)


@fault("cancel.success.by-api-key", "cancel.success.by-jwt")
def every_fortieth_credential_refused(ref: Reference) -> None:
    """One good credential in forty gets 401, whatever it is used for."""
    due = every(40)

    def authenticate(original: Any, incoming: Incoming) -> str:
        account: str = original(incoming)
        if due() and not header(incoming, b"content-length"):
            raise Unauthorized("refused")
        return account

    wrap(ref.auth, "authenticate", authenticate)


@fault("cancel.answers.json")
def status_stands_twice(ref: Reference) -> None:
    """The 200 for an order with fills has the name status twice, with two values."""

    def twice(request: Request, response: Response) -> Response | None:
        if response.status_code != 200 or b'"avg_fill_price":"0"' in bytes(response.body).replace(b" ", b""):
            return None
        body = b'{"status":"partially_filled",' + bytes(response.body).lstrip()[1:]
        return Response(body, 200, media_type="application/json")

    on_answer(ref, twice)
