import type { SharedBackendFactory } from '../cluster/shared-cache.js';
import { type Duration, parseDuration } from '../model/timing.js';
import { checkOptions } from '../model/checked-input.js';
import { invalidOption } from '../model/session-error.js';
import { RedisBackend } from './redis-backend.js';
import { type RedisSource, openConnection } from './redis-connection.js';

export type { RedisSource };

/** Options of `redis`. Field initialisers are the defaults. */
export class RedisUse {
  /** Prefix of all keys and channels: 1 to 64 letters, digits and `:._-`. Modules with the same prefix share sessions. */
  prefix?: string = 'latchkey';

  /** Time limit of a command, after which the database answers. Must be shorter than `timing.verifyBudget`. */
  timeout?: Duration = '150ms';
}

/**
 * Shares cached sessions and messages between all nodes through Redis or Valkey: standalone, Sentinel or Cluster. Pass
 * it as the option `redis` of SessionModule. Data loss in Redis, or a restored old snapshot, never makes a token valid.
 * Without Redis, the database answers.
 *
 * @param source a URL (`redis://`, `rediss://`, `redis+cluster://HOST:PORT,HOST:PORT`,
 *   `redis+sentinel://HOST:PORT,HOST:PORT/NAME`), options of ioredis, or the application's client, of which only a
 *   duplicate for messages is opened and closed
 * @throws SessionError CONFIGURATION_INVALID
 */
export function redis(source: RedisSource, use: RedisUse = {}): SharedBackendFactory {
  const defaults = new RedisUse();
  checkOptions(use, 'redis.', defaults);
  const { prefix = defaults.prefix, timeout = defaults.timeout } = use;
  if (typeof prefix !== 'string' || !/^[A-Za-z0-9:._-]{1,64}$/.test(prefix)) {
    throw invalidOption('redis.prefix', 'must be 1 to 64 letters, digits and :._-');
  }
  const settings = { prefix, timeoutMs: parseDuration(timeout, 'redis.timeout') };
  // Validates the source now. Each module opens its own connection at boot.
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
