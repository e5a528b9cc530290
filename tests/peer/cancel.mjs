// Cancel Order, step by step. Every step is a policy reached through `ctx.h`; a fault replaces one of them.
import { average, show } from './decimal.mjs';
import { isLive } from './engine.mjs';

export const refuse = (status, error) => ({ status, body: { error } });
const HYPHENATED = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const seconds = (ms) => Math.floor(ms / 1000);

function hyphenate(text) {
  const hex = /^(?:urn:uuid:)?([0-9a-f]{32})$/i.exec(text)?.[1];
  return hex?.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** The order object of the page, in the flavour's way of writing amounts. */
export function orderView(ctx, order) {
  const { amountDigits: digits, averageStyle, extraFields } = ctx.choices;
  const view = {
    id: order.id, symbol: order.symbol, side: order.side, type: order.type, tif: order.tif,
    price: order.price === null ? null : show(order.price, digits.price),
    quantity: order.quantity === null ? null : show(order.quantity, digits.quantity),
    quote_quantity: order.quoteQuantity === null ? null : show(order.quoteQuantity),
    filled_qty: show(order.filled, digits.quantity),
    avg_fill_price: average(order.fills, averageStyle),
    status: order.status, reject_reason: null,
    created_at: seconds(order.createdMs), updated_at: seconds(order.updatedMs),
  };
  return extraFields ? { venue_seq: String(order.createdMs), ...view, client_order_id: null } : view;
}

export const cancelPolicies = {
  /** The whole operation: a reply {status, body?, headers?}. */
  async cancel(ctx) {
    const identify = () => {
      ctx.id = ctx.h.parseId(ctx, ctx.h.rawId(ctx));
      return ctx.id === null ? ctx.h.invalidId(ctx) : null;
    };
    const authenticate = () => {
      ctx.caller = ctx.h.caller(ctx);
      return ctx.caller ? null : ctx.h.unauthorized(ctx);
    };
    const checks = ctx.choices.authFirst ? [authenticate, identify] : [identify, authenticate];
    for (const check of checks) {
      const refusal = check();
      if (refusal) return refusal;
    }
    return ctx.h.gate(ctx) ?? (await ctx.mailbox.submit(() => ctx.h.decide(ctx))) ?? ctx.h.busy(ctx);
  },

  /** The last touch on any reply of the operation. */
  reply: (_ctx, reply) => reply,

  /** The id as sent, percent-decoded; null when the encoding is broken. */
  rawId(ctx) {
    try {
      return decodeURIComponent(ctx.rawId);
    } catch {
      return null;
    }
  },

  /** The id in lower case with hyphens, or null when it is not a UUID in a spelling the flavour takes. */
  parseId(ctx, raw) {
    if (raw === null) return null;
    if (ctx.choices.upperCaseId === 'refuse' && raw !== raw.toLowerCase()) return null;
    if (HYPHENATED.test(raw)) return raw.toLowerCase();
    if (ctx.choices.spellings !== 'all') return null;
    const inner = /^\{(.*)\}$/.exec(raw)?.[1] ?? raw.replace(/^urn:uuid:/i, '');
    return HYPHENATED.test(inner) ? inner.toLowerCase() : (hyphenate(inner)?.toLowerCase() ?? null);
  },

  invalidId: () => refuse(400, 'invalid id'),

  /** 503 while the engine takes no commands, else null. */
  gate(ctx) {
    if (ctx.choices.mode === 'disabled') return refuse(503, 'spot trading disabled');
    return ctx.choices.mode === 'restarting' ? refuse(503, 'ENGINE_RESTARTING') : null;
  },

  busy: () => refuse(503, 'ENGINE_BUSY'),

  /** Inside the engine: look the order up, refuse or cancel it, answer. Nothing can come between. */
  decide(ctx) {
    const order = ctx.h.lookup(ctx);
    if (!order) return ctx.h.unknown(ctx);
    const refusal = ctx.h.refusal(ctx, order);
    if (refusal) return refusal;
    ctx.h.effect(ctx, order);
    return { status: 200, body: ctx.h.view(ctx, order) };
  },

  lookup: (ctx) => ctx.engine.orders.get(ctx.id),
  unknown: () => refuse(404, 'ORDER_NOT_FOUND'),

  refusal(ctx, order) {
    if (!ctx.h.owns(ctx, order)) return ctx.h.foreign(ctx, order);
    return isLive(order) ? null : ctx.h.terminal(ctx, order);
  },

  owns: (ctx, order) => order.owner === ctx.caller.account.name,

  foreign(ctx, order) {
    return isLive(order) || ctx.choices.foreignTerminal === 403
      ? refuse(403, 'FORBIDDEN')
      : refuse(404, 'ORDER_NOT_FOUND');
  },

  terminal: () => refuse(404, 'ORDER_NOT_FOUND'),
  effect: (ctx, order) => ctx.engine.cancel(order),
  view: (ctx, order) => orderView(ctx, order),
};

/** What other operations show of a canceled order; faults of the cancel's effect reach in here. */
export const afterPolicies = {
  queryView: (ctx, order) => orderView(ctx, order),
  openOrders: (ctx) => ctx.engine.live(ctx.caller.account.name),
  myTrades: (ctx) => ctx.engine.trades.filter((trade) => trade.order.owner === ctx.caller.account.name),
};
