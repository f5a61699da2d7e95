import { ConfigError } from '../config/config-error.js';

/** The error of a database that cannot be used, as far as whoever starts the application can change it. */
export function unusableDatabase(cause: unknown): ConfigError {
  const problem = `names a database that cannot be used: ${reasonOf(cause)}. It must be a file in a folder that this user may write to, or a server that runs and lets this user in.`;
  return new ConfigError('DATABASE_URL', problem, { cause });
}

/** What a driver says, without the URL and its password. Of several addresses that were tried, what the first one said. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  return error instanceof Error ? error.message || error.name : String(error);
}
