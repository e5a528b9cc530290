// Who is calling: a JWT (HS256), or an API key with an HMAC-SHA256 signature over the query.
// Each step is a policy of its own, reached through `ctx.h`, so that a fault replaces just that step.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

export const WINDOW_MS = 5000;

export const hmacHex = (secret, text) => createHmac('sha256', secret).update(text).digest('hex');
const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const tokenMac = (secret, text) => createHmac('sha256', secret).update(text).digest('base64url');

/** A signed token for `user` that runs out at `exp` (Unix seconds). */
export function issueToken(secret, user, exp) {
  const text = `${base64url({ typ: 'JWT', alg: 'HS256' })}.${base64url({ sub: user, iat: exp - 43_200, exp })}`;
  return `${text}.${tokenMac(secret, text)}`;
}

/** The two users with fresh credentials, and the server's token secret. */
export function newAccounts(nowMs) {
  const tokenSecret = randomBytes(32);
  const seconds = Math.floor(nowMs / 1000);
  const accounts = ['owner', 'counterparty'].map((name) => ({
    name,
    jwt: issueToken(tokenSecret, name, seconds + 43_200),
    expired_jwt: issueToken(tokenSecret, name, seconds - 3600),
    api_key: `Pk${randomBytes(15).toString('base64url')}`,
    api_secret: `Sx${randomBytes(24).toString('base64url')}`,
  }));
  return { tokenSecret, accounts };
}

export function sameText(left, right) {
  const [x, y] = [Buffer.from(left), Buffer.from(right)];
  return x.length === y.length && timingSafeEqual(x, y);
}

/** The three parts of a compact token, decoded; null when it is not one. */
export function readToken(token) {
  const parts = token.split('.');
  if (parts.length !== 3) return null;
  try {
    const [header, claims] = parts.slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')));
    return header && claims ? { header, claims, text: `${parts[0]}.${parts[1]}`, mac: parts[2] } : null;
  } catch {
    return null;
  }
}

/** The value of a query parameter; undefined when absent, null when given twice and the flavour refuses that. */
function single(ctx, name) {
  const values = ctx.params.filter((param) => param.name === name).map((param) => param.value);
  return values.length > 1 && ctx.choices.duplicates === 'refuse' ? null : values[0];
}

export const authPolicies = {
  /** The account that calls and by which credential: {account, via}; null is a 401. */
  caller(ctx) {
    const key = ctx.h.apiKey(ctx);
    const bearer = ctx.req.headers.authorization !== undefined;
    const byKey = key !== undefined && (ctx.choices.preferKey || !bearer);
    const account = byKey ? ctx.h.byKey(ctx, key) : ctx.h.byToken(ctx);
    return account ? { account, via: byKey ? 'key' : 'jwt' } : null;
  },

  apiKey: (ctx) => ctx.req.headers['x-mbx-apikey'],

  byKey(ctx, key) {
    const account = ctx.h.accountOfKey(ctx, key);
    const timestamp = single(ctx, 'timestamp');
    const signature = single(ctx, 'signature');
    if (!account || !ctx.h.timestampHolds(ctx, timestamp)) return null;
    return ctx.h.signatureHolds(ctx, account, ctx.h.signedText(ctx), signature) ? account : null;
  },

  accountOfKey: (ctx, key) => ctx.accounts.find((account) => account.api_key === key),

  timestampHolds(ctx, text) {
    return /^\d{1,15}$/.test(text ?? '') && Math.abs(ctx.now() - Number(text)) <= WINDOW_MS;
  },

  /** The query exactly as it was sent, without the signature, then the body's bytes. */
  signedText(ctx) {
    const query = ctx.params.filter((param) => param.name !== 'signature').map((param) => param.raw).join('&');
    return Buffer.concat([Buffer.from(query), ctx.body]);
  },

  signatureHolds(ctx, account, text, given) {
    const shown = ctx.choices.upperCaseSignature ? given?.toLowerCase() : given;
    return sameText(hmacHex(account.api_secret, text), shown ?? '');
  },

  byToken(ctx) {
    const bearer = /^Bearer +([^ ]+)$/i.exec(ctx.req.headers.authorization ?? '');
    const token = bearer && readToken(bearer[1]);
    if (!token || !ctx.h.tokenHolds(ctx, token)) return null;
    return ctx.accounts.find((account) => account.name === token.claims.sub) ?? null;
  },

  tokenHolds: (ctx, token) => ctx.h.macHolds(ctx, token) && ctx.h.unexpired(ctx, token),

  macHolds: (ctx, { header, text, mac }) => header.alg === 'HS256' && sameText(tokenMac(ctx.tokenSecret, text), mac),

  unexpired: (ctx, { claims }) => typeof claims.exp === 'number' && claims.exp * 1000 > ctx.now(),

  unauthorized(ctx) {
    return ctx.choices.unauthorizedBody
      ? { status: 401, body: { error: 'UNAUTHORIZED' }, headers: { 'WWW-Authenticate': 'Bearer' } }
      : { status: 401 };
  },
};
