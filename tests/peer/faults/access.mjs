// Credentials that should be refused and are taken, or good ones that are refused.
import { createHmac } from 'node:crypto';
import { refuse } from '../cancel.mjs';
import { hmacHex, readToken, sameText, WINDOW_MS } from '../auth.mjs';
import { cancelQuietly, fault, value } from './tools.mjs';

const names = (ctx) => ctx.params.map((param) => param.name);
const signature = (check) => ({
  signatureHolds: (next, ctx, account, text, given) =>
    next(ctx, account, text, given) || check(given ?? '', hmacHex(account.api_secret, text), { ctx, account, text, given }),
});
/** Take a timestamp when the server's time minus it, in ms, passes `holds`. */
const window = (holds) => ({
  timestampHolds: (next, ctx, text) => /^-?\d{1,15}$/.test(text ?? '') && holds(ctx.now() - Number(text)),
});
/** Let credentials in whose refusal stands otherwise, by a changed step of the token check. */
const looserKey = (change) => ({ accountOfKey: (next, ctx, key) => next(ctx, key) ?? ctx.accounts.find((a) => change(a, key)) });
/** Answer a missing or bad credential with another status. */
const unauthorized = (answer, when = () => true) => ({ unauthorized: (next, ctx) => (when(ctx) ? answer : next(ctx)) });
/** Carry a cancel out although the credentials are bad; the answer stays 401. */
const effectDespite = (when) => ({
  unauthorized(next, ctx) {
    if (when(ctx)) cancelQuietly(ctx, ctx.engine.orders.get(ctx.h.parseId(ctx, ctx.h.rawId(ctx))));
    return next(ctx);
  },
});
const withKey = (ctx) => ctx.req.headers['x-mbx-apikey'] !== undefined;
const withToken = (ctx) => ctx.req.headers.authorization !== undefined;
const anonymous = (ctx) => !withKey(ctx) && !withToken(ctx);
const owner = (ctx) => ctx.accounts[0];

export const access = {
  'signature-unchecked': fault('Any signature passes.', signature(() => true)),
  'signature-missing-passes': fault('A request without a signature passes.', signature((_g, _w, { given }) => given === undefined)),
  'signature-empty-passes': fault('An empty signature passes.', signature((given, _w, { given: raw }) => raw !== undefined && given === '')),
  'signature-prefix': fault('Only the first 8 digits of the signature are checked.',
    signature((given, wanted) => given.slice(0, 8) === wanted.slice(0, 8))),
  'signature-as-long-as-given': fault('A signature cut short passes: only the digits given are compared.',
    signature((given, wanted) => given.length > 0 && wanted.startsWith(given))),
  'signature-last-digit': fault('The last digit of the signature is not checked.',
    signature((given, wanted) => given.length === 64 && given.slice(0, -1) === wanted.slice(0, -1))),
  'signature-length-only': fault('Any 64 hex digits pass as a signature.', signature((given) => /^[0-9a-f]{64}$/.test(given))),
  'signature-secret-caseless': fault('A signature made with the secret in lower case passes.',
    signature((given, _w, { account, text }) => given === hmacHex(account.api_secret.toLowerCase(), text))),
  'signature-key-as-secret': fault('A signature made with the API key as the secret passes.',
    signature((given, _w, { account, text }) => given === hmacHex(account.api_key, text))),
  'signature-empty-secret': fault('A signature made with an empty secret passes.',
    signature((given, _w, { text }) => given === hmacHex('', text))),
  'signature-any-user': fault('A signature made with another user\'s secret passes.',
    signature((given, _w, { ctx, text }) => ctx.accounts.some((one) => hmacHex(one.api_secret, text) === given))),
  'signature-sha1': fault('An HMAC-SHA1 signature passes.', signature((given, _w, { account, text }) =>
    given === createHmac('sha1', account.api_secret).update(text).digest('hex'))),
  'signature-timestamp-only': fault('Only the timestamp is signed: parameters added afterwards pass.',
    signature((given, _w, { ctx, account }) => given === hmacHex(account.api_secret, `timestamp=${value(ctx, 'timestamp')}`))),
  'signature-up-to-signature': fault('What follows the signature in the query is not signed: parameters appended there pass.',
    signature((given, _w, { ctx, account }) => {
      const before = ctx.params.slice(0, names(ctx).indexOf('signature')).map((param) => param.raw).join('&');
      return given === hmacHex(account.api_secret, before);
    })),
  'signature-nothing': fault('A signature over the empty string passes.',
    signature((given, _w, { account }) => given === hmacHex(account.api_secret, ''))),
  'signature-trusted-after-good': fault('After one good signature, the API key passes for 10 s with any signature.', {
    signatureHolds(next, ctx, account, text, given) {
      const good = next(ctx, account, text, given);
      if (good) ctx.memory[account.api_key] = ctx.now();
      return good || ctx.now() - (ctx.memory[account.api_key] ?? 0) < 10_000;
    } }),
  'extra-parameters-refused': fault('A good signature over further parameters gets 401.', {
    signatureHolds: (next, ctx, ...rest) =>
      names(ctx).every((name) => name === 'timestamp' || name === 'signature') && next(ctx, ...rest) }),
  'parameters-sorted-before-signing': fault('A good signature over parameters that are not in alphabetical order gets 401.', {
    signedText: (_next, ctx) =>
      ctx.params.filter((p) => p.name !== 'signature').map((p) => p.raw).sort().join('&') }),
  'percent-decoded-before-signing': fault('A good signature over a percent-encoded query gets 401.', {
    signedText: (_next, ctx) =>
      ctx.params.filter((p) => p.name !== 'signature').map((p) => `${p.name}=${p.value}`).join('&') }),

  'timestamp-unchecked': fault('Any timestamp passes.', window(() => true)),
  'timestamp-missing-passes': fault('A signed query without a timestamp passes.',
    { timestampHolds: (next, ctx, text) => text === undefined || next(ctx, text) }),
  'timestamp-not-a-number-passes': fault('A timestamp that is no number passes.',
    { timestampHolds: (next, ctx, text) => (text !== undefined && !/^\d+$/.test(text)) || next(ctx, text) }),
  'timestamp-stale-passes': fault('A timestamp of any age passes.', window((age) => age >= -WINDOW_MS)),
  'timestamp-ahead-passes': fault('A timestamp however far ahead passes.', window((age) => age <= WINDOW_MS)),
  'timestamp-window-6000': fault('The window is 6000 ms either way, not 5000.', window((age) => Math.abs(age) <= 6000)),
  'timestamp-window-30000': fault('The window is 30 s either way, not 5 s.', window((age) => Math.abs(age) <= 30_000)),
  'timestamp-window-4000': fault('The window is 4000 ms either way, not 5000.', window((age) => Math.abs(age) <= 4000)),
  'timestamp-ahead-1000': fault('A timestamp more than 1000 ms ahead is refused; 5000 are allowed.',
    window((age) => age <= WINDOW_MS && age >= -1000)),
  'timestamp-ahead-10000': fault('A timestamp up to 10 s ahead passes; 5 are allowed.',
    window((age) => age <= WINDOW_MS && age >= -10_000)),
  'timestamp-seconds-pass': fault('A timestamp in seconds passes.',
    { timestampHolds: (next, ctx, text) => next(ctx, text) || (/^\d{10}$/.test(text) && next(ctx, `${text}500`)) }),
  'recv-window-honoured': fault('A recvWindow parameter widens the window beyond 5000 ms.', {
    timestampHolds: (next, ctx, text) => next(ctx, text)
      || (/^\d+$/.test(text) && Math.abs(ctx.now() - Number(text)) <= Number(value(ctx, 'recvWindow') ?? 0)) }),

  'key-unsigned-old-header': fault('The header X-API-Key passes without a signature.', {
    byToken: (next, ctx) => ctx.accounts.find((one) => one.api_key === ctx.req.headers['x-api-key']) ?? next(ctx) }),
  'key-prefix': fault('The first 8 characters of an API key are enough.',
    looserKey((one, key) => key.length >= 8 && one.api_key.startsWith(key))),
  'key-caseless': fault('An API key passes in another case.', looserKey((one, key) => one.api_key.toLowerCase() === key.toLowerCase())),
  'key-unknown-by-signature': fault('An unknown API key passes when the signature fits any user.', {
    byKey: (next, ctx, key) => next(ctx, key) ?? (ctx.h.accountOfKey(ctx, key) ? null
      : ctx.accounts.find((one) => ctx.h.byKey(ctx, one.api_key)) ?? null) }),
  'key-in-query': fault('The API key alone as a query parameter apiKey passes without a signature.', {
    byToken: (next, ctx) => ctx.accounts.find((one) => one.api_key === value(ctx, 'apiKey')) ?? next(ctx) }),
  'key-header-case': fault('The header passes only when spelt X-MBX-APIKEY in capitals; header names have no case.', {
    apiKey: (next, ctx) => (ctx.req.rawHeaders.includes('X-MBX-APIKEY') ? next(ctx) : undefined) }),
  'key-refused': fault('API keys are refused on this endpoint.', { byKey: () => null }),
  'key-forbidden-403': fault('A wrong signature gets 403, not 401.', unauthorized(refuse(403, 'FORBIDDEN'), withKey)),
  'key-bad-signature-400': fault('A wrong signature gets 400, not 401.', unauthorized(refuse(400, 'invalid signature'), withKey)),
  'key-bad-signature-500': fault('A signature that is not 64 characters long gets 500, not 401.',
    unauthorized(refuse(500, 'INTERNAL'), (ctx) => withKey(ctx) && (value(ctx, 'signature') ?? '').length !== 64)),
  'key-missing-timestamp-400': fault('A signed query without a timestamp gets 400, not 401.',
    unauthorized(refuse(400, 'timestamp required'), (ctx) => withKey(ctx) && value(ctx, 'timestamp') === undefined)),

  'jwt-unverified': fault('The signature of a JWT is not checked.', { macHolds: () => true }),
  'jwt-alg-none': fault('A JWT with alg "none" passes.',
    { macHolds: (next, ctx, token) => next(ctx, token) || /^none$/i.test(token.header.alg) }),
  'jwt-empty-secret': fault('A JWT signed with an empty secret passes.', { macHolds: (next, ctx, token) => next(ctx, token)
    || sameText(createHmac('sha256', '').update(token.text).digest('base64url'), token.mac) }),
  'jwt-empty-signature': fault('A JWT without its signature passes.',
    { macHolds: (next, ctx, token) => next(ctx, token) || token.mac === '' }),
  'jwt-signature-prefix': fault('Only the first 8 characters of a JWT\'s signature are checked.', {
    macHolds: (next, ctx, token) => next(ctx, token)
      || createHmac('sha256', ctx.tokenSecret).update(token.text).digest('base64url').startsWith(token.mac.slice(0, 8) || '.') }),
  'jwt-expired-passes': fault('An expired JWT passes.', { unexpired: () => true }),
  'jwt-expired-403': fault('An expired JWT gets 403, not 401.', unauthorized(refuse(403, 'TOKEN_EXPIRED'), (ctx) => {
    const token = readToken((ctx.req.headers.authorization ?? '').replace(/^Bearer /i, ''));
    return token !== null && ctx.h.macHolds(ctx, token) && !ctx.h.unexpired(ctx, token); })),
  'jwt-garbage-500': fault('A bearer token that is no JWT gets 500, not 401.', unauthorized(refuse(500, 'INTERNAL'),
    (ctx) => withToken(ctx) && readToken(ctx.req.headers.authorization.replace(/^Bearer /i, '')) === null)),
  'jwt-header-in-one-case': fault('The header of a JWT is known only as "Authorization", in that spelling.',
    { byToken: (next, ctx) => (ctx.req.rawHeaders.includes('Authorization') ? next(ctx) : null) }),
  'jwt-refused': fault('JWTs are refused on this endpoint.', { byToken: () => null }),

  'anonymous-passes': fault('Without credentials, a cancel acts as the first user.',
    { byToken: (next, ctx) => (anonymous(ctx) ? owner(ctx) : next(ctx)) }),
  'anonymous-403': fault('Without credentials one gets 403, not 401.', unauthorized(refuse(403, 'FORBIDDEN'), anonymous)),
  'anonymous-404': fault('Without credentials one gets 404, not 401.', unauthorized(refuse(404, 'ORDER_NOT_FOUND'), anonymous)),
  'unauthorized-as-200': fault('Missing or bad credentials get 200 with an error in the body.',
    unauthorized({ status: 200, body: { error: 'UNAUTHORIZED' } })),
  'unauthorized-redirect': fault('Missing credentials get a redirect to a login page, not 401.',
    unauthorized({ status: 302, headers: { Location: '/login' } }, anonymous)),
  'effect-despite-bad-signature': fault('A wrong signature gets 401, and the order is canceled.',
    effectDespite((ctx) => withKey(ctx) && value(ctx, 'signature') !== undefined)),
  'effect-despite-bad-token': fault('A bad JWT gets 401, and the order is canceled.', effectDespite(withToken)),
  'effect-despite-stale': fault('A stale but well signed request gets 401, and the order is canceled.', effectDespite((ctx) => {
    const account = withKey(ctx) && ctx.h.accountOfKey(ctx, ctx.req.headers['x-mbx-apikey']);
    return account && ctx.h.signatureHolds(ctx, account, ctx.h.signedText(ctx), value(ctx, 'signature')); })),
  'effect-despite-anonymous': fault('Without credentials one gets 401, and the order is canceled.', effectDespite(anonymous)),
};
