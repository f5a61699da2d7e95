import { randomBytes } from 'node:crypto';
import { text as textOf } from 'node:stream/consumers';
import { getHeapSnapshot } from 'node:v8';
import { SynchronizedClock } from '../../dist/esm/ports/clock.js';
import { KnownTokens } from '../../dist/esm/verification/known-tokens.js';

/** Run with --expose-gc. Says of how many tokens the text is in memory: of those that were noted, and of those that were kept. */
const COUNT = 20;
const tokens = new KnownTokens({
  cache: { counts: () => true },
  clock: new SynchronizedClock(),
  maxEntries: 100,
  maxLength: 512,
  useIntervalMs: 1000,
});
const kept = [];
/** Characters, so that what is looked for is not itself in memory as a text. */
const charactersOfNew = (keep) => {
  const header = `Bearer ${randomBytes(72).toString('base64url')}`;
  keep(header);
  return [...header.slice(7)];
};
const times = Array.from({ length: COUNT });
const noted = times.map(() =>
  charactersOfNew((header) =>
    tokens.note(header.slice(7), { record: {}, remembered: null, answer: {}, until: Infinity }),
  ),
);
const others = times.map(() => charactersOfNew((header) => kept.push(header)));
globalThis.gc();
const snapshot = await textOf(getHeapSnapshot());
const found = (tokens) => tokens.filter((characters) => snapshot.includes(characters.join(''))).length;
process.stdout.write(
  JSON.stringify({ known: tokens.tokens.size, noted: found(noted), kept: found(others), of: kept.length }),
);
