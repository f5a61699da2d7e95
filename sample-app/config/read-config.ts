import { parseDatabaseUrl } from './database-url.js';
import { Environment } from './environment.js';
import type { SampleConfig } from './sample-config.js';
import { refuseUnused } from './refuse-unused.js';
import { parseSecretList } from './secret-list.js';
import { parseSessionPolicy } from './session-policy.js';
import { readTokens } from './token-config.js';

/**
 * Reads the environment: a pure function, so that every variable can be tested without a process.
 * @throws ConfigError naming the variable and saying what it may be
 */
export function readConfig(variables: Readonly<Record<string, string | undefined>>): SampleConfig {
  const environment = new Environment(variables);
  // In any case of letters: whoever means it must not go without a secret.
  const isProduction = environment.text('NODE_ENV')?.toLowerCase() === 'production';
  const overflow = () =>
    environment.choice('SESSION_OVERFLOW', ['evict-oldest', 'evict-least-active', 'reject'], 'evict-oldest');
  const policy = parseSessionPolicy(environment.text('SESSION_POLICY'), overflow);
  const tokens = readTokens(environment, isProduction);
  const transport = {
    kind: environment.choice('TOKEN_TRANSPORT', ['bearer', 'cookie', 'both'], 'bearer'),
    trustedOrigins: environment.list('TRUSTED_ORIGINS'),
  };
  refuseUnused(environment, { policy, tokens, transport });
  return Object.freeze({
    host: environment.text('HOST') ?? '127.0.0.1',
    port: environment.integer('PORT', 0, 65_535, 3000),
    database: Object.freeze(parseDatabaseUrl(environment.text('DATABASE_URL'))),
    redisUrl: environment.text('REDIS_URL') ?? null,
    sessionSecrets: parseSecretList(environment.text('SESSION_SECRET'), isProduction),
    policy: Object.freeze(policy),
    tokens: Object.freeze(tokens),
    transport: Object.freeze(transport),
    idleTimeout: environment.duration('IDLE_TIMEOUT', false, '1s', 'off'),
    onReplace: environment.choice('ON_REPLACE', ['clear', 'keep'], 'clear'),
    outageGrace: environment.duration('OUTAGE_GRACE', '15s'),
    nearCache: environment.choice('NEAR_CACHE', ['auto', 'off'], 'auto'),
    httpAdapter: environment.choice('HTTP_ADAPTER', ['express', 'fastify'], 'express'),
    seedUsers: environment.integer('SEED_USERS', 0, 1_000_000, 0),
    scryptCost: environment.integer('SCRYPT_COST', 1, 20, 14),
  });
}
