// Wrong effects: the answer is fine, and something else happened to the order, to others, or not at all.
import { refuse } from '../cancel.mjs';
import { isLive } from '../engine.mjs';
import { times } from '../decimal.mjs';
import {
  afterwards, byKey, cancelQuietly, every, fault, laterQuery, pause, sell, touched, value,
} from './tools.mjs';

/** Close the order for every display, but leave it on the book where it goes on matching. */
const ghost = (when) => ({
  effect(next, ctx, order) {
    if (!when(order, ctx)) return next(ctx, order);
    next(ctx, order);
    return ctx.engine.rest(order);
  },
});
const others = (ctx, order) => [...ctx.engine.orders.values()].filter((one) => one !== order && isLive(one));
const own = (ctx, order) => others(ctx, order).filter((one) => one.owner === order.owner);
const level = (order) => (one) => one.side === order.side && one.price === order.price;
/** Look the order up under another id when the path's names none, or instead of it. */
const byAlias = (find) => ({ lookup: (next, ctx) => find(ctx, (id) => ctx.engine.orders.get(String(id))) ?? next(ctx) });
const fromBody = (ctx) => {
  try {
    const { id, orderId } = JSON.parse(ctx.body);
    return id ?? orderId;
  } catch {
    return undefined;
  }
};
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i;
/** Take more texts for an id than are UUIDs. */
const looserId = (find) => ({ parseId: (next, ctx, raw) => next(ctx, raw) ?? (raw === null ? null : (find(raw, ctx) ?? null)) });
const worth = (order) => (order.side === 'buy' ? times(order.price, order.quantity) : order.quantity);
/** Keep a share of the lock instead of giving it back with the cancel. */
const keepLock = (when) => ({
  effect(next, ctx, order) {
    if (when(order)) order.locked = 0n;
    next(ctx, order);
  },
});

export const effects = {
  'stays-on-book': fault('After a 200 the order stays on the book and can still fill.', ghost(() => true)),
  'stays-on-book-sells': fault('After a 200 a sell order stays on the book and can still fill.', ghost(sell)),
  'stays-on-book-touched': fault('After a 200 a partially filled order stays on the book and can still fill.', ghost(touched)),
  'stays-on-book-by-key': fault('After a 200 to an API key, the order stays on the book and can still fill.', ghost(byKey)),
  'stays-on-book-every-fifth': fault('After every fifth 200 the order stays on the book and can still fill.',
    ghost((_order, ctx) => every(ctx, 'fifth', 5))),
  'stays-on-book-half-second': fault('For half a second after a 200, the order can still fill.', {
    effect(next, ctx, order) {
      next(ctx, order);
      ctx.engine.rest(order);
      setTimeout(() => ctx.engine.unrest(order), 500).unref();
    } }),
  'returns-after-a-second': fault('A second after its cancel the order is open again.', afterwards((ctx, order) => {
    setTimeout(() => {
      order.status = touched(order) ? 'partially_filled' : 'open';
      order.locked = 0n;
      ctx.engine.rest(order);
    }, 1000).unref(); })),
  'answered-but-nothing-done': fault('The answer is a 200 with status "canceled", and the order is as open as before.', {
    effect() {}, view: (next, ctx, order) => ({ ...next(ctx, order), status: 'canceled', updated_at: Math.floor(ctx.now() / 1000) }) }),
  'stays-in-open-orders': fault('The canceled order is still listed among the open orders.', {
    ...afterwards((_ctx, order) => { order.byCancel = true; }),
    openOrders: (next, ctx) => [...next(ctx), ...[...ctx.engine.orders.values()]
      .filter((one) => one.byCancel && one.owner === ctx.caller.account.name)] }),
  'leaves-open-orders-empty': fault('After a cancel, the caller\'s other open orders are no longer listed.', {
    ...afterwards((ctx, order) => { ctx.memory.hidden = order.owner; }),
    openOrders: (next, ctx) => (ctx.memory.hidden === ctx.caller.account.name ? [] : next(ctx)) }),

  'query-open': fault('Query still shows the canceled order as open.', laterQuery((view) => { view.status = 'open'; })),
  'query-touched-live': fault('Query still shows a canceled order with fills as partially_filled.',
    laterQuery((view, order) => { if (touched(order)) view.status = 'partially_filled'; })),
  'query-cancelled': fault('Query spells the status of the canceled order "cancelled".',
    laterQuery((view) => { view.status = 'cancelled'; })),
  'query-forgets-fills': fault('Query shows filled_qty "0" for an order that was canceled after fills.',
    laterQuery((view) => { view.filled_qty = '0'; })),
  'query-average-lost': fault('Query shows another avg_fill_price than the cancel did.',
    laterQuery((view, order) => { if (touched(order)) view.avg_fill_price = '0'; })),
  'query-fills-grow': fault('Query shows the canceled order with its whole quantity filled.',
    laterQuery((view) => { view.filled_qty = view.quantity; })),
  'query-updated-moves': fault('Query shows an updated_at that goes on with the clock after the cancel.',
    laterQuery((view, _order, ctx) => { view.updated_at = Math.floor(ctx.now() / 1000); })),
  'query-created-moves': fault('After the cancel, Query shows the time of the cancel as created_at.',
    laterQuery((view) => { view.created_at = view.updated_at; })),
  'query-gone': fault('Query knows nothing of the canceled order: 404.',
    { ...afterwards((_ctx, order) => { order.byCancel = true; }), queryView: (next, ctx, order) => (order.byCancel ? null : next(ctx, order)) }),
  'updated-moves-on-repeat': fault('A second cancel gets 404 and moves updated_at of the canceled order.', {
    terminal: (next, ctx, order) => { order.updatedMs = ctx.now(); return next(ctx, order); } }),
  'repeat-turns-rejected': fault('A second cancel gets 404 and turns the canceled order "rejected".', {
    terminal: (next, ctx, order) => { if (order.status === 'canceled') order.status = 'rejected'; return next(ctx, order); } }),
  'late-cancel-unfills': fault('Canceling a filled order gets 404 and turns it "canceled".', {
    terminal: (next, ctx, order) => { order.status = 'canceled'; return next(ctx, order); } }),
  'trades-vanish': fault('The fills before the cancel vanish from the caller\'s trades.', {
    ...afterwards((_ctx, order) => { order.byCancel = true; }),
    myTrades: (next, ctx) => next(ctx).filter((trade) => !trade.order.byCancel) }),
  'trades-vanish-for-other-side': fault('The fills before the cancel vanish from the other user\'s trades.', {
    ...afterwards((_ctx, order) => { order.byCancel = true; }),
    myTrades: (next, ctx) => {
      const gone = new Set(ctx.engine.trades.filter((trade) => trade.order.byCancel).map((trade) => trade.id));
      return next(ctx).filter((trade) => trade.order.byCancel || !gone.has(trade.id));
    } }),

  'lock-kept': fault('The locked funds are not given back.', keepLock(() => true)),
  'lock-kept-touched': fault('The locked rest of a partially filled order is not given back.', keepLock(touched)),
  'lock-released-twice': fault('The locked funds are given back twice.',
    afterwards((ctx, order) => ctx.engine.refund(order, worth(order)))),
  'lock-released-on-repeat': fault('A second cancel gets 404 and gives the locked funds back once more.', {
    terminal: (next, ctx, order) => { if (order.price !== null) ctx.engine.refund(order, worth(order)); return next(ctx, order); } }),

  'cancels-another-own': fault('The caller\'s oldest other order is canceled too.',
    afterwards((ctx, order) => cancelQuietly(ctx, own(ctx, order)[0]))),
  'cancels-own-level': fault('All of the caller\'s orders at the same price are canceled too.',
    afterwards((ctx, order) => own(ctx, order).filter(level(order)).forEach((one) => cancelQuietly(ctx, one)))),
  'cancels-foreign-level': fault('The other users\' orders at the same price are canceled too.',
    afterwards((ctx, order) => others(ctx, order).filter((one) => one.owner !== order.owner && level(order)(one))
      .forEach((one) => cancelQuietly(ctx, one)))),
  'cancels-everything-own': fault('All of the caller\'s orders are canceled.',
    afterwards((ctx, order) => own(ctx, order).forEach((one) => cancelQuietly(ctx, one)))),
  'unknown-cancels-newest': fault('A UUID that names no order gets 404 and cancels the caller\'s newest order.', {
    unknown: (next, ctx) => { cancelQuietly(ctx, ctx.engine.live(ctx.caller.account.name).at(-1)); return next(ctx); } }),
  'foreign-cancels-own': fault('Another user\'s order gets 403, and the caller\'s own newest order is canceled.', {
    foreign: (next, ctx, order) => { cancelQuietly(ctx, ctx.engine.live(ctx.caller.account.name).at(-1)); return next(ctx, order); } }),
  'invalid-id-cancels-all': fault('An id that is no UUID gets 400 and cancels all of the caller\'s orders.', {
    invalidId(next, ctx) {
      const caller = ctx.caller ?? ctx.h.caller(ctx);
      if (caller) for (const order of ctx.engine.live(caller.account.name)) cancelQuietly(ctx, order);
      return next(ctx);
    } }),

  'id-from-query': fault('A query parameter id names the order, not the path.', byAlias((ctx, find) => find(value(ctx, 'id')))),
  'order-id-from-query': fault('A query parameter orderId names the order, not the path.',
    byAlias((ctx, find) => find(value(ctx, 'orderId')))),
  'id-from-body': fault('An id in a JSON body names the order, not the path.', byAlias((ctx, find) => find(fromBody(ctx)))),
  'id-prefix': fault('The first eight digits of an id cancel the order; they are no UUID.',
    looserId((raw, ctx) => /^[0-9a-f]{8,}/i.test(raw)
      ? [...ctx.engine.orders.keys()].find((id) => raw.length < 36 && id.startsWith(raw.toLowerCase())) : null)),
  'id-trailing-text': fault('A UUID with text behind it is taken for the UUID, not refused with 400.',
    looserId((raw) => new RegExp(`^${UUID.source}`, 'i').exec(raw)?.[0].toLowerCase())),
  'id-trimmed': fault('A UUID with blanks around it is taken for the UUID, not refused with 400.',
    looserId((raw) => (UUID.test(raw.trim()) && raw.trim().length === 36 ? raw.trim().toLowerCase() : null))),
  'id-last-digit-ignored': fault('An id that differs from an order\'s in the last digit cancels that order.', {
    lookup: (next, ctx) => next(ctx) ?? [...ctx.engine.orders.values()].find((one) => one.id.slice(0, -1) === ctx.id.slice(0, -1)) }),

  'race-two-winners': fault('Two cancels of one order at the same time both get 200.', {
    async decide(next, ctx) {
      const order = ctx.h.lookup(ctx);
      const refusal = order ? ctx.h.refusal(ctx, order) : ctx.h.unknown(ctx);
      if (refusal) return refusal;
      await pause(15);
      cancelQuietly(ctx, order);
      return { status: 200, body: ctx.h.view(ctx, order) };
    } }),
  'race-no-winner': fault('Two cancels of one order at the same time can both get 404.', {
    async decide(next, ctx) {
      const order = ctx.h.lookup(ctx);
      if (!order || ctx.h.refusal(ctx, order)) return next(ctx);
      order.contenders = (order.contenders ?? 0) + 1;
      await pause(15);
      if (order.contenders === 1) return next(ctx);
      cancelQuietly(ctx, order);
      return ctx.h.unknown(ctx);
    } }),
  'race-fill-lost': fault('Fills that arrive while the cancel is under way are missing in its filled_qty.', {
    async decide(next, ctx) {
      const order = ctx.h.lookup(ctx);
      if (!order || ctx.h.refusal(ctx, order)) return next(ctx);
      const before = ctx.h.view(ctx, order);
      await pause(15);
      const { filled_qty, avg_fill_price } = before;
      const reply = next(ctx);
      return reply.status === 200 ? { ...reply, body: { ...reply.body, filled_qty, avg_fill_price } } : reply;
    } }),
  'race-fill-overwritten': fault('An order that fills completely while its cancel is under way still gets 200 "canceled".', {
    async decide(next, ctx) {
      const order = ctx.h.lookup(ctx);
      if (!order || ctx.h.refusal(ctx, order)) return next(ctx);
      await pause(15);
      if (isLive(order)) return next(ctx);
      order.status = 'canceled';
      return { status: 200, body: ctx.h.view(ctx, order) };
    } }),
  'race-repeat-500': fault('Cancels of one order at the same time: those that lose get 500, not 404.', {
    terminal: (next, ctx, order) => (ctx.now() - order.updatedMs < 50 ? refuse(500, 'INTERNAL') : next(ctx, order)) }),
};
