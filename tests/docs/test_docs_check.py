"""The page at hand gives the known differences and no other; each planted mistake is reported by its name."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from docs_pages import AT_HAND, PAGES, Original, at_hand, twin

from conformance.contract import load_contract
from conformance.docs.differences import load_digests, load_known
from conformance.docs.page import PAGE, read_page

KNOWN = {"status.401.document-only", "enum.status.expired.document-only", "sample.python.indentation"}


def test_the_known_differences_and_no_other(original: Original) -> None:
    found = original.check()
    assert {d.id for d in found} == KNOWN == {entry.id for entry in load_known()}
    assert all(d.known for d in found)


@pytest.mark.parametrize("suffix", ["md", "html"])
def test_in_a_form_that_keeps_indentation(suffix: str) -> None:
    found = twin().check((PAGES / f"twin.{suffix}").read_text("utf-8"))
    assert {d.id for d in found} == KNOWN - {"sample.python.indentation"}


def test_every_source_row_of_the_page_has_its_digest() -> None:
    sources = {row for r in load_contract().requirements.values() for row in r.source if row.startswith(PAGE)}
    assert sources <= set(load_digests())
    if AT_HAND.is_file():
        assert set(load_digests()) == set(read_page(AT_HAND).rows)


# Each: what is planted (pattern, replacement), and the names that it must be reported by, stale requirements aside.
# Both pages have the same structure, so the same mistakes can be planted in both.
PLANTED: dict[str, tuple[str, str, set[str]]] = {
    "a status dropped": (r"(?m)^403.*\n", "", {"status.403.document-only"}),
    "a status added": (r"(?m)^403", "409MARKET_HALTEDNot now.\n403", {"status.409.page-only", "row.*409.new"}),
    "a status changed": (r"(?m)^403", "423", {"status.403.document-only", "status.423.page-only", "row.*423.new"}),
    "an error string changed": (
        "FORBIDDEN",
        "NOT_YOURS",
        {"error.403.forbidden.document-only", "error.403.not_yours.page-only"},
    ),
    "an error string dropped": (", ENGINE_RESTARTING", "", {"error.503.engine_restarting.document-only"}),
    "an error that only the text has": (
        "503 ENGINE_BUSY",
        "503 ENGINE_FULL",
        {"error.503.engine_full.not-in-table"},
    ),
    "an enum value in other letters": ('"type": "limit"', '"type": "LIMIT"', {"enum.type.limit.page-only"}),
    "an enum value that is unknown": (
        '"tif": "gtc"',
        '"tif": "good_till_cancel"',
        {"enum.tif.good_till_cancel.page-only"},
    ),
    "a state renamed": (
        "/ rejected",
        "/ refused",
        {"enum.status.refused.page-only", "enum.status.rejected.document-only"},
    ),
    "a live state dropped": (
        "open or partially-filled order",
        "open or new order",
        {"enum.status.new.page-only", "enum.status.partially_filled.document-only"},
    ),
    "the status pinned to another": (
        r"([Aa])lways canceled",
        r"\1lways cancelled",
        {"constant.status.cancelled.page-only", "constant.status.canceled.document-only"},
    ),
    "the average without fills": (
        '"0"',
        '"0.00"',
        {"constant.avg_fill_price.0-00.page-only", "constant.avg_fill_price.0.document-only"},
    ),
    "a field renamed": (
        '"filled_qty"',
        '"executed_qty"',
        {"field.executed_qty.page-only", "field.filled_qty.document-only", "row.*executed_qty.new"},
    ),
    "a field dropped": (r'"tif": "gtc",\n', "", {"field.tif.document-only"}),
    "a field added": (
        r'"symbol"',
        '"client_id": null,\n"symbol"',
        {"field.client_id.page-only", "row.*client_id.new"},
    ),
    "a note on an unknown field": (r"(?m)^filled_qty([A-Z])", r"traded_qty\1", {"field.traded_qty.page-only"}),
    "an amount as a number": (r'"quantity": "(\d+)"', r'"quantity": \1', {"example.quantity"}),
    "an example that is updated before it is created": (
        r'"updated_at": \d+',
        '"updated_at": 1500000000',
        {"example.time-order"},
    ),
    "times in ms": (
        r'"created_at": (\d+)',
        r'"created_at": \g<1>000',
        {"example.created_at"},
    ),
    "the unit of the times": (
        "Unix seconds",
        "Unix milliseconds",
        {"unit.created_at", "unit.updated_at"},
    ),
    "an example that is not canceled": (r'"status": "canceled"', '"status": "open"', {"example.status"}),
    "an example that is filled": (
        r'"filled_qty": "\d+"',
        '"filled_qty": "1000000"',
        {"example.filled_qty.less-than-quantity"},
    ),
    "an average without a fill": (
        r'"filled_qty": "\d+"',
        '"filled_qty": "0"',
        {"example.avg_fill_price.without-fills"},
    ),
    "an average beyond the limit": (
        r'"side": "(?:buy|sell)",([\s\S]*)"avg_fill_price": "[^"]*"',
        r'"side": "buy",\1"avg_fill_price": "0.9"',
        {"example.avg_fill_price.beyond-limit"},
    ),
    "an id that is no UUID": (r'(?m)^"id": ".{8}', '"id": "0000', {"example.id.schema"}),
    "an example that is not JSON": (r'"side": "(\w+)",', r'"side": "\1"', {"example.json"}),
    "the method": ("DELETE /spot", "POST /spot", {"request.method"}),
    "the path": ("DELETE /spot/orders/:id", "DELETE /spot/order/:id", {"request.path"}),
    "a credential dropped": (r"\(JWT or API Key\)", "(JWT)", {"request.credential.api_key.document-only"}),
    "the weight": (r"(?m)^0 —", "5 —", {"request.weight"}),
    "the parameter's name": (
        r"(?m)^idSTRING",
        "orderIdSTRING",
        {"parameter.orderid.page-only", "parameter.id.document-only", "row.*orderid.new"},
    ),
    "the parameter's type": (r"(?m)^idSTRING", "idINTEGER", {"parameter.id.type"}),
    "the parameter's place": (r"STRING \(path\)", "STRING (query)", {"parameter.id.place"}),
    "whether it is required": (r"\(path\)YES", "(path)NO", {"parameter.id.required"}),
    "the base URL of one sample": (
        r"https://api-sepolia\.p99\.world(.*\?)",
        r"https://api.p99.example\1",
        {"base-url.https-api-p99-example-api-v1.page-only"},
    ),
    "sha1 in the shell": ("-sha256", "-sha1", {"sample.curl-hmac-api-key.signature.hash"}),
    "sha512 in Python": (r"hashlib\.sha256", "hashlib.sha512", {"sample.python.signature.hash"}),
    "signed with the key in the shell": (
        r'-hmac "\$\{?API_SECRET\}?"',
        '-hmac "${API_KEY}"',
        {"sample.curl-hmac-api-key.signature.key"},
    ),
    "signed with the key in Python": (
        r"hmac\.new\((?i:api_secret)",
        "hmac.new(API_KEY",
        {"sample.python.signature.key"},
    ),
    "something else is signed": (
        r'"timestamp=(\$\S+?)"',
        r'"ts=\1"',
        {"sample.curl-hmac-api-key.signature.payload"},
    ),
    "something else is signed in Python": (
        r'f"timestamp=\{',
        'f"{',
        {"sample.python.signature.payload"},
    ),
    "a newline is signed": (
        r"(?:echo -n|printf '%s') (?=\"\$.*openssl)",
        "echo ",
        {"sample.curl-hmac-api-key.signature.newline"},
    ),
    "seconds in the shell": (r"\+%s%3N", "+%s", {"sample.curl-hmac-api-key.signature.unit"}),
    "seconds in Python": (r"time\.time\(\) \* 1000", "time.time()", {"sample.python.signature.unit"}),
    "the older header": (
        r'-H "X-MBX-APIKEY',
        '-H "X-API-Key',
        {"sample.curl-hmac-api-key.header.x-api-key.page-only"},
    ),
    "no signature in the query": (
        r"&signature=\$\{?\w+\}?",
        "",
        {"sample.curl-hmac-api-key.query.signature.document-only"},
    ),
    "a sample with another method": (r"requests\.delete", "requests.post", {"sample.python.method"}),
    "a sample with another path": (
        r"(?s)api/v1/spot/orders/(\$\{?\w+\}?\" \\|\$\w+\"\n\ncURL \(HMAC)",
        r"api/v1/spot/order/\1",
        {"sample.curl-jwt.path"},
    ),
}


def _named(found: set[str], pattern: str) -> bool:
    return any(re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), name) for name in found)


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_mistake_is_reported_by_name(original: Original, planted: str) -> None:
    pattern, replacement, names = PLANTED[planted]
    text, count = re.subn(pattern, replacement, original.text)
    assert count, "nothing was planted"
    found = original.check(text)
    new = {d.id for d in found if d.known is None and not d.id.startswith("stale.")}
    assert {name for name in names if not _named(new, name)} == set(), new
    unexpected = {name for name in new if not any(_named({name}, expected) for expected in names)}
    assert unexpected == set()
    assert any(d.id.startswith("stale.") for d in found), "its requirements are stale as well"


STALE: dict[str, tuple[str, str, set[str], set[str]]] = {
    "a row of the error table": (
        r"(?m)^(404.*)$",
        r"\1 Perhaps.",
        {"stale.cancel.errors.not-found.unknown", "stale.cancel.answers.error-form"},
        {"stale.cancel.errors.forbidden", "stale.cancel.fields.status"},
    ),
    "a field note": (
        r"(?m)^(filled_qty[A-Z].*)$",
        r"\1 Perhaps.",
        {"stale.cancel.fields.filled-qty", "stale.cancel.effects.fills-kept"},
        {"stale.cancel.fields.avg-fill-price", "stale.cancel.errors.forbidden"},
    ),
    "the description": (
        r"(?m)^(.*partially-filled order .*)$",
        r"\1 Perhaps.",
        {"stale.cancel.success.open", "stale.cancel.effects.final"},
        {"stale.cancel.key.replay"},
    ),
}


@pytest.mark.parametrize("changed", STALE)
def test_a_changed_row_makes_its_requirements_stale_and_no_other(original: Original, changed: str) -> None:
    pattern, replacement, stale, fresh = STALE[changed]
    text, count = re.subn(pattern, replacement, original.text, count=1)
    assert count
    found = {d.id for d in original.check(text)}
    assert stale <= found
    assert not fresh & found
    assert {name for name in found - KNOWN if not name.startswith("stale.")} == set()


def test_blank_lines_and_indentation_make_nothing_stale(original: Original) -> None:
    text = re.sub(r'(?m)^"(\w+)": ', r'    "\1":   ', original.text)
    text = text.replace("Authorization: Bearer", "Authorization:  Bearer")
    assert {d.id for d in original.check(text)} == KNOWN


def test_a_known_difference_that_is_no_more(original: Original) -> None:
    text = re.sub(r"(?m)^403", "401UNAUTHORIZEDNot you.\n403", original.text)
    assert "known.status.401.document-only.gone" in {d.id for d in original.check(text)}


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (lambda text: text.replace("raise_for_status()", "raise_for_status("), "sample.python.broken"),
        (
            lambda text: re.sub(r"(?m)^(\w+)\.raise_for_status\(\)", r"if True:\n\1.raise_for_status()", text),
            "sample.python.broken",
        ),
        (lambda text: text.replace('-H "X-MBX-APIKEY', "-H “X-MBX-APIKEY"), "sample.curl-hmac-api-key.quotes"),
    ],
)
def test_a_sample_that_cannot_work_as_printed(original: Original, damage: Callable[[str], str], name: str) -> None:
    assert name in {d.id for d in original.check(damage(original.text))}


def test_a_part_that_is_gone() -> None:
    for title, part in (("Weight", "weight"), ("Description", "description"), ("Code Examples", "code-samples")):
        text = (PAGES / "twin.md").read_text("utf-8").replace(f"## {title}\n", "## Something Else\n")
        assert f"part.{part}" in {d.id for d in twin().check(text)}, part


def test_the_page_at_hand_is_not_kept_in_the_repository() -> None:
    if at_hand() != twin():
        own = set(twin().text.splitlines())
        sentences = {line for line in AT_HAND.read_text("utf-8").splitlines() if line.count(" ") > 6}
        assert not {line for line in sentences & own if not line.startswith(("503", "ts", "sig"))}
