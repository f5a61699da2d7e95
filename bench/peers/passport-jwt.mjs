import { createSecretKey, randomUUID } from 'node:crypto';
import { UnauthorizedException } from '@nestjs/common';
import { AuthGuard, PassportStrategy } from '@nestjs/passport';
import { Redis } from 'ioredis';
import jsonwebtoken from 'jsonwebtoken';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { bearer, damaged, logInAll } from '../support/accounts.mjs';
import { SECRET } from '../support/sessions.mjs';

/**
 * passport-jwt with HS256, as the documentation of Nest shows it. Such a token cannot be ended: whoever must be able to do
 * that looks every token up in a list of ended ones, here by EXISTS.
 *
 * By default the secret is text, of which jsonwebtoken makes a key for every request. The fastest that jsonwebtoken documents
 * is a KeyObject as the secret, with the algorithm named; for the list, ioredis with enableAutoPipelining.
 */
const SETTINGS = {
  default: { secret: SECRET, verification: {}, redis: {} },
  fastest: {
    secret: createSecretKey(Buffer.from(SECRET)),
    verification: { algorithms: ['HS256'] },
    redis: { enableAutoPipelining: true },
  },
};

/** Without a list of ended tokens. @type {import('../support/verify-server.mjs').Variant} */
export const start = (setting, context) => startWith(setting, context, null);

/** With one. @type {import('../support/verify-server.mjs').Variant} */
export function startWithDenylist(setting, context) {
  const client = new Redis(context.redisUrl, { keyPrefix: `denied:${setting}:`, ...SETTINGS[setting].redis });
  return startWith(setting, context, client);
}

async function startWith(setting, { count }, denylist) {
  const { secret, verification } = SETTINGS[setting];
  class JwtStrategy extends PassportStrategy(Strategy) {
    constructor() {
      super({ jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(), secretOrKey: secret, ...verification });
    }
    async validate({ sub, jti, name, roles }) {
      if (denylist && (await denylist.exists(jti)) !== 0) throw new UnauthorizedException();
      return { userId: sub, name, roles };
    }
  }
  const sign = ({ userId, name, roles }, jwtid) =>
    jsonwebtoken.sign({ name, roles }, SECRET, { subject: userId, jwtid, expiresIn: '2h' });
  return {
    guard: AuthGuard('jwt'),
    providers: [JwtStrategy],
    async logIn() {
      const tokens = await logInAll(count, async (account) => sign(account, randomUUID()));
      const bad = [damaged(tokens[0])];
      if (denylist) {
        await denylist.set('ended', 1, 'EX', 7200);
        bad.push(sign({ userId: 'ended', name: 'Ended', roles: [] }, 'ended'));
      }
      return { good: tokens.map(bearer), bad: bad.map(bearer) };
    },
    close: async () => void (await denylist?.quit()),
  };
}
