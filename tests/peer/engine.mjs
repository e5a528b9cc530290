// The matching engine: one market, price-time priority, balances that lock and release.
// It is synchronous; the mailbox (mailbox.mjs) decides when a command runs.
import { randomUUID } from 'node:crypto';
import { ONE, parse, times } from './decimal.mjs';

export const MARKET = { id: 'DFUSDT', base: 'DF', quote: 'USDT', tick: '0.0001', lot: '0.01', minNotional: '1' };
const TICK = parse(MARKET.tick);
const LOT = parse(MARKET.lot);
const MIN_NOTIONAL = parse(MARKET.minNotional);

/** A refused command: the HTTP status and the error string of the answer. */
export class Refusal extends Error {
  constructor(status, error) {
    super(error);
    this.status = status;
  }
}

export const isLive = (order) => order.status === 'open' || order.status === 'partially_filled';
const opposite = (side) => (side === 'buy' ? 'sell' : 'buy');
const crosses = (side, limit, price) => limit === null || (side === 'buy' ? price <= limit : price >= limit);

export class Engine {
  /** `now` gives the server's time in ms; `balance` is what each user starts with, in each token. */
  constructor({ users, now, balance, makerBps, takerBps }) {
    this.now = now;
    this.bps = { maker: BigInt(makerBps), taker: BigInt(takerBps) };
    this.orders = new Map();
    this.book = { buy: [], sell: [] };
    this.trades = [];
    this.wallets = new Map(users.map((user) => [user, { DF: balance, USDT: balance }]));
  }

  /** Place an order for `user` from the request's JSON object; returns the order, throws Refusal. */
  place(user, request) {
    const order = this.#read(user, request);
    const plan = this.#plan(order);
    if (order.tif === 'post_only' && plan.length) throw new Refusal(400, 'POST_ONLY_REJECT');
    if (plan.some((step) => step.maker.owner === user)) throw new Refusal(400, 'SELF_TRADE');
    this.#lock(order, plan);
    this.orders.set(order.id, order);
    for (const step of plan) this.#trade(order, step);
    // A market buy is done when its quote amount is; a book that ran empty first leaves a remainder.
    const done = order.quantity === null
      ? plan.length > 0 && this.book.sell.length > 0
      : order.filled === order.quantity;
    if (done) this.#finish(order, 'filled');
    else if (order.type === 'market' || order.tif === 'ioc') this.#finish(order, 'canceled');
    else this.rest(order);
    return order;
  }

  /** Take a live order off the book, give its lock back, and close it as canceled. */
  cancel(order) {
    this.unrest(order);
    order.updatedMs = this.now();
    this.#finish(order, 'canceled');
  }

  /** Put an order on the book behind the orders of the same price. */
  rest(order) {
    const side = this.book[order.side];
    const better = (other) => (order.side === 'buy' ? other.price >= order.price : other.price <= order.price);
    let at = 0;
    while (at < side.length && better(side[at])) at += 1;
    side.splice(at, 0, order);
  }

  /** Take an order off the book, if it is there. */
  unrest(order) {
    this.book[order.side] = this.book[order.side].filter((other) => other !== order);
  }

  /** The live orders of `user`, oldest first. */
  live(user) {
    return [...this.orders.values()].filter((order) => order.owner === user && isLive(order));
  }

  /** Give `amount` of what the order had locked back to its owner. */
  refund(order, amount) {
    this.wallets.get(order.owner)[order.side === 'buy' ? 'USDT' : 'DF'] += amount;
  }

  #read(user, { symbol, side, type, tif, price, quantity, quote_quantity: quoteQuantity }) {
    if (symbol !== MARKET.id) throw new Refusal(404, 'MARKET_NOT_FOUND');
    if (side !== 'buy' && side !== 'sell') throw new Refusal(400, 'invalid side');
    if (type !== 'limit' && type !== 'market') throw new Refusal(400, 'invalid type');
    const timeInForce = tif ?? (type === 'limit' ? 'gtc' : 'ioc');
    const known = type === 'limit' ? ['gtc', 'ioc', 'post_only'] : ['ioc'];
    if (!known.includes(timeInForce)) throw new Refusal(400, 'invalid tif');
    const byQuote = type === 'market' && side === 'buy';
    const amount = (text, wanted, name) => {
      if (!wanted) return null;
      const value = parse(text);
      if (!value) throw new Refusal(400, `invalid ${name}`);
      return value;
    };
    const order = {
      id: randomUUID(), owner: user, symbol, side, type, tif: timeInForce,
      price: amount(price, type === 'limit', 'price'),
      quantity: amount(quantity, !byQuote, 'quantity'),
      quoteQuantity: amount(quoteQuantity, byQuote, 'quote_quantity'),
      filled: 0n, fills: [], locked: 0n, status: 'open', createdMs: this.now(), updatedMs: this.now(),
    };
    if (order.price !== null && order.price % TICK) throw new Refusal(400, 'INVALID_TICK');
    if (order.quantity !== null && order.quantity % LOT) throw new Refusal(400, 'INVALID_LOT');
    const notional = byQuote ? order.quoteQuantity : order.price && times(order.price, order.quantity);
    if (notional !== null && notional < MIN_NOTIONAL) throw new Refusal(400, 'BELOW_MIN_NOTIONAL');
    return order;
  }

  /** What the order would trade now: [{maker, price, quantity}], best price first, then oldest. */
  #plan(order) {
    const steps = [];
    let [left, budget] = [order.quantity, order.quoteQuantity];
    for (const maker of this.book[opposite(order.side)]) {
      if (!crosses(order.side, order.price, maker.price)) break;
      const wanted = left ?? (((budget * ONE) / maker.price) / LOT) * LOT;
      const rest = maker.quantity - maker.filled;
      const quantity = wanted < rest ? wanted : rest;
      if (quantity === 0n) break;
      steps.push({ maker, price: maker.price, quantity });
      if (left === null) budget -= times(maker.price, quantity);
      else left -= quantity;
    }
    return steps;
  }

  #lock(order, plan) {
    const token = order.side === 'buy' ? MARKET.quote : MARKET.base;
    const cost = plan.reduce((sum, step) => sum + times(step.price, step.quantity), 0n);
    let amount = order.quantity;
    if (order.side === 'buy') amount = order.type === 'market' ? cost : times(order.price, order.quantity);
    const wallet = this.wallets.get(order.owner);
    if (wallet[token] < amount) throw new Refusal(400, 'INSUFFICIENT_BALANCE');
    wallet[token] -= amount;
    order.locked = amount;
  }

  #trade(taker, { maker, price, quantity }) {
    const at = { ms: this.now(), price, quantity };
    for (const [order, role] of [[maker, 'maker'], [taker, 'taker']]) {
      const cost = times(price, quantity);
      const buying = order.side === 'buy';
      const spent = buying ? times(order.price ?? price, quantity) : quantity;
      order.locked -= spent;
      if (buying) this.refund(order, spent - cost);
      const gain = buying ? quantity : cost;
      const fee = (gain * this.bps[role]) / 10_000n;
      this.wallets.get(order.owner)[buying ? MARKET.base : MARKET.quote] += gain - fee;
      order.filled += quantity;
      order.fills.push(at);
      order.updatedMs = at.ms;
      // A closed order that is still on the book can only be a fault's doing: it fills and keeps its status.
      if (isLive(order)) order.status = 'partially_filled';
      this.trades.push({ ...at, id: this.trades.length + (role === 'maker' ? 2 : 1), order, role, fee,
        feeToken: buying ? MARKET.base : MARKET.quote });
    }
    if (maker.filled === maker.quantity) {
      this.unrest(maker);
      if (isLive(maker)) this.#finish(maker, 'filled');
    }
  }

  #finish(order, status) {
    this.refund(order, order.locked);
    order.locked = 0n;
    order.status = status;
  }
}
