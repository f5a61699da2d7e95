import libsql from 'libsql';

/**
 * SQLite in memory that counts the statements run on the table of sessions. The node's own housekeeping uses other tables,
 * but for its sweeps and its writing of activity.
 */
export function countingSqlite() {
  const counter = { statements: 0 };
  class CountingDatabase extends libsql {
    prepare(text) {
      const statement = super.prepare(text);
      if (!text.includes('"user_session"')) return statement;
      for (const name of ['all', 'get', 'run']) {
        const call = statement[name];
        statement[name] = (...values) => {
          counter.statements++;
          return call.apply(statement, values);
        };
      }
      return statement;
    }
  }
  return { counter, options: { type: 'better-sqlite3', driver: CountingDatabase, database: ':memory:' } };
}

/** Waits until a good token costs no statement any more: the node caches from its second look for other nodes on. */
export async function untilCached(tokens, token, counter) {
  for (const deadline = performance.now() + 10_000; ;) {
    const before = counter.statements;
    const { status } = await tokens.verify(token);
    if (status !== 'VALID') throw new Error(`A token that was just given out is ${status}.`);
    if (counter.statements === before) return;
    if (performance.now() > deadline) throw new Error('The near cache did not come on within 10 s.');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
