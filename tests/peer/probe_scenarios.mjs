// What the probe does to a server: small scenarios, each an async function (client, book) that returns what it saw.
// `book` holds the orders of the setting-up phase, which are over two seconds old when the scenarios begin.
import { hmac } from './probe_client.mjs';

const wait = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const money = (units, decimals = 4) => (units / 10 ** decimals).toFixed(decimals);
const UNKNOWN = 'b3f1c9d2-77aa-4e0b-9c41-5d2f8e6a1b07';

/** Orders of every kind, the best price last: [{id, label, side, price, via}]. Prices are in ticks. */
export async function setUp(client) {
  const book = [];
  let zone = 0;
  for (const side of ['buy', 'sell']) {
    for (const via of ['jwt', 'key']) {
      for (const [tif, fills] of [['gtc', 0], ['gtc', 1], ['gtc', 2], ['gtc', 3], ['post_only', 0], ['post_only', 1]]) {
        zone += 1;
        const [away, other] = side === 'buy' ? [-1, 'sell'] : [1, 'buy'];
        const ticks = side === 'buy' ? 5003 + 101 * zone : 20_007 - 101 * zone;
        const label = [side, via, tif, fills].join(' ');
        if (fills > 1) {
          await client.place('ladder', 'counterparty', other, money(ticks + away * 27), '10.01');
          await client.place('ladder', 'counterparty', other, money(ticks + away * 11), '20.57');
        }
        const order = await client.place(label, 'owner', side, money(ticks), '1234.56', tif);
        if (fills % 2) await client.place('taker', 'counterparty', other, money(ticks), '7.77', 'ioc');
        book.push({ id: order.id, label, side, other, price: money(ticks), via });
      }
    }
  }
  return book;
}

/** Cancel every kind of order; look at it, repeat, try to fill it. The best price goes first. */
async function everyKind(client, book) {
  const seen = {};
  for (const { id, label, other, price, via } of [...book].reverse()) {
    const cancel = async () => client.seen(await (via === 'jwt' ? client.jwt('DELETE', `/spot/orders/${id}`) : client.signed(id)));
    const first = await cancel();
    const cross = await client.place('cross', 'counterparty', other, price, '5', 'ioc');
    const open = await client.open();
    const views = [await client.query(id), await cancel(), await client.query(id)];
    seen[label] = [first, cross.filled_qty, open, ...views];
  }
  return seen;
}

async function trades(client) {
  const rows = {};
  for (const who of ['owner', 'counterparty']) rows[who] = JSON.parse((await client.jwt('GET', '/spot/trades/me', who)).text).length;
  return rows;
}

async function repeatedLate(client, book) {
  await wait(1200);
  const { id } = book[0];
  const again = client.seen(await client.jwt('DELETE', `/spot/orders/${id}`));
  const later = await client.query(id);
  delete later.body?.updated_at;
  const { updated_at: first } = JSON.parse((await client.jwt('GET', `/spot/orders/${id}`)).text);
  return [again, later, Date.now() / 1000 - first > 1, await client.open()];
}

async function neighbours(client) {
  const rows = [];
  for (const who of ['owner', 'owner', 'counterparty', 'owner']) {
    rows.push({ who, ...(await client.place(`n${rows.length}`, who, 'buy', rows.length === 3 ? '0.3000' : '0.3100', '50')) });
  }
  await client.jwt('DELETE', `/spot/orders/${rows[1].id}`);
  const states = [];
  for (const { id, who } of rows) states.push((await client.query(id, who)).body.status);
  return states;
}

async function foreign(client) {
  const seen = [];
  for (const [side, price] of [['buy', '0.4000'], ['sell', '3.0000']]) {
    const other = side === 'buy' ? 'sell' : 'buy';
    for (const via of ['jwt', 'key']) {
      for (const part of [false, true]) {
        await client.place('bystander', 'counterparty', 'buy', '0.0500', '100');
        const { id } = await client.place('foreign', 'owner', side, price, '100');
        if (part) await client.place('t', 'counterparty', other, price, '40', 'ioc');
        const reply = await (via === 'jwt' ? client.jwt('DELETE', `/spot/orders/${id}`, 'counterparty') : client.signed(id, { who: 'counterparty' }));
        const state = (await client.query(id)).body.status;
        seen.push([client.seen(reply), state, await client.open('counterparty')]);
        await client.jwt('DELETE', '/spot/orders');
      }
    }
  }
  return seen;
}

async function terminal(client) {
  const seen = [];
  for (const [quantity, tif] of [['40', 'gtc'], ['90', 'ioc']]) {
    await client.place('rest', 'counterparty', 'sell', '0.4500', '40');
    const { id } = await client.place('closed', 'owner', 'buy', '0.4500', quantity, tif);
    seen.push(client.seen(await client.jwt('DELETE', `/spot/orders/${id}`)), (await client.query(id)).body.status);
  }
  return seen;
}

async function ids(client) {
  const { id } = await client.place('kept', 'owner', 'buy', '0.2000', '100');
  const near = id.slice(0, -1) + (id.endsWith('0') ? '1' : '0');
  const texts = [
    UNKNOWN, '00000000-0000-0000-0000-000000000000', 'c232ab00-9414-11ec-b3c8-9f6bdeced846', near,
    'nonsense', '12345', 'z'.repeat(200), UNKNOWN.slice(0, -1), `g${UNKNOWN.slice(1)}`, `${id}%00`, '%00', '%C3%A9', '%ff', '%zz',
    id.slice(0, 8), `${id}junk`, `%20${id}`, `${id}%20`, 'null', '-1',
  ];
  const seen = [];
  for (const text of texts) {
    const fresh = text.includes(id.slice(0, 8)) ? id : null;
    seen.push([client.seen(await client.jwt('DELETE', `/spot/orders/${text}`)), (await client.query(fresh ?? id)).body?.status]);
  }
  await client.jwt('DELETE', '/spot/orders');
  return JSON.parse(JSON.stringify(seen).replaceAll(id, 'ID').replaceAll(near, 'NEAR').replaceAll(id.slice(0, 8), 'HEAD'));
}

async function aliases(client) {
  const seen = [];
  for (const name of ['id', 'orderId']) {
    const { id } = await client.place('alias', 'owner', 'buy', '0.2000', '100');
    await client.jwt('DELETE', `/spot/orders/${UNKNOWN}?${name}=${id}`);
    await client.jwt('DELETE', `/spot/orders/${UNKNOWN}`, 'owner', JSON.stringify({ [name]: id }));
    seen.push((await client.query(id)).body.status);
  }
  return seen;
}

/** Token and signature attempts: name -> (client, id) -> reply. The good ones are among them. */
function attempts(client) {
  const { jwt, expired_jwt: expired, api_key: key, api_secret: secret } = client.accounts.owner;
  const other = client.accounts.counterparty;
  const [head, claims, mac] = jwt.split('.');
  const b64 = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const bearer = (token) => (id) => client.send('DELETE', `/spot/orders/${id}`, { Authorization: `Bearer ${token}` });
  const signed = (options) => (id) => client.signed(id, options());
  const now = () => Date.now();
  const flip = (digit) => (digit === '0' ? '1' : '0');
  const list = {
    good: signed(() => ({})), 'good jwt': bearer(jwt),
    'lower header': signed(() => ({ header: 'x-mbx-apikey' })),
    extra: signed(() => ({ query: `zeta=1&timestamp=${now()}&alpha=2` })),
    percent: signed(() => ({ query: `timestamp=${now()}&note=a%2Cb%20c` })),
    'no signature': signed(() => ({ signature: () => null })), 'empty signature': signed(() => ({ signature: () => '' })),
    garbage: signed(() => ({ signature: () => 'xyz' })), 'zero signature': signed(() => ({ signature: () => '0'.repeat(64) })),
    'cut signature': signed(() => ({ signature: (m) => m.slice(0, 20) })),
    'good head': signed(() => ({ signature: (m) => m.slice(0, 8) + '0'.repeat(56) })),
    'last digit': signed(() => ({ signature: (m) => m.slice(0, -1) + flip(m.at(-1)) })),
    'lower secret': signed(() => ({ secret: secret.toLowerCase() })), 'key as secret': signed(() => ({ secret: key })),
    'empty secret': signed(() => ({ secret: '' })), 'other secret': signed(() => ({ secret: other.api_secret })),
    sha1: signed(() => ({ signature: (_m, sent) => hmac(secret, sent, 'sha1') })),
    'unsigned first': signed(() => ({ query: `a=1&timestamp=${now()}`, text: (sent) => sent.slice(4) })),
    'unsigned after': signed(() => ({ after: '&a=1' })), 'signed nothing': signed(() => ({ text: () => '' })),
    'no timestamp': signed(() => ({ query: 'a=1' })), 'word timestamp': signed(() => ({ stamp: 'soon' })),
    'in seconds': signed(() => ({ stamp: Math.floor(now() / 1000) })),
    'recv window': signed(() => ({ query: `timestamp=${now() - 20_000}&recvWindow=60000` })),
    'unknown key': signed(() => ({ key: 'Pk0000000000' })), 'key prefix': signed(() => ({ key: key.slice(0, 9) })),
    'key case': signed(() => ({ key: key.toLowerCase() })),
    'old header': (id) => client.send('DELETE', `/spot/orders/${id}`, { 'X-API-Key': key }),
    'key in query': (id) => client.send('DELETE', `/spot/orders/${id}?apiKey=${key}`),
    anonymous: (id) => client.send('DELETE', `/spot/orders/${id}`),
    expired: bearer(expired), 'no jwt': bearer('nonsense'), 'bad mac': bearer(`${head}.${claims}.${flip(mac[0])}${mac.slice(1)}`),
    'no mac': bearer(`${head}.${claims}.`), 'mac head': bearer(`${head}.${claims}.${mac.slice(0, 9)}${'A'.repeat(34)}`),
    none: bearer(`${b64({ alg: 'none' })}.${claims}.`),
    'empty key': bearer(`${head}.${claims}.${hmac('', `${head}.${claims}`, 'sha256', 'base64url')}`),
  };
  for (const at of [-3_600_000, -20_000, -5600, -4500, 4500, 5600, 8000, 3_600_000]) list[`at ${at}`] = signed(() => ({ at }));
  return list;
}

async function credentials(client) {
  const seen = {};
  for (const [name, attempt] of Object.entries(attempts(client))) {
    const { id } = await client.place('tried', 'owner', 'buy', '0.2000', '100');
    const reply = client.seen(await attempt(id));
    seen[name] = [reply, (await client.query(id)).body?.status];
  }
  await client.jwt('DELETE', '/spot/orders');
  return seen;
}

async function races(client) {
  const seen = [];
  for (let round = 0; round < 3; round += 1) {
    const { id } = await client.place('raced', 'owner', 'buy', '0.4800', '100');
    const pair = await Promise.all([client.jwt('DELETE', `/spot/orders/${id}`), client.signed(id)]);
    seen.push(pair.map((reply) => reply.status).sort());
    for (const quantity of ['40', '100']) {
      const raced = await client.place('raced', 'owner', 'buy', '0.4800', '100');
      const [reply, taken] = await Promise.all([client.jwt('DELETE', `/spot/orders/${raced.id}`),
        wait(4).then(() => client.place('t', 'counterparty', 'sell', '0.4800', quantity, 'ioc'))]);
      const answer = JSON.parse(reply.text);
      const said = reply.status === 200 ? Number(answer.filled_qty) : 100;
      seen.push(said === Number(taken.filled_qty) && !(reply.status === 200 && said === 100));
    }
  }
  return seen;
}

/** Orders for over half of the balance: a lock that is kept or given back twice shows in what can be placed next. */
async function locks(client) {
  await client.jwt('DELETE', '/spot/orders');
  await client.jwt('DELETE', '/spot/orders', 'counterparty');
  const seen = [];
  const step = async (quantity, fill) => {
    const order = await client.place('big', 'owner', 'buy', '0.5000', quantity);
    seen.push(order.error ?? order.status);
    if (!order.id) return;
    if (fill) await client.place('t', 'counterparty', 'sell', '0.5000', '10', 'ioc');
    for (let time = 0; time < 2; time += 1) await client.jwt('DELETE', `/spot/orders/${order.id}`);
  };
  for (const [quantity, fill] of [['1200000', true], ['1200000', false], ['1200000', false], ['2400000', false]]) await step(quantity, fill);
  return seen;
}

export const SCENARIOS = { everyKind, trades, repeatedLate, neighbours, foreign, terminal, ids, aliases, credentials, races, locks };
export const AGE_MS = 2200;
export { wait };
