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
      if (!text.includes('"latchkey_session"')) return statement;
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
