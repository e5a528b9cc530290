// The operations around Cancel Order: place, query, open orders, own trades, cancel all, markets, health.
import { orderView, refuse } from './cancel.mjs';
import { parse, show } from './decimal.mjs';
import { MARKET, Refusal } from './engine.mjs';

const listing = (ctx, name, rows) => ({ status: 200, body: ctx.choices.listShape === 'array' ? rows : { [name]: rows } });
const param = (ctx, name) => ctx.params.find((one) => one.name === name)?.value;

/** Run a command in the engine's turn; a full backlog or a stopped engine is a 503, a Refusal its answer. */
async function command(ctx, run) {
  const closed = ctx.h.gate(ctx);
  if (closed) return closed;
  try {
    return (await ctx.mailbox.submit(run)) ?? ctx.h.busy(ctx);
  } catch (error) {
    if (error instanceof Refusal) return refuse(error.status, error.message);
    throw error;
  }
}

async function place(ctx) {
  let request;
  try {
    request = JSON.parse(ctx.body);
  } catch {
    request = null;
  }
  if (request === null || typeof request !== 'object') return refuse(400, 'invalid json');
  return command(ctx, () => {
    const order = ctx.engine.place(ctx.caller.account.name, request);
    const fills = order.fills.map((fill) => ({ price: show(fill.price), quantity: show(fill.quantity) }));
    return { status: 200, body: { ...orderView(ctx, order), fills } };
  });
}

function query(ctx) {
  const id = ctx.h.parseId(ctx, ctx.h.rawId(ctx));
  if (id === null) return refuse(400, 'invalid id');
  const order = ctx.engine.orders.get(id);
  if (order && order.owner !== ctx.caller.account.name && ctx.choices.foreignQuery === 403) return refuse(403, 'FORBIDDEN');
  const mine = order?.owner === ctx.caller.account.name;
  const view = mine ? ctx.h.queryView(ctx, order) : null;
  return view ? { status: 200, body: view } : refuse(404, 'ORDER_NOT_FOUND');
}

function openOrders(ctx) {
  const symbol = param(ctx, 'symbol');
  const rows = ctx.h.openOrders(ctx).filter((order) => !symbol || order.symbol === symbol);
  return listing(ctx, 'orders', rows.map((order) => orderView(ctx, order)));
}

function myTrades(ctx) {
  const [symbol, start, end] = ['symbol', 'start', 'end'].map((name) => param(ctx, name));
  const limit = Number(param(ctx, 'limit') ?? 100);
  const rows = ctx.h.myTrades(ctx).map((trade) => ({
    trade_id: String(trade.id), symbol: trade.order.symbol, side: trade.order.side, price: show(trade.price),
    quantity: show(trade.quantity), fee: show(trade.fee), fee_token: trade.feeToken, role: trade.role,
    order_id: trade.order.id, ts: Math.floor(trade.ms / 1000),
  }));
  const wanted = (row) => (!symbol || row.symbol === symbol) && !(row.ts < Number(start)) && !(row.ts > Number(end));
  return listing(ctx, 'trades', rows.filter(wanted).reverse().slice(0, limit));
}

function cancelAll(ctx) {
  const symbol = param(ctx, 'symbol');
  if (symbol && symbol !== MARKET.id) return refuse(404, 'MARKET_NOT_FOUND');
  return command(ctx, () => {
    const canceled = ctx.engine.live(ctx.caller.account.name);
    for (const order of canceled) ctx.engine.cancel(order);
    return { status: 200, body: { canceled: canceled.map((order) => orderView(ctx, order)) } };
  });
}

function markets(ctx) {
  const { makerBps, takerBps } = ctx.choices;
  return listing(ctx, 'markets', [{
    id: MARKET.id, base_token: MARKET.base, quote_token: MARKET.quote, tick_size: MARKET.tick, lot_size: MARKET.lot,
    min_notional: MARKET.minNotional, maker_fee_bps: makerBps, taker_fee_bps: takerBps, status: 'listed',
  }]);
}

function health(ctx) {
  const engine = ctx.choices.mode === 'disabled' ? 'disabled' : 'running';
  return { status: 200, body: { engine, queue_depth: ctx.mailbox.waiting.length, books_loaded: 1 } };
}

const PATHS = [
  [/^\/spot\/markets$/, { GET: markets }, 'public'],
  [/^\/spot\/health$/, { GET: health }, 'public'],
  [/^\/spot\/trades\/me$/, { GET: myTrades }],
  [/^\/spot\/orders$/, { GET: openOrders, POST: place, DELETE: cancelAll }],
  [/^\/spot\/orders\/([^/]+)$/, { GET: query, DELETE: 'cancel' }],
];

/** Answer one request: `ctx.h` is set here, to the faulty policies for Cancel Order and the plain ones elsewhere. */
export async function answer(ctx, { faulty, plain }) {
  ctx.h = plain;
  const path = ctx.path.startsWith('/api/v1') ? ctx.path.slice('/api/v1'.length) : '';
  if (path === '/spot/orders/' && ctx.choices.emptyId === 400 && ctx.method === 'DELETE') return refuse(400, 'invalid id');
  for (const [pattern, methods, access] of PATHS) {
    const match = pattern.exec(path);
    if (!match) continue;
    const handler = methods[ctx.method];
    if (!handler) {
      if (ctx.choices.otherMethods === 404) return refuse(404, 'NOT_FOUND');
      return { ...refuse(405, 'METHOD_NOT_ALLOWED'), headers: { Allow: Object.keys(methods).join(', ') } };
    }
    [, ctx.rawId] = match;
    if (handler === 'cancel') {
      ctx.h = faulty;
      return ctx.h.reply(ctx, await ctx.h.cancel(ctx));
    }
    if (access !== 'public') {
      ctx.caller = ctx.h.caller(ctx);
      if (!ctx.caller) return ctx.h.unauthorized(ctx);
    }
    return handler(ctx);
  }
  return refuse(404, 'NOT_FOUND');
}

export const startingBalance = (choices) => parse(choices.balance);
