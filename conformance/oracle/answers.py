"""Which answers to a cancel are right, given what the ledger knows of the order and of the credential."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from conformance.oracle.extras import also_right
from conformance.oracle.ids import IdKind, PathId
from conformance.oracle.ledger import Order, State
from conformance.record import Exchange

CANCELED = (200, None)
INVALID_ID = (400, "invalid id")
UNAUTHORIZED = (401, None)
FORBIDDEN = (403, "FORBIDDEN")
NOT_FOUND = (404, "ORDER_NOT_FOUND")
TRANSIENT = ("ENGINE_BUSY", "ENGINE_RESTARTING", "spot trading disabled")
DOCUMENTED = frozenset({200, 400, 401, 403, 404, 503})
# a router may send a path that it would rather have otherwise away by a redirect: nothing is carried out
REFUSED = frozenset(range(300, 500)) - {304, 408, 425, 429}

Answer = tuple[int, str | None]


class Expectation(msgspec.Struct, frozen=True):
    """The acceptable answers of an exchange, why, and the requirement that another answer breaks.

    `any_refusal` accepts every 4xx; `also` are statuses that are right because of something in the request that
    every page leaves open. `situation` names the state of the order in a word or two.
    """

    requirement: str
    answers: tuple[Answer, ...]
    situation: str
    any_refusal: bool = False
    also: frozenset[int] = frozenset()

    def accepts(self, status: int) -> bool:
        """Whether this status is one of the acceptable ones."""
        if status in [wanted for wanted, _ in self.answers] or status in self.also:
            return True
        return self.any_refusal and status in REFUSED

    def documents(self, status: int, body: Any) -> bool:
        """Whether this is one of the acceptable answers, with its error."""
        for wanted, text in self.answers:
            if status == wanted and (text is None or (isinstance(body, dict) and body.get("error") == text)):
                return True
        return False

    def error_for(self, status: int) -> str | None:
        """The error string that belongs to this status here, if one does."""
        return dict(reversed(self.answers)).get(status)  # the first one that is given for it

    def __str__(self) -> str:
        texts = [f"{status} {error}" if error else str(status) for status, error in self.answers]
        if self.any_refusal:
            texts.append("another refusal")
        return " or ".join(texts)


_LONG = 1000  # characters of a request target; longer ones may be refused on the way (RFC 9110, section 15.5.15)


def refusal_of(status: int) -> str:
    """The requirement that says that a refusal with this status changes nothing."""
    return {
        400: "cancel.refusals.invalid-id",
        401: "cancel.refusals.unauthorized",
        403: "cancel.refusals.forbidden",
        503: "cancel.unavailable.no-effect",
    }.get(status, "cancel.refusals.not-found")


def _own(order: Order) -> tuple[str, str, tuple[Answer, ...]]:
    if order.state is State.LIVE:
        if order.fills:
            return "cancel.success.partially-filled", "own, partially filled", (CANCELED,)
        return "cancel.success.open", "own, open", (CANCELED,)
    if order.state is State.UNSURE:
        return "cancel.answers.status", "own, state not known", (CANCELED, NOT_FOUND)
    if order.type == "market":
        return "cancel.errors.not-found.market", "own market order, ended", (NOT_FOUND,)
    if order.state is State.FILLED:
        return "cancel.errors.not-found.filled", "own, filled", (NOT_FOUND,)
    if order.tif == "ioc":
        return "cancel.errors.not-found.ioc-remainder", "own ioc order, ended", (NOT_FOUND,)
    return "cancel.errors.not-found.canceled", "own, canceled already", (NOT_FOUND,)


def _foreign(order: Order) -> tuple[str, str, tuple[Answer, ...]]:
    if order.state is State.LIVE:
        if order.fills:
            return (
                "cancel.errors.forbidden.partially-filled",
                "another user's, partially filled",
                (FORBIDDEN,),
            )
        return "cancel.errors.forbidden", "another user's, open", (FORBIDDEN,)
    return "cancel.errors.foreign-terminal", "another user's, ended", (FORBIDDEN, NOT_FOUND)


def _by_id(path_id: PathId, order: Order | None, account: str | None) -> Expectation:
    if path_id.kind is IdKind.EMPTY:
        return Expectation("cancel.errors.empty-id", (INVALID_ID, CANCELED), "empty id", any_refusal=True)
    if path_id.kind is IdKind.HOSTILE:
        own = _own(order)[2] if order is not None and order.account == account else ()
        requirement = "cancel.errors.invalid-id.hostile"
        return Expectation(requirement, (INVALID_ID, *own), "hostile id", any_refusal=True)
    if path_id.kind in (IdKind.MALFORMED, IdKind.FOLLOWED):
        followed = path_id.kind is IdKind.FOLLOWED
        situation = "id with more behind it" if followed else "malformed id"
        return Expectation("cancel.errors.invalid-id", (INVALID_ID,), situation, any_refusal=followed)
    answers: tuple[Answer, ...]
    if order is None:
        requirement, situation, answers = "cancel.errors.not-found.unknown", "unknown id", (NOT_FOUND,)
    else:
        requirement, situation, answers = (_own if order.account == account else _foreign)(order)
    if path_id.kind is IdKind.SPELLING:
        # left open whether this is a UUID, and then it is this order's or nobody's
        answers = (*dict.fromkeys((INVALID_ID, *answers, NOT_FOUND)),)
        return Expectation(requirement, answers, f"{situation}, id in another spelling")
    return Expectation(requirement, answers, situation)


def expect(exchange: Exchange, path_id: PathId, order: Order | None) -> Expectation:
    """The acceptable answers to a cancel of an order (as the ledger has it), whatever else the request carries.

    A credential with a flaw gets 401; if the id would be refused as well, or nobody may cancel that order any more,
    that refusal is right too, because no page says which is judged first. A 503 is acceptable always and is not
    listed here.
    """
    ordinary = _expect(exchange, path_id, order)
    return replace(ordinary, any_refusal=True) if len(exchange.request.target) > _LONG else ordinary


def with_left_open(expected: Expectation, exchange: Exchange) -> Expectation:
    """With the statuses that are right because of something in the request that every page leaves open."""
    also = also_right(exchange)
    return replace(expected, also=also) if also else expected


def _expect(exchange: Exchange, path_id: PathId, order: Order | None) -> Expectation:
    auth = exchange.auth
    normal = _by_id(path_id, order, auth.account if auth else None)
    if auth is not None and auth.flaw is None and not auth.either:
        return normal
    flaw = auth.flaw if auth is not None and auth.flaw else "cancel.jwt.missing"
    id_refused = tuple(a for a in normal.answers if a in (INVALID_ID, NOT_FOUND))
    if auth is not None and auth.either:
        return Expectation(
            normal.requirement, (UNAUTHORIZED, *normal.answers), normal.situation, normal.any_refusal
        )
    refused = path_id.kind is not IdKind.UUID
    gone = order is None or order.state is not State.LIVE
    answers = (UNAUTHORIZED, *id_refused) if refused or gone else (UNAUTHORIZED,)
    return Expectation(flaw, answers, f"{normal.situation}, credential refused", normal.any_refusal)


def describe(status: int, body: Any) -> str:
    """An answer in a few words: its status, and its error string if it has one."""
    if isinstance(body, dict) and isinstance(body.get("error"), str):
        return f"{status} {body['error'][:120]}"
    return str(status)
