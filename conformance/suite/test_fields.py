"""Chapter: The canceled order. The fourteen fields, on orders of every kind.

The oracle looks at all fields of every 200; these cases see to it that there is something to see in them.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from conformance.oracle.fields import REQUIREMENT
from conformance.record import Take
from conformance.suite.aged import KINDS, NEAR, Aged
from conformance.suite.crossing import cross
from conformance.suite.jwt_flaws import jwt_flaw, spoiled_jwt
from conformance.suite.key_flaws import key_flaw, spoiled_key
from conformance.target.credentials import Credential
from conformance.target.market import Band, Rules
from conformance.target.states import OTHER_SIDE, SEVERAL_FILLS, Fills, States
from conformance.target.trouble import NotExercised, Trouble, Undecidable
from conformance.target.venue import LONG_LIST, Venue

ALL_FIELDS = pytest.mark.exercises(
    *REQUIREMENT.values(),
    "cancel.fields.complete",
    "cancel.fields.avg-fill-price-zero",
    "cancel.fields.time-order",
    "cancel.fields.unix-seconds",
    "cancel.fields.decimal-strings",
    "cancel.answers.json",
)
_WORTH = 12  # times the smallest order, which a power of ten may be
_LARGE = (40_000_000, 3_000_000, 30_000, 2_000)  # times the smallest order; the first is more than 2**32 lots
_SPOILED = {  # flaws, by credential, of which each is tried on an old order of one of the kinds
    "jwt": ("no credentials", "another letter", "no credentials", "empty"),
    "api_key": ("first digit", "a minute old", "no timestamp", "first digit"),
}
_LOTS = 2000  # tried, to find a quantity
FILLS = {
    "one fill": Fills(resting=("3",)),
    "two fills at one price": Fills(resting=("1", "4.13")),
    "price improvement": Fills(improved=("2",)),
    "two prices": Fills(improved=("1", "5.5")),
    "three fills": SEVERAL_FILLS,
    "five fills": Fills(improved=("1", "1.9", "2.71"), resting=("1.13", "1")),
}

_IMPROVED = ("1", "2") * 4
MANY_FILLS = {  # whole units fit the coarsest lot
    "eleven fills": Fills(improved=("1", "2", "1"), resting=("1",) * 8, total="14"),
    "twenty-one fills": Fills(improved=_IMPROVED, resting=("1",) * 13, total="26"),
    "fifty-one fills": Fills(improved=_IMPROVED, resting=("1",) * 43, total="56"),
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
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("eleven fills", marks=pytest.mark.profile("standard")),
        pytest.param("twenty-one fills", marks=(pytest.mark.near, pytest.mark.profile("standard"))),
        pytest.param("fifty-one fills", marks=(pytest.mark.near, pytest.mark.profile("thorough"))),
    ],
)
def test_filled_in_many_parts(venue: Venue, states: States, side: str, name: str) -> None:
    """The same after more fills, and at more prices, than a server may keep with an order, or read at once."""
    try:
        order = states.partially_filled(side, MANY_FILLS[name])
    except Undecidable as refusal:
        if name == "eleven fills":
            raise
        raise NotExercised(f"no order with so many fills could be had: {refusal}") from None
    venue.cancel(order)
    venue.look(order)


@ALL_FIELDS
@pytest.mark.near
@pytest.mark.profile("standard")
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_filled_by_a_market_order(venue: Venue, states: States, side: str) -> None:
    """A market order takes at the order's price, whatever it offered, and whatever the order met before."""
    order = states.partially_filled(side, Fills(improved=("1",)))
    try:
        states.take(order, states.units("2.37"), kind="market")
    except Undecidable as refusal:
        raise NotExercised(f"no market order could be had: {refusal}") from None
    except Trouble as trouble:
        if trouble.wait or side == "buy":
            raise
        raise NotExercised("a market buy does not get what it offers the price of") from None  # less a fee, say
    venue.cancel(order)
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


def _telling(rules: Rules, band: Band, side: str) -> Iterator[tuple[Decimal, Decimal]]:
    """Prices and quantities that are easily misprinted: powers of ten, tiny ones, and ones of many digits."""
    outward = Decimal(10) if side == "sell" else Decimal("0.1")
    price = Decimal(10) ** band.resting(side).adjusted() * (outward if side == "sell" else 1)
    for _ in range(3):
        yield price, Decimal(10) ** (rules.quantity(price).adjusted() + 1)
        price *= outward
    if side == "sell":
        # of the second one 32 bits cannot count the ticks
        for price in (Decimal("12345.6789"), Decimal("987654.3217")):
            yield rules.price(price), rules.quantity(price)
    else:
        yield rules.tick, rules.quantity(rules.tick, Decimal("11.76")) + rules.lot
        yield rules.tick * 5, rules.quantity(rules.tick * 5, Decimal("47.04")) + rules.lot


@ALL_FIELDS
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_telling_numbers(venue: Venue, states: States, scheme: str, side: str) -> None:
    """10 comes back as 10 and not as 1, 0.0005 not as 5E-4, 12345.6789 not as 12345.679."""
    rules, seen = venue.rules, 0
    for price, quantity in _telling(rules, venue.band, side):
        if price < rules.tick or price % rules.tick or quantity % rules.lot:
            continue
        if not venue.settings.is_loopback and price * quantity > rules.min_notional * _WORTH:
            continue  # no money is at stake on this machine only
        try:
            order = states.open(side, price=price, quantity=quantity)
        except Undecidable:  # too far from the market for this target, or more than the account holds
            continue
        venue.cancel(order, scheme=scheme)
        seen += 1
    if not seen:
        raise NotExercised("the target takes no order at any of these prices")


@ALL_FIELDS
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_smallest_fill(venue: Venue, states: States, scheme: str, side: str) -> None:
    """A fill of a single lot, less than could be traded by itself: the end of an order that met another first."""
    levels, size = venue.band.levels(2, resting=side), states.units("2")
    price, better = levels if side == "buy" else reversed(levels)
    ahead = states.open(side, price=better, quantity=size)
    order = states.open(side, price=price, quantity=size)
    takes = [
        Take(ahead.id, format(better, "f"), format(size, "f")),
        Take(order.id, format(price, "f"), format(venue.rules.lot, "f")),
    ]
    quantity = size + venue.rules.lot
    venue.place(OTHER_SIDE[side], price, quantity, account="counterparty", tif="ioc", takes=takes)
    venue.done_trading()
    venue.cancel(order, scheme=scheme)
    venue.look(order)


@ALL_FIELDS
@pytest.mark.parametrize(("side", "error"), [("buy", -1), ("sell", 1)], ids=["too small", "too large"])
def test_inexact_doubles(venue: Venue, states: States, scheme: str, side: str, error: int) -> None:
    """Quantities that binary floating point cannot hold, like 4.35, and a sum of such, like 0.1 + 0.2."""
    (price,) = venue.band.levels(1, resting=side)
    first = _pick(states, "1", lambda size: _error(size) == error)

    def inexact(size: Decimal) -> bool:
        return _error(first + size) == error

    sums = (size for size in _sizes(states, "1.3") if inexact(size) and _is_off(first, size))
    second = next(sums, None) or _pick(states, "1.3", inexact)
    whole = _pick(states, "6", lambda size: _error(size) == error and size > first + second)
    order = states.rested(side, price, whole, [first, second])
    venue.done_trading()
    venue.cancel(order, scheme=scheme)
    venue.look(order)


def _sizes(states: States, units: str) -> list[Decimal]:
    """Quantities from so many units upwards."""
    least, lot = states.units(units), states.venue.rules.lot
    return [least + lot * lots for lots in range(_LOTS)]


def _pick(states: States, units: str, is_good: Callable[[Decimal], bool]) -> Decimal:
    """The smallest good one. Raises NotExercised without any: a lot of 1, say, makes all quantities exact."""
    found = next(filter(is_good, _sizes(states, units)), None)
    if found is None:
        raise NotExercised("with the lot of this market quantities are exact")
    return found


def _is_off(one: Decimal, other: Decimal) -> bool:
    """Whether doubles add up to another number."""
    return float(one) + float(other) != float(one + other)


def _error(size: Decimal) -> int:
    """Whether a double, counted in units of its last digit, is too small (-1) or too large (1)."""
    digits = max(0, -int(size.as_tuple().exponent))
    exact, counted = int(size.scaleb(digits)), float(size) * 10.0**digits
    return (counted > exact) - (counted < exact)


@ALL_FIELDS
@pytest.mark.exercises("cancel.effects.off-book")
@pytest.mark.last
@pytest.mark.profile("standard")
@pytest.mark.parametrize(("side", "price"), [("sell", "2345.6789"), ("sell", "98765.4321"), ("buy", "0.0005")])
def test_average_far_from_the_market(venue: Venue, states: States, side: str, price: str) -> None:
    """An average has as many digits as its price has; after the cancel nothing fills there.

    Only on this machine, where no money is at stake.
    """
    _only_here(venue)
    venue.sweep(lambda order: True)
    at = venue.rules.price(Decimal(price))
    size = venue.rules.quantity(at)
    try:
        # whoever trades at such a price meets all others first: it must rest, so that there are none
        first = states.open(OTHER_SIDE[side], price=at, quantity=size, account="counterparty", tif="post_only")
        venue.cancel(first, by="counterparty")
        order = states.rested(side, at, size * 3, [size])
    except Undecidable as refusal:
        raise NotExercised(f"the target does not trade at such a price: {refusal}") from None
    venue.cancel(order)
    cross(venue, states, order, size)


@ALL_FIELDS
@pytest.mark.last
@pytest.mark.profile("standard")
def test_large_fills(venue: Venue, states: States) -> None:
    """Amount filled and average of an order of millions, or of what the accounts can pay. Only on this machine."""
    _only_here(venue)
    better, price = venue.band.levels(2)
    for size in _LARGE:
        first, then = (
            venue.rules.quantity(price, Decimal(size) * share) for share in (Decimal("0.3"), Decimal("0.25"))
        )
        try:
            ahead = states.open("sell", price=better, quantity=first, account="counterparty")
            take = Take(ahead.id, format(better, "f"), format(first, "f"))
            order = venue.place("buy", price, first * 3, takes=[take])
            states.take(order, then)
        except Undecidable:  # more than the accounts hold
            venue.sweep()
            continue
        venue.cancel(order)
        venue.look(order)
        return
    raise NotExercised("the accounts do not hold enough")


def _only_here(venue: Venue) -> None:
    if not venue.settings.is_loopback or not venue.band.quiet:
        raise NotExercised("trades of large amounts are made on this machine only, where nobody else trades")


@ALL_FIELDS
@pytest.mark.exercises("cancel.effects.own-orders", "cancel.refusals.forbidden", "cancel.refusals.unauthorized")
@pytest.mark.aged
@pytest.mark.parametrize("kind", KINDS)
def test_times(venue: Venue, aged: Aged, scheme: str, kind: str) -> None:
    """Seconds after it was placed, updated_at is the time of the cancel and created_at that of the placing.

    A refused cancel moves no time, and neither do the times of another order or of earlier fills move.
    """
    order = aged.get(kind, scheme)
    venue.open_orders("owner")
    venue.look(order)
    if venue.settings.counterparty is not None:
        venue.cancel(order, by="counterparty", scheme=scheme)
        venue.look(order)
    venue.cancel(order, credential=_spoiled(venue, kind, scheme))
    venue.look(order)
    venue.look_all(aged.witnesses)
    if order.fills:
        venue.trades("owner", limit=LONG_LIST)
    venue.cancel(order, scheme=scheme)
    venue.look(order)
    venue.look_all(aged.witnesses)
    if order.fills:
        venue.trades("owner", aim="cancel.effects.fills-kept", limit=LONG_LIST)


def _spoiled(venue: Venue, kind: str, scheme: str) -> Credential:
    """A credential that must be refused, another one for each kind of order."""
    name = _SPOILED[scheme][KINDS.index(kind)]
    if scheme == "jwt":
        return spoiled_jwt(venue, jwt_flaw(name))
    return spoiled_key(venue, key_flaw(name))


@ALL_FIELDS
@pytest.mark.exercises("cancel.effects.off-book")
@pytest.mark.aged
@pytest.mark.behind
@pytest.mark.parametrize("kind", NEAR)
def test_filled_late(venue: Venue, states: States, aged: Aged, kind: str) -> None:
    """A first fill that comes seconds after the placing moves no created_at; after the cancel nothing fills."""
    order = aged.get(kind, venue.account("owner").schemes[-1])  # whose price is the best of all aged orders
    states.take(order, states.units("1"))
    venue.look(order)
    venue.cancel(order)
    cross(venue, states, order)
