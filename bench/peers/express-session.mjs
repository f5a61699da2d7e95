import { UnauthorizedException } from '@nestjs/common';
import { RedisStore } from 'connect-redis';
import session from 'express-session';
import { createClient } from 'redis';
import { account, damaged, logInAll } from '../support/accounts.mjs';
import { SECRET } from '../support/sessions.mjs';

/**
 * express-session with connect-redis. The default is what the README of connect-redis shows: GET, and EXPIRE to keep the
 * session alive. (With the defaults of express-session itself, each request would also write the whole session back.) The
 * fastest that they document leaves EXPIRE out with disableTouch, so that sessions end a day after they began. The
 * client, node-redis, sends the commands of one turn together by itself.
 */
const STORE = { default: {}, fastest: { disableTouch: true } };

export const CLAIMS_KEY = 'user';

/** For Express only. @type {import('../support/verify-server.mjs').Variant} */
export async function start(setting, { count, redisUrl }) {
  const client = await createClient({ url: redisUrl }).connect();
  class SessionGuard {
    canActivate(context) {
      const request = context.switchToHttp().getRequest();
      request.user = request.session[CLAIMS_KEY];
      if (!request.user) throw new UnauthorizedException();
      return true;
    }
  }
  return {
    guard: new SessionGuard(),
    prepare(app) {
      const store = new RedisStore({ client, prefix: `express-session:${setting}:`, ...STORE[setting] });
      // Not for the route that is compared with.
      app.use(
        ['/read', '/who', '/login'],
        session({ store, secret: SECRET, resave: false, saveUninitialized: false, rolling: false }),
      );
      app.use('/login', (request, response) => {
        request.session[CLAIMS_KEY] = account(Number(request.query.index));
        response.end();
      });
    },
    async logIn(origin) {
      const cookies = await logInAll(count, async ({ userId }) => {
        const response = await fetch(`${origin}/login?index=${userId.slice('user-'.length)}`);
        return response.headers.getSetCookie()[0].split(';')[0];
      });
      const header = (cookie) => ['cookie', cookie];
      return { good: cookies.map(header), bad: [header(damaged(cookies[0]))] };
    },
    close: () => client.close(),
  };
}
