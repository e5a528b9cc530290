// Wrong refusals: the status, the error string, the body, and which cases are refused at all.
import { refuse } from '../cancel.mjs';
import { isLive } from '../engine.mjs';
import { cancelQuietly, every, fault, rewrite, sell, touched } from './tools.mjs';

const notFound = () => refuse(404, 'ORDER_NOT_FOUND');
const forbidden = () => refuse(403, 'FORBIDDEN');
const HTML = '<!doctype html><title>404</title><h1>Not Found</h1>';

/** Answer an invalid id with `answer` when `when(raw id)`, else as documented. */
const invalid = (answer, when = () => true) => ({
  invalidId: (next, ctx) => (when(ctx.h.rawId(ctx) ?? '') ? answer : next(ctx)),
});
/** Answer for another user's live order with `answer(ctx, order)` when `when(order, ctx)`. */
const foreign = (answer, when = () => true) => ({
  foreign: (next, ctx, order) => (isLive(order) && when(order, ctx) ? answer(ctx, order) : next(ctx, order)),
});
/** Answer for an own closed order with `answer(ctx, order)` when `when(order)`. */
const closed = (answer, when = () => true) => ({
  terminal: (next, ctx, order) => (when(order) ? answer(ctx, order) : next(ctx, order)),
});
const again = (ctx, order) => ({ status: 200, body: ctx.h.view(ctx, order) });
const canceled = (order) => order.status === 'canceled';
const filled = (order) => order.status === 'filled';
const spell = (status, error) => rewrite(status, () => refuse(status, error));

export const errors = {
  'invalid-id-404': fault('An id that is no UUID gets 404, not 400.', invalid(notFound())),
  'invalid-id-422': fault('An id that is no UUID gets 422, not 400.', invalid(refuse(422, 'invalid id'))),
  'invalid-id-nul-500': fault('An id with a NUL byte gets 500, not 400.',
    invalid(refuse(500, 'INTERNAL'), (raw) => raw.includes('\0'))),
  'invalid-id-numeric-404': fault('A numeric id gets 404, not 400.', invalid(notFound(), (raw) => /^\d+$/.test(raw))),
  'invalid-id-long-500': fault('An id of more than 64 characters gets 500, not 400.',
    invalid(refuse(500, 'INTERNAL'), (raw) => raw.length > 64)),
  'invalid-id-non-hex-404': fault('An id shaped like a UUID but with a letter beyond f gets 404, not 400.',
    invalid(notFound(), (raw) => /^\w{8}(-\w{4}){3}-\w{12}$/.test(raw))),
  'invalid-id-short-404': fault('A UUID that lacks its last digit gets 404, not 400.',
    invalid(notFound(), (raw) => raw.length === 35)),
  'invalid-id-non-ascii-500': fault('An id with a letter outside ASCII gets 500, not 400.',
    invalid(refuse(500, 'INTERNAL'), (raw) => /[^\0-\x7f]/.test(raw))),
  'invalid-id-broken-percent-500': fault('An id with a broken percent escape gets 500, not 400.',
    { invalidId: (next, ctx) => (ctx.h.rawId(ctx) === null ? refuse(500, 'INTERNAL') : next(ctx)) }),
  'invalid-id-spelling': fault('The error string is "INVALID_ID", not "invalid id".', spell(400, 'INVALID_ID')),
  'invalid-id-sentence': fault('The error string is "Invalid id", with a capital.', spell(400, 'Invalid id')),
  'invalid-id-echo': fault('The error string repeats the id that was sent.',
    { invalidId: (next, ctx) => refuse(400, `invalid id: ${ctx.rawId}`) }),
  'invalid-id-message': fault('The 400 body is {"message": …}, not {"error": …}.',
    rewrite(400, () => ({ status: 400, body: { message: 'invalid id' } }))),
  'version-not-4-is-invalid': fault('A valid UUID of another version than 4 gets 400, not 404.', {
    parseId: (next, ctx, raw) => { const id = next(ctx, raw); return id?.[14] === '4' ? id : null; } }),

  'unknown-400': fault('A UUID that names no order gets 400, not 404.', { unknown: () => refuse(400, 'ORDER_NOT_FOUND') }),
  'unknown-200': fault('A UUID that names no order gets 200, not 404.',
    { unknown: (next, ctx) => ({ status: 200, body: { id: ctx.id, status: 'canceled' } }) }),
  'unknown-403': fault('A UUID that names no order gets 403, not 404.', { unknown: forbidden }),
  'unknown-204': fault('A UUID that names no order gets 204, not 404.', { unknown: () => ({ status: 204 }) }),
  'unknown-nil-500': fault('The nil UUID gets 500, not 404.',
    { unknown: (next, ctx) => (/^[0-]+$/.test(ctx.id) ? refuse(500, 'INTERNAL') : next(ctx)) }),
  'not-found-lower-case': fault('The 404 error string is in lower case.', spell(404, 'order_not_found')),
  'not-found-sentence': fault('The 404 error string is a sentence.', spell(404, 'Order not found')),
  'not-found-unknown-order': fault('The 404 error string of a closed order is "ORDER_ALREADY_CLOSED".',
    closed(() => refuse(404, 'ORDER_ALREADY_CLOSED'))),
  'not-found-html': fault('The 404 is an HTML page.', rewrite(404, () => ({ status: 404, body: HTML, type: 'text/html' }))),
  'not-found-plain-text': fault('The 404 body is the bare string, no JSON.',
    rewrite(404, () => ({ status: 404, body: 'ORDER_NOT_FOUND', type: 'text/plain' }))),
  'not-found-empty': fault('The 404 has no body.', rewrite(404, () => ({ status: 404 }))),
  'not-found-nested': fault('The 404 error is an object with a code, not a string.',
    rewrite(404, () => ({ status: 404, body: { error: { code: 'ORDER_NOT_FOUND' } } }))),
  'not-found-stack-trace': fault('The 404 error string carries a stack trace.',
    rewrite(404, () => refuse(404, new Error('ORDER_NOT_FOUND').stack))),

  'foreign-404': fault('Another user\'s open order gets 404, not 403.', foreign(notFound)),
  'foreign-404-touched': fault('Another user\'s partially filled order gets 404, not 403.', foreign(notFound, touched)),
  'foreign-401': fault('Another user\'s open order gets 401, not 403.', foreign((ctx) => ctx.h.unauthorized(ctx))),
  'foreign-400': fault('Another user\'s open order gets 400, not 403.', foreign(() => refuse(400, 'FORBIDDEN'))),
  'foreign-leaks-order': fault('The 403 shows the other user\'s order.',
    foreign((ctx, order) => ({ status: 403, body: { ...ctx.h.queryView(ctx, order), error: 'FORBIDDEN' } }))),
  'foreign-names-owner': fault('The 403 error string names the order\'s owner.',
    foreign((_ctx, order) => refuse(403, `FORBIDDEN: belongs to ${order.owner}`))),
  'foreign-sentence': fault('The 403 error string is "Forbidden".', spell(403, 'Forbidden')),
  'foreign-403-cancels': fault('Another user\'s order gets 403 and is canceled all the same.',
    foreign((ctx, order) => { cancelQuietly(ctx, order); return forbidden(); })),
  'foreign-200': fault('Anybody can cancel anybody\'s order.', { owns: () => true }),
  'foreign-200-sells': fault('Anybody can cancel anybody\'s sell order.', { owns: (next, ctx, o) => next(ctx, o) || sell(o) }),
  'foreign-200-by-key': fault('With an API key, one can cancel anybody\'s order.',
    { owns: (next, ctx, order) => next(ctx, order) || ctx.caller.via === 'key' }),
  'foreign-200-touched': fault('Anybody can cancel anybody\'s partially filled order.',
    { owns: (next, ctx, order) => next(ctx, order) || touched(order) }),

  'partial-404': fault('An own partially filled order cannot be canceled: 404.', {
    refusal: (next, ctx, order) => next(ctx, order) ?? (touched(order) ? notFound() : null) }),
  'post-only-404': fault('An own open post_only order cannot be canceled: 404.', {
    refusal: (next, ctx, order) => next(ctx, order) ?? (order.tif === 'post_only' ? notFound() : null) }),
  'repeat-200': fault('The second cancel of an order gets 200, not 404.', closed(again, canceled)),
  'repeat-200-within-second': fault('A second cancel within a second of the first gets 200, not 404.', {
    terminal: (next, ctx, o) => (canceled(o) && ctx.now() - o.updatedMs < 1000 ? again(ctx, o) : next(ctx, o)) }),
  'repeat-409': fault('The second cancel of an order gets 409, not 404.', closed(() => refuse(409, 'ORDER_NOT_FOUND'), canceled)),
  'repeat-400': fault('The second cancel of an order gets 400, not 404.', closed(() => refuse(400, 'ORDER_NOT_FOUND'), canceled)),
  'filled-200': fault('A filled order gets 200 with status "filled", not 404.', closed(again, filled)),
  'filled-becomes-canceled': fault('A filled order gets 200 and turns "canceled".',
    closed((ctx, order) => { order.status = 'canceled'; return again(ctx, order); }, filled)),
  'filled-400': fault('A filled order gets 400, not 404.', closed(() => refuse(400, 'ORDER_FILLED'), filled)),
  'filled-409': fault('A filled order gets 409, not 404.', closed(() => refuse(409, 'ORDER_NOT_FOUND'), filled)),
  'ioc-remainder-200': fault('An IOC order whose rest was canceled gets 200, not 404.',
    closed(again, (order) => canceled(order) && order.tif === 'ioc')),

  'busy-429': fault('Every sixth cancel gets 429: order endpoints have no per-IP limit.', {
    cancel: (next, ctx) => (every(ctx, 'six', 6) ? refuse(429, 'RATE_LIMITED') : next(ctx)) }),
  'busy-wrong-string': fault('Every sixth cancel gets 503 with an error string that is not documented.', {
    cancel: (next, ctx) => (every(ctx, 'six', 6) ? refuse(503, 'SERVICE_UNAVAILABLE') : next(ctx)) }),
  'busy-no-body': fault('Every sixth cancel gets 503 without a body.', {
    cancel: (next, ctx) => (every(ctx, 'six', 6) ? { status: 503 } : next(ctx)) }),
  'busy-but-canceled': fault('Every sixth cancel gets 503 ENGINE_BUSY although the order was canceled.', {
    async cancel(next, ctx) {
      const reply = await next(ctx);
      return reply.status === 200 && every(ctx, 'six', 6) ? refuse(503, 'ENGINE_BUSY') : reply;
    } }),
  'limit-after-forty': fault('From the 41st cancel within a minute on, 429: order endpoints have no per-IP limit.', {
    cancel(next, ctx) {
      ctx.memory.times = (ctx.memory.times ?? []).filter((at) => ctx.now() - at < 60_000);
      return ctx.memory.times.push(ctx.now()) > 40 ? refuse(429, 'RATE_LIMITED') : next(ctx);
    } }),
};
