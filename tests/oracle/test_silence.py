"""Cancels that are not served while all other requests are, and what may be chance."""

from __future__ import annotations

import pytest

from conformance.record import Exchange

from .rows import ORDER, Paper, order

IN_TIME, STATUS, FORM = "cancel.answers.in-time", "cancel.answers.status", "cancel.unavailable.form"
LOST, LIMITED, GATEWAY, SPEECHLESS = None, 429, 504, 503
HUNG = "no answer within 10 s"


def _cases(paper: Paper, count: int, status: int | None, *, cases: int | None = None) -> None:
    """So many cancels that are not served, each in a case of its own or in so many cases, beside other requests."""
    for number in range(count):
        case = f"paper::case {number % (cases or count)}"
        for exchange in (paper.query(), paper.cancel(status, status and "<p>a gateway</p>"), paper.query()):
            exchange.case = case
            if exchange.response is None:
                exchange.error = HUNG


def _others(paper: Paper) -> list[Exchange]:
    return [row for row in paper.rows if isinstance(row, Exchange) and row.op == "query_order"]


@pytest.mark.parametrize(
    ("status", "requirement"), [(LOST, IN_TIME), (GATEWAY, IN_TIME), (LIMITED, STATUS), (SPEECHLESS, FORM)]
)
def test_many_cancels_and_nothing_else(paper: Paper, status: int | None, requirement: str) -> None:
    paper.place()
    _cases(paper, 12, status)
    judge = paper.judge()
    assert paper.found() == [requirement]
    assert "in 12 cases" in next(iter(judge.tallies[requirement].groups.values())).first.message
    assert judge.silence.is_silent == (requirement == IN_TIME)


@pytest.mark.parametrize("status", [LOST, LIMITED, SPEECHLESS])
@pytest.mark.parametrize(("count", "cases"), [(7, None), (40, 7)], ids=["few", "in few cases"])
def test_few_may_be_chance(paper: Paper, status: int | None, count: int, cases: int | None) -> None:
    paper.place()
    _cases(paper, count, status, cases=cases)
    assert paper.found() == []


@pytest.mark.parametrize("status", [LOST, LIMITED, SPEECHLESS])
def test_who_loses_other_requests_too_may_be_the_network(paper: Paper, status: int | None) -> None:
    paper.place()
    _cases(paper, 20, status)
    other = _others(paper)[5]
    if status is None:
        other.response, other.error = None, HUNG
    else:
        assert other.response is not None
        other.response.status, other.response.body = status, "<p>a gateway</p>"
    assert paper.found() == []


def test_what_may_be_dropped_for_its_form_says_nothing(paper: Paper) -> None:
    paper.place()
    for number in range(20):
        exchange = paper.cancel(LOST, order_id=f"{ORDER}%00")
        exchange.case, exchange.error = f"paper::case {number}", HUNG
        paper.query()
    assert paper.found() == []


def test_a_cancel_that_was_never_sent_says_nothing(paper: Paper) -> None:
    paper.place()
    for number in range(20):
        exchange = paper.cancel(LOST)
        exchange.case, exchange.error = f"paper::case {number}", "ConnectError: refused"
        paper.query()
    assert paper.found() == []


@pytest.mark.parametrize("status", [429, 502, 504])
def test_the_engines_own_words_come_with_503(paper: Paper, status: int) -> None:
    paper.place(order())
    paper.cancel(status, {"error": "ENGINE_BUSY"})
    assert paper.found() == [FORM]


def test_a_gateways_429_is_none_of_the_engines(paper: Paper) -> None:
    paper.place(order())
    paper.cancel(429, {"error": "Too Many Requests"})
    assert paper.found() == []


@pytest.mark.parametrize(
    ("lost", "answer", "likely"), [(1, None, False), (2, None, True), (2, 404, True), (2, 200, False)]
)
def test_that_no_cancel_is_answered_is_likely_before_it_is_certain(
    paper: Paper, lost: int, answer: int | None, likely: bool
) -> None:
    paper.place()
    _cases(paper, lost, LOST)
    if answer is not None:
        paper.cancel(answer)
    silence = paper.judge().silence
    assert silence.is_likely == likely
    assert not silence.is_total


@pytest.mark.parametrize("answered", [False, True])
def test_it_is_total_if_no_cancel_at_all_was_answered(paper: Paper, answered: bool) -> None:
    paper.place()
    if answered:
        paper.cancel(404, order_id=ORDER.replace("9", "8"))
    _cases(paper, 12, LOST)
    silence = paper.judge().silence
    assert silence.is_silent
    assert silence.is_total != answered


@pytest.mark.parametrize(
    ("count", "served", "refusing"),
    [(320, None, True), (200, None, False), (320, 319, False), (320, 10, True)],
    ids=["for half a minute", "not as long", "the last one succeeded", "an early one succeeded"],
)
def test_that_all_cancels_are_refused(paper: Paper, count: int, served: int | None, refusing: bool) -> None:
    """What is refused for another reason, since there is nothing to cancel, tells nothing of that."""
    paper.place()
    for number in range(count):
        paper.cancel(200 if number == served else 404 if number % 3 == 0 else 503)
    assert paper.judge().silence.is_refusing == refusing


@pytest.mark.parametrize(("answered", "found"), [(True, False), (False, True)])
def test_bad_logins_that_are_limited(paper: Paper, answered: bool, found: bool) -> None:
    """A gateway may answer so many bad logins a second, and nobody else sends any; not to answer any is wrong."""
    for number in range(14):
        paper.place(order(id=ORDER.replace("9", format(number, "x"))))
        status = 401 if answered and number < 2 else 429
        paper.cancel(status, "" if status == 429 else None, flaw="cancel.jwt.garbage").case = f"paper::{number}"
    assert (STATUS in paper.found()) == found


@pytest.mark.parametrize(("one_in", "attempts"), [(0, 5), (20, 5), (8, 7), (2, 12), (1, 12)])
def test_how_often_is_no_chance(paper: Paper, one_in: int, attempts: int) -> None:
    """The more cancels are refused for now, the more refusals in a row it takes; and no more than a dozen."""
    paper.place()
    for number in range(300):
        paper.cancel(503 if one_in and number % one_in == 0 else 404, order_id=ORDER.replace("9", "8"))
    assert paper.judge().silence.attempts(5) == attempts
