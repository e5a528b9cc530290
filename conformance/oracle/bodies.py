"""Reading an answer's body: is it JSON, what does it say, who may have said it."""

from __future__ import annotations

import codecs
import json
import re
from contextlib import suppress
from functools import lru_cache
from typing import Any

import msgspec

from conformance.oracle.answers import TRANSIENT
from conformance.record import Exchange, Response

_GATEWAY = frozenset({408, 425, 429, 502, 504, *range(520, 528), 530})  # from 520 on: a content delivery network's


class NotJson(ValueError):
    """A body that is not one JSON value."""


def _no_constant(text: str) -> Any:
    raise NotJson(f"{text} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)  # json.loads makes a new one each time


_QUICK = msgspec.json.Decoder()
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


@lru_cache(2048)  # a list mostly repeats rows of the one before
def _row(text: bytes) -> Any:
    return _QUICK.decode(text)


@lru_cache(32)  # an answer is read several times, and refusals are alike
def _value(text: str) -> Any:
    if text.startswith("["):
        return [_row(bytes(row)) for row in _LIST.decode(text)]
    return _QUICK.decode(text)


def parse(response: Response) -> Any:
    """The JSON value in the body, not to be changed; raises NotJson (with the reason) for anything else."""
    if response.body_base64 is not None:
        raise NotJson("the body is not UTF-8")
    if response.truncated:
        raise NotJson("the body was too large and was cut off")
    if not response.body:
        raise NotJson("the body is empty")
    try:
        return _value(response.body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _parse_carefully(response.body)


def _parse_carefully(text: str) -> Any:
    """As json.loads has it, which takes some texts that others refuse, and says what is wrong with the rest."""
    try:
        if text.startswith("\ufeff"):
            return json.loads(text)  # which says what is wrong with that
        return _DECODER.decode(text)
    except RecursionError:
        raise NotJson("the JSON is nested too deep") from None
    except ValueError as error:
        raise NotJson(str(error)) from None


def sent_in(exchange: Exchange) -> dict[str, Any]:
    """What the suite sent as the body of a request."""
    text = exchange.request.body or "{}"
    try:
        sent: dict[str, Any] = _QUICK.decode(text)
    except msgspec.MsgspecError:
        sent = json.loads(text)
    return sent


def contradictions(response: Response, body: dict[str, Any]) -> list[str]:
    """The names that stand more than once in an object, with different values: readers may differ on them."""
    if response.body.count('":') <= len(body):  # the usual case, in which nothing has to be parsed again
        return []
    pairs: list[list[tuple[str, Any]]] = []
    json.loads(response.body, object_pairs_hook=lambda found: pairs.append(found))
    outer = pairs[-1]  # objects are finished from the inside out
    return sorted({name for name, value in outer for other, seen in outer if name == other and value != seen})


def try_parse(response: Response) -> Any:
    """The JSON value in the body, or None if it is none."""
    try:
        return parse(response)
    except NotJson:
        return None


@lru_cache(256)
def is_json_type(label: str) -> bool:
    """Whether a Content-Type says JSON (application/json or a +json type)."""
    media = label.split(";")[0].strip().lower()
    return media == "application/json" or media.endswith("+json")


def fits_charset(body: str, label: str) -> bool:
    """Whether a body reads the same to a client that believes its Content-Type's `charset`.

    JSON is UTF-8 and the parameter has no meaning (RFC 8259, sections 8.1 and 11), but some clients go by it.
    """
    named = _charset(label)
    try:
        return named is None or body.encode().decode(named) == body
    except (UnicodeError, LookupError):
        return False


@lru_cache(256)
def _charset(label: str) -> str | None:
    found = re.search(r";\s*charset\s*=\s*\"?([\w.:-]{1,40})", label, re.IGNORECASE)
    named = found[1].lower() if found is not None else "utf-8"
    with suppress(LookupError):
        return None if codecs.lookup(named).name in ("utf-8", "ascii") else named
    return None


def is_transient(response: Response) -> bool:
    """A 503 of the exchange itself, with one of the documented errors."""
    if response.status != 503:
        return False
    body = try_parse(response)
    return isinstance(body, dict) and body.get("error") in TRANSIENT


def is_infrastructure(response: Response) -> bool:
    """An answer of something on the way, or a rate limit: it says nothing about the contract.

    A 503 counts as one unless it is a JSON object with an `error`, as only the exchange itself would send.
    """
    if response.status in _GATEWAY:
        return True
    if response.status == 503:
        body = try_parse(response)
        return not (isinstance(body, dict) and "error" in body)
    return False
