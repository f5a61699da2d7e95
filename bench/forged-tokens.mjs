import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { countingSqlite } from './support/counting-sqlite.mjs';
import { interleaved, median, ratioText, short } from './support/rounds.mjs';
import { logInMany, startSessions, untilCached } from './support/sessions.mjs';

const FORGED = 20_000;
const HEAD = 'ses_at_';
const BODY_BYTES = 72;
const ID_BYTES = 16;

/** What tokens cost that have the right form and were never given out. */
export async function forgedTokens({ quick }) {
  const rounds = quick ? 3 : 10;
  const { counter, options } = countingSqlite();
  // The only other statements on the table of sessions; they have no place in the count.
  const timing = { sweep: '1h', activityFlush: '1h' };
  const { tokens, close } = await startSessions({ database: options, timing });
  try {
    const good = await logInMany(tokens, 500);
    await untilCached(tokens, [good[0]], () => counter.statements);
    const perRound = FORGED / 2 / rounds;
    const cases = new Map([
      ['good, from the near cache', { status: 'VALID', make: (index) => good[index % good.length] }],
      ['forged, random', { status: 'INVALID', make: () => forge(randomBytes(BODY_BYTES)) }],
      [
        'forged, with the id of a live session',
        { status: 'INVALID', make: (index) => forgeFor(good[index % good.length]) },
      ],
    ]);
    for (const token of good) await tokens.verify(token);
    const statements = new Map([...cases.keys()].map((name) => [name, 0]));
    const samples = await interleaved(rounds, cases, async ({ make, status }, name) => {
      const batch = Array.from({ length: perRound }, (_, index) => make(index));
      // Tokens that cost no I/O leave no turn to the node's own tasks, and without those it stops caching.
      await setTimeout(50);
      const before = counter.statements;
      const began = performance.now();
      for (const token of batch) {
        const result = await tokens.verify(token);
        if (result.status !== status) throw new Error(`A ${name} token is ${result.status}.`);
      }
      const micros = ((performance.now() - began) * 1000) / perRound;
      statements.set(name, statements.get(name) + counter.statements - before);
      return micros;
    });
    const [base] = samples.values();
    const rows = [...samples].map(([name, micros]) => [
      name,
      String(statements.get(name)),
      short(median(micros)),
      ratioText(micros, base),
    ]);
    const failures = [...statements]
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${name}: ${count} queries`);
    return {
      columns: ['token', 'queries', 'µs each', 'time, ratio to a good one'],
      rows,
      note: `${FORGED.toLocaleString('en-US')} forged tokens and a warm-up, one after the other, in ${rounds} rounds.`,
      failures,
    };
  } finally {
    await close();
  }
}

function forge(body) {
  return HEAD + body.toString('base64url');
}

function forgeFor(token) {
  const id = Buffer.from(token.slice(HEAD.length), 'base64url').subarray(0, ID_BYTES);
  const generation = Buffer.from([0, 0, 0, 1]);
  return forge(Buffer.concat([id, generation, randomBytes(BODY_BYTES - ID_BYTES - generation.length)]));
}
