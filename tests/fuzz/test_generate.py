"""Generation is pure: a seed gives the same requests, and what HTTP forbids is not among them."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections import Counter
from random import Random
from urllib.parse import unquote_to_bytes

import pytest

from conformance.contract import load_contract
from conformance.fuzz.generate import generate
from conformance.fuzz.generated import PHASES, Generated, budget
from conformance.fuzz.recombine import Recombined

DOCUMENT = load_contract().openapi


def everything(profile: str = "standard", seed: int = 0) -> list[Generated]:
    return [item for phase in PHASES for item in generate(DOCUMENT, phase, budget(profile), seed)]


def test_same_seed_same_requests() -> None:
    assert everything(seed=3) == everything(seed=3)
    assert everything(seed=3) != everything(seed=4)


def test_same_seed_same_requests_in_other_processes() -> None:
    code = (
        "from conformance.contract import load_contract as l;"
        "from conformance.fuzz.generate import *; from conformance.fuzz.generated import *; import hashlib;"
        "d = l().openapi; x = [generate(d, p, 40, 3) for p in PHASES];"
        "print(hashlib.sha256(repr(x).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": salt}
        ).stdout
        for salt in ("1", "2")
    }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == len(hashlib.sha256().hexdigest())


@pytest.mark.parametrize("profile", ["quick", "standard", "thorough"])
def test_half_or_more_aim_at_orders_that_exist(profile: str) -> None:
    cancels = [item for item in everything(profile) if item.method == "DELETE"]
    aimed = [item for item in cancels if item.target != "generated"]
    assert len(aimed) >= 0.5 * len(cancels)
    assert 0.7 * budget(profile) < len(cancels) + 10 < 1.3 * budget(profile) + 10


def test_all_kinds_of_requests_are_there() -> None:
    items = everything()
    targets = Counter(item.target for item in items)
    assert {"own open", "own partially filled", "own ended", "foreign open", "generated"} <= set(targets)
    assert {item.credential for item in items} == {"jwt", "api_key", "none", "unsigned"}
    for part in ("query", "headers", "body", "decoy"):
        assert any(getattr(item, part) for item in items), part
    # the method of schemathesis that makes the coverage cases is not on its pages: this fails when it is gone
    assert {"POST", "PUT", "PATCH", "OPTIONS"} & {
        item.method for seed in range(3) for item in everything(seed=seed)
    }


def test_every_byte_is_sent_in_a_query_and_in_an_id() -> None:
    items = generate(DOCUMENT, "bytes", budget("quick"), 0)
    for part in ("query_string", "id"):
        sent = b"".join(unquote_to_bytes(getattr(item, part)) for item in items)
        assert set(range(256)) <= set(sent), part


def test_every_visible_character_is_sent_in_a_header() -> None:
    items = generate(DOCUMENT, "bytes", budget("quick"), 0)
    sent = "".join(value for item in items for name, value in item.headers if name == "X-Request-Id")
    assert {chr(code) for code in range(0x21, 0x7F)} == set(sent)


@pytest.mark.parametrize("phase", ["positive", "negative"])
def test_recombining_keeps_the_breadth(phase: str) -> None:
    """Few requests are drawn, and yet hardly two are alike, in what they name, carry and say."""
    for seed in range(3):
        items = generate(DOCUMENT, phase, 400, seed)
        assert len({(item.id, item.query, item.headers, item.body) for item in items}) > 0.95 * len(items) > 100
        pairs = {pair for item in items for pair in item.query}
        assert len({value for _, value in pairs}) > 0.6 * len(items)
        assert len(set(unquote_to_bytes("".join(value for _, value in pairs)))) > 128
        assert sum(item.body is not None for item in items) > 0.1 * len(items)
        assert len({item.id for item in items}) > 0.6 * len(items)


def test_documented_names_are_kept() -> None:
    drawn = Generated(
        "negative", "a", "x", query=(("note", "ab"), ("odd", "%C3%A4b")), headers=(("Cookie", "c=d"),)
    )
    other = Generated("negative", "b", "y%20z", query=(("free", ""),), body="{}")
    random = Random(3)
    made = [Recombined([drawn, other], ["Note", "cookie"], random).make() for _ in range(300)]
    names = {name for item in made for name, _ in item.query}
    assert {"note", "odd", "free"} < names
    assert not any(name.startswith("not") and name != "note" for name in names)
    assert {name for item in made for name, _ in item.headers} == {"Cookie"}
    assert {item.body for item in made} == {None, "{}"}
    assert {"a", "b", "a, b", "b, a"} == {item.about for item in made}
    for item in made:
        assert item.id not in (".", "..")
        assert re.fullmatch(r"(?:%[0-9A-F]{2}|[\x21-\x24\x26-\x7e])*", item.id + item.query_string), item


def test_only_what_http_allows() -> None:
    for seed in range(3):
        for item in everything(seed=seed):
            assert re.fullmatch(r"[\x21-\x7e]*", item.id + item.query_string), item
            for name, value in item.headers:
                assert re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name), item
                assert re.fullmatch(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?", value), item
            if item.body is not None:
                item.body.encode("utf-8")


def test_what_the_pages_leave_open_is_marked() -> None:
    plain = Generated("positive", "", "", "own open", query=(("note", "a%20b"),), credential="api_key")
    assert not plain.is_unusual
    for name in ("timestamp", "signature", "Signature", "recvWindow"):
        assert Generated("positive", "", "", query=((name, "1"),)).is_unusual
    assert Generated("positive", "", "", body="{}", credential="api_key").is_unusual
    assert not Generated("positive", "", "", body="{}", credential="jwt").is_unusual
    assert Generated("positive", "", "", query=(("a", "1"), ("a", "2")), credential="api_key").is_unusual
    assert Generated("positive", "", "", query=(("a", "%00"),), credential="api_key").is_unusual
    unsigned = [item for seed in range(5) for item in everything("quick", seed) if item.credential == "unsigned"]
    assert unsigned
    assert all(not item.query and not item.headers and item.body is None for item in unsigned)
