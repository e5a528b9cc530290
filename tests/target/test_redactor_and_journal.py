"""The redactor finds secrets in any encoding; the journal tells what may be open, however it was cut off."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.errors import ConfigError
from conformance.target.journal import NAME, Journal, Left, journals, mark_reconciled, read_journal, set_aside
from conformance.target.redact import Redactor
from conformance.target.settings import Account

SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40)
ORDINARY = st.text("abcdefXYZ0123456789+/=.-_~", min_size=32, max_size=70)
WAYS = [
    lambda c: c,
    lambda c: f"%{ord(c):02X}",
    lambda c: f"%2525{ord(c):02x}",
    lambda c: f"\\u{ord(c):04X}",
    lambda c: f"\\\\x{ord(c):02x}",
    lambda c: f"&#{ord(c)};",
    lambda c: f"&amp;#x0{ord(c):x};",
    lambda c: f"\\{c}",
]
AROUND = st.binary(max_size=5)


@given(secret=SECRETS, before=AROUND, after=AROUND)
def test_no_encoding_gets_through(secret: str, before: bytes, after: bytes) -> None:
    redactor = Redactor([Account("owner", api_key="k" * 8, api_secret=secret)])
    Redactor._all.clear()
    texts = [
        secret,
        quote(secret, safe=""),
        quote(quote(secret, safe=""), safe=""),
        json.dumps(secret)[1:-1],
        json.dumps(json.dumps(secret)),
        "".join(f"%{ord(c):02X}" for c in secret),
        "".join(f"\\u{ord(c):04X}" for c in secret),
        secret.encode().hex(),
    ]
    for text in texts:
        assert redactor.text(f"<{text}>").strip('<>"\\') in ("«owner.api_secret»", "«owner.api_key»")
    packed = base64.b64encode(before + secret.encode() + after).decode()
    assert "«owner" in redactor.text(packed)


@given(secret=ORDINARY, ways=st.lists(st.sampled_from(WAYS), min_size=70, max_size=70), around=st.text("a%;\\&"))
def test_no_mixture_of_encodings_gets_through(secret: str, ways: list[Callable[[str], str]], around: str) -> None:
    redactor = Redactor([Account("owner", api_secret=secret)])
    Redactor._all.clear()
    text = "".join(way(character) for way, character in zip(ways, secret, strict=False))
    assert "«owner.api_secret»" in redactor.text(f"{around}{text};{around}")


@given(secret=SECRETS)
def test_a_secret_beside_itself_in_other_forms(secret: str) -> None:
    redactor = Redactor([Account("owner", api_key="k" * 8, api_secret=secret)])
    Redactor._all.clear()
    masked = redactor.text(f"{secret} {secret.encode().hex()} signature=0123456789abcdef {secret}")
    name = "«owner.api_key»" if secret == "k" * 8 else "«owner.api_secret»"
    assert masked == f"{name} {name} signature=«signature» {name}"


def test_innocent_text_is_left_alone() -> None:
    redactor = Redactor([Account("owner", jwt="aaaaaaaa.bbbbbbbbbbbbbbbbbbbb.cccccccccccccccccccc")])
    text = '{"error": "ORDER_NOT_FOUND", "id": "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d10"} 100% \\ & ;'
    assert redactor.text(text) == text
    assert redactor.text("?timestamp=1&signature=0123456789abcdef") == "?timestamp=1&signature=«signature»"


def _order(price: str = "0.5", quantity: str = "2", side: str = "buy") -> str:
    return json.dumps({"symbol": "M", "side": side, "price": price, "quantity": quantity})


def _row(order_id: str, at: int, price: str = "0.5000") -> dict[str, object]:
    return {"id": order_id, "symbol": "M", "side": "buy", "price": price, "quantity": "2.0", "created_at": at}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path, "http://x/api")
    yield journal
    journal.close()


def test_what_is_left(journal: Journal, tmp_path: Path) -> None:
    for number in range(1, 6):
        journal.placing(number, "owner", _order(), 1000.0)
    journal.placed(1, "AAA")
    journal.placed(2, None)
    journal.placed(3, "ccc")
    journal.ended("ccc")
    journal.placed(4, "ddd")
    journal.ended("ddd", seen=False)
    left = read_journal(tmp_path / NAME)
    assert left.orders == {"aaa": "owner"}
    assert left.said == {"ddd": "owner"}
    assert [row["place"] for row in left.unanswered] == [5]
    assert (left.ids, left.symbol) == ({"aaa", "ccc", "ddd"}, "M")
    journal.reconciled(1)
    assert read_journal(tmp_path / NAME).anything
    aside = set_aside(tmp_path)
    assert aside is not None
    Journal(tmp_path, "http://x/api").close()
    assert journals(tmp_path) == [aside, tmp_path / NAME]
    assert set_aside(tmp_path) is None
    mark_reconciled(aside)
    assert not read_journal(aside).anything


def test_cut_off_anywhere(journal: Journal, tmp_path: Path) -> None:
    """At every byte, an order that was placed is either known or looked for."""
    journal.placing(1, "owner", _order(), 1000.0)
    journal.placed(1, "aaa")
    whole = (tmp_path / NAME).read_bytes()
    first = whole.index(b"\n", whole.index(b'"place"')) + 1
    for end in range(first, len(whole) + 1):
        (tmp_path / NAME).write_bytes(whole[:end])
        left = read_journal(tmp_path / NAME)
        assert left.anything
        assert left.orders or left.unanswered


def test_lost_orders_are_found_and_others_left_alone() -> None:
    intent = {"place": 1, "account": "owner", "order": json.loads(_order()), "at": 1000.0, "within": 30.0}
    left = Left("", unanswered=[intent], ids={"known"})
    rows = [
        _row("known", 1000),
        _row("old", 900),
        _row("dear", 1000, "0.6"),
        _row("Near", 1001),
        _row("later", 1020),
    ]
    assert left.lost("owner", rows) == {"near"}
    assert left.lost("counterparty", rows) == set()


@pytest.mark.parametrize("content", [b"", b"garbage", b"[]\n", b'{"place": 1}\n'])
def test_no_journal(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(ConfigError):
        read_journal(tmp_path / NAME)
    with pytest.raises(ConfigError):
        read_journal(tmp_path / "nowhere" / NAME)
