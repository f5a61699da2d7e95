/** Asks the test run for a server that all test files share, and waits until it has started. @returns its URL */
export function serverUrl(name: SharedDatabase | 'Chromium'): Promise<string> {
  return ask<string>(name);
}

type SharedDatabase = 'PostgreSQL' | 'MariaDB';

/** Rows by the names of their columns. */
export type Rows = readonly Record<string, string>[];

/**
 * Runs statements on a shared server, one after the other, on the one connection of the whole test run: PostgreSQL starts a
 * process for each.
 *
 * @returns the rows of each
 */
export function onSharedServer(name: SharedDatabase, ...statements: readonly string[]): Promise<readonly Rows[]> {
  return ask(name, { statements });
}

/** All rows in a database of the tables that a statement lists under `name`, as text. */
export async function rowsOf(name: SharedDatabase, database: string, tables: string): Promise<string> {
  return JSON.stringify(await ask(name, { database, tables }));
}

/** Tells this process where the program of Redis is, so that it does not look for it again. */
export async function shareRedisProgram(): Promise<void> {
  process.env.TEST_REDIS_PROGRAMS ??= JSON.stringify(await ask<object>('redis-program'));
}

async function ask<T>(name: string, query?: object): Promise<T> {
  const keeper = process.env.TEST_SERVERS_URL;
  if (!keeper) throw new Error('TEST_SERVERS_URL is not set; run the tests with npm test');
  const answer = await fetch(
    keeper + encodeURIComponent(name),
    query && { method: 'POST', body: JSON.stringify(query) },
  );
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as T;
}
