// Small words to write faults with. A hook is (next, ctx, ...args): `next` is the conformant step it stands before.
import { isLive } from '../engine.mjs';

/** One entry of the catalogue: which rule a client sees broken, and the steps it replaces. */
export const fault = (breaks, hooks) => ({ breaks, hooks });

/** Change the order object of a 200, in place, for the orders that `when` picks. */
export const edit = (change, when = () => true) => ({
  view(next, ctx, order) {
    const view = next(ctx, order);
    if (when(order, ctx)) change(view, order, ctx);
    return view;
  },
});

/** Change the reply of the operation: `change` returns a new reply, or nothing to leave it. */
export const rewrite = (status, change) => ({
  reply: (next, ctx, reply) => (reply.status === status && change(reply, ctx)) || reply,
});

/** Do `extra` after the cancel took effect. */
export const afterwards = (extra) => ({
  effect(next, ctx, order) {
    next(ctx, order);
    extra(ctx, order);
  },
});

/** Cancel an order of whoever it is, without a word, if it can still be canceled. */
export const cancelQuietly = (ctx, order) => {
  if (order && isLive(order)) ctx.engine.cancel(order);
};

/** Change how an order that was canceled by this operation is shown by Query. */
export const laterQuery = (change) => ({
  ...afterwards((ctx, order) => { order.byCancel = true; }),
  queryView(next, ctx, order) {
    const view = next(ctx, order);
    return order.byCancel ? (change(view, order, ctx) ?? view) : view;
  },
});

export const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
export const seconds = (ms) => Math.floor(ms / 1000);
export const value = (ctx, name) => ctx.params.find((one) => one.name === name)?.value;

/** True on every n-th call, counted per server and name. */
export function every(ctx, name, n) {
  ctx.memory[name] = (ctx.memory[name] ?? 0) + 1;
  return ctx.memory[name] % n === 0;
}

export const sell = (order) => order.side === 'sell';
export const postOnly = (order) => order.tif === 'post_only';
export const touched = (order) => order.filled > 0n;
export const untouched = (order) => order.filled === 0n;
export const fills = (n) => (order) => order.fills.length >= n;
export const byKey = (_order, ctx) => ctx.caller.via === 'key';
export const byToken = (_order, ctx) => ctx.caller.via === 'jwt';
