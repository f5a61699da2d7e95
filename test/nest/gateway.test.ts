import { describe, expect, it } from '@jest/globals';
import {
  type LoginOptions,
  SessionModule,
  type SessionModuleOptions,
  SessionRoutesModule,
  type SessionRoutesOptions,
  both,
  cookies,
  multiDevice,
  sliding,
} from 'nestjs-latchkey';
import { ManualClock } from 'nestjs-latchkey/testing';
import { SessionRuntime } from 'lib/session-runtime.js';
import { HTTPS, cookiesOf } from './cookie-app.js';
import { type AdapterKind, type HttpApp, adapters, sessionOptions, startApp, useApp } from './http-app.js';

const TRUSTED = 'https://app.example.com';
const SOCKET = ['X-Original-Method: GET', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='];
const CLAIMS = { roles: 'X-Roles', plan: 'X-Plan', level: 'X-Level', none: 'X-None', absent: 'X-Absent' };

function start(
  kind: AdapterKind,
  module: Partial<SessionModuleOptions>,
  gateway: SessionRoutesOptions['gateway'] = { claims: CLAIMS },
): Promise<HttpApp> {
  const sessions = SessionModule.forRoot({ ...sessionOptions({ policy: multiDevice(), ...module }), isGlobal: true });
  return startApp(kind, { imports: [sessions, SessionRoutesModule.forRoot({ gateway })] }, { trustProxy: true });
}

describe.each(adapters)('the question of a gateway on $name', (kind) => {
  const app = useApp(() => start(kind, { transport: both({ trustedOrigins: [TRUSTED] }) }));
  const login = (user: string, options: LoginOptions = {}) => app.tokens.login(user, options);

  it.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    'is answered for %s and any path behind it, without a body',
    async (method) => {
      const { accessToken, session } = await login('alice');
      for (const path of ['/auth/verify', '/auth/verify/', '/auth/verify/orders/1?a=b', '/auth/verify/%2e%2e//x']) {
        // Answered with 304 elsewhere.
        const lines = ['If-None-Match: *', 'X-User-Id: root'];
        const { status, text, headers } = await app.sendWith(accessToken, { method, path, lines });
        expect({ path, status, text }).toEqual({ path, status: 200, text: '' });
        expect(headers).toMatchObject({
          'x-user-id': 'alice',
          'x-session-id': session.id,
          'cache-control': 'no-store',
        });
      }
    },
  );

  it('tells user and claims in characters that headers may have', async () => {
    const claims = { roles: ['a,b', 'é\r\nX-Admin: 1'], plan: { pro: '\ud800' }, level: 3, none: null, secret: 'kept' };
    const { accessToken } = await login('alice/é\n,', { claims });
    const { headers } = await app.sendWith(accessToken, { path: '/auth/verify' });
    expect(headers).toMatchObject({
      'x-user-id': encodeURIComponent('alice/é\n,'),
      'x-roles': 'a%2Cb,%C3%A9%0D%0AX-Admin%3A%201',
      'x-plan': encodeURIComponent(JSON.stringify(claims.plan)),
      'x-level': '3',
    });
    expect(Object.keys(headers).filter((name) => /none|absent|secret|admin/.test(name))).toEqual([]);
  });

  it.each<[string, number, string, (token: string) => readonly string[]]>([
    ['no token', 401, 'TOKEN_MISSING', () => []],
    ['a malformed one', 401, 'TOKEN_MALFORMED', () => ['Authorization: Bearer a b']],
    [
      'two cookies',
      401,
      'TOKEN_MALFORMED',
      (token) => ['X-Original-Method: GET', `Cookie: __Host-session=${token}; __Host-session=x`],
    ],
    ['an unknown one', 401, 'TOKEN_INVALID', (token) => [`Authorization: Bearer ${token}x`]],
    ['a cookie and no method', 403, 'CROSS_SITE_REQUEST', (token) => [`Cookie: __Host-session=${token}`]],
  ])('is answered for %s with %i %s', async (_name, status, errorCode, linesOf) => {
    const { accessToken } = await login('refused');
    const answer = await app.send({ path: '/auth/verify', lines: [...HTTPS, ...linesOf(accessToken)] });
    expect(answer).toMatchObject({ status, json: { statusCode: status, errorCode } });
    expect(answer.headers['www-authenticate'] !== undefined).toBe(status === 401);
    expect([answer.headers['x-user-id'], answer.headers['cache-control']]).toEqual([undefined, 'no-store']);
  });

  it.each<[string, readonly string[], number]>([
    ['GET', ['X-Original-Method: GET'], 200],
    ['HEAD of Traefik', ['X-Forwarded-Method: HEAD'], 200],
    ['OPTIONS', ['X-Original-Method: OPTIONS'], 200],
    ['POST', ['X-Original-Method: POST'], 403],
    ['an unknown method', ['X-Original-Method: get'], 403],
    ['an empty one', ['X-Original-Method:'], 403],
    ['two methods', ['X-Original-Method: GET, GET'], 403],
    ['two headers that differ', ['X-Original-Method: GET', 'X-Forwarded-Method: POST'], 403],
    ['two headers that agree', ['X-Original-Method: GET', 'X-Forwarded-Method: HEAD'], 200],
    ['POST of this site', ['X-Original-Method: POST', 'Sec-Fetch-Site: same-origin'], 200],
    ['POST of a trusted one', ['X-Original-Method: POST', 'Sec-Fetch-Site: cross-site', `Origin: ${TRUSTED}`], 200],
    ['POST of another one', ['X-Original-Method: POST', 'Origin: https://evil.example'], 403],
    ['POST of its own Origin', ['X-Original-Method: POST', 'Origin: https://localhost'], 200],
    ['a WebSocket of its own Origin', [...SOCKET, 'Origin: https://localhost'], 200],
    ['a WebSocket of a trusted one', [...SOCKET, `Origin: ${TRUSTED}`], 200],
    ['a WebSocket of another one', [...SOCKET, 'Origin: https://evil.example', 'Sec-Fetch-Site: same-origin'], 403],
    ['a WebSocket of none', SOCKET, 403],
  ])('is judged by the method that it names: %s', async (_name, lines, status) => {
    const { accessToken } = await login('visitor');
    const cookie = `Cookie: __Host-session=${accessToken}`;
    for (const method of ['GET', 'POST']) {
      const answer = await app.send({ method, path: '/auth/verify', lines: [...HTTPS, cookie, ...lines] });
      expect(answer.status).toBe(status);
    }
    // No other site can send one.
    expect((await app.sendWith(accessToken, { path: '/auth/verify', lines })).status).toBe(200);
  });

  it('is answered with 503 while sessions cannot be read', async () => {
    const other = await start(kind, {});
    try {
      const { accessToken } = await other.tokens.login('alice');
      await other.app.get(SessionRuntime, { strict: false }).database.engine.close();
      const { status, headers } = await other.sendWith(accessToken, { path: '/auth/verify' });
      expect([status, headers['retry-after']]).toEqual([503, expect.stringMatching(/^\d+$/)]);
    } finally {
      await other.close();
    }
  });

  it.each([
    { renew: false, transport: both(), header: 'x-renewed-token' },
    { renew: true, transport: both(), header: 'x-renewed-token' },
    { renew: false, transport: cookies(), header: 'set-cookie' },
    { renew: true, transport: cookies(), header: 'set-cookie' },
  ])('renews only if told: $renew, $header', async ({ renew, transport, header }) => {
    const clock = new ManualClock(Date.UTC(2026, 0, 15));
    const tokens = sliding({ ttl: '2h', renewWithin: '1h' });
    const other = await start(kind, { clock, tokens, transport }, { renew });
    try {
      const { accessToken, session } = await other.tokens.login('alice');
      clock.advance(90 * 60_000);
      const own =
        transport.kind === 'cookies' ? `Cookie: __Host-session=${accessToken}` : `Authorization: Bearer ${accessToken}`;
      const lines = [...HTTPS, own, 'X-Original-Method: GET'];
      const ask = () => other.send({ path: '/auth/verify', lines });
      for (const answer of [await ask(), await ask()]) {
        expect([answer.status, answer.headers[header] !== undefined]).toEqual([200, renew]);
        if (renew && header === 'set-cookie') expect(Object.keys(cookiesOf(answer))).toEqual(['__Host-session']);
      }
      // No successor was made that nobody has.
      const { renewed } = (await other.tokens.verify(accessToken)) as { readonly renewed?: object };
      expect(renewed).toBeDefined();
      expect((await other.sessions.find(session.id))!.end).toBeNull();
    } finally {
      await other.close();
    }
  });
});
