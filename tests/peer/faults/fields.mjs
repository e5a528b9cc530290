// Wrong words, times and shapes in the answer of a successful cancel.
import { randomUUID } from 'node:crypto';
import { byKey, edit, fault, fills, postOnly, rewrite, seconds, sell, touched, untouched } from './tools.mjs';

const set = (name, compute, when) => edit((view, order, ctx) => { view[name] = compute(view, order, ctx); }, when);
const drop = (name, when) => edit((view) => { delete view[name]; }, when);
const aged = (ms) => (order) => order.updatedMs - order.createdMs >= ms;
const camel = (name) => name.replace(/_(\w)/g, (_all, letter) => letter.toUpperCase());

export const fields = {
  'status-cancelled': fault('status is spelt "cancelled".', set('status', () => 'cancelled')),
  'status-upper-case': fault('status is "CANCELED".', set('status', () => 'CANCELED')),
  'status-before-cancel': fault('status is still "partially_filled" for an order with fills.',
    set('status', () => 'partially_filled', touched)),
  'status-open-unfilled': fault('status is still "open" for an order without fills.', set('status', () => 'open', untouched)),
  'status-expired-post-only': fault('status is "expired" for post_only orders.', set('status', () => 'expired', postOnly)),
  'status-cancelled-by-key': fault('status is spelt "cancelled" for callers with an API key.',
    set('status', () => 'cancelled', byKey)),
  'status-filled-after-three-fills': fault('status is "filled" for an order with three fills or more.',
    set('status', () => 'filled', fills(3))),

  'updated-in-ms': fault('updated_at is in milliseconds.', set('updated_at', (_v, order) => order.updatedMs)),
  'updated-is-created': fault('updated_at is created_at, not the time of the cancel.', set('updated_at', (v) => v.created_at)),
  'updated-is-last-fill': fault('updated_at of a partially filled order is the time of its last fill.',
    set('updated_at', (_v, order) => seconds(order.fills.at(-1).ms), touched)),
  'updated-in-future': fault('updated_at lies 30 s in the future.', set('updated_at', (v) => v.updated_at + 30)),
  'updated-before-created': fault('updated_at lies before created_at.', set('updated_at', (v) => v.created_at - 1)),
  'updated-in-past-when-old': fault('updated_at is an hour behind for orders older than 2 s.',
    set('updated_at', (v) => v.updated_at - 3600, aged(2000))),
  'updated-string': fault('updated_at is a string.', set('updated_at', (v) => String(v.updated_at))),
  'updated-iso': fault('updated_at is an ISO 8601 text.', set('updated_at', (_v, o) => new Date(o.updatedMs).toISOString())),
  'updated-fraction': fault('updated_at is not an integer.', set('updated_at', (v) => v.updated_at + 0.5)),
  'updated-null-unfilled': fault('updated_at is null when nothing filled.', set('updated_at', () => null, untouched)),
  'created-is-cancel-time': fault('created_at is rewritten to the time of the cancel.', set('created_at', (v) => v.updated_at)),
  'created-in-ms': fault('created_at is in milliseconds.', set('created_at', (_v, order) => order.createdMs)),
  'created-minute-back': fault('created_at of a sell order is a minute earlier than it was.',
    set('created_at', (v) => v.created_at - 60, sell)),
  'created-missing': fault('created_at is left out.', drop('created_at')),

  'id-fresh': fault('id is a new UUID, not that of the order.', set('id', () => randomUUID())),
  'id-fresh-by-key': fault('id is a new UUID for callers with an API key.', set('id', () => randomUUID(), byKey)),
  'id-missing': fault('id is left out.', drop('id')),
  'side-flipped': fault('side is the wrong one once there are fills.',
    set('side', (v) => (v.side === 'buy' ? 'sell' : 'buy'), touched)),
  'side-always-buy': fault('side of a sell order is "buy".', set('side', () => 'buy', sell)),
  'side-upper-case': fault('side is in capitals.', set('side', (v) => v.side.toUpperCase())),
  'type-market-when-filled': fault('type is "market" for a limit order with fills.', set('type', () => 'market', touched)),
  'type-upper-case': fault('type is in capitals.', set('type', () => 'LIMIT')),
  'tif-post-only-as-gtc': fault('tif of a post_only order is "gtc".', set('tif', () => 'gtc', postOnly)),
  'tif-null': fault('tif is null.', set('tif', () => null)),
  'tif-dashed-post-only': fault('tif of a post_only order is "post-only".', set('tif', () => 'post-only', postOnly)),
  'symbol-dashed': fault('symbol is "DF-USDT", not the market that was ordered in.', set('symbol', () => 'DF-USDT')),
  'symbol-missing-by-key': fault('symbol is left out for callers with an API key.', drop('symbol', byKey)),
  'reject-reason-text': fault('reject_reason names a reason although nothing was rejected.',
    set('reject_reason', () => 'CANCELED_BY_USER')),
  'reject-reason-empty': fault('reject_reason is "" instead of null.', set('reject_reason', () => '')),
  'reject-reason-missing': fault('reject_reason is left out when it is null.', drop('reject_reason')),

  'shape-wrapped': fault('The order is wrapped in {"order": …}.', rewrite(200, (r) => ({ ...r, body: { order: r.body } }))),
  'shape-array': fault('The order is the one element of an array.', rewrite(200, (r) => ({ ...r, body: [r.body] }))),
  'shape-camel-case': fault('The field names are in camelCase.', rewrite(200, (r) => ({ ...r,
    body: Object.fromEntries(Object.entries(r.body).map(([name, value]) => [camel(name), value])) }))),
  'shape-id-only': fault('The answer has only id and status.',
    rewrite(200, (r) => ({ ...r, body: { id: r.body.id, status: r.body.status } }))),
  'shape-truncated': fault('The body of a sell order\'s cancel is cut off and no JSON.',
    rewrite(200, (r) => r.body.side === 'sell' && { ...r, body: JSON.stringify(r.body).slice(0, -1) })),
  'shape-empty': fault('The body of a 200 is empty.', rewrite(200, () => ({ status: 200 }))),
  'code-204': fault('Success answers 204 without a body.', rewrite(200, () => ({ status: 204 }))),
  'code-202': fault('Success answers 202.', rewrite(200, (r) => ({ ...r, status: 202 }))),
  'code-201-touched': fault('Success answers 201 for a partially filled order.',
    rewrite(200, (r) => Number(r.body.filled_qty) > 0 && { ...r, status: 201 })),
  'type-text-plain': fault('The order is sent as text/plain.', rewrite(200, (r) => ({ ...r, type: 'text/plain' }))),
  'type-none': fault('The order is sent without a Content-Type.', rewrite(200, (r) => ({ ...r, type: null }))),
};
