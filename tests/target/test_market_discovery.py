"""Finding room in a book by asking: against a model of a book, with any best bid and ask."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.errors import TargetError
from conformance.target.market import Band, Rules, discover, of_market

TICKS = st.sampled_from([Decimal(t) for t in ("0.0001", "0.01", "0.5", "1", "25", "0.00000001")])


class Book:
    """Other people's best bid and ask, in ticks; counts what it is asked."""

    def __init__(self, rules: Rules, bid: int | None, ask: int | None) -> None:
        self.bid = None if bid is None else bid * rules.tick
        self.ask = None if ask is None else ask * rules.tick
        self.asked = 0

    def rests(self, side: str, price: Decimal) -> bool:
        """Whether a post-only order would rest."""
        self.asked += 1
        if side == "buy":
            return self.ask is None or price < self.ask
        return self.bid is None or price > self.bid


def _free(book: Book, band: Band) -> bool:
    return (book.bid is None or band.floor > book.bid) and (book.ask is None or band.ceil < book.ask)


def _within_reach(rules: Rules, best: tuple[int, int]) -> bool:
    """Whether the search, that begins at half a unit or 200 ticks and doubles or halves, can come there."""
    start = max(Decimal("0.5"), rules.tick * 200) / rules.tick
    return best[1] > 2 and start / 2**20 < best[0] + 1 < start * 2**20


@settings(max_examples=300)
@given(tick=TICKS, bid=st.none() | st.integers(1, 10**7), spread=st.none() | st.integers(1, 10**5))
def test_the_band_meets_nobody(tick: Decimal, bid: int | None, spread: int | None) -> None:
    """Every price of the band is free on both sides and on the tick; few questions are asked."""
    rules = Rules("M", tick, Decimal("0.01"), Decimal(1))
    book = Book(rules, bid, None if spread is None else (bid or 0) + spread)
    try:
        band = discover(rules, book.rests)
    except TargetError:
        best = (bid or 0, (bid or 0) + (spread or 10**9))
        assert best[1] - best[0] < 2 or not _within_reach(rules, best)
        return
    assert _free(book, band)
    assert band.floor % tick == 0
    assert band.ceil % tick == 0
    assert band.floor <= band.ceil
    assert book.asked < 500
    if band.ticks >= 3:
        levels = band.levels(3)
        assert levels == sorted(set(levels))
        assert band.floor <= levels[0]
        assert levels[-1] <= band.ceil


@given(tick=TICKS, lot=TICKS, notional=st.decimals("0.01", "1000", places=2), ticks=st.integers(1, 10**9))
def test_the_smallest_quantity_is_enough(tick: Decimal, lot: Decimal, notional: Decimal, ticks: int) -> None:
    """On the lot, above the minimum notional, and not by more than rounding needs."""
    rules = Rules("M", tick, lot, notional)
    price = ticks * tick
    quantity = rules.quantity(price)
    assert quantity % lot == 0
    assert quantity * price >= notional
    assert (quantity - 3 * lot) * price <= notional * Decimal("1.06")


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"id": "M"},
        {"id": 7, "tick_size": "1", "lot_size": "1", "min_notional": "1"},
        {"id": "M", "tick_size": "0", "lot_size": "1", "min_notional": "1"},
        {"id": "M", "tick_size": "1", "lot_size": "NaN", "min_notional": "1"},
        {"id": "M", "tick_size": ["1"], "lot_size": "1", "min_notional": "1"},
    ],
)
def test_rules_that_are_none(row: dict[str, object]) -> None:
    with pytest.raises(TargetError):
        Rules.of(row)


@pytest.mark.parametrize(
    ("told", "digits"), [("0.00010000", 4), ("0.0001", 4), ("0.10", 1), ("5.00", 0), ("10", 0)]
)
def test_orders_have_no_more_digits_than_the_rules_need(told: object, digits: int) -> None:
    rules = Rules.of({"id": "DFUSDT", "tick_size": told, "lot_size": told, "min_notional": "1.000"})
    price = rules.price(Decimal("123.456789"))
    for amount in (price, rules.quantity(price)):
        assert len(format(amount, "f").partition(".")[2]) == digits


@pytest.mark.parametrize(
    ("symbol", "query"),
    [("DFUSDT", "symbol=DFUSDT"), ("DF/US DT", "symbol=DF%2FUS%20DT"), ("A&B+C", "symbol=A%26B%2BC"), ("", "")],
)
def test_a_market_is_asked_for_by_its_name(symbol: str, query: str) -> None:
    assert of_market(symbol) == query
