import { join } from 'node:path';
import { ConfigError } from './config-error.js';
import type { DatabaseConfig } from './sample-config.js';

/** Where the application keeps what it makes itself, below the working directory. */
export const DATA_DIRECTORY = '.data';

const SERVER_TYPES = {
  'postgres:': 'postgres',
  'postgresql:': 'postgres',
  'mysql:': 'mysql',
  'mariadb:': 'mariadb',
} as const;

/** @throws ConfigError, which does not repeat the URL: it may hold a password */
export function parseDatabaseUrl(value: string | undefined): DatabaseConfig {
  if (value === undefined) return { kind: 'file', path: join(DATA_DIRECTORY, 'sessions.sqlite') };
  if (value === 'sqlite::memory:') return { kind: 'memory' };
  const path = /^sqlite:(.+)$/.exec(value)?.[1];
  if (path !== undefined) return { kind: 'file', path };
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const type = url && SERVER_TYPES[url.protocol as keyof typeof SERVER_TYPES];
  if (!url || !type || !url.hostname) {
    throw new ConfigError(
      'DATABASE_URL',
      'must be sqlite::memory:, sqlite:PATH, postgres://USER:PASSWORD@HOST:PORT/NAME or the same with mysql:// or mariadb://.',
    );
  }
  return { kind: 'server', type, url: value };
}
