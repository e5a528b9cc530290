// node server.mjs --port 0 [--flavour a|b] [--fault NAME] [--set choice=value]… | --list-faults
// Prints one JSON line (base_url, symbol, accounts) and serves until stdin closes or SIGTERM.
// The environment variable PEER_FLAVOUR names the flavour when --flavour is not given.
import { parseArgs } from 'node:util';
import { FAULTS } from './faults/index.mjs';
import { choose } from './flavours.mjs';
import { startPeer } from './peer.mjs';

function read() {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      flavour: { type: 'string', default: process.env.PEER_FLAVOUR || 'a' },
      fault: { type: 'string' },
      set: { type: 'string', multiple: true, default: [] },
      'list-faults': { type: 'boolean', default: false },
    },
  });
  return values;
}

async function main() {
  const options = read();
  if (options['list-faults']) {
    const rows = Object.entries(FAULTS).map(([name, { breaks, restsOn }]) => ({ name, breaks, rests_on: restsOn }));
    process.stdout.write(`${JSON.stringify(rows, null, 1)}\n`);
    return;
  }
  const choices = choose(options.flavour, options.set);
  const { server, info } = await startPeer({ choices, fault: options.fault, port: Number(options.port) });
  const stop = () => {
    server.close(() => process.exit(0));
    server.closeAllConnections();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.stdin.on('end', stop).on('error', stop).resume();
  process.stdout.write(`${JSON.stringify(info)}\n`);
}

main().catch((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
});
