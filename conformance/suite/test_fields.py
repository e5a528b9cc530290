"""Chapter: The canceled order. The fourteen fields, on orders of every kind.

The oracle looks at all fields of every 200; these cases see to it that there is something to see in them.
"""

from decimal import Decimal

import pytest

from conformance.oracle.fields import REQUIREMENT
from conformance.suite.aged import KINDS, Aged
from conformance.target.states import SEVERAL_FILLS, Fills, States
from conformance.target.trouble import NotExercised, Undecidable
from conformance.target.venue import Venue

ALL_FIELDS = pytest.mark.exercises(
    *REQUIREMENT.values(),
    "cancel.fields.complete",
    "cancel.fields.avg-fill-price-zero",
    "cancel.fields.time-order",
    "cancel.fields.unix-seconds",
    "cancel.fields.decimal-strings",
    "cancel.answers.json",
)
FILLS = {
    "one fill": Fills(resting=("3",)),
    "two fills at one price": Fills(resting=("1", "4.13")),
    "price improvement": Fills(improved=("2",)),
    "two prices": Fills(improved=("1", "5.5")),
    "three fills": SEVERAL_FILLS,
    "five fills": Fills(improved=("1", "1.9", "2.71"), resting=("1.13", "1")),
}


@ALL_FIELDS
@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("name", FILLS)
def test_filled_in_parts(venue: Venue, states: States, scheme: str, side: str, name: str) -> None:
    """Amount filled and exact average, after fills at different prices and of different sizes."""
    order = states.partially_filled(side, FILLS[name])
    venue.cancel(order, scheme=scheme)
    venue.look(order)


@ALL_FIELDS
@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("tif", ["gtc", "post_only"])
def test_untouched(venue: Venue, states: States, scheme: str, side: str, tif: str) -> None:
    """Nothing filled: the average is "0"."""
    order = states.open(side, tif=tif)
    venue.cancel(order, scheme=scheme)


@ALL_FIELDS
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_many_decimals(venue: Venue, states: States, scheme: str, side: str) -> None:
    """Every digit that tick and lot allow comes back."""
    rules = venue.rules
    price = (
        venue.band.resting(side) - rules.tick * 7 if side == "buy" else venue.band.resting(side) + rules.tick * 7
    )
    quantity = rules.quantity(price, Decimal("1.3")) + rules.lot * 7
    order = states.open(side, price=max(price, rules.tick), quantity=quantity)
    venue.cancel(order, scheme=scheme)


@ALL_FIELDS
@pytest.mark.profile("standard")
@pytest.mark.parametrize("units", ["1000", "50000"])
def test_large(venue: Venue, states: States, scheme: str, units: str) -> None:
    """Large amounts come back to the last digit. Only on this machine, where no money is at stake."""
    if not venue.settings.is_loopback:
        units = "3"
    price = venue.band.resting("buy")
    quantity = venue.rules.quantity(price, Decimal(units)) + venue.rules.lot
    try:
        order = states.open("buy", price=price, quantity=quantity)
    except Undecidable:  # more than the account holds
        order = states.open("buy", price=price, quantity=venue.rules.quantity(price, 3) + venue.rules.lot)
    venue.cancel(order, scheme=scheme)


@ALL_FIELDS
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_round_numbers(venue: Venue, states: States, scheme: str, side: str) -> None:
    """Powers of ten come back whole: 10 is not 1, 0.1 not 0.10000000149, and 100 not 1E+2."""
    rules, rest = venue.rules, venue.band.resting(side)
    outward = Decimal(10) if side == "sell" else Decimal("0.1")
    first = Decimal(10) ** rest.adjusted() * (outward if side == "sell" else 1)
    seen = 0
    for price in (first, first * outward, first * outward**2):
        if price < rules.tick or price % rules.tick:
            continue
        enough = rules.quantity(price)
        quantity = max(Decimal(10) ** (enough.adjusted() + 1), rules.lot)
        try:
            order = states.open(side, price=price, quantity=quantity)
        except Undecidable:  # too far from the market for this target, or more than the account holds
            continue
        venue.cancel(order, scheme=scheme)
        seen += 1
    if not seen:
        raise NotExercised("the target takes no order at a price that is a power of ten")


@ALL_FIELDS
@pytest.mark.aged
@pytest.mark.parametrize("kind", KINDS)
def test_times(venue: Venue, aged: Aged, scheme: str, kind: str) -> None:
    """Seconds after it was placed, updated_at is the time of the cancel and created_at that of the placing."""
    order = aged.get(kind, scheme)
    venue.open_orders("owner")
    venue.look(order)
    venue.cancel(order, scheme=scheme)
    venue.look(order)
