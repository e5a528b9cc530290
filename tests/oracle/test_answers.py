"""Each situation has its right answers; each other answer is a finding of the requirement that says so."""

from __future__ import annotations

import pytest

from conformance.record import Note

from .rows import CREATED, ORDER, OTHER, Paper, canceled, order


def test_open_order_is_canceled(paper: Paper) -> None:
    paper.place()
    paper.cancel()
    paper.query(canceled(paper.now - 0.1))
    judge = paper.judge()
    assert paper.found() == []
    for held in ("cancel.success.open", "cancel.fields.status", "cancel.effects.terminal", "cancel.effects.final"):
        assert judge.tallies[held].checks, held


@pytest.mark.parametrize("status", [400, 403, 404, 204, 500])
def test_open_order_is_not_canceled(paper: Paper, status: int) -> None:
    paper.place()
    paper.cancel(status)
    assert paper.found()[0] == "cancel.success.open"


def test_undocumented_status_is_found_too(paper: Paper) -> None:
    paper.place()
    paper.cancel(500)
    assert paper.found() == ["cancel.success.open", "cancel.answers.status"]


def test_partially_filled_order_has_its_own_requirement(paper: Paper) -> None:
    paper.place()
    paper.fill("30")
    paper.cancel(404)
    assert paper.found() == ["cancel.success.partially-filled"]


@pytest.mark.parametrize(
    ("scheme", "requirement"), [("jwt", "cancel.success.by-jwt"), ("api_key", "cancel.success.by-api-key")]
)
def test_good_credential_is_refused(paper: Paper, scheme: str, requirement: str) -> None:
    paper.place()
    paper.cancel(401, scheme=scheme)
    assert paper.found() == [requirement]


def test_slow_signed_request_may_have_expired(paper: Paper) -> None:
    paper.place()
    exchange = paper.cancel(401, scheme="api_key")
    exchange.end = exchange.start + 6
    assert paper.found() == []


@pytest.mark.parametrize(("took", "found"), [(0.05, ["cancel.key.timestamp.window-inside"]), (0.2, [])])
def test_at_the_edge_of_the_window_only_a_prompt_answer_counts(paper: Paper, took: float, found: list[str]) -> None:
    paper.place()
    exchange = paper.cancel(401, scheme="api_key")
    exchange.aim, exchange.expect = "cancel.key.timestamp.window-inside", "within 100 ms"
    exchange.end = exchange.start + took
    assert paper.found() == found


@pytest.mark.parametrize("status", [200, 400, 401, 404])
def test_foreign_order(paper: Paper, status: int) -> None:
    paper.place()
    paper.cancel(status, by="counterparty")
    assert paper.found()[0] == ("cancel.errors.forbidden" if status != 401 else "cancel.success.by-jwt")


def test_foreign_order_forbidden(paper: Paper) -> None:
    paper.place()
    paper.cancel(403, by="counterparty")
    paper.query()
    judge = paper.judge()
    assert paper.found() == []
    assert judge.tallies["cancel.errors.forbidden"].checks
    assert judge.tallies["cancel.refusals.forbidden"].checks
    assert judge.tallies["cancel.jwt.other-user"].checks


@pytest.mark.parametrize("status", [403, 404])
def test_foreign_terminal_order_is_left_open(paper: Paper, status: int) -> None:
    paper.place()
    paper.cancel()
    paper.cancel(status, by="counterparty")
    assert paper.found() == []


@pytest.mark.parametrize("status", [200, 400, 403])
def test_second_cancel(paper: Paper, status: int) -> None:
    paper.place()
    paper.cancel()
    paper.cancel(status, {"error": "x"} if status != 200 else canceled(paper.now))
    assert paper.found() == ["cancel.errors.not-found.canceled"]


def test_filled_order(paper: Paper) -> None:
    paper.place()
    paper.fill("100")
    paper.cancel(200)
    assert paper.found()[0] == "cancel.errors.not-found.filled"


def test_ioc_remainder(paper: Paper) -> None:
    paper.place(order(tif="ioc", status="canceled"))
    paper.cancel(400)
    assert paper.found() == ["cancel.errors.not-found.ioc-remainder"]


def test_market_order(paper: Paper) -> None:
    paper.place(order(type="market", tif=None, price=None, status="canceled"))
    paper.cancel(403)
    assert paper.found() == ["cancel.errors.not-found.market"]


@pytest.mark.parametrize("status", [200, 400, 403])
def test_unknown_id(paper: Paper, status: int) -> None:
    paper.cancel(status, order_id=OTHER)
    assert paper.found()[0] == "cancel.errors.not-found.unknown"


@pytest.mark.parametrize("segment", ["abc", ORDER[:-1], ORDER + "0", "-1", "%C3%A9"])
@pytest.mark.parametrize("status", [200, 404, 422, 500])
def test_malformed_id(paper: Paper, segment: str, status: int) -> None:
    paper.cancel(status, order_id=segment)
    assert paper.found()[0] == "cancel.errors.invalid-id"


@pytest.mark.parametrize("segment", ["%00", "%ff", "a%2Fb", "%zz", "a" * 2000, "%2e%2e", "%20"])
def test_hostile_id_may_be_refused_by_anybody(paper: Paper, segment: str) -> None:
    for status in (400, 404, 405, 414, 431, 301):
        paper.cancel(status, "<html>", order_id=segment, headers=[("content-type", "text/html")])
    assert paper.found() == []
    paper.cancel(500, order_id=segment)
    assert paper.found() == ["cancel.errors.invalid-id.hostile", "cancel.answers.status"]


def test_a_parser_may_take_what_stands_between_quotes(paper: Paper) -> None:
    paper.place()
    paper.cancel(400, order_id=f"%22{ORDER}%22")
    paper.cancel(200, order_id=f"%22{ORDER}%22")
    paper.query(canceled(paper.now - 0.1))
    assert paper.found() == []


@pytest.mark.parametrize(("stamp", "found"), [("now", False), ("", False), ("-5", True), ("1778400000000", True)])
def test_a_timestamp_that_is_no_number_may_be_a_bad_request(paper: Paper, stamp: str, found: bool) -> None:
    paper.place()
    flaw = {"scheme": "api_key", "flaw": "cancel.key.timestamp.not-a-number"}
    paper.cancel(400, query=f"timestamp={stamp}&signature=x", **flaw)
    assert bool(paper.found()) == found


@pytest.mark.parametrize("end", [".", ".json", ":cancel", ";v=1"])
def test_id_with_more_behind_it_may_be_unknown_to_a_router(paper: Paper, end: str) -> None:
    paper.place()
    for status in (400, 404, 405):
        paper.cancel(status, "<html>", order_id=ORDER + end, headers=[("content-type", "text/html")])
    assert paper.found() == []
    paper.cancel(500, order_id=ORDER + end)
    assert paper.found() == ["cancel.errors.invalid-id", "cancel.answers.status"]


@pytest.mark.parametrize(("status", "found"), [(400, False), (403, False), (401, False), (404, True), (200, True)])
def test_who_writes_what_gateways_write_may_be_turned_away(paper: Paper, status: int, found: bool) -> None:
    paper.place()
    exchange = paper.cancel(status, flaw="cancel.jwt.missing")
    exchange.request.headers.append(("x-forwarded-for", "127.0.0.1"))
    assert bool(paper.found()) == found


@pytest.mark.parametrize("names", [("authorization", "x-mbx-apikey"), ("x-mbx-apikey", "x-mbx-apikey")])
def test_what_two_credentials_get_is_left_open(paper: Paper, names: tuple[str, str]) -> None:
    paper.place()
    for status in (401, 400, 403):
        exchange = paper.cancel(status, by="counterparty", scheme="api_key", either=True)
        exchange.request.headers.extend((name, "x") for name in names)
    assert paper.found() == []
    paper.cancel(200, by="counterparty", scheme="api_key", either=True).request.headers.extend(
        (name, "x") for name in names
    )
    assert paper.found() == ["cancel.errors.forbidden", "cancel.key.other-user"]


@pytest.mark.parametrize(("status", "found"), [(200, False), (401, False), (404, False), (500, True), (409, False)])
def test_both_credentials_of_one_user_are_no_trouble(paper: Paper, status: int, found: bool) -> None:
    paper.place()
    exchange = paper.cancel(status, scheme="api_key", either=True)
    exchange.request.headers.extend((name, "x") for name in ("authorization", "x-mbx-apikey"))
    assert ("cancel.answers.status" in paper.found()) == found
    assert bool(paper.found()) == found


@pytest.mark.parametrize(
    "spelling", [ORDER.upper(), ORDER.replace("-", ""), "%7B" + ORDER + "%7D", "urn:uuid:" + ORDER]
)
@pytest.mark.parametrize("status", [200, 400, 404])
def test_other_spellings_of_the_id_are_left_open(paper: Paper, spelling: str, status: int) -> None:
    paper.place()
    paper.cancel(status, order_id=spelling)
    assert paper.found() == []


@pytest.mark.parametrize(("status", "wrong"), [(400, "invalid_id"), (403, "forbidden"), (404, "Order not found")])
def test_error_strings_are_exact(paper: Paper, status: int, wrong: str) -> None:
    paper.place()
    situation = {
        400: ({"order_id": "abc"}, "cancel.errors.invalid-id"),
        403: ({"by": "counterparty"}, "cancel.errors.forbidden"),
        404: ({"order_id": OTHER}, "cancel.errors.not-found.unknown"),
    }
    how, requirement = situation[status]
    paper.cancel(status, {"error": wrong}, **how)
    assert paper.found() == [requirement]


@pytest.mark.parametrize(
    "body", ["", "not found", "[]", '{"message": "ORDER_NOT_FOUND"}', '{"error": 5}', '{"error"']
)
def test_refusals_are_objects_with_an_error(paper: Paper, body: str) -> None:
    paper.cancel(404, body, order_id=OTHER)
    assert "cancel.answers.error-form" in paper.found()


def test_refusals_are_labelled_as_json(paper: Paper) -> None:
    paper.cancel(404, order_id=OTHER, headers=[("content-type", "text/plain")])
    assert paper.found() == ["cancel.answers.json"]


def test_spoiled_credential_must_be_refused(paper: Paper) -> None:
    paper.place()
    paper.cancel(200, flaw="cancel.key.signature.altered", scheme="api_key")
    assert paper.found()[0] == "cancel.key.signature.altered"


def test_spoiled_credential_on_a_bad_id_may_get_either_refusal(paper: Paper) -> None:
    for status in (400, 401):
        paper.cancel(status, order_id="abc", flaw="cancel.jwt.garbage")
    for status in (404, 401):
        paper.cancel(status, order_id=OTHER, flaw="cancel.jwt.garbage")
    assert paper.found() == []


def test_a_body_in_a_401_is_observed_not_found(paper: Paper) -> None:
    paper.place()
    paper.cancel(401, {"error": "unauthorized"}, flaw="cancel.jwt.garbage")
    assert paper.found() == []
    assert "cancel.answers.empty-401" in paper.judge().observed


@pytest.mark.parametrize("status", [429, 502, 504])
def test_something_on_the_way_is_no_answer_of_the_exchange(paper: Paper, status: int) -> None:
    paper.place()
    paper.cancel(status, "<html>busy</html>", headers=[])
    assert paper.found() == []


def test_gateways_503_is_no_answer_of_the_exchange(paper: Paper) -> None:
    paper.place()
    paper.cancel(503, "<html>", headers=[])
    assert paper.found() == []


@pytest.mark.parametrize("error", ["ENGINE_BUSY", "ENGINE_RESTARTING", "spot trading disabled"])
def test_documented_503(paper: Paper, error: str) -> None:
    paper.place()
    paper.cancel(503, {"error": error})
    paper.query()
    judge = paper.judge()
    assert paper.found() == []
    assert judge.tallies["cancel.unavailable.form"].checks
    assert judge.tallies["cancel.unavailable.no-effect"].checks


def test_503_with_another_error(paper: Paper) -> None:
    paper.place()
    paper.cancel(503, {"error": "TRY_LATER"})
    assert paper.found() == ["cancel.unavailable.form"]


def test_503_with_effect(paper: Paper) -> None:
    paper.place()
    paper.cancel(503)
    paper.query(canceled(paper.now))
    assert paper.found() == ["cancel.unavailable.no-effect"]


def test_lost_answer_proves_nothing(paper: Paper) -> None:
    paper.place()
    paper.cancel(None)
    paper.query(canceled(paper.now))
    paper.cancel(404)
    assert paper.found() == []


def test_credentials_that_answer_differently(paper: Paper) -> None:
    for scheme, status in (("jwt", 404), ("api_key", 403)):
        paper.cancel(status, order_id=OTHER, scheme=scheme)
    assert "cancel.answers.parity" in paper.found()


@pytest.mark.parametrize("quiet", [True, False])
def test_an_order_that_a_stranger_filled_says_nothing_of_a_credential(paper: Paper, quiet: bool) -> None:
    """Where others trade, the order may have been filled when the one credential was tried."""
    paper.rows.append(Note("market", data={"tick": "0.0001", "quiet": quiet}))
    paper.place()
    paper.cancel(404, scheme="jwt")
    paper.place(order(id=OTHER))
    paper.cancel(200, canceled(paper.now, id=OTHER), order_id=OTHER, scheme="api_key")
    assert ("cancel.answers.parity" in paper.found()) is quiet


@pytest.mark.parametrize(
    "answer",
    [
        {"error": "FORBIDDEN", "order": order()},
        {"error": "FORBIDDEN", "owner_id": "u-17"},
        {"error": "FORBIDDEN", "message": "your buy is not this one, 100.00@0.5."},
        {"error": "FORBIDDEN", "secret": "«owner.api_secret»"},
        {"error": "FORBIDDEN", "trace": "Traceback (most recent call last)"},
        {"error": "FORBIDDEN", "detail": "thread 'main' panicked at src/engine.rs:12"},
    ],
)
def test_refusals_give_nothing_away(paper: Paper, answer: dict[str, object]) -> None:
    paper.place()
    paper.cancel(403, answer, by="counterparty")
    assert paper.found() == ["cancel.answers.no-leak"]


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("X-Order-Price", "0.5", True),
        ("X-Order-Owner", "u-17", True),
        ("X-Service-Owner", "spot", False),
        ("X-Price-Tier", "vip0", False),
        ("X-Quantity-Limit", "5000", False),
    ],
)
def test_headers_give_away_what_is_of_the_order(paper: Paper, name: str, value: str, found: bool) -> None:
    paper.place()
    answer = [("content-type", "application/json"), (name, value)]
    paper.cancel(403, {"error": "FORBIDDEN"}, by="counterparty", headers=answer)
    assert paper.found() == (["cancel.answers.no-leak"] if found else [])


@pytest.mark.parametrize(
    "message", ["0.5 s, in bucket 1000", "v0.5.1 of node-100", "try again in 100 s", "100/0.50x"]
)
def test_numbers_by_chance_give_nothing_away(paper: Paper, message: str) -> None:
    paper.place()
    paper.cancel(403, {"error": "FORBIDDEN", "message": message}, by="counterparty")
    assert paper.found() == []


@pytest.mark.parametrize(
    "more",
    [
        {"request_id": "r-1", "type": "about:blank"},
        {"type": "/src/errors/spot.html", "help": "/app/docs/errors#403"},
        {"type": "https://docs.example.org/app/spot/errors.html", "quantity": None},
        {"remaining": 59, "created_at": CREATED + 3600},  # of a rate limit, of the refusal
        {"page": '<script src="/app/static/main.js"></script>'},
    ],
)
def test_harmless_extras_are_left_open(paper: Paper, more: dict[str, object]) -> None:
    paper.place()
    paper.cancel(403, {"error": "FORBIDDEN", **more}, by="counterparty")
    paper.cancel(401, {"error": "UNAUTHORIZED", "request_id": "0123456789abcdef" * 4}, flaw="cancel.jwt.garbage")
    paper.cancel(200, {**canceled(paper.now), "client_order_id": "x", "venue_seq": 7})
    assert paper.found() == []


@pytest.mark.parametrize(("query", "found"), [("note=%B9%BA", False), ("note=%C3%A9", True)])
def test_a_query_that_is_no_text_may_be_unknown(paper: Paper, query: str, found: bool) -> None:
    paper.place()
    paper.cancel(404, "<p>the query cannot be read</p>", query=query)
    assert bool(paper.found()) == found


@pytest.mark.parametrize("status", [400, 413, 415])
def test_a_body_on_a_delete_may_be_refused(paper: Paper, status: int) -> None:
    paper.place()
    paper.cancel(status, {"error": "no body"}, sent={"id": OTHER}, aim="cancel.identity.path-only")
    assert paper.found() == []


@pytest.mark.parametrize(("status", "found"), [(400, False), (401, False), (200, True)])
def test_a_bad_key_beside_a_bad_token(paper: Paper, status: int, found: bool) -> None:
    """What is answered to credentials of both kinds is left open, but for canceling by two that are wrong."""
    paper.place()
    flaw = "cancel.key.signature.altered"
    both = [("X-MBX-APIKEY", "«owner.api_key»"), ("Authorization", "Bearer a.b.c")]
    exchange = paper.cancel(status, {"error": "ambiguous"}, scheme="api_key", flaw=flaw)
    exchange.request.headers.extend(both)
    assert (flaw in paper.found()) == found


def test_a_signed_further_parameter_may_not_make_the_signature_wrong(paper: Paper) -> None:
    paper.place()
    aim = "cancel.key.signature.extra-signed"
    paper.cancel(401, scheme="api_key", query="note=1&timestamp=1&signature=2", aim=aim)
    assert paper.found() == [aim]


@pytest.mark.parametrize(
    ("status", "shown", "requirement"),
    [(403, None, "errors.not-found.unknown"), (200, "unknown", "errors.not-found.unknown"), (200, "other", None)],
)
@pytest.mark.parametrize("aim", ["cancel.identity.path-only", "cancel.identity.whole-id"])
def test_unknown_id_beside_another(
    paper: Paper, status: int, shown: str | None, requirement: str, aim: str
) -> None:
    """Only an answer that shows another order tells that the id was taken for that one's."""
    paper.place()
    unknown = "7d0c1a52-1b1f-4c55-9a3c-0d5c3ad4e6f1"
    answer = None if shown is None else canceled(paper.now, id=unknown if shown == "unknown" else ORDER)
    paper.cancel(status, answer, order_id=unknown, aim=aim)
    paper.query()
    assert paper.found() == [f"cancel.{requirement}" if requirement else aim]


def test_another_order_than_the_named_one_is_canceled(paper: Paper) -> None:
    """The named order stays open, and the one in the query is gone: what identifies the order is to blame."""
    paper.place()
    paper.place(order(id=OTHER))
    aim = "cancel.identity.path-only"
    paper.cancel(200, canceled(paper.now, id=OTHER), query=f"id={OTHER}", aim=aim)
    paper.query()
    paper.query(canceled(paper.now - 0.1, id=OTHER), order_id=OTHER)
    assert paper.found() == [aim, "cancel.fields.id"]


@pytest.mark.parametrize(
    ("segment", "status"), [(f"%20{ORDER}", 200), (f"{ORDER}%20", 200), (f"%20{ORDER}%20", None)]
)
def test_blank_at_an_id(paper: Paper, segment: str, status: int | None) -> None:
    """A UUID with a blank before or behind it is none; between two, some parsers take it."""
    paper.place()
    paper.cancel(200, order_id=segment)
    assert paper.found() == (["cancel.errors.invalid-id"] if status else [])


@pytest.mark.parametrize(
    ("query", "requirement"),
    [
        ("timestamp=1&signature=2", "success.by-api-key"),
        ("note=1&timestamp=1&signature=2", "key.signature.extra-signed"),
        ("timestamp=1&note=a%20b&signature=2", "key.signature.encoding"),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_a_signed_request_is_refused(paper: Paper, query: str, requirement: str, known: bool) -> None:
    """A key that is let in otherwise tells what is wrong: the parameters that were signed beside the timestamp."""
    if known:
        paper.cancel(404, order_id=OTHER, scheme="api_key")
    paper.place()
    paper.cancel(401, scheme="api_key", query=query)
    assert paper.found() == [f"cancel.{requirement if known else 'success.by-api-key'}"]
