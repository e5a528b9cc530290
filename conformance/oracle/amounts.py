"""Exact arithmetic on amounts. Never a float."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache

_ALL_DIGITS = Context(prec=200)
_OF_DOUBLES = Fraction(1, 10**12)  # of a number: what its last digits may be off after sums of many doubles
_DECIMAL = re.compile(r"[0-9]{1,60}(\.[0-9]{1,60})?")


def decimal_of(value: object) -> Decimal | None:
    """The number in a decimal string as the pages write amounts (no sign, no exponent), else None."""
    return _read(value) if isinstance(value, str) else None


@lru_cache(4096)
def _read(text: str) -> Decimal | None:
    return Decimal(text) if _DECIMAL.fullmatch(text) else None


def plain(value: Decimal | Fraction) -> str:
    """A number for people: no exponent, no trailing zeros, at most 18 decimals."""
    if isinstance(value, Fraction):
        value = Decimal(value.numerator) / Decimal(value.denominator)
        value = round(value, 18) if value.as_tuple().exponent < -18 else value  # type: ignore[operator]
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def vwap(fills: Iterable[tuple[Decimal, Decimal]]) -> Fraction:
    """The exact volume-weighted average price of (price, quantity) pairs; 0 for none."""
    total = volume = Fraction(0)
    for price, quantity in fills:
        total += Fraction(price) * Fraction(quantity)
        volume += Fraction(quantity)
    return total / volume if volume else Fraction(0)


def is_price_of_all(shown: Decimal, fills: Iterable[tuple[Decimal, Decimal]]) -> bool:
    """Whether something filled, and all of it at this price: then that is the average, without a division."""
    volume = False
    for price, quantity in fills:
        if price != shown:
            return False
        volume = volume or quantity > 0
    return volume


def is_average(shown: Decimal, exact: Fraction, tick: Decimal) -> bool:
    """Whether `shown` is `exact` up to rounding.

    Which digits an average keeps is left open, and so are trailing zeros: an error of one unit of the last digit
    before these is rounding, and so is what binary doubles make of a sum, whose last digits are shown all the same;
    but it keeps more digits than the tick's, so it is never more than a tenth of a tick off.
    """
    exponent = shown.normalize(_ALL_DIGITS).as_tuple().exponent
    unit = Fraction(Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0))
    return abs(Fraction(shown) - exact) <= min(max(unit, exact * _OF_DOUBLES), Fraction(tick) / 10)
