import { hash, randomBytes } from 'node:crypto';
import { UnauthorizedException } from '@nestjs/common';
import { AuthGuard, SessionModule, TokenService, cookies } from 'nestjs-latchkey';
import { account, bearer, damaged } from './accounts.mjs';
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

/** A guard that says yes to all requests of a turn of the event loop together. @type {import('./verify-server.mjs').Variant} */
export async function startBatch() {
  let whole = null;
  class BatchGuard {
    canActivate() {
      whole ??= new Promise((resolve) =>
        setImmediate(() => {
          whole = null;
          resolve(true);
        }),
      );
      return whole;
    }
  }
  return { guard: BatchGuard };
}

/**
 * The least that a guard can do which keeps no token: hash it, and look that up in a Map. It never expires anything, hears of no
 * end, and has no answer but 401. @type {import('./verify-server.mjs').Variant}
 */
export async function startLookup(_setting, { count }) {
  const users = new Map();
  const keyOf = (token) => hash('sha256', token, 'hex');
  class LookupGuard {
    canActivate(context) {
      const request = context.switchToHttp().getRequest();
      const user = users.get(keyOf(request.headers.authorization?.slice('Bearer '.length) ?? ''));
      if (!user) throw new UnauthorizedException();
      request.user = user;
      return true;
    }
  }
  return {
    guard: LookupGuard,
    async logIn() {
      // As long as a token of the library.
      const tokens = Array.from({ length: count }, () => `st_at_${randomBytes(72).toString('base64url')}`);
      for (const [index, token] of tokens.entries()) users.set(keyOf(token), account(index));
      return { good: tokens.map(bearer), bad: [bearer(damaged(tokens[0]))] };
    },
  };
}

/** Has the session of every token where the setting reads it, and sees that it is read from there and nowhere else. */
const READ_FROM = {
  'near cache': (tokens, given, counter) => untilCached(tokens, given, () => counter.statements + counter.commands),
  cookie: (tokens, given, counter) => READ_FROM['near cache'](tokens, given, counter),
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
 * The library: from its near cache, by header or cookie, from Redis, or from PostgreSQL with no cache at all.
 *
 * @type {import('./verify-server.mjs').Variant}
 */
export async function startOwn(setting, { count, redisUrl, databaseUrl }) {
  const counter = countReads();
  const options = {
    secret: SECRET,
    database: { type: 'postgres', url: databaseUrl },
    ...(['near cache', 'cookie'].includes(setting) || { nearCache: false }),
    ...(setting === 'cookie' && { transport: cookies() }),
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
      // As browsers send it over https.
      const carry = setting === 'cookie' ? (token) => ['Cookie', `__Host-session=${token}`] : bearer;
      return { good: given.map(carry), bad: [carry(damaged(given[0]))] };
    },
  };
}
