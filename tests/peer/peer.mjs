// Puts the parts together: one HTTP server on 127.0.0.1 with its engine, accounts and (perhaps) one fault.
import { createServer } from 'node:http';
import { authPolicies, newAccounts } from './auth.mjs';
import { afterPolicies, cancelPolicies } from './cancel.mjs';
import { Engine, MARKET } from './engine.mjs';
import { FAULTS } from './faults/index.mjs';
import { Mailbox } from './mailbox.mjs';
import { answer, startingBalance } from './routes.mjs';

const POLICIES = { ...authPolicies, ...cancelPolicies, ...afterPolicies };

/** The policies with a fault's hooks around them: hook(next, ...args), where `next` is the conformant step. */
function compose(hooks = {}) {
  const composed = { ...POLICIES };
  for (const [name, hook] of Object.entries(hooks)) {
    if (!POLICIES[name]) throw new Error(`a fault hooks ${name}, which is no step`);
    composed[name] = (...args) => hook(POLICIES[name], ...args);
  }
  const after = Object.fromEntries(Object.keys(afterPolicies).map((name) => [name, composed[name]]));
  return { faulty: composed, plain: { ...POLICIES, ...after } };
}

/** Query parameters in the order sent: [{name, value, raw}], names and values percent-decoded. */
function parseQuery(text) {
  const decode = (part) => {
    try {
      return decodeURIComponent(part.replaceAll('+', ' '));
    } catch {
      return part;
    }
  };
  return text.split('&').filter(Boolean).map((raw) => {
    const [name, ...value] = raw.split('=');
    return { name: decode(name), value: decode(value.join('=')), raw };
  });
}

function send(res, { status, body, headers = {}, type }, choices, now) {
  const text = typeof body === 'string' || body === undefined ? body : JSON.stringify(body);
  res.statusCode = status;
  res.sendDate = false;
  if (choices.dateHeader) res.setHeader('Date', new Date(now).toUTCString());
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  if (text === undefined) {
    if (status !== 204) res.setHeader('Content-Length', 0);
    res.end();
    return;
  }
  if (type !== null) res.setHeader('Content-Type', type ?? choices.contentType);
  if (!choices.chunked) res.setHeader('Content-Length', Buffer.byteLength(text));
  if (choices.chunked) res.write(text);
  res.end(choices.chunked ? undefined : text);
}

/** Start a server: resolves to {server, info}, `info` being what the command line prints. */
export async function startPeer({ choices, fault, port = 0 }) {
  if (fault && !Object.hasOwn(FAULTS, fault)) throw new Error(`no fault ${fault}: see --list-faults`);
  const now = () => Date.now() + choices.clockOffsetMs;
  const { tokenSecret, accounts } = newAccounts(now());
  const users = accounts.map((account) => account.name);
  const { makerBps, takerBps } = choices;
  const world = {
    choices, now, accounts, tokenSecret, memory: {},
    engine: new Engine({ users, now, balance: startingBalance(choices), makerBps, takerBps }),
    mailbox: new Mailbox({ bound: choices.backlog, perTurn: choices.perTurn }),
  };
  const policies = compose(fault && FAULTS[fault].hooks);

  const server = createServer(async (req, res) => {
    try {
      const chunks = [];
      for await (const chunk of req) chunks.push(chunk);
      const [path, ...query] = req.url.split('?');
      const rawQuery = query.join('?');
      const ctx = { ...world, req, method: req.method, path, params: parseQuery(rawQuery), body: Buffer.concat(chunks) };
      send(res, await answer(ctx, policies), choices, now());
    } catch (error) {
      process.stderr.write(`${error?.stack}\n`);
      if (!res.headersSent) send(res, { status: 500, body: { error: 'INTERNAL' } }, choices, now());
    }
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  const byName = Object.fromEntries(accounts.map(({ name, ...credentials }) => [name, credentials]));
  const info = { base_url: `http://127.0.0.1:${server.address().port}/api/v1`, symbol: MARKET.id, accounts: byName };
  return { server, info };
}
