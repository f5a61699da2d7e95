import { randomBytes } from 'node:crypto';
import { accessAndRefresh } from 'nestjs-latchkey';
import { DataSource, EntitySchema } from 'typeorm';
import { account } from './support/accounts.mjs';
import { engineName } from './support/databases.mjs';
import { interleaved, median, ratioText, short } from './support/rounds.mjs';
import { logInOne, redisOption, startSessions } from './support/sessions.mjs';

/** A table without anything of the library, about as wide as a session. */
const BenchRow = new EntitySchema({
  name: 'bench_row',
  columns: {
    id: { type: 'varchar', length: 32, primary: true },
    payload: { type: 'varchar', length: 512 },
    at: { type: 'bigint' },
  },
});

/** What a login and a refresh cost beside the smallest transaction that an application can make. */
export async function login({ quick, databases }) {
  const { rounds, seconds, chains } = quick
    ? { rounds: 2, seconds: 0.5, chains: 300 }
    : { rounds: 5, seconds: 2, chains: 1500 };
  const rows = [];
  for (const kind of ['sqlite', 'postgres', 'mariadb']) {
    const source = new DataSource({
      ...(await databases.create(kind)),
      entities: [BenchRow],
      synchronize: true,
      poolSize: 8,
    });
    await source.initialize();
    // As the library has it; by default each commit would wait for the disk.
    if (kind === 'sqlite') await source.query('PRAGMA synchronous = NORMAL');
    const started = [];
    // Each on a database of its own: two nodes on one would tell each other what they do.
    const start = async (options) => {
      started.push(await startSessions({ database: await databases.create(kind), ...options }));
      return started.at(-1).tokens;
    };
    const name = engineName(kind);
    const cases = new Map([[[name, 'one INSERT in a transaction, through TypeORM'], () => insertRow(source)]]);
    try {
      await addLogins(cases, name, start, {});
      if (kind === 'postgres') {
        await addRefresh(cases, name, start, {}, chains);
        const redis = async () => ({ redis: await redisOption(await databases.redis()) });
        await addLogins(cases, `${name} and Redis`, start, await redis());
        await addRefresh(cases, `${name} and Redis`, start, await redis(), chains);
      }
      // TypeORM has one connection on SQLite, where transactions that overlap would nest.
      const parallel = kind === 'sqlite' ? 1 : 8;
      const samples = await interleaved(rounds, cases, (work, of) =>
        rate(work, parallel, seconds).catch((cause) => {
          throw new Error(`${of.join(', ')}: ${cause.message}`, { cause });
        }),
      );
      const [base] = samples.values();
      for (const [of, rates] of samples) rows.push([...of, short(median(rates)), ratioText(rates, base)]);
    } finally {
      await Promise.all(started.map((sessions) => sessions.close()));
      await source.destroy();
    }
  }
  return {
    columns: ['database', 'work', 'per second', 'ratio to the INSERT'],
    rows,
    note: `8 at a time (SQLite: 1), ${rounds} rounds of ${seconds} s each. The servers run with fsync off, SQLite with synchronous = NORMAL.`,
  };
}

async function addLogins(cases, database, start, options) {
  const tokens = await start(options);
  let user = 0;
  cases.set([database, 'logins of different users'], () => logInOne(tokens, account(user++)));
  cases.set([database, 'logins of one user, each ending the last'], () => logInOne(tokens, account('one')));
}

/** Sessions take turns: no more than eight generations of one may be in grace at a time. */
async function addRefresh(cases, database, start, options, chains) {
  const tokens = await start({ tokens: accessAndRefresh(), ...options });
  const queue = [];
  for (let from = 0; from < chains; from += 50) {
    const batch = Array.from({ length: 50 }, (_, index) => logInOne(tokens, account(from + index)));
    queue.push(...(await Promise.all(batch)).map(({ refreshToken }) => refreshToken));
  }
  cases.set([database, 'refreshes of different sessions'], async () => {
    const { refreshToken } = await tokens.refresh(queue.shift());
    queue.push(refreshToken);
  });
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
