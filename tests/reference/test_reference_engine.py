"""The matching engine keeps its promises under any sequence of commands."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.reference.clock import Clock, IdGenerator
from conformance.reference.errors import ApiError, OrderRefused
from conformance.reference.matching import MatchingEngine
from conformance.reference.money import EXACT, Balances
from conformance.reference.orders import NewOrder, Order
from conformance.reference.settings import Market
from conformance.reference.store import Store

MARKET = replace(Market(), min_notional=Decimal("0.001"))
ACCOUNTS = ("owner", "counterparty")
INITIAL = Decimal(1000)


def make_engine(initial: Decimal = INITIAL) -> MatchingEngine:
    balances = Balances()
    for account in ACCOUNTS:
        for token in ("DF", "USDT"):
            balances.credit(account, token, initial)
    return MatchingEngine(MARKET, balances, Store(":memory:"), Clock(), IdGenerator())


def limit(side: str, price: str | Decimal, quantity: str | Decimal, tif: str = "gtc") -> NewOrder:
    return NewOrder("DFUSDT", side, "limit", tif, Decimal(price), Decimal(quantity))  # type: ignore[arg-type]


prices = st.integers(4990, 5010).map(lambda ticks: ticks * MARKET.tick_size)
quantities = st.integers(1, 60000).map(lambda lots: lots * MARKET.lot_size)
limits = st.builds(
    limit, st.sampled_from(("buy", "sell")), prices, quantities, st.sampled_from(("gtc", "gtc", "ioc", "post_only"))
)
market_sells = st.builds(lambda q: NewOrder("DFUSDT", "sell", "market", "ioc", quantity=q), quantities)
market_buys = st.builds(lambda q: NewOrder("DFUSDT", "buy", "market", "ioc", quote_quantity=q), quantities)


@dataclass(frozen=True)
class Place:
    account: str
    new: NewOrder


@dataclass(frozen=True)
class Cancel:
    account: str
    index: int


commands = st.lists(
    st.one_of(
        st.builds(Place, st.sampled_from(ACCOUNTS), st.one_of(limits, limits, market_sells, market_buys)),
        st.builds(Cancel, st.sampled_from(ACCOUNTS), st.integers(0, 30)),
    ),
    max_size=25,
)


def snapshot(engine: MatchingEngine) -> object:
    live = [(o.id, o.filled_qty, o.status, o.locked, o.updated_at) for o in engine.live.values()]
    return live, {k: (b.free, b.locked) for k, b in engine.balances.table.items()}, len(engine.book)


def check_invariants(engine: MatchingEngine, ids: list[str]) -> None:
    for token in ("DF", "USDT"):
        assert engine.balances.total(token) == INITIAL * len(ACCOUNTS), "money was made or lost"
    locked: dict[tuple[str, str], Decimal] = {}
    for order in engine.live.values():
        assert order.price is not None
        need = order.remaining if order.side == "sell" else order.price * order.remaining
        token = "DF" if order.side == "sell" else "USDT"
        locked[order.account, token] = locked.get((order.account, token), Decimal(0)) + need
        assert order.locked == need
        assert not order.in_flight
    for key, balance in engine.balances.table.items():
        assert balance.free >= 0
        assert balance.locked == locked.get(key, 0), "locks are not what the live orders need"
    assert sum(1 for _ in engine.book.against("buy")) + sum(1 for _ in engine.book.against("sell")) == len(
        engine.live
    )
    if ids:
        memory = {(*key, balance.free, balance.locked) for key, balance in engine.balances.table.items()}
        assert set(engine.store.load_balances()) == memory, "memory and store disagree on the balances"
    for order_id in ids:
        order = engine.find(order_id)
        assert order is not None
        assert order == engine.store.load_order(order_id), "memory and store disagree"
        assert order.quantity is None or order.filled_qty <= order.quantity
        assert order.quote_quantity is None or order.filled_quote <= order.quote_quantity
        if order.quantity is not None:
            assert (order.status == "filled") == (order.filled_qty == order.quantity)


def expected_makers(engine: MatchingEngine, new: NewOrder) -> list[str]:
    """Find who must fill, from the live orders alone: best price first, then oldest."""
    sign = 1 if new.side == "buy" else -1
    resting = [o for o in engine.live.values() if o.side != new.side]
    crossing = [o for o in resting if new.price is None or sign * (new.price - (o.price or 0)) >= 0]
    return [o.id for o in sorted(crossing, key=lambda o: (sign * (o.price or 0), o.seq))]


def do_place(engine: MatchingEngine, command: Place, ids: list[str]) -> None:
    queue, before = expected_makers(engine, command.new), snapshot(engine)
    owners = {o.id: o.account for o in engine.live.values()}
    try:
        order, fills = engine.place(command.account, command.new)
    except OrderRefused as refusal:
        assert snapshot(engine) == before, "a refused order left a trace"
        if refusal.error == "SELF_TRADE":
            assert command.account in {owners[order_id] for order_id in queue}
        if refusal.error == "POST_ONLY_REJECT":
            assert queue
        return
    ids.append(order.id)
    rows = engine.store.db.execute(
        "SELECT order_id, quantity, price, ts FROM trades WHERE role='maker' AND trade_id IN "
        "(SELECT trade_id FROM trades WHERE order_id=? AND role='taker') ORDER BY seq",
        (order.id,),
    ).fetchall()
    assert [row[0] for row in rows] == queue[: len(rows)], "not by price and time"
    assert command.account not in {owners[row[0]] for row in rows}, "traded with itself"
    assert order.filled_qty == sum(Decimal(row[1]) for row in rows)
    assert order.filled_quote == sum((Decimal(row[1]) * Decimal(row[2]) for row in rows), Decimal(0))
    assert len(fills) == len(rows)
    # All makers but the last are used up before the next is reached.
    assert all(not _live(engine, row[0]) for row in rows[:-1])
    if command.new.tif == "ioc":
        assert order.status in ("filled", "canceled")


def _live(engine: MatchingEngine, order_id: str) -> bool:
    return order_id in engine.live


@given(commands)
@settings(max_examples=120)
def test_no_sequence_of_commands_breaks_the_books(sequence: list[Place | Cancel]) -> None:
    engine = make_engine()
    ids: list[str] = []
    with localcontext(EXACT):
        for command in sequence:
            if isinstance(command, Place):
                do_place(engine, command, ids)
            elif command.index < len(ids):
                before = snapshot(engine)
                live = command.account == getattr(engine.live.get(ids[command.index]), "account", None)
                try:
                    canceled = engine.cancel(command.account, ids[command.index])
                    assert live
                    assert canceled.status == "canceled"
                except ApiError:
                    assert not live
                    assert snapshot(engine) == before, "a refused cancel left a trace"
            check_invariants(engine, ids)
    engine.store.close()


ladders = st.lists(st.tuples(prices, quantities), min_size=2, max_size=8)


@given(st.sampled_from(("buy", "sell")), ladders, st.lists(st.tuples(prices, quantities), min_size=1, max_size=4))
@settings(max_examples=80)
def test_resting_orders_fill_by_price_then_by_time(
    side: str, resting: list[tuple[Decimal, Decimal]], incoming: list[tuple[Decimal, Decimal]]
) -> None:
    engine = make_engine(Decimal(10**6))
    ids: list[str] = []
    with localcontext(EXACT):
        for price, quantity in resting:
            ids.append(engine.place("counterparty", limit(side, price, quantity))[0].id)
        other = "sell" if side == "buy" else "buy"
        for price, quantity in incoming:
            do_place(engine, Place("owner", limit(other, price, quantity, "ioc")), ids)
    engine.store.close()


def test_the_crossing_order_pays_the_resting_price_and_gets_its_improvement_back() -> None:
    engine = make_engine()
    engine.place("counterparty", limit("sell", "0.49", "30"))
    order, fills = engine.place("owner", limit("buy", "0.5", "100"))
    assert [fill.price for fill in fills] == [Decimal("0.49")]
    assert order.status == "partially_filled"
    assert engine.balances.of("owner", "USDT").locked == Decimal(35)
    assert engine.balances.of("owner", "USDT").free == INITIAL - Decimal(35) - Decimal("14.7")
    # 20 bps of 30 DF for the taker, 10 bps of 14.7 USDT for the maker.
    assert engine.balances.of("fees", "DF").free == Decimal("0.06")
    assert engine.balances.of("fees", "USDT").free == Decimal("0.0147")


def test_self_trade_is_refused_as_a_whole_and_the_resting_order_stays() -> None:
    engine = make_engine()
    engine.place("counterparty", limit("sell", "0.49", "10"))
    resting, _ = engine.place("owner", limit("sell", "0.5", "10"))
    before = snapshot(engine)
    with pytest.raises(OrderRefused, match="SELF_TRADE"):
        engine.place("owner", limit("buy", "0.5", "20"))
    assert snapshot(engine) == before
    assert engine.live[resting.id].status == "open"
    # An order that is satisfied before it reaches the own one is fine.
    assert engine.place("owner", limit("buy", "0.5", "10"))[0].status == "filled"


@pytest.mark.parametrize(
    ("quote", "status", "filled"),
    [("10", "filled", "20"), ("10.004", "filled", "20"), ("60", "canceled", "100")],
    ids=["exactly spent", "change below one lot", "book exhausted"],
)
def test_market_buys_end_as_filled_or_canceled(quote: str, status: str, filled: str) -> None:
    engine = make_engine()
    engine.place("counterparty", limit("sell", "0.5", "100"))
    new = NewOrder("DFUSDT", "buy", "market", "ioc", quote_quantity=Decimal(quote))
    order, _ = engine.place("owner", new)
    assert (order.status, order.filled_qty, order.price) == (status, Decimal(filled), None)
    assert engine.balances.of("owner", "USDT").locked == 0


def test_a_failed_commit_leaves_the_store_as_it_was() -> None:
    engine = make_engine()
    order, _ = engine.place("owner", limit("buy", "0.5", "100"))

    def broken(order: Order) -> None:
        raise OSError("disk is gone")

    engine.store.update_order = broken  # type: ignore[method-assign]
    with suppress(OSError):
        engine.cancel("owner", order.id)
    stored = engine.store.load_order(order.id)
    assert stored is not None
    assert stored.status == "open"
    engine.store.close()
