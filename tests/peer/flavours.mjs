// Two conformant servers: each takes another answer wherever the pages leave one open.
// Any single choice can be overridden on the command line with `--set name=value`.

const a = {
  amountDigits: { price: 0, quantity: 0 }, // least decimals shown: "0.5", "100"
  averageStyle: { digits: 8, pad: true, round: 'down' },
  authFirst: true, // credentials are judged before the id
  foreignTerminal: 403, // another user's closed order
  foreignQuery: 403, // another user's order on Query
  unauthorizedBody: false, // 401 is empty
  preferKey: false, // with both credentials, the JWT decides
  duplicates: 'refuse', // timestamp or signature given twice
  spellings: 'hyphenated', // either case; nothing but the hyphenated form
  upperCaseSignature: false,
  extraFields: true, // fields that the page does not name
  otherMethods: 405,
  emptyId: 400,
  contentType: 'application/json',
  chunked: false,
  dateHeader: true,
  makerBps: 0, takerBps: 0,
  backlog: 256, perTurn: 64,
};

const b = {
  amountDigits: { price: 4, quantity: 2 }, // "0.5000", "100.00"
  averageStyle: { digits: 12, pad: false, round: 'half-up' },
  authFirst: false,
  foreignTerminal: 404,
  foreignQuery: 404,
  unauthorizedBody: true, // {"error":"UNAUTHORIZED"}
  preferKey: true,
  duplicates: 'first',
  spellings: 'all', // also without hyphens, in braces, as urn:uuid:
  upperCaseSignature: true,
  extraFields: false,
  otherMethods: 404,
  emptyId: 404,
  contentType: 'application/json; charset=utf-8',
  chunked: true,
  dateHeader: false,
  makerBps: 10, takerBps: 20,
  backlog: 32, perTurn: 1,
};

const common = {
  balance: '1000000', // of each token, for each user
  clockOffsetMs: 0, // the server's clock against this machine's
  mode: 'running', // or 'disabled', 'restarting': place and cancel give 503
  upperCaseId: 'accept', // or 'refuse'
  listShape: 'array', // or 'object': {"orders": […]}, {"trades": […]}, {"markets": […]}
};

export const FLAVOURS = { a: { ...common, ...a }, b: { ...common, ...b } };

/** The choices of a flavour with `name=value` overrides; throws on a name that does not exist. */
export function choose(flavour, overrides = []) {
  if (!Object.hasOwn(FLAVOURS, flavour)) throw new Error(`no flavour ${flavour}: a or b`);
  const choices = structuredClone(FLAVOURS[flavour]);
  for (const pair of overrides) {
    const [name, ...rest] = pair.split('=');
    if (!Object.hasOwn(choices, name)) throw new Error(`no choice ${name}: ${Object.keys(choices).join(', ')}`);
    const text = rest.join('=');
    choices[name] = typeof choices[name] === 'string' ? text : JSON.parse(text);
  }
  return choices;
}
