import { randomBytes } from 'node:crypto';
import { DataSource, EntitySchema } from 'typeorm';
import { engineName } from './support/databases.mjs';
import { interleaved, median, ratioText, short } from './support/rounds.mjs';
import { startSessions } from './support/sessions.mjs';

/** A table without anything of the library, about as wide as a session. */
const BenchRow = new EntitySchema({
  name: 'bench_row',
  columns: {
    id: { type: 'varchar', length: 32, primary: true },
    payload: { type: 'varchar', length: 512 },
    at: { type: 'bigint' },
  },
});

/** What a login costs beside the smallest transaction that an application can make. */
export async function login({ quick, databases }) {
  const { rounds, seconds } = quick ? { rounds: 2, seconds: 0.5 } : { rounds: 5, seconds: 2 };
  const rows = [];
  for (const kind of ['sqlite', 'postgres', 'mariadb']) {
    const options = await databases.create(kind);
    const source = new DataSource({ ...options, entities: [BenchRow], synchronize: true, poolSize: 8 });
    await source.initialize();
    const sessions = await startSessions({ database: source });
    // TypeORM has one connection on SQLite, where transactions that overlap would nest.
    const parallel = kind === 'sqlite' ? 1 : 8;
    let user = 0;
    const cases = new Map([
      ['one INSERT in a transaction, through TypeORM', () => insertRow(source)],
      ['logins of different users', () => sessions.tokens.login(`user-${user++}`, { deviceType: 'phone' })],
      ['logins of one user, each ending the last', () => sessions.tokens.login('one', { deviceType: 'phone' })],
    ]);
    try {
      const samples = await interleaved(rounds, cases, (work, name) =>
        rate(work, parallel, seconds).catch((cause) => {
          throw new Error(`${engineName(kind)}, ${name}: ${cause.message}`, { cause });
        }),
      );
      const [base] = samples.values();
      for (const [name, rates] of samples) {
        rows.push([engineName(kind), name, short(median(rates)), ratioText(rates, base)]);
      }
    } finally {
      await sessions.close();
      await source.destroy();
    }
  }
  return {
    columns: ['database', 'work', 'per second', 'ratio to the INSERT'],
    rows,
    note: `8 at a time (SQLite: 1), ${rounds} rounds of ${seconds} s each. The servers run with fsync off, SQLite does not.`,
  };
}

function insertRow(source) {
  const row = { id: randomBytes(16).toString('hex'), payload: 'x'.repeat(400), at: Date.now() };
  return source.transaction((manager) => manager.insert('bench_row', row));
}

/** How often work is done in a second by that many workers. */
async function rate(work, workers, seconds) {
  let done = 0;
  const began = performance.now();
  const until = began + seconds * 1000;
  const worker = async () => {
    while (performance.now() < until) {
      await work();
      done++;
    }
  };
  await Promise.all(Array.from({ length: workers }, worker));
  return (done * 1000) / (performance.now() - began);
}
