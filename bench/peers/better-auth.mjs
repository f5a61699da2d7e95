import { UnauthorizedException } from '@nestjs/common';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { fromNodeHeaders } from 'better-auth/node';
import { Redis } from 'ioredis';
import { damaged, logInAll } from '../support/accounts.mjs';
import { SECRET } from '../support/sessions.mjs';

/**
 * better-auth with its sessions in Redis (secondaryStorage), asked by a guard through auth.api.getSession, with its cookies,
 * which is less work for it than a bearer token: its plugin for those makes a cookie of the token first.
 *
 * The fastest setting that asks Redis for every request is a client with enableAutoPipelining. The fastest that it documents
 * is the cookie cache: the session stands in a second, signed cookie and is taken from there for maxAge, so that an ended
 * session is accepted for up to that long.
 */
const SETTINGS = {
  default: { redis: {}, session: {} },
  pipelined: { redis: { enableAutoPipelining: true }, session: {} },
  'cookie cache': { redis: {}, session: { cookieCache: { enabled: true, maxAge: 3600 } } },
};

export const emptyTables = () => ({ user: [], session: [], account: [], verification: [] });

/** Users are kept in memory, and passwords are not hashed: neither is asked for when a session is verified. */
export function createAuth(client, sessionOptions, tables = emptyTables()) {
  return betterAuth({
    secret: SECRET,
    baseURL: 'http://127.0.0.1',
    telemetry: { enabled: false },
    rateLimit: { enabled: false },
    database: memoryAdapter(tables),
    secondaryStorage: {
      get: (key) => client.get(key),
      set: (key, value, ttl) => (ttl ? client.set(key, value, 'EX', ttl) : client.set(key, value)),
      delete: async (key) => void (await client.del(key)),
    },
    emailAndPassword: {
      enabled: true,
      password: { hash: async (password) => password, verify: async () => true },
    },
    user: { additionalFields: { userId: { type: 'string' }, roles: { type: 'string[]' } } },
    session: sessionOptions,
  });
}

/** Signs an account up, which logs it in. @returns {Promise<string>} the cookies of the session, as a client sends them */
export async function signUp(auth, { userId, name, roles }) {
  const body = { email: `${userId}@example.org`, password: 'password', name, userId, roles };
  const { headers } = await auth.api.signUpEmail({ body, returnHeaders: true });
  return headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0])
    .join('; ');
}

/** @type {import('../support/verify-server.mjs').Variant} */
export async function start(setting, { count, redisUrl }) {
  const { redis, session } = SETTINGS[setting];
  const client = new Redis(redisUrl, { keyPrefix: `better-auth:${setting}:`, ...redis });
  const auth = createAuth(client, session);
  class BetterAuthGuard {
    async canActivate(context) {
      const request = context.switchToHttp().getRequest();
      const found = await auth.api.getSession({ headers: fromNodeHeaders(request.headers) });
      if (!found) throw new UnauthorizedException();
      request.user = found.user;
      return true;
    }
  }
  return {
    guard: new BetterAuthGuard(),
    async logIn() {
      const cookies = await logInAll(count, (account) => signUp(auth, account));
      const header = (cookie) => ['cookie', cookie];
      return { good: cookies.map(header), bad: [header(damaged(cookies[0].split('; ')[0]))] };
    },
    close: () => client.quit(),
  };
}
