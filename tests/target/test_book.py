"""Cases that trade at the same time never meet each other's orders."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from decimal import Decimal

import pytest

from conformance.target.book import SIDES, Book, HeldBand
from conformance.target.market import Rules
from conformance.target.trouble import Undecidable

BUY, SELL = frozenset({"buy"}), frozenset({"sell"})
RULES = Rules("DFUSDT", Decimal("0.0001"), Decimal("0.01"), Decimal(1))


def _band(book: Book, holder: object, ceil: str = "0.6", check: Callable[[], None] = lambda: None) -> HeldBand:
    return HeldBand(RULES, Decimal("0.4"), Decimal(ceil), True, book=book, holder=holder, check=check)


def _later(act: Callable[[], object]) -> threading.Event:
    """Do it in a thread of its own; the event is set once it is done."""
    done = threading.Event()

    def run() -> None:
        act()
        done.set()

    threading.Thread(target=run, daemon=True).start()
    return done


def _waits(done: threading.Event) -> bool:
    return not done.wait(0.05)


def test_the_book_is_held_until_nothing_rests_there() -> None:
    book = Book()
    first = _band(book, "first").levels(1)
    assert first == _band(book, "first").levels(1)  # whoever has it gets the same prices again
    book.settle("first", resting=False)  # nothing was placed yet
    assert book.has("first")
    got = _later(lambda: _band(book, "second").levels(1, resting="buy"))
    book.settle("first", resting=True)
    assert _waits(got)
    book.settle("first", resting=False)
    assert got.wait(5)
    assert book.has("second")
    book.release("first")  # it has it no more
    assert book.has("second")


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_who_only_rests_lets_others_trade_in_front(side: str) -> None:
    book = Book()
    behind, front = _band(book, "behind"), _band(book, "front")
    (price,) = behind.levels(1, resting=side)
    got: list[Decimal] = []
    done = _later(lambda: got.extend(front.levels(1, resting=side)))
    assert _waits(done)
    behind.park({side: (price, price)})
    assert done.wait(5)
    assert (got[0] > price) == (side == "buy") != (got[0] < price)
    book.settle("front", resting=True)
    again = _later(lambda: behind.trade(price))
    newest = _later(lambda: _band(book, "newest").levels(1, resting=side))
    assert _waits(again)
    front.park({side: (got[0], got[0])})
    assert _waits(again)  # it still rests in front
    assert _waits(newest)  # or who wants to trade again never could
    book.settle("front", resting=False)
    assert again.wait(5)
    assert _waits(newest)
    behind.park({})
    assert newest.wait(5)


def test_who_crosses_an_old_price_waits_for_those_in_front_of_it() -> None:
    book = Book()
    (price,) = _band(book, "first").levels(1, resting="sell")
    book.settle("first", resting=True)
    book.settle("first", resting=False)  # it was canceled
    assert not book.has("first")
    assert _band(book, "second").levels(1, resting="sell") == [price]
    _band(book, "second").park({"sell": (price, price)})
    crosses = _later(lambda: _band(book, "first").alone_at(price, resting="sell"))
    assert _waits(crosses)
    beside = _later(lambda: _band(book, "third").alone_at(Decimal("0.45"), resting="buy"))
    assert beside.wait(5)  # nobody is there
    book.settle("second", resting=False)
    assert crosses.wait(5)


def test_an_order_of_one_that_has_no_place_waits_for_both_sides() -> None:
    book = Book()
    (price,) = _band(book, "first").levels(1, resting="buy")
    book.settle("first", resting=True)
    done = _later(lambda: _band(book, "second").trade(price))
    assert _waits(done)
    book.settle("first", resting=False)
    assert done.wait(5)
    market = _band(book, "third")
    market.trade(None)  # a market order is planned by whoever has a place
    assert not book.has("third")


def test_the_sides_of_the_book_are_held_apart() -> None:
    book = Book()
    _band(book, "buyer").levels(1, resting="buy")
    _band(book, "seller").levels(1, resting="sell")
    assert book.has("buyer")
    assert book.has("seller")
    book.settle("buyer", resting=True)
    with pytest.raises(Undecidable):  # or two that want each other's side would wait for ever
        _band(book, "buyer").levels(1)
    assert book.has("buyer")
    book.release("buyer")
    got = _later(lambda: _band(book, "both").levels(1))
    assert _waits(got)
    after = _later(lambda: _band(book, "late buyer").levels(1, resting="buy"))
    assert after.wait(5)  # or the side would be left alone until both are free
    book.release("seller")
    assert _waits(got)
    book.release("late buyer")
    assert got.wait(5)


def test_whoever_waits_for_the_book_may_give_up() -> None:
    def stop() -> None:
        raise Undecidable("the time is up")

    book = Book()
    (price,) = _band(book, "first").levels(1)
    with pytest.raises(Undecidable):
        _band(book, "second", check=stop).levels(1)
    with pytest.raises(Undecidable):
        _band(book, "second", check=stop).alone_at(price)
    book.release("first")
    assert _band(book, "third", check=stop).levels(1)


@pytest.mark.parametrize("resting", ["buy", "sell"])
def test_the_halves_of_a_band_do_not_meet(resting: str) -> None:
    middle = Decimal("0.5")
    for count in (1, 2, 5):
        band = _band(Book(), "one")
        levels = band.levels(count, resting=resting)
        assert len(levels) == count
        assert all((level < middle) == (resting == "buy") and level != middle for level in levels)
        assert all(band.low_edge + 4 * RULES.tick < level < band.high_edge - 4 * RULES.tick for level in levels)


@pytest.mark.parametrize(("side", "other"), [("buy", "sell"), ("sell", "buy")])
def test_orders_of_others_that_would_be_met_are_waited_for(side: str, other: str) -> None:
    book = Book()
    band = _band(book, "came back")
    (price,) = band.levels(1)
    book.release("came back")  # its orders have ended
    assert _band(book, "moved in").levels(1) == [price]
    book.park("moved in", {other: (price, price)})
    done = _later(lambda: band.alone_at(price, resting=side))
    assert _waits(done)
    book.release("moved in")
    assert done.wait(5)


def test_a_tight_band_has_room_for_one() -> None:
    book = Book()
    (price,) = _band(book, "one", "0.4030").levels(1, resting="buy")
    _band(book, "one", "0.4030").park({"buy": (price, price)})
    assert _waits(_later(lambda: _band(book, "two", "0.4030").levels(1, resting="sell")))
    book.release("one")


def test_room_that_is_used_up_is_waited_for() -> None:
    book, last = Book(), 0
    while True:
        band = _band(book, last, "0.4100")
        done = _later(lambda band=band: band.levels(2, gap=20, resting="buy"))  # type: ignore[misc]
        if _waits(done):
            break
        levels = band.levels(2, gap=20, resting="buy")
        band.park({"buy": (levels[0], levels[-1])})
        last += 1
    assert last >= 1
    for holder in range(last):
        book.release(holder)
    assert done.wait(5)


Spans = dict[str, tuple[Decimal, Decimal]]


class Floor:
    """Who has orders where; `met` tells of orders that would have traded with another holder's."""

    def __init__(self, book: Book) -> None:
        self.book, self.met = book, list[str]()
        self._resting: dict[int, Spans] = {}
        self._lock = threading.Lock()

    def trade(self, me: int, spans: Spans) -> None:
        """`me` has orders at these prices, by side, and others take them."""
        with self._lock:
            self._resting[me] = spans
            for other, theirs in self._resting.items():
                if other != me and (
                    _is_before(theirs, spans) or _crosses(theirs, spans) or _crosses(spans, theirs)
                ):
                    self.met.append(f"{me} at {spans}, {other} at {theirs}")

    def end(self, me: int) -> None:
        """The orders of `me` are gone."""
        with self._lock:
            self._resting.pop(me, None)
        self.book.settle(me, resting=False)


def _is_before(theirs: Spans, spans: Spans) -> bool:
    buys = "buy" in spans and "buy" in theirs and theirs["buy"][1] >= spans["buy"][0]
    return buys or ("sell" in spans and "sell" in theirs and theirs["sell"][0] <= spans["sell"][1])


def _crosses(one: Spans, other: Spans) -> bool:
    return "buy" in one and "sell" in other and one["buy"][1] >= other["sell"][0]


def _trader(floor: Floor, me: int) -> None:
    chance, band = random.Random(me), _band(floor.book, me)
    for _ in range(15):
        side = chance.choice(["buy", "sell", None])
        levels = band.levels(chance.choice([1, 2, 4]), resting=side)
        span = (levels[0], levels[-1])
        floor.trade(me, dict.fromkeys(SIDES if side is None else [side], span))
        floor.book.settle(me, resting=True)
        time.sleep(chance.uniform(0, 0.002))
        kept = side or chance.choice(["buy", "sell"])
        floor.trade(me, {kept: span})
        if chance.random() < 0.7:
            band.park({kept: span})
            time.sleep(chance.uniform(0, 0.002))
        if chance.random() < 0.3:
            band.trade(levels[0])
            floor.trade(me, {kept: span})
        floor.end(me)
        if chance.random() < 0.3:
            band.alone_at(levels[0], resting=kept)
            floor.trade(me, {kept: (levels[0], levels[0])})
            floor.end(me)
        floor.book.release(me)


def test_whoever_trades_meets_nobody_else() -> None:
    """Many at once, at random: while one trades, no order of another stands in front of its own."""
    floor = Floor(Book())
    threads = [threading.Thread(target=_trader, args=(floor, me), daemon=True) for me in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert floor.met == []
