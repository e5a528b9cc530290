// The catalogue: name -> {breaks, hooks}. Each fault is one client-visible violation of Cancel Order.
import { access } from './access.mjs';
import { amounts } from './amounts.mjs';
import { effects } from './effects.mjs';
import { errors } from './errors.mjs';
import { fields } from './fields.mjs';

const chapters = [amounts, fields, errors, access, effects];

// What a finding would rest on. Anything not named here breaks the Cancel Order page itself.
const SUPPORTING = /^(signature|timestamp|recv|key|jwt|anonymous|unauthorized|query|lock|trades|leaves|extra|parameters|percent)-/;
const ARGUABLE = new Set([
  'avg-single-precision', // an error far below the tick, but above the last digit shown
  'foreign-leaks-order', 'type-none', 'type-text-plain', // no page forbids it in words
  'key-header-case', // HTTP's rule, not the venue's
  'recv-window-honoured', // another API of the venue has the parameter
]);
const restsOn = (name) => (ARGUABLE.has(name) ? 'arguable' : SUPPORTING.test(name) ? 'supporting pages' : 'page');

export const FAULTS = Object.fromEntries(chapters.flatMap((chapter) => Object.entries(chapter))
  .map(([name, entry]) => [name, { ...entry, restsOn: restsOn(name) }]));

const names = chapters.flatMap((chapter) => Object.keys(chapter));
if (names.length !== Object.keys(FAULTS).length) throw new Error('two faults share a name');
