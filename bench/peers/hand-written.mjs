import { randomBytes } from 'node:crypto';
import { UnauthorizedException } from '@nestjs/common';
import { Redis } from 'ioredis';
import { bearer, logInAll } from '../support/accounts.mjs';

/**
 * What one writes in ten minutes: GET and JSON.parse, with the token itself as the key. ioredis sends each command by itself
 * unless told otherwise; with enableAutoPipelining it sends the commands of one turn together, which is the fastest it
 * documents. Nothing else is left to leave out.
 */
const SETTINGS = { default: {}, fastest: { enableAutoPipelining: true } };

/** @type {import('../support/verify-server.mjs').Variant} */
export async function start(setting, { count, redisUrl }) {
  const client = new Redis(redisUrl, { keyPrefix: `hand-written:${setting}:`, ...SETTINGS[setting] });
  class BearerGuard {
    async canActivate(context) {
      const request = context.switchToHttp().getRequest();
      const [scheme, token] = (request.headers.authorization ?? '').split(' ');
      const text = scheme === 'Bearer' && token ? await client.get(token) : null;
      if (text === null) throw new UnauthorizedException();
      request.user = JSON.parse(text);
      return true;
    }
  }
  return {
    guard: new BearerGuard(),
    async logIn() {
      const tokens = await logInAll(count, async (account) => {
        const token = randomBytes(32).toString('base64url');
        await client.set(token, JSON.stringify(account), 'EX', 7200);
        return token;
      });
      return { good: tokens.map(bearer), bad: [bearer(randomBytes(32).toString('base64url'))] };
    },
    close: () => client.quit(),
  };
}
