import { interleaved, median, quantile, ratioText, short } from './support/rounds.mjs';
import { logInMany, startSessions } from './support/sessions.mjs';

const VERIFIES = 1000;
const LOGINS = 50;
const BUDGET_MS = 1000;

/** Whether requests are answered in time while many logins of one account stand in a queue. */
export async function mixed({ quick, databases }) {
  const rounds = quick ? 3 : 15;
  const { tokens, close } = await startSessions({ database: await databases.create('postgres'), nearCache: false });
  const failures = [];
  try {
    const given = await logInMany(tokens, VERIFIES);
    const cases = new Map([
      ['alone', 0],
      [`while ${LOGINS} logins of one account queue`, LOGINS],
    ]);
    const samples = await interleaved(rounds, cases, async (logins) => {
      const queue = Promise.all(Array.from({ length: logins }, () => tokens.login('busy', { deviceType: 'phone' })));
      const answers = await Promise.all(given.map((token) => timed(() => tokens.verify(token))));
      await queue;
      const times = answers.map(({ millis }) => millis);
      const bad = answers.filter(({ result }) => result.status !== 'VALID').length;
      return { p50: median(times), p99: quantile(times, 0.99), max: Math.max(...times), bad };
    });
    const [alone] = samples.values();
    const rows = [...samples].map(([name, taken]) => {
      const of = (figure) => taken.map((sample) => sample[figure]);
      const bad = of('bad').reduce((sum, count) => sum + count, 0);
      const worst = Math.max(...of('max'));
      if (bad > 0) failures.push(`${name}: ${bad} verifications were not VALID.`);
      if (worst >= BUDGET_MS) failures.push(`${name}: one verification took ${short(worst)} ms.`);
      return [
        name,
        `${VERIFIES * rounds - bad} of ${VERIFIES * rounds}`,
        short(median(of('p99'))),
        short(median(of('max'))),
        `${short((100 * worst) / BUDGET_MS)} %`,
        ratioText(
          of('p99'),
          alone.map((sample) => sample.p99),
        ),
      ];
    });
    return {
      columns: [
        '1,000 verifications at once',
        'VALID',
        'p99, ms',
        'longest, ms',
        'worst, of the budget',
        'p99, ratio to alone',
      ],
      rows,
      note: `PostgreSQL, no cache, ${VERIFIES} different sessions, budget ${BUDGET_MS} ms, ${rounds} rounds; medians over rounds.`,
      failures,
    };
  } finally {
    await close();
  }
}

async function timed(work) {
  const began = performance.now();
  const result = await work();
  return { result, millis: performance.now() - began };
}
