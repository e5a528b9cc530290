"""Judges cancels: the status for the situation, the form of the answer, the fields of the canceled order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from conformance.oracle import unavailable
from conformance.oracle.answers import (
    CANCELED,
    DOCUMENTED,
    TRANSIENT,
    Expectation,
    describe,
    expect,
    refusal_of,
    with_left_open,
)
from conformance.oracle.bodies import is_infrastructure, try_parse
from conformance.oracle.canceled import NAMES_OTHERS, OF_THE_PATH, judge_canceled
from conformance.oracle.findings import Check, Finding
from conformance.oracle.ids import IdKind, PathId, id_segment, read_id
from conformance.oracle.labels import judge_label
from conformance.oracle.leaks import leak_in
from conformance.oracle.ledger import Order, State
from conformance.record import Exchange, Note, Response

if TYPE_CHECKING:
    from conformance.oracle.judge import Judge

_PROMPT = re.compile(r"within (\d{1,6}) ms")
_STALE = 4.0  # s: a signed request that took longer may have expired on the way


def path_id(judge: Judge, exchange: Exchange) -> PathId:
    """The id that an exchange's path names."""
    segment = id_segment(exchange.request.target, judge.base_path)
    return read_id(segment) if segment is not None else PathId(IdKind.HOSTILE, None)


def judge_cancel(judge: Judge, exchange: Exchange) -> None:
    """Judge a DELETE on an order's path, and enter its effect into the ledger."""
    named = path_id(judge, exchange)
    order = judge.ledger.get(named.uuid)
    response = exchange.response
    good = exchange.auth is not None and exchange.auth.flaw is None
    if response is None or is_infrastructure(response):
        _busy_by_another_name(judge, exchange, response)
        if good and order is not None and (response is None or response.status != 429):
            order.state = State.UNSURE if order.state is State.LIVE else order.state
        return
    body = try_parse(response)
    foreign = bool(order and exchange.auth and order.account != exchange.auth.account)
    if (leak := leak_in(response, body, order, foreign=foreign, target=exchange.request.target)) is not None:
        judge.broken(
            "cancel.answers.no-leak",
            exchange,
            "the answer gives away " + leak,
            "nothing of it",
            leak,
            key=leak,
        )
    else:
        judge.held("cancel.answers.no-leak", exchange)
    if response.status == 503:
        judge.held("cancel.answers.in-time", exchange)
        _transient(judge, exchange, response, body, order)
        return
    judge.held(("cancel.answers.in-time", "cancel.unavailable.unwarranted"), exchange)
    expected = expect(exchange, named, order)
    documented = expected.documents(response.status, body)
    if not documented:
        expected = with_left_open(expected, exchange)
        if not expected.accepts(response.status):
            _wrong_status(judge, exchange, expected, response, body, order)
            return
    if documented or response.status not in expected.also:
        _right_status(judge, exchange, expected, response, body)
    if response.status == 200:
        if CANCELED in expected.answers and named.kind is not IdKind.EMPTY:
            judge_canceled(judge, exchange, response, body, order)
        elif named.kind is IdKind.EMPTY:
            judge.act(exchange, "cancel.errors.empty-id", None)
        return
    requirement = exchange.aim if exchange.aim in NAMES_OTHERS else refusal_of(response.status)
    judge.act(exchange, requirement or refusal_of(response.status), order)


# What is worth saying without being a violation: (whether a 200 shows it, the sentence)
_OBSERVED = {
    "cancel.success.uuid-case": (
        False,
        "An id in upper case is not taken as the same order; no page says it must be.",
    ),
    "cancel.key.replay": (
        True,
        "A signed query was accepted again on another order: path and method are not signed. The documented scheme "
        "works like that.",
    ),
}
_UNKNOWN = "cancel.errors.not-found.unknown"


def _busy_by_another_name(judge: Judge, exchange: Exchange, response: Response | None) -> None:
    """A gateway knows nothing of the engine: a 429 that tells of it is the exchange's own answer."""
    body = try_parse(response) if response is not None else None
    if response is not None and isinstance(body, dict) and body.get("error") in TRANSIENT:
        seen = describe(response.status, body)
        wanted = f"503 {body['error']}"
        judge.broken(
            "cancel.unavailable.form", exchange, f"{body['error']} comes as {response.status}", wanted, seen
        )


def _transient(judge: Judge, exchange: Exchange, response: Response, body: Any, order: Order | None) -> None:
    if isinstance(body, dict) and body.get("error") in TRANSIENT:
        judge.held("cancel.unavailable.form", exchange)
    else:
        judge.broken(
            "cancel.unavailable.form",
            exchange,
            "the error of the 503 is none of the documented ones",
            " or ".join(TRANSIENT),
            describe(503, body),
        )
    judge_label(judge, exchange, response)
    unavailable.take_transient(judge, exchange, order)
    judge.act(exchange, "cancel.unavailable.no-effect", order)


def _blamed(
    judge: Judge, exchange: Exchange, expected: Expectation, status: int, body: Any, named: Order | None
) -> str:
    """The requirement that a wrong status breaks: what the request aimed at, or what its situation says.

    A server error in a burst is how an overflow is told. A 401 for a good credential tells of the credential,
    unless the same one is known to be let in otherwise: then further parameters are what it is about or, where the
    situation calls for another refusal, that refusal.
    """
    auth, aim = exchange.auth, exchange.aim or ""
    if status >= 500 and exchange.driver == "overload":
        return unavailable.BUSY
    if named is not None and named.acts and named.acts[-1].requirement == unavailable.RESTARTING:
        return unavailable.RESTARTING  # the first that is seen of it after a restart
    if (
        status == 401
        and auth is not None
        and auth.flaw is None
        and not aim.startswith(("cancel.key.", "cancel.jwt."))
    ):
        let_in = (auth.account, auth.scheme) in judge.accepted
        if let_in and auth.scheme == "api_key" and (further := _further_parameters(exchange)):
            return "cancel.key.signature.encoding" if "%" in further else "cancel.key.signature.extra-signed"
        if CANCELED in expected.answers or not let_in:
            return "cancel.success.by-api-key" if auth.scheme == "api_key" else "cancel.success.by-jwt"
        return expected.requirement
    if aim in OF_THE_PATH and CANCELED not in expected.answers and not _shows_another(judge, body, named):
        return expected.requirement  # nothing tells that the request was taken for another order's
    return aim if aim.startswith("cancel.") else expected.requirement


def _further_parameters(exchange: Exchange) -> str:
    """What a signed query has beside the timestamp and the signature."""
    query = exchange.request.target.partition("?")[2]
    return "&".join(pair for pair in query.split("&") if not pair.startswith(("timestamp=", "signature=")))


def _shows_another(judge: Judge, body: Any, named: Order | None) -> bool:
    """Whether an answer shows an order that the suite placed, and not the one that was named."""
    shown = body.get("id") if isinstance(body, dict) else None
    other = judge.ledger.orders.get(shown.lower()) if isinstance(shown, str) else None
    return other is not None and other is not named


def _wrong_status(
    judge: Judge,
    exchange: Exchange,
    expected: Expectation,
    response: Response,
    body: Any,
    order: Order | None,
) -> None:
    auth, status = exchange.auth, response.status
    if status == 401 and auth and auth.scheme == "api_key" and exchange.end - exchange.start > _STALE:
        judge.troubled.add(exchange.case)  # the signature may have expired on a slow way
        return
    prompt = _PROMPT.fullmatch(exchange.expect or "")
    if prompt is not None and exchange.end - exchange.start > int(prompt[1]) / 1000:
        judge.troubled.add(exchange.case)  # on the way the timestamp may have left the window, or entered it
        if order is not None:
            order.state = State.UNSURE
        return
    if status == 404 and order is not None and CANCELED in expected.answers and judge.entangled(order, exchange):
        return
    seen = describe(status, body)
    if status == 404 and order is not None and order.acts and CANCELED in expected.answers:
        act = order.acts[-1]
        judge.suspect(
            order,
            act.requirement,
            exchange,
            "the order has ended, although all requests that named it were refused",
            str(expected),
            seen,
            exchanges=[act.n, exchange.n],
            key="ended",
            doubtful=act.requirement != unavailable.RESTARTING and len(judge.suspected(order)) > 1,
        )
        order.state = State.UNSURE
        return
    # it was live after a 503, and the repeated cancel is refused for good: then it was not transient
    refused_before = order is not None and order.id in judge.refused_for_now and CANCELED in expected.answers
    requirement = _blamed(judge, exchange, expected, status, body, order)
    if refused_before and status < 500:
        requirement = unavailable.TRANSIENT
    told = (requirement, exchange, f"a cancel ({expected.situation}) is answered with {seen}", str(expected), seen)
    key = f"{expected.situation}|{status}"
    # of an order that was canceled before and has come back, the return is the mistake
    doubtful = status == 404 and order is not None and (judge.acted_since(order) or order.canceled is not None)
    if status == 404 and order is not None and CANCELED in expected.answers:
        judge.suspect(order, *told, key=key, doubtful=doubtful)
    else:
        judge.broken(*told, order=order.id if order else None, key=key, doubtful=doubtful)
    if order is not None and auth is not None and order.account != auth.account and status == 200:
        judge.broken(
            f"cancel.{'key' if auth.scheme == 'api_key' else 'jwt'}.other-user",
            exchange,
            "another user's credential canceled the order",
            "403 FORBIDDEN",
            seen,
        )
    if status not in DOCUMENTED:
        judge.broken(
            "cancel.answers.status",
            exchange,
            f"{status} is no documented answer to a cancel",
            ", ".join(map(str, sorted(DOCUMENTED))),
            seen,
            key=str(status),
        )
    _note_parity(judge, exchange, expected)
    if order is not None:
        order.state = State.UNSURE
    elif status == 200:
        # it named no order and yet canceled something: which one will be seen when that is looked at
        whole = "cancel.identity.whole-id" if expected.requirement == _UNKNOWN else expected.requirement
        judge.act(exchange, exchange.aim if exchange.aim in NAMES_OTHERS else whole, None)


def _note_parity(judge: Judge, exchange: Exchange, expected: Expectation) -> None:
    auth = exchange.auth
    if auth is None or auth.flaw or auth.either or exchange.aim or exchange.response is None:
        return
    status = exchange.response.status
    if status == 404 and CANCELED in expected.answers and not judge.quiet:
        return  # somebody else may have filled the order: another credential would have got the same
    judge.parity[expected.situation].setdefault(auth.scheme, set()).add(status)
    judge.parity_exchanges.setdefault((expected.situation, auth.scheme), exchange.n)


def _right_status(judge: Judge, exchange: Exchange, expected: Expectation, response: Response, body: Any) -> None:
    status, auth = response.status, exchange.auth
    judge.held("cancel.answers.status", exchange)
    _note_parity(judge, exchange, expected)
    if status == 401:
        if auth is not None:
            judge.refused.add(auth.scheme)
        if auth is None or not auth.either:
            judge.held(exchange.aim or expected.requirement, exchange)
        _body_of_401(judge, exchange, response)
        return
    if auth is not None and auth.flaw is None and not auth.either:
        judge.accepted.add((auth.account, auth.scheme))
        if status == 200:
            key = auth.scheme == "api_key"
            judge.held("cancel.success.by-api-key" if key else "cancel.success.by-jwt", exchange)
        if status == 403:
            judge.held(f"cancel.{'key' if auth.scheme == 'api_key' else 'jwt'}.other-user", exchange)
    wrong = _wrong_error(expected, response, body)
    if wrong is None:
        judge.held(expected.requirement, exchange)
        if status >= 400 and not expected.any_refusal:
            judge.held("cancel.answers.error-form", exchange)
        if exchange.aim:
            judge.held(exchange.aim, exchange)
        if exchange.aim in _OBSERVED and (status == 200) == _OBSERVED[exchange.aim][0]:
            judge.observed[exchange.aim] = _OBSERVED[exchange.aim][1]
    else:
        requirement, message, wanted = wrong
        judge.broken(
            requirement, exchange, message, wanted, describe(status, body), key=f"{expected.situation}|error"
        )
    if status != 200 and not expected.any_refusal:
        judge_label(judge, exchange, response)


def _wrong_error(expected: Expectation, response: Response, body: Any) -> tuple[str, str, str] | None:
    """(requirement, message, expected) if a refusal does not carry the documented error."""
    wanted = expected.error_for(response.status)
    if wanted is None or expected.any_refusal:
        return None
    form = f'{response.status} {{"error": "{wanted}"}}'
    if not isinstance(body, dict) or not isinstance(body.get("error"), str):
        return "cancel.answers.error-form", "the refusal is no JSON object with an error string", form
    if body["error"] != wanted:
        return expected.requirement, f"the error is {body['error'][:80]!r}", form
    return None


def _body_of_401(judge: Judge, exchange: Exchange, response: Response) -> None:
    judge.held("cancel.answers.empty-401", exchange)
    if response.body or response.body_base64:
        judge.observed["cancel.answers.empty-401"] = "A 401 carries a body; only the Errors page says it is empty."


def judge_other_method(judge: Judge, exchange: Exchange) -> None:
    """Another method on an order's path: any answer is right, and none at all, but it may not cancel."""
    order = judge.ledger.get(path_id(judge, exchange).uuid)
    if order is not None:
        judge.act(exchange, "cancel.errors.other-methods", order)


def judge_other_path(judge: Judge, exchange: Exchange) -> None:
    """A DELETE on a path that no page names: any answer is right, and none at all, but not what it aims at."""
    if exchange.aim is not None:
        judge.act(exchange, exchange.aim, None)


def judge_persistent(judge: Judge, note: Note) -> None:
    """A request that was never served although others around it were: no passing trouble explains that.

    The note lists the exchanges that failed and the controls that were served between them. Both are looked up,
    so that the judgement rests on the record. Where another request got 503 meanwhile, it may be an overload.
    """
    attempts = [n for n in note.data.get("attempts", []) if n in judge.answers]
    controls = [n for n in note.data.get("controls", []) if n in judge.answers]
    served = [n for n in controls if (status := judge.answers[n][1]) is not None and status < 500]
    if len(attempts) < 4 or len(served) < 3 or len(served) < len(controls):
        return
    statuses = [judge.answers[n][1] for n in attempts]
    silent = statuses.count(None)
    if any(status is not None and status != 503 for status in statuses):
        return
    between = range(attempts[0] + 1, attempts[-1])
    if any(n not in attempts and n in judge.answers and judge.answers[n][1] == 503 for n in between):
        return  # others are refused too: the target is overloaded
    if not silent:
        if len(attempts) < judge.silence.attempts(0, len(attempts)):
            return  # so many are refused that some are so often, by chance
        judge.silence.forget(len(attempts))
    requirement = "cancel.answers.in-time" if silent > len(attempts) / 2 else "cancel.unavailable.unwarranted"
    seen = "no answer" if silent > len(attempts) / 2 else "503"
    situation = str(note.data.get("situation", "this request"))
    finding = Finding(
        requirement,
        f"{situation}: {seen} {len(attempts)} times, while {len(served)} other cancels in between were served",
        "an answer" if silent else "what the situation calls for",
        seen,
        attempts,
        note.case,
        key=situation,
    )
    judge.add(Check(requirement, attempts[0], note.case, finding))


def judge_parity(judge: Judge) -> None:
    """Whether both credentials were answered alike wherever both were used in the same situation."""
    for situation, by_scheme in judge.parity.items():
        if not {"jwt", "api_key"} <= set(by_scheme):
            continue
        n = [judge.parity_exchanges[situation, scheme] for scheme in ("jwt", "api_key")]
        jwt, key = by_scheme["jwt"], by_scheme["api_key"]
        finding = None
        if jwt != key and not (jwt & key):
            finding = Finding(
                "cancel.answers.parity",
                f"the two credentials get different answers ({situation})",
                f"with both what the JWT gets: {_list(jwt)}",
                f"API key: {_list(key)}",
                n,
                "",
                key=situation,
            )
        judge.add(Check("cancel.answers.parity", n[1], "", finding))


def _list(statuses: set[int]) -> str:
    return ", ".join(map(str, sorted(statuses)))
