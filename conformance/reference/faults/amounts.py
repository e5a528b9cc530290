"""Faults of the chapter The canceled order: amounts and the average price are wrong."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ..orders import Order
from ..reference import Reference
from ..views import DIVISION, normalised
from .registry import fault
from .tools import engines, keep_fills, set_field, wrap

_FIELD = "cancel.fields."
Fill = tuple[Decimal, Decimal]


def average(fills: list[Fill]) -> str:
    """Return the volume-weighted average of (price, quantity) pairs as a field shows it."""
    quantity = sum((q for _, q in fills), Decimal(0))
    if not quantity:
        return "0"
    return normalised(round(DIVISION.divide(sum((p * q for p, q in fills), Decimal(0)), quantity), 12))


@fault(_FIELD + "price")
def price_is_the_average(ref: Reference) -> None:
    """The price of an order that had fills is answered as the average of the fills."""
    set_field(ref, "price", lambda o: ref.orders.avg_fill_price(o) if o.filled_qty else ref.orders.price(o))


@fault(_FIELD + "price")
def price_is_rounded_to_two_digits(ref: Reference) -> None:
    """The price is answered with two decimals, whatever the tick."""
    set_field(ref, "price", lambda order: str(round(order.price or Decimal(0), 2)))


@fault(_FIELD + "price")
def price_is_null(ref: Reference) -> None:
    """The price of a canceled order is null."""
    set_field(ref, "price", lambda order: None)


@fault(_FIELD + "quantity")
def quantity_is_what_remains(ref: Reference) -> None:
    """The quantity is what was left to fill."""
    set_field(ref, "quantity", lambda order: normalised((order.quantity or Decimal(0)) - order.filled_qty))


@fault(_FIELD + "quantity")
def quantity_is_what_filled(ref: Reference) -> None:
    """The quantity of a sell order that had fills is reduced to what filled."""
    set_field(
        ref,
        "quantity",
        lambda o: normalised(o.filled_qty) if o.filled_qty and o.side == "sell" else ref.orders.quantity(o),
    )


@fault(_FIELD + "quantity")
def quantity_in_single_precision(ref: Reference) -> None:
    """The quantity passes through a 32-bit float, so that large ones lose their last digits."""
    set_field(ref, "quantity", lambda order: f"{struct.unpack('f', struct.pack('f', order.quantity or 0))[0]:.2f}")


@fault(_FIELD + "quantity")
def quantity_in_whole_units(ref: Reference) -> None:
    """The decimals of the quantity are cut off."""
    set_field(ref, "quantity", lambda order: str(int(order.quantity or 0)))


@fault(_FIELD + "quote-quantity")
def quote_quantity_is_zero(ref: Reference) -> None:
    """The quote_quantity of a limit order is "0" instead of null."""
    set_field(ref, "quote_quantity", lambda order: "0")


@fault(_FIELD + "quote-quantity")
def quote_quantity_is_computed(ref: Reference) -> None:
    """The quote_quantity of a buy order is answered as price times quantity."""
    set_field(
        ref,
        "quote_quantity",
        lambda o: normalised((o.price or Decimal(0)) * (o.quantity or Decimal(0))) if o.side == "buy" else None,
    )


@fault(_FIELD + "filled-qty")
def filled_qty_is_zero(ref: Reference) -> None:
    """The filled_qty of a canceled order is always "0"."""
    set_field(ref, "filled_qty", lambda order: "0")


@fault(_FIELD + "filled-qty")
def filled_qty_is_the_quantity(ref: Reference) -> None:
    """The filled_qty of an order that had fills is its whole quantity."""
    set_field(ref, "filled_qty", lambda o: ref.orders.quantity(o) if o.filled_qty else "0")


@fault(_FIELD + "filled-qty")
def filled_qty_is_what_remains(ref: Reference) -> None:
    """The filled_qty is what was left to fill."""
    set_field(ref, "filled_qty", lambda order: normalised((order.quantity or Decimal(0)) - order.filled_qty))


@fault(_FIELD + "filled-qty")
def filled_qty_is_the_last_fill(ref: Reference) -> None:
    """The filled_qty is that of the last fill alone."""
    fills = keep_fills(ref)
    set_field(ref, "filled_qty", lambda order: normalised(fills[order.id][-1][1]) if fills[order.id] else "0")


@fault(_FIELD + "filled-qty")
def filled_qty_lacks_the_third_fill(ref: Reference) -> None:
    """The filled_qty counts two fills and no more."""
    fills = keep_fills(ref)
    set_field(ref, "filled_qty", lambda order: normalised(sum((q for _, q in fills[order.id][:2]), Decimal(0))))


@fault(_FIELD + "filled-qty")
def filled_qty_is_after_the_fee(ref: Reference) -> None:
    """The filled_qty of a buy order is what was credited, after the fee."""
    bps = ref.settings.market.maker_fee_bps
    set_field(
        ref,
        "filled_qty",
        lambda o: (
            normalised(o.filled_qty * (10_000 - bps) / 10_000) if o.side == "buy" else normalised(o.filled_qty)
        ),
    )


@fault(_FIELD + "filled-qty")
def filled_qty_is_in_quote(ref: Reference) -> None:
    """The filled_qty of a sell order is the quote amount that it brought in."""
    set_field(
        ref, "filled_qty", lambda o: normalised(o.filled_quote) if o.side == "sell" else normalised(o.filled_qty)
    )


@fault(_FIELD + "avg-fill-price")
def average_is_the_limit_price(ref: Reference) -> None:
    """The avg_fill_price is the order's own price, also after fills at better ones."""
    set_field(ref, "avg_fill_price", lambda o: ref.orders.price(o) if o.filled_qty else "0")


@fault(_FIELD + "avg-fill-price")
def average_is_the_last_price(ref: Reference) -> None:
    """The avg_fill_price is the price of the last fill."""
    fills = keep_fills(ref)
    set_field(ref, "avg_fill_price", lambda order: average(fills[order.id][-1:]))


@fault(_FIELD + "avg-fill-price")
def average_is_the_first_price(ref: Reference) -> None:
    """The avg_fill_price is the price of the first fill."""
    fills = keep_fills(ref)
    set_field(ref, "avg_fill_price", lambda order: average(fills[order.id][:1]))


@fault(_FIELD + "avg-fill-price")
def average_is_not_weighted(ref: Reference) -> None:
    """The avg_fill_price is the plain mean of the fills' prices."""
    fills = keep_fills(ref)
    set_field(ref, "avg_fill_price", lambda order: average([(p, Decimal(1)) for p, _ in fills[order.id]]))


@fault(_FIELD + "avg-fill-price")
def average_lacks_the_second_fill(ref: Reference) -> None:
    """The avg_fill_price leaves the second fill out."""
    fills = keep_fills(ref)
    set_field(ref, "avg_fill_price", lambda order: average(fills[order.id][:1] + fills[order.id][2:]))


@fault(_FIELD + "avg-fill-price")
def average_of_the_newest_eight(ref: Reference) -> None:
    """The avg_fill_price is that of the newest eight fills."""
    fills = keep_fills(ref)
    set_field(ref, "avg_fill_price", lambda order: average(fills[order.id][-8:]))


@fault(_FIELD + "avg-fill-price", _FIELD + "filled-qty")
def ten_fills_are_read(ref: Reference) -> None:
    """Of an order's fills ten are read: filled_qty and avg_fill_price know no more."""
    read(ref, 10)


def read(ref: Reference, count: int) -> None:
    """Let filled_qty and avg_fill_price be those of an order's first fills."""
    fills = keep_fills(ref)
    set_field(ref, "filled_qty", lambda o: normalised(sum((q for _, q in fills[o.id][:count]), Decimal(0))))
    set_field(ref, "avg_fill_price", lambda order: average(fills[order.id][:count]))


@fault(_FIELD + "filled-qty", _FIELD + "avg-fill-price")
def twenty_fills_are_read(ref: Reference) -> None:
    """Of an order's fills a page of twenty is read."""
    read(ref, 20)


@fault(_FIELD + "avg-fill-price")
def average_counts_what_a_market_buy_offered(ref: Reference) -> None:
    """Where a market buy has taken from an order, the average has all of its quote_quantity, spent or not."""
    unspent: defaultdict[str, Decimal] = defaultdict(Decimal)

    def run(original: Any, order: Order, matches: list[tuple[Order, Decimal]]) -> Any:
        done = original(order, matches)
        if order.quote_quantity is not None and matches:
            unspent[matches[-1][0].id] += order.quote_quantity - order.filled_quote
        return done

    wrap(engines(ref), "run", run)
    set_field(ref, "avg_fill_price", lambda o: ref.orders.average(o.filled_quote + unspent[o.id], o.filled_qty))


@fault(_FIELD + "avg-fill-price")
def average_over_the_whole_quantity(ref: Reference) -> None:
    """The avg_fill_price is the quote amount divided by the whole quantity instead of the filled one."""
    set_field(
        ref,
        "avg_fill_price",
        lambda o: (
            average([(DIVISION.divide(o.filled_quote, o.quantity or Decimal(1)), Decimal(1))])
            if o.filled_qty
            else "0"
        ),
    )


@fault(_FIELD + "avg-fill-price")
def average_of_sells_after_the_fee(ref: Reference) -> None:
    """The avg_fill_price of a sell order is what was received per unit, after the fee."""
    bps = ref.settings.market.maker_fee_bps
    set_field(ref, "avg_fill_price", lambda o: after_fee(o, bps))


def after_fee(order: Order, bps: int) -> str:
    """Return the average price of an order, less a fee if it is a sell."""
    if not order.filled_qty:
        return "0"
    share = Decimal(10_000 - bps) / 10_000 if order.side == "sell" else Decimal(1)
    return average([(DIVISION.divide(order.filled_quote, order.filled_qty) * share, Decimal(1))])


@fault(_FIELD + "avg-fill-price")
def average_is_cut_to_two_digits(ref: Reference) -> None:
    """The avg_fill_price is cut to two decimals, which is coarser than the tick."""
    _average_as(ref, lambda order, exact: str(exact.quantize(Decimal("0.01"), "ROUND_DOWN")))


@fault(_FIELD + "avg-fill-price")
def average_only_when_partially_filled_twice(ref: Reference) -> None:
    """The avg_fill_price is "0" until the second fill."""
    fills = keep_fills(ref)
    set_field(ref, "avg_fill_price", lambda o: average(fills[o.id]) if len(fills[o.id]) > 1 else "0")


@fault(_FIELD + "avg-fill-price-zero")
def no_average_is_null(ref: Reference) -> None:
    """The avg_fill_price is null when nothing had filled."""
    set_field(ref, "avg_fill_price", lambda o: ref.orders.avg_fill_price(o) if o.filled_qty else None)


@fault(_FIELD + "avg-fill-price-zero")
def no_average_is_the_price(ref: Reference) -> None:
    """The avg_fill_price is the order's own price when nothing had filled."""
    set_field(
        ref, "avg_fill_price", lambda o: ref.orders.avg_fill_price(o) if o.filled_qty else ref.orders.price(o)
    )


@fault(_FIELD + "avg-fill-price-zero")
def no_average_is_empty_for_post_only(ref: Reference) -> None:
    """The avg_fill_price of an untouched post-only order is an empty text."""
    set_field(
        ref,
        "avg_fill_price",
        lambda o: "" if o.tif == "post_only" and not o.filled_qty else ref.orders.avg_fill_price(o),
    )


def _average_as(ref: Reference, shown: Callable[[Order, Decimal], str]) -> None:
    """Let the average of an order that had fills be ``shown(order, average)``."""
    set_field(
        ref,
        "avg_fill_price",
        lambda o: shown(o, DIVISION.divide(o.filled_quote, o.filled_qty)) if o.filled_qty else "0",
    )


@fault(_FIELD + "avg-fill-price")
def average_is_rounded_to_the_tick(ref: Reference) -> None:
    """The avg_fill_price is rounded to the tick."""
    _average_as(ref, lambda order, exact: normalised(round(exact, 4)))


@fault(_FIELD + "avg-fill-price")
def average_in_single_precision(ref: Reference) -> None:
    """The avg_fill_price passes a float of 32 bits, which has seven digits."""
    _average_as(
        ref, lambda order, exact: f"{struct.unpack('f', struct.pack('f', exact))[0]:.8f}".rstrip("0").rstrip(".")
    )


@fault(_FIELD + "avg-fill-price")
def average_overflows(ref: Reference) -> None:
    """What was paid is added up in 64 bits, in units of 1e-16, which is enough for some 900."""
    _average_as(
        ref,
        lambda order, exact: normalised(
            round(DIVISION.divide(order.filled_quote % (Decimal(2**63) / 10**16), order.filled_qty), 12)
        ),
    )


@fault(_FIELD + "filled-qty")
def filled_quantity_in_32_bits(ref: Reference) -> None:
    """The filled_qty is a number of hundredths in 32 bits."""
    set_field(ref, "filled_qty", lambda order: normalised(order.filled_qty % (Decimal(2**31) / 100)))


@fault(_FIELD + "price")
def price_in_32_bits(ref: Reference) -> None:
    """The price is a number of ticks in 32 bits, so that one above 214748.3647 comes as another."""
    set_field(ref, "price", lambda order: str((order.price or Decimal(0)) % (Decimal(2**31) / 10**4)))


@fault(_FIELD + "filled-qty")
def filled_quantity_is_cut_from_a_double(ref: Reference) -> None:
    """The filled_qty is cut to hundredths in binary floating point: 4.35 comes as 4.34."""
    set_field(
        ref, "filled_qty", lambda order: normalised(Decimal(int(float(order.filled_qty) * 100)) / Decimal(100))
    )
