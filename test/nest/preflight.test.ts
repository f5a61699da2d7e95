import { describe, expect, it } from '@jest/globals';
import { Controller, Post } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AuthGuard, cookies } from 'nestjs-latchkey';
import { useNodes } from '../support/doors.js';

let handled = 0;

@Controller()
class OrdersController {
  @Post('orders')
  order() {
    handled++;
  }
}

const TRUSTED = 'https://app.example.com';

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('a preflight on %s', (_, adapter) => {
  const start = useNodes();

  it('is answered by enableCors() without a session, and admits no request', async () => {
    const node = await start(
      { controllers: [OrdersController], providers: [{ provide: APP_GUARD, useClass: AuthGuard }] },
      {
        adapter: adapter(),
        session: { transport: cookies({ trustedOrigins: [TRUSTED] }) },
        configure: (app) => app.enableCors({ origin: TRUSTED, credentials: true }),
      },
    );
    const { accessToken } = await node.tokens.login('alice');
    const url = `${node.url}/orders`;
    const cookie = `session-${node.port}=${accessToken}`;
    const asked = { origin: TRUSTED, 'access-control-request-method': 'POST' };
    const preflight = await fetch(url, { method: 'OPTIONS', headers: asked });
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, TRUSTED]);
    expect(preflight.headers.getSetCookie()).toEqual([]);
    const evil = await fetch(url, { method: 'POST', headers: { cookie, origin: 'https://evil.example.com' } });
    expect([evil.status, await evil.json(), handled]).toMatchObject([403, { errorCode: 'CROSS_SITE_REQUEST' }, 0]);
    const trusted = await fetch(url, { method: 'POST', headers: { cookie, origin: TRUSTED } });
    expect([trusted.status, handled]).toEqual([201, 1]);
    handled = 0;
  });
});
