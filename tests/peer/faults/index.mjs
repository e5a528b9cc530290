// The catalogue: name -> {breaks, hooks}. Each fault is one client-visible violation of Cancel Order.
import { access } from './access.mjs';
import { amounts } from './amounts.mjs';
import { effects } from './effects.mjs';
import { errors } from './errors.mjs';
import { fields } from './fields.mjs';

const chapters = [amounts, fields, errors, access, effects];

export const FAULTS = Object.assign({}, ...chapters);

const names = chapters.flatMap((chapter) => Object.keys(chapter));
if (names.length !== Object.keys(FAULTS).length) throw new Error('two faults share a name');
