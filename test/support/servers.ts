/** Asks the test run for a server that all test files share, and waits until it has started. @returns its URL */
export function serverUrl(name: 'PostgreSQL' | 'MariaDB' | 'Chromium'): Promise<string> {
  return ask<string>(name);
}

/** Tells this process where the program of Redis is, so that it does not look for it again. */
export async function shareRedisProgram(): Promise<void> {
  process.env.TEST_REDIS_PROGRAMS ??= JSON.stringify(await ask<object>('redis-program'));
}

async function ask<T>(name: string): Promise<T> {
  const keeper = process.env.TEST_SERVERS_URL;
  if (!keeper) throw new Error('TEST_SERVERS_URL is not set; run the tests with npm test');
  const answer = await fetch(keeper + encodeURIComponent(name));
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as T;
}
