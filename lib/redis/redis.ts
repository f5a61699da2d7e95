import type { SharedBackendFactory } from '../cluster/shared-cache.js';
import { type Duration, parseDuration } from '../model/duration.js';
import { checkOptions } from '../model/checked-input.js';
import { invalidOption } from '../model/session-error.js';
import { RedisBackend } from './redis-backend.js';
import { type RedisSource, openConnection } from './redis-connection.js';

/** How Redis is used. Field initialisers are the defaults. */
export class RedisUse {
  /** What every key and channel begins with; 1 to 64 of letters, digits and `:._-`. Modules that share one share sessions. */
  prefix?: string = 'latchkey';

  /** Longest time that a command may take; the database is asked after it. Must be shorter than `timing.verifyBudget`. */
  timeout?: Duration = '150ms';
}

/**
 * Sessions that all servers remember in common, and messages between them, in Redis or Valkey: alone, with Sentinel, or a
 * Cluster. For the option `redis` of SessionModule. Whatever Redis loses, or brings back from an older snapshot, no token is
 * accepted because of it; without Redis, the database answers.
 *
 * @param source a URL (`redis://`, `rediss://`, `redis+cluster://HOST:PORT,HOST:PORT`,
 *   `redis+sentinel://HOST:PORT,HOST:PORT/NAME`), options of ioredis, or a client that the application has. Of a client, only
 *   its duplicate for messages is opened here, and closed.
 * @throws SessionError CONFIGURATION_INVALID
 */
export function redis(source: RedisSource, use: RedisUse = {}): SharedBackendFactory {
  const defaults = new RedisUse();
  checkOptions(use, 'redis.', defaults);
  const { prefix = defaults.prefix, timeout = defaults.timeout } = use;
  if (typeof prefix !== 'string' || !/^[A-Za-z0-9:._-]{1,64}$/.test(prefix)) {
    throw invalidOption('redis.prefix', 'must be 1 to 64 of letters, digits and :._-');
  }
  const settings = { prefix, timeoutMs: parseDuration(timeout, 'redis.timeout') };
  // Checked now, though it is opened when the module starts, and by each module for itself.
  const first = openConnection(source);
  let unused: typeof first | null = first;
  return {
    create(context) {
      if (settings.timeoutMs >= context.verifyBudgetMs) {
        throw invalidOption(
          'redis.timeout',
          'must be shorter than timing.verifyBudget, to leave time for the database',
        );
      }
      const connection = unused ?? openConnection(source);
      unused = null;
      return new RedisBackend(connection, settings, context);
    },
  };
}
