"""Faults of the chapter Errors: ids that are no UUID."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.responses import Response

from ..app import UUID_TEXT
from ..errors import BadRequest, OrderNotFound
from ..reference import Reference
from .registry import fault
from .tools import is_cancel, on_refusal, wrap


@fault("cancel.errors.invalid-id")
def invalid_ids_not_found(ref: Reference) -> None:
    """An id that is no UUID is answered with 404 ORDER_NOT_FOUND."""
    on_refusal(ref, 400, lambda: ref.responder.error(404, "ORDER_NOT_FOUND"))


@fault("cancel.errors.invalid-id", "cancel.answers.status")
def invalid_ids_are_422(ref: Reference) -> None:
    """An id that is no UUID is answered with 422, as some frameworks do by themselves."""
    on_refusal(ref, 400, lambda: ref.responder.error(422, "invalid id"))


@fault("cancel.errors.invalid-id")
def invalid_id_by_another_name(ref: Reference) -> None:
    """The error of an id that is no UUID reads "INVALID_ID"."""
    on_refusal(ref, 400, lambda: ref.responder.error(400, "INVALID_ID"))


@fault("cancel.errors.invalid-id", "cancel.answers.status")
def invalid_ids_crash(ref: Reference) -> None:
    """An id that is no UUID is answered with 500."""
    on_refusal(ref, 400, lambda: ref.responder.error(500, "INTERNAL_ERROR"))


@fault("cancel.errors.invalid-id")
def any_letters_make_an_id(ref: Reference) -> None:
    """An id with the right hyphens is looked up whatever letters it has, and is answered with 404."""
    shape = re.compile(rb"\w{8}-\w{4}-\w{4}-\w{4}-\w{12}")
    wrap(ref.api, "is_uuid", lambda original, raw: shape.fullmatch(raw) is not None)


@fault("cancel.errors.not-found.unknown")
def ids_of_version_7_are_malformed(ref: Reference) -> None:
    """A UUID of version 7, younger than the check for one, is answered with 400."""
    shape = re.compile(rb".{14}[^7]")
    wrap(ref.api, "is_uuid", lambda original, raw: original(raw) and shape.match(raw) is not None)


@fault("cancel.errors.invalid-id", "cancel.refusals.invalid-id")
def ids_are_cut_to_their_length(ref: Reference) -> None:
    """What follows the 36 characters of an id is ignored, so that a longer id cancels the order."""
    wrap(ref.api, "is_uuid", lambda original, raw: original(raw[:36]))
    wrap(ref.api, "canonical_id", lambda original, raw: original(raw[:36]))


@fault("cancel.errors.invalid-id", "cancel.refusals.invalid-id")
def the_beginning_of_an_id_is_enough(ref: Reference) -> None:
    """An id that is cut short names the order that begins with it."""

    def parse_id(original: Any, raw: bytes) -> str:
        if UUID_TEXT.fullmatch(raw) is None and len(raw) >= 8:
            for order in ref.exchange.open_orders("owner", None):
                if order.id.encode().startswith(raw.lower()):
                    return order.id
        known: str = original(raw)
        return known

    wrap(ref.api, "parse_id", parse_id)


@fault("cancel.errors.invalid-id")
def short_ids_not_found(ref: Reference) -> None:
    """A word or number of up to twelve letters is looked up and answered with 404."""

    def parse_id(original: Any, raw: bytes) -> str:
        if re.fullmatch(rb"[\w-]{1,12}", raw):
            raise OrderNotFound
        known: str = original(raw)
        return known

    wrap(ref.api, "parse_id", parse_id)


@fault("cancel.errors.invalid-id", "cancel.answers.status")
def ids_in_other_scripts_crash(ref: Reference) -> None:
    """An id with letters beyond ASCII is answered with 500."""
    crash_on(ref, lambda raw: any(byte > 127 for byte in raw))


@fault("cancel.errors.invalid-id.hostile", "cancel.answers.status")
def nul_in_an_id_crashes(ref: Reference) -> None:
    """An id with a NUL is answered with 500, as where a C library reads it."""
    crash_on(ref, lambda raw: b"\0" in raw)


@fault("cancel.errors.invalid-id.hostile", "cancel.answers.status")
def ids_not_utf8_crash(ref: Reference) -> None:
    """An id whose bytes are not UTF-8 is answered with 500."""

    def broken(raw: bytes) -> bool:
        try:
            raw.decode()
        except UnicodeDecodeError:
            return True
        return False

    crash_on(ref, broken)


@fault("cancel.errors.invalid-id", "cancel.answers.status")
def long_numbers_crash(ref: Reference) -> None:
    """An id that is a number of twenty digits or more is answered with 500."""
    crash_on(ref, lambda raw: raw.isdigit() and len(raw) > 19)


@fault("cancel.errors.invalid-id.hostile", "cancel.answers.status")
def long_ids_crash(ref: Reference) -> None:
    """An id of more than a few hundred characters is answered with 500."""
    crash_on(ref, lambda raw: len(raw) > 500)


@fault("cancel.errors.invalid-id.hostile", "cancel.answers.in-time", "cancel.answers.status")
def line_feeds_in_an_id_accepted(ref: Reference) -> None:
    """An id with a line feed is answered with 200."""

    async def handle(original: Any, request: Request, names: Any) -> Response:
        if is_cancel(request) and b"\n" in ref.api.raw_id(request):
            return ref.responder.json(200, {})
        answer: Response = await original(request, names)
        return answer

    wrap(ref.app, "handle", handle)


@fault("cancel.answers.in-time", "cancel.errors.invalid-id.hostile")
def very_long_ids_hang(ref: Reference) -> None:
    """A cancel with an id of thousands of characters is never answered, while all others are."""

    async def handle(original: Any, request: Request, names: Any) -> Response:
        if is_cancel(request) and len(ref.api.raw_id(request)) > 2000:
            await asyncio.sleep(60)
        answer: Response = await original(request, names)
        return answer

    wrap(ref.app, "handle", handle)


def crash_on(ref: Reference, when: Any) -> None:
    """Fail on an id for which ``when(raw bytes)`` is true, as an unexpected exception does."""

    def parse_id(original: Any, raw: bytes) -> str:
        if when(raw):
            raise CrashError("INTERNAL_ERROR")
        known: str = original(raw)
        return known

    wrap(ref.api, "parse_id", parse_id)


class CrashError(BadRequest):
    """A refusal with 500: what a handler's failure looks like from outside."""

    status = 500


@fault("cancel.errors.invalid-id.hostile", "cancel.refusals.invalid-id")
def ids_end_at_a_nul(ref: Reference) -> None:
    """An id counts up to a NUL in it, so that one with more behind that cancels the order."""
    wrap(ref.api, "parse_id", lambda original, raw: original(raw.split(b"\0")[0]))


@fault("cancel.errors.invalid-id.hostile", "cancel.refusals.invalid-id")
def ids_are_decoded_twice(ref: Reference) -> None:
    """The escapes of an id are decoded twice."""
    wrap(ref.api, "parse_id", lambda original, raw: original(unquote_to_bytes(raw)))


@fault("cancel.errors.invalid-id", "cancel.answers.status")
def underscores_stand_for_hyphens(ref: Reference) -> None:
    """An id whose groups are joined by underscores is taken as a UUID."""
    wrap(ref.api, "is_uuid", lambda original, raw: original(raw.replace(b"_", b"-")))
    wrap(ref.api, "canonical_id", lambda original, raw: original(raw.replace(b"_", b"-")))
