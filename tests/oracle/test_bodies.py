"""Bodies are parsed by a quick parser first; the outcome is that of the standard library's, whatever the text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.oracle.bodies import NotJson, fits_charset, parse
from conformance.record import Response

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
_TEXTS = (_VALUES | st.lists(_VALUES)).map(json.dumps) | st.text(
    alphabet='{}[]",:0123456789.eE+-\\ud8ntrefalsNI \t\n\x00\x01\ufeff', min_size=1
)


def _refuse(text: str) -> Any:
    raise ValueError(text)


def _outcome(text: str) -> object:
    try:
        return repr(parse(Response(200, body=text)))
    except NotJson:
        return NotJson


def _standard(text: str) -> object:
    try:
        return repr(json.loads(text, parse_constant=_refuse))
    except ValueError:
        return NotJson


@given(_TEXTS)
def test_as_the_standard_library(text: str) -> None:
    assert _outcome(text) == _standard(text)


_ODD = ["1e400", '"\\ud800"', "\ufeff{}", "NaN", '{"a":1,"a":2}', "9" * 400, "-0", '"\x01"', "[" * 100_000, "01"]
_ODD_LISTS = [
    '[{"a":1,"a":2}, {"a":1,"a":2}]',
    "[1,]",
    "[1] 2",
    "[",
    " [1]",
    '["a" "b"]',
    "[{]}",
    '[{"a":tru}]',
    '[{"a": "\\x"}]',
]


@pytest.mark.parametrize("text", [*_ODD, *_ODD_LISTS, *(f"[{text}]" for text in _ODD)])
def test_texts_that_parsers_take_differently(text: str) -> None:
    try:
        expected = _standard(text)
    except RecursionError:
        expected = NotJson
    assert _outcome(text) == expected


_PLAIN, _SIGNS = '{"error": "FORBIDDEN"}', '{"error": "für"}'


@pytest.mark.parametrize(
    ("label", "body", "fits"),
    [
        ("application/json", _SIGNS, True),
        ("application/json; charset=utf-8", _SIGNS, True),
        ('application/json;Charset="UTF-8"', _SIGNS, True),
        ("application/json; charset=ISO-8859-1", _PLAIN, True),  # the same in both
        ("application/json; charset=ISO-8859-1", _SIGNS, False),
        ("application/json; charset=utf-16", _PLAIN, False),
        ("application/json; charset=no-such", _SIGNS, True),  # nobody goes by that
        ("application/json; charset=", _SIGNS, True),
    ],
)
def test_a_charset_that_changes_the_body_does_not_fit(label: str, body: str, fits: bool) -> None:
    assert fits_charset(body, label) is fits
