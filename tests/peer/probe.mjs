// node probe.mjs [--flavour a|b] [--jobs N] [NAME…]: shows that every fault can be seen by a client.
// Runs the scenarios against the conformant server and against each fault, and compares what was seen. Controls,
// conformant servers again, run among the faults: one that differs means that the comparison itself is not steady.
// Prints {"silent": [names], "unsteady": [scenarios], "seen": {name: [scenarios]}}; exit 1 if either list has entries.
import { parseArgs } from 'node:util';
import { FAULTS } from './faults/index.mjs';
import { choose } from './flavours.mjs';
import { startPeer } from './peer.mjs';
import { Client } from './probe_client.mjs';
import { AGE_MS, SCENARIOS, setUp, wait } from './probe_scenarios.mjs';

const CONTROL = Symbol('control');

async function watch(flavour, fault) {
  const { server, info } = await startPeer({ choices: choose(flavour), fault });
  const client = new Client(info);
  const seen = {};
  try {
    const book = await setUp(client);
    await wait(AGE_MS);
    for (const [name, scenario] of Object.entries(SCENARIOS)) {
      try {
        seen[name] = JSON.stringify(await scenario(client, book));
      } catch (error) {
        seen[name] = `${error}`;
      }
    }
  } finally {
    client.close();
    server.close();
    server.closeAllConnections();
  }
  return seen;
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { flavour: { type: 'string', default: 'a' }, jobs: { type: 'string', default: '24' }, show: { type: 'boolean' } },
  });
  const plain = await watch(values.flavour);
  if (values.show) process.stdout.write(`${JSON.stringify(plain, null, 1)}\n`);
  const chosen = positionals.length ? positionals : Object.keys(FAULTS);
  const queue = chosen.flatMap((name, at) => (at % 25 === 0 ? [CONTROL, name] : [name]));
  const result = { silent: [], unsteady: [], seen: {} };
  await Promise.all(Array.from({ length: Number(values.jobs) }, async () => {
    for (let name = queue.shift(); name; name = queue.shift()) {
      const seen = await watch(values.flavour, name === CONTROL ? undefined : name);
      const scenarios = Object.keys(plain).filter((one) => plain[one] !== seen[one]);
      if (name === CONTROL) result.unsteady.push(...scenarios);
      else if (scenarios.length) result.seen[name] = scenarios;
      else result.silent.push(name);
    }
  }));
  process.stdout.write(`${JSON.stringify(result)}\n`);
  process.exitCode = result.unsteady.length || result.silent.length ? 1 : 0;
}

await main();
