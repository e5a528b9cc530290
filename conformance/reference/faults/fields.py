"""Faults of the chapter The canceled order: fields that are missing, misnamed or say something else."""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..orders import Order
from ..reference import Reference
from ..views import normalised, plain
from .registry import fault
from .tools import engines, every, on_shown, remember_request, set_field, wrap

_FIELD = "cancel.fields."


@fault(_FIELD + "complete")
def no_quote_quantity(ref: Reference) -> None:
    """The field quote_quantity is left out, because it is null."""
    on_shown(ref, lambda order, shown: shown.pop("quote_quantity"))


@fault(_FIELD + "complete")
def no_nulls(ref: Reference) -> None:
    """Fields that are null are left out."""
    on_shown(ref, lambda order, shown: [shown.pop(name) for name, value in list(shown.items()) if value is None])


@fault(_FIELD + "complete")
def no_average_without_fills(ref: Reference) -> None:
    """The field avg_fill_price is left out when nothing had filled."""
    on_shown(ref, lambda order, shown: shown.pop("avg_fill_price") if not order.filled_qty else None)


@fault(_FIELD + "complete")
def no_tif_for_sells(ref: Reference) -> None:
    """The field tif is left out of sell orders."""
    on_shown(ref, lambda order, shown: shown.pop("tif") if order.side == "sell" else None)


@fault(_FIELD + "complete")
def camel_case_fields(ref: Reference) -> None:
    """The time fields are called createdAt and updatedAt."""

    def rename(order: Order, shown: dict[str, Any]) -> None:
        shown["createdAt"], shown["updatedAt"] = shown.pop("created_at"), shown.pop("updated_at")

    on_shown(ref, rename)


@fault(_FIELD + "status")
def status_spelled_cancelled(ref: Reference) -> None:
    """The status reads "cancelled", with two l."""
    set_field(ref, "status", lambda order: "cancelled")


@fault(_FIELD + "status")
def status_as_before_the_cancel(ref: Reference) -> None:
    """The status is the one from before the cancel: open or partially_filled."""
    set_field(ref, "status", lambda order: "partially_filled" if order.filled_qty else "open")


@fault(_FIELD + "status")
def status_of_partially_filled_stays(ref: Reference) -> None:
    """A canceled order that had fills is still called partially_filled in the answer."""
    set_field(ref, "status", lambda order: "partially_filled" if order.filled_qty else order.status)


@fault(_FIELD + "status")
def status_in_upper_case(ref: Reference) -> None:
    """The status reads "CANCELED"."""
    set_field(ref, "status", lambda order: "CANCELED")


@fault(_FIELD + "id")
def id_is_another(ref: Reference) -> None:
    """The id in the answer is a fresh one, of the cancel rather than of the order."""
    set_field(ref, "id", lambda order: ref.ids.new_order_id())


@fault(_FIELD + "id")
def id_is_that_of_the_canceled_before(ref: Reference) -> None:
    """One answer in eight carries the id of the order that was canceled before."""
    due, last = every(8), [""]

    def change(order: Order, shown: dict[str, Any]) -> None:
        if due() and last[0]:
            shown["id"] = last[0]
        last[0] = order.id

    on_shown(ref, change)


@fault(_FIELD + "id")
def id_is_a_number(ref: Reference) -> None:
    """The id in the answer is the order's number inside the engine."""
    set_field(ref, "id", lambda order: order.seq)


@fault(_FIELD + "symbol")
def symbol_in_lower_case(ref: Reference) -> None:
    """The symbol is answered in lower case."""
    set_field(ref, "symbol", lambda order: order.symbol.lower())


@fault(_FIELD + "symbol")
def symbol_is_the_base_token(ref: Reference) -> None:
    """The symbol of a sell order is answered as its base token alone."""
    base = ref.settings.market.base_token
    set_field(ref, "symbol", lambda order: base if order.side == "sell" else order.symbol)


@fault(_FIELD + "side")
def side_is_that_of_the_cancel(ref: Reference) -> None:
    """The side is turned round."""
    set_field(ref, "side", lambda order: "sell" if order.side == "buy" else "buy")


@fault(_FIELD + "side")
def partially_filled_sells_are_buys(ref: Reference) -> None:
    """A canceled sell order that had fills is answered as a buy."""
    set_field(ref, "side", lambda order: "buy" if order.filled_qty else order.side)


@fault(_FIELD + "type")
def type_is_market(ref: Reference) -> None:
    """A canceled limit order is answered as a market order once it had fills."""
    set_field(ref, "type", lambda order: "market" if order.filled_qty else order.type)


@fault(_FIELD + "type")
def type_of_post_only(ref: Reference) -> None:
    """The type of a post-only order is answered as "limit_maker"."""
    set_field(ref, "type", lambda order: "limit_maker" if order.tif == "post_only" else order.type)


@fault(_FIELD + "tif")
def tif_of_post_only_is_gtc(ref: Reference) -> None:
    """The time in force of a post-only order is answered as gtc."""
    set_field(ref, "tif", lambda order: "gtc")


@fault(_FIELD + "tif")
def tif_in_upper_case(ref: Reference) -> None:
    """The time in force is answered in upper case."""
    set_field(ref, "tif", lambda order: order.tif.upper())


@fault(_FIELD + "reject-reason")
def reject_reason_is_set(ref: Reference) -> None:
    """The reject_reason of a canceled order reads "canceled by user"."""
    set_field(ref, "reject_reason", lambda order: "canceled by user")


@fault(_FIELD + "reject-reason")
def reject_reason_is_empty_text(ref: Reference) -> None:
    """The reject_reason is an empty text instead of null, with an API key only."""
    current = remember_request(ref)
    set_field(ref, "reject_reason", lambda order: "" if "x-mbx-apikey" in current().headers else None)


@fault(_FIELD + "updated-at")
def updated_at_is_not_touched(ref: Reference) -> None:
    """A cancel leaves updated_at as it was."""

    def cancel_order(original: Any, order: Order) -> Order:
        before = order.updated_at
        wrap(engine_of(order), "touch", lambda touch, touched: None)
        canceled: Order = original(order)
        canceled.updated_at = before
        return canceled

    def engine_of(order: Order) -> Any:
        return ref.exchange.engines[order.symbol].matching

    wrap(engines(ref), "cancel_order", cancel_order)


@fault(_FIELD + "updated-at")
def updated_at_of_partially_filled_is_its_last_fill(ref: Reference) -> None:
    """After a cancel, updated_at still is the time of the last fill."""
    before: dict[str, int] = {}

    def cancel(original: Any, account: str, order_id: str) -> Order:
        order = ref.exchange.find_order(order_id)
        if order is not None:
            before[order_id] = order.updated_at
        canceled: Order = original(account, order_id)
        return canceled

    wrap(engines(ref), "cancel", cancel)
    set_field(ref, "updated_at", lambda order: before[order.id] if order.filled_qty else order.updated_at)


@fault(_FIELD + "updated-at")
def updated_at_an_hour_off(ref: Reference) -> None:
    """The time of the cancel is answered an hour late, as in another time zone."""
    set_field(ref, "updated_at", lambda order: order.updated_at + 3600)


@fault(_FIELD + "time-order", _FIELD + "updated-at")
def updated_before_created(ref: Reference) -> None:
    """The two times are exchanged a second apart: updated_at lies before created_at."""
    set_field(ref, "updated_at", lambda order: order.created_at - 1)


@fault(_FIELD + "time-order", _FIELD + "updated-at", _FIELD + "created-at")
def times_exchanged(ref: Reference) -> None:
    """The values of created_at and updated_at are exchanged."""

    def exchange(order: Order, shown: dict[str, Any]) -> None:
        shown["created_at"], shown["updated_at"] = order.updated_at, order.created_at

    on_shown(ref, exchange)


@fault(_FIELD + "created-at")
def created_at_is_the_cancel(ref: Reference) -> None:
    """The field created_at is the time of the cancel as well."""
    set_field(ref, "created_at", lambda order: order.updated_at)


@fault(_FIELD + "created-at")
def created_at_of_partially_filled_a_second_late(ref: Reference) -> None:
    """The created_at of an order that had fills is a second later than New Order said."""
    set_field(ref, "created_at", lambda order: order.created_at + (1 if order.filled_qty else 0))


@fault(_FIELD + "created-at")
def created_at_is_the_first_fill(ref: Reference) -> None:
    """The created_at of an order that had fills is the time of the first of them."""
    first: dict[str, int] = {}

    def apply_fill(original: Any, order: Order, price: Decimal, quantity: Decimal) -> None:
        first.setdefault(order.id, ref.clock.now_s())
        original(order, price, quantity)

    wrap(engines(ref), "apply_fill", apply_fill)
    set_field(ref, "created_at", lambda order: first.get(order.id, order.created_at))


@fault(_FIELD + "unix-seconds")
def times_in_milliseconds(ref: Reference) -> None:
    """Both times are in milliseconds."""
    set_field(ref, "created_at", lambda order: order.created_at * 1000)
    set_field(ref, "updated_at", lambda order: order.updated_at * 1000)


@fault(_FIELD + "unix-seconds")
def updated_at_in_milliseconds(ref: Reference) -> None:
    """The time of the cancel is in milliseconds, that of the placing in seconds."""
    set_field(ref, "updated_at", lambda order: order.updated_at * 1000 + 123)


@fault(_FIELD + "unix-seconds")
def times_are_text(ref: Reference) -> None:
    """Both times are texts of digits."""
    set_field(ref, "created_at", lambda order: str(order.created_at))
    set_field(ref, "updated_at", lambda order: str(order.updated_at))


@fault(_FIELD + "unix-seconds")
def times_with_a_fraction(ref: Reference) -> None:
    """The time of the cancel has a fraction of a second."""
    set_field(ref, "updated_at", lambda order: order.updated_at + 0.5)


@fault(_FIELD + "decimal-strings")
def amounts_are_numbers(ref: Reference) -> None:
    """All amounts are JSON numbers."""

    def numbers(order: Order, shown: dict[str, Any]) -> None:
        for name in ("price", "quantity", "filled_qty", "avg_fill_price"):
            shown[name] = float(shown[name])

    on_shown(ref, numbers)


@fault(_FIELD + "decimal-strings")
def amounts_in_the_clients_language(ref: Reference) -> None:
    """Who prefers German gets a decimal comma."""
    current = remember_request(ref)

    def localised(order: Order, shown: dict[str, Any]) -> None:
        if current().headers.get("accept-language", "").startswith("de"):
            for name in ("price", "quantity", "filled_qty", "avg_fill_price"):
                shown[name] = shown[name].replace(".", ",")

    on_shown(ref, localised)


@fault(_FIELD + "decimal-strings")
def filled_qty_is_a_number(ref: Reference) -> None:
    """The field filled_qty is a JSON number when something had filled."""
    set_field(ref, "filled_qty", lambda order: float(order.filled_qty) if order.filled_qty else "0")


@fault(_FIELD + "decimal-strings")
def small_amounts_in_scientific_notation(ref: Reference) -> None:
    """The quantity is written with an exponent, as 1.05E+2."""
    set_field(ref, "quantity", lambda order: f"{order.quantity or Decimal(0):E}")


@fault("cancel.answers.json")
def labelled_as_text(ref: Reference) -> None:
    """The answer of a successful cancel is labelled as text/plain."""
    from .tools import on_answer

    def change(request: Request, answer: Response) -> Response | None:
        return Response(answer.body, 200, media_type="text/plain") if answer.status_code == 200 else None

    on_answer(ref, change)


@fault(_FIELD + "status")
def nearly_filled_orders_end_as_filled(ref: Reference) -> None:
    """The status is filled when less is left than could be placed as an order."""
    least = ref.settings.market.min_notional

    def status(order: Order) -> str:
        rest = (order.quantity or Decimal(0)) - order.filled_qty
        return "filled" if order.filled_qty and rest * (order.price or 0) < least else "canceled"

    set_field(ref, "status", status)


@fault(_FIELD + "price")
def zeros_of_whole_prices_are_stripped(ref: Reference) -> None:
    """The zeros at the end of a whole price are stripped like those after the point: 10 is shown as 1."""
    set_field(ref, "price", lambda o: normalised(o.price or Decimal(0)).rstrip("0"))


@fault(_FIELD + "quantity")
def zeros_of_whole_quantities_are_stripped(ref: Reference) -> None:
    """The zeros at the end of a whole quantity are stripped like those after the point: 100 is shown as 1."""
    set_field(ref, "quantity", lambda o: f"{o.quantity:.2f}".replace(".00", "").rstrip("0"))


@fault(_FIELD + "price")
def price_in_single_precision(ref: Reference) -> None:
    """The price goes through a float of 32 bits: 12345.6789 is shown as 12345.679."""

    def price(order: Order) -> str:
        (single,) = struct.unpack("f", struct.pack("f", order.price or 0))
        return f"{single:.4f}"

    set_field(ref, "price", price)


@fault(_FIELD + "decimal-strings", _FIELD + "price")
def small_prices_with_an_exponent(ref: Reference) -> None:
    """A price below a thousandth is shown with an exponent: 5E-4."""

    def price(order: Order) -> str:
        value = order.price or Decimal(0)
        return f"{value.normalize():E}" if value < Decimal("0.001") else plain(value)

    set_field(ref, "price", price)


@fault(_FIELD + "decimal-strings", _FIELD + "filled-qty")
def no_zero_before_the_point(ref: Reference) -> None:
    """An amount filled that is less than one has no digit before the point: .01."""
    set_field(ref, "filled_qty", lambda o: normalised(o.filled_qty).removeprefix("0") or "0")
