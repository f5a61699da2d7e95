import { AuthGuard, SessionModule, TokenService } from 'nestjs-latchkey';
import { bearer, damaged } from './accounts.mjs';
import { countReads } from './count-reads.mjs';
import { SECRET, logInMany, redisOption, untilCached } from './sessions.mjs';

/** A route without a guard, and with one that does nothing. @type {import('./verify-server.mjs').Variant} */
export async function startBare(setting) {
  class YesGuard {
    canActivate() {
      return true;
    }
  }
  return setting === 'guarded' ? { guard: YesGuard } : {};
}

/** Has the session of every token where the setting reads it, and sees that it is read from there and nowhere else. */
const READ_FROM = {
  'near cache': (tokens, given, counter) => untilCached(tokens, given, () => counter.statements + counter.commands),
  async Redis(tokens, given, counter) {
    await untilCached(tokens, given, () => counter.statements);
    if (counter.commands < given.length) throw new Error('Sessions are not read from Redis.');
  },
  async PostgreSQL(tokens, given, counter) {
    await tokens.verify(given[0]);
    const before = counter.statements;
    await tokens.verify(given[0]);
    if (counter.statements === before) throw new Error('Sessions are not read from PostgreSQL.');
  },
};

/**
 * The library: from its near cache, from Redis, or from PostgreSQL with no cache at all.
 *
 * @type {import('./verify-server.mjs').Variant}
 */
export async function startOwn(setting, { count, redisUrl, databaseUrl }) {
  const counter = countReads();
  const options = {
    secret: SECRET,
    database: { type: 'postgres', url: databaseUrl },
    ...(setting !== 'near cache' && { nearCache: false }),
    ...(setting === 'Redis' && { redis: await redisOption(redisUrl) }),
  };
  return {
    guard: AuthGuard,
    imports: [SessionModule.forRoot(options)],
    async logIn(_origin, app) {
      const tokens = app.get(TokenService, { strict: false });
      const given = await logInMany(tokens, count);
      await READ_FROM[setting](tokens, given, counter);
      counter.stop();
      return { good: given.map(bearer), bad: [bearer(damaged(given[0]))] };
    },
  };
}
