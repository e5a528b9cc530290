// A client for the probe: signs, sends, and writes down what came back in a form that two runs can be compared in.
import { Agent, request } from 'node:http';
import { createHmac } from 'node:crypto';

const hmac = (secret, text, hash = 'sha256', as = 'hex') => createHmac(hash, secret).update(text).digest(as);

export class Client {
  constructor(info) {
    this.base = new URL(info.base_url);
    this.accounts = info.accounts;
    this.agent = new Agent({ keepAlive: true });
    this.names = new Map(); // order id -> label
    this.placed = new Map(); // order id -> Unix seconds
    this.updated = new Map(); // order id -> updated_at when it was first seen to be current
  }

  close() {
    this.agent.destroy();
  }

  /** One request, exactly as told: {status, type, text}. */
  send(method, path, headers = {}, body = undefined) {
    return new Promise((resolve, reject) => {
      // Node sends no length with the body of a DELETE by itself.
      if (body !== undefined) headers['Content-Length'] = Buffer.byteLength(body);
      const sent = { host: this.base.hostname, port: this.base.port, path: this.base.pathname + path, method, headers, agent: this.agent };
      const req = request(sent, (res) => {
        let text = '';
        res.setEncoding('utf8').on('data', (chunk) => { text += chunk; }).on('end', () =>
          resolve({ status: res.statusCode, type: res.headers['content-type'] ?? null, text }));
      });
      req.on('error', reject).end(body);
    });
  }

  /** A request by `who` with a JWT. */
  jwt(method, path, who = 'owner', body = undefined) {
    return this.send(method, path, { Authorization: `Bearer ${this.accounts[who].jwt}` }, body);
  }

  /** A DELETE of an order by `who` with a signature; each part of the signing can be bent. */
  signed(id, { who = 'owner', at = 0, stamp, query, text, secret, signature, key, header = 'X-MBX-APIKEY', after = '' } = {}) {
    const account = this.accounts[who];
    const sent = query ?? `timestamp=${stamp ?? Date.now() + at}`;
    const mac = hmac(secret ?? account.api_secret, text === undefined ? sent : text(sent));
    const shown = signature ? signature(mac, sent) : mac;
    const path = `/spot/orders/${id}?${[sent, shown === null ? '' : `signature=${shown}`].filter(Boolean).join('&')}${after}`;
    return this.send('DELETE', path, { [header]: key ?? account.api_key });
  }

  /** Place an order and remember it under `label`; returns its object. */
  async place(label, who, side, price, quantity, tif = 'gtc') {
    const body = JSON.stringify({ symbol: 'DFUSDT', side, type: 'limit', tif, price, quantity });
    const reply = await this.jwt('POST', '/spot/orders', who, body);
    const order = JSON.parse(reply.text);
    if (order.id) {
      this.names.set(order.id, label);
      this.placed.set(order.id, order.created_at);
    }
    return order;
  }

  /** The labels of the live orders of `who`. */
  async open(who = 'owner') {
    const orders = JSON.parse((await this.jwt('GET', '/spot/orders', who)).text);
    return orders.map((order) => this.names.get(order.id) ?? '?').sort();
  }

  async query(id, who = 'owner') {
    return this.seen(await this.jwt('GET', `/spot/orders/${id}`, who));
  }

  /** A reply without what differs from run to run: ids become labels, times what they are relative to. */
  seen({ status, type, text }) {
    let body;
    try {
      body = JSON.parse(text);
    } catch {
      return { status, type, text: text.length > 200 ? `${text.length} characters` : text };
    }
    return { status, type, body: this.#plain(body) };
  }

  #plain(body) {
    if (body === null || typeof body !== 'object') return body;
    const plain = { ...body };
    delete plain.venue_seq;
    const near = (at, wanted) => Number.isInteger(at) && Math.abs(at - wanted) <= 1;
    if ('id' in body) plain.id = this.names.get(body.id) ?? 'another';
    if ('created_at' in body && near(body.created_at, this.placed.get(body.id))) plain.created_at = 'then';
    const known = this.updated.get(body.id);
    if ('updated_at' in body && (body.updated_at === known || near(body.updated_at, Date.now() / 1000))) {
      if (known === undefined) this.updated.set(body.id, body.updated_at);
      plain.updated_at = 'current';
    }
    return plain;
  }
}

export { hmac };
