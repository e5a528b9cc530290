// Wrong amounts in the order object of a successful cancel.
import { average, ONE, show, times } from '../decimal.mjs';
import { byKey, byToken, edit, every, fault, fills, postOnly, sell, touched, untouched } from './tools.mjs';

const float = (amount) => Number(amount) / Number(ONE);
const rest = (order) => order.quantity - order.filled;
const over = (list, style = { digits: 8 }) => average(list, style);
const setAverage = (compute, when = touched) => edit((view, order) => { view.avg_fill_price = compute(order); }, when);

/** Mean of the fill prices with weights of one's own choosing. */
const weighed = (order, weight) => over(order.fills.map((fill) => ({ price: fill.price, quantity: weight(fill) })));

export const amounts = {
  'filled-is-remaining': fault('filled_qty is what was left open, not what filled.',
    edit((view, order) => { view.filled_qty = show(rest(order)); })),
  'filled-is-zero': fault('filled_qty is "0" although the order had filled in part.',
    edit((view) => { view.filled_qty = '0'; }, touched)),
  'filled-is-quantity': fault('filled_qty of a partially filled order is its whole quantity.',
    edit((view) => { view.filled_qty = view.quantity; }, touched)),
  'filled-last-fill-only': fault('filled_qty is only the last fill, not the sum of the fills.',
    edit((view, order) => { view.filled_qty = show(order.fills.at(-1).quantity); }, touched)),
  'filled-whole-units': fault('filled_qty loses its decimals.',
    edit((view, order) => { view.filled_qty = show((order.filled / ONE) * ONE); })),
  'filled-lot-more-on-sells': fault('filled_qty of a partially filled sell order is one lot too much.',
    edit((view, order) => { view.filled_qty = show(order.filled + ONE / 100n); }, (o) => sell(o) && touched(o))),
  'filled-in-quote': fault('filled_qty is counted in the quote token.',
    edit((view, order) => {
      view.filled_qty = show(order.fills.reduce((sum, fill) => sum + times(fill.price, fill.quantity), 0n));
    }, touched)),
  'filled-number': fault('filled_qty is a JSON number, not a decimal string.',
    edit((view) => { view.filled_qty = Number(view.filled_qty); })),
  'filled-null-unfilled': fault('filled_qty is null when nothing filled.',
    edit((view) => { view.filled_qty = null; }, untouched)),
  'filled-wrong-every-tenth': fault('On every tenth cancel, filled_qty is one lot too much.',
    edit((view, order, ctx) => {
      if (every(ctx, 'tenth', 10)) view.filled_qty = show(order.filled + ONE / 100n);
    })),

  'avg-plain-mean': fault('avg_fill_price is the plain mean of the fill prices, without their volumes.',
    setAverage((order) => weighed(order, () => 1n))),
  'avg-last-price': fault('avg_fill_price is the price of the last fill.', setAverage((o) => show(o.fills.at(-1).price))),
  'avg-first-price': fault('avg_fill_price is the price of the first fill.', setAverage((o) => show(o.fills[0].price))),
  'avg-limit-price': fault('avg_fill_price is the limit price of the order.', setAverage((o) => show(o.price))),
  'avg-limit-price-by-jwt': fault('avg_fill_price is the limit price, for callers with a JWT.',
    setAverage((o) => show(o.price), (o, ctx) => touched(o) && byToken(o, ctx))),
  'avg-second-fill-only': fault('Once an order has two fills, only the second counts in avg_fill_price.',
    setAverage((o) => show(o.fills[1].price), fills(2))),
  'avg-forgets-third-fill': fault('From the third on, fills do not count in avg_fill_price.',
    setAverage((o) => over(o.fills.slice(0, 2)), fills(3))),
  'avg-quote-weighted': fault('avg_fill_price weighs the prices by quote value, not by volume.',
    setAverage((order) => weighed(order, (fill) => times(fill.price, fill.quantity)))),
  'avg-max-price': fault('avg_fill_price is the highest fill price.',
    setAverage((order) => show(order.fills.map((f) => f.price).reduce((x, y) => (x > y ? x : y))))),
  'avg-over-quantity': fault('avg_fill_price divides the filled value by the ordered quantity.',
    setAverage((order) => over([...order.fills, { price: 0n, quantity: rest(order) }]))),
  'avg-two-decimals': fault('avg_fill_price is rounded to two decimals, coarser than the tick.',
    setAverage((order) => over(order.fills, { digits: 2, round: 'half-up' }))),
  'avg-single-precision': fault('avg_fill_price comes from single-precision floats: 12 decimals shown, wrong from the 8th or so.',
    setAverage((order) => {
      let [value, volume] = [0, 0];
      for (const { price, quantity } of order.fills) {
        value = Math.fround(value + Math.fround(float(price) * float(quantity)));
        volume = Math.fround(volume + float(quantity));
      }
      return Math.fround(value / volume).toFixed(12);
    })),
  'avg-exponent': fault('avg_fill_price is written with an exponent (4.99e-1), not as a decimal.',
    setAverage((order) => Number(over(order.fills)).toExponential())),
  'avg-number': fault('avg_fill_price is a JSON number, not a decimal string.',
    setAverage((order) => Number(over(order.fills)), () => true)),
  'avg-null-unfilled': fault('avg_fill_price is null without fills; the page says "0".', setAverage(() => null, untouched)),
  'avg-padded-zero': fault('avg_fill_price is "0.0000" without fills; the page says "0".', setAverage(() => '0.0000', untouched)),
  'avg-empty-unfilled': fault('avg_fill_price is "" without fills; the page says "0".', setAverage(() => '', untouched)),
  'avg-price-unfilled': fault('avg_fill_price is the limit price without fills; the page says "0".',
    setAverage((order) => show(order.price), untouched)),
  'avg-missing-unfilled': fault('avg_fill_price is left out without fills; the page says "0".',
    edit((view) => { delete view.avg_fill_price; }, untouched)),
  'avg-zero-by-key': fault('avg_fill_price is "0" despite fills, for callers with an API key.',
    setAverage(() => '0', (o, ctx) => touched(o) && byKey(o, ctx))),

  'price-number': fault('price is a JSON number, not a decimal string.', edit((view) => { view.price = Number(view.price); })),
  'price-missing-post-only': fault('price is left out for post_only orders.', edit((view) => { delete view.price; }, postOnly)),
  'price-null-touched': fault('price is null for a partially filled limit order.', edit((view) => { view.price = null; }, touched)),
  'price-is-average': fault('price is the average fill price once there are fills.',
    edit((view) => { view.price = view.avg_fill_price; }, touched)),
  'price-two-decimals': fault('price is rounded to two decimals and no longer the price that was placed.',
    edit((view, o) => { view.price = over([{ price: o.price, quantity: ONE }], { digits: 2, round: 'half-up' }); })),
  'price-tick-off-on-sells': fault('price of a sell order is one tick too high.',
    edit((view, order) => { view.price = show(order.price + ONE / 10_000n); }, sell)),
  'quantity-is-remaining': fault('quantity is what was left open, not what was ordered.',
    edit((view, order) => { view.quantity = show(rest(order)); }, touched)),
  'quantity-is-filled': fault('quantity is reduced to what filled.', edit((view) => { view.quantity = view.filled_qty; }, touched)),
  'quantity-number': fault('quantity is a JSON number, not a decimal string.',
    edit((view) => { view.quantity = Number(view.quantity); })),
  'quantity-grouped': fault('quantity has thousands separators from 1,000 on.',
    edit((view) => { view.quantity = view.quantity.replace(/\B(?=(\d{3})+(?!\d))(?<!\.\d*)/g, ','); })),
  'quote-quantity-zero': fault('quote_quantity is "0" for a limit order, not null.', edit((view) => { view.quote_quantity = '0'; })),
  'quote-quantity-notional': fault('quote_quantity of a partially filled limit order is its filled value, not null.',
    edit((view, o) => { view.quote_quantity = show(times(o.price, o.filled)); }, touched)),
  'quote-quantity-missing': fault('quote_quantity is left out when it is null.', edit((view) => { delete view.quote_quantity; })),
};
