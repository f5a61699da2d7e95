import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Header, UseGuards } from '@nestjs/common';
import {
  AuthGuard,
  CurrentUser,
  type CurrentSessionUser,
  OptionalAuth,
  SessionModule,
  SessionRoutesModule,
  both,
  cookies,
  multiDevice,
} from 'nestjs-latchkey';
import { SessionRuntime } from 'lib/session-runtime.js';
import { type IncomingHttpHeaders, type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startNginx } from '../../tools/servers/nginx.mjs';
import { codeBlocks } from '../docs/examples.js';
import { type HttpApp, type RawRequest, adapters, exchange, sessionOptions, startApp, useApp } from './http-app.js';

const START_DEADLINE_MS = 600_000;

/** Starts nginx for the tests of a block. @returns what sends requests to it */
function useNginx(configuration: (port: number) => string) {
  let nginx: Awaited<ReturnType<typeof startNginx>>;
  beforeAll(async () => void (nginx = await startNginx(configuration)), START_DEADLINE_MS);
  afterAll(() => nginx.stop());
  return (request: RawRequest) => exchange(nginx.port, request);
}

describe.each(adapters)('docs/gateways.md: nginx in front of a service, sessions on $name', (kind) => {
  const sessions = useApp(() =>
    startApp(
      kind,
      {
        imports: [
          SessionModule.forRoot({ ...sessionOptions({ transport: both(), policy: multiDevice() }), isGlobal: true }),
          SessionRoutesModule.forRoot({ gateway: { claims: { roles: 'X-User-Roles' } } }),
        ],
      },
      { trustProxy: true },
    ),
  );
  let service: Server;
  beforeAll(async () => {
    service = createServer((request, response) => {
      const body: Buffer[] = [];
      request.on('data', (chunk: Buffer) => body.push(chunk));
      request.on('end', () => {
        const text = JSON.stringify({ headers: request.headers, body: Buffer.concat(body).toString() });
        response.setHeader('Content-Length', Buffer.byteLength(text)).end(text);
      });
    });
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => void service.close());

  const [{ text: recipe } = { text: '' }] = codeBlocks('docs/gateways.md', 'nginx');
  const send = useNginx((port) =>
    recipe
      .replace('127.0.0.1:3000', `127.0.0.1:${sessions.port}`)
      .replace('127.0.0.1:4000', `127.0.0.1:${(service.address() as AddressInfo).port}`)
      .replace('listen 80;', `listen 127.0.0.1:${port};`),
  );
  const FORGED = ['X-User-Id: root', 'X-Session-Id: root', 'X-User-Roles: admin'];
  const ask = ({ lines = [], ...request }: RawRequest) =>
    send({ path: '/orders/1?a=b', ...request, lines: [...FORGED, ...lines] });
  const login = async (claims = {}) => (await sessions.tokens.login('alice/é', { claims })).accessToken;

  it('passes a request on with its body, and with headers that no client wrote', async () => {
    const token = await login({ roles: ['staff'] });
    const line = `Authorization: Bearer ${token}`;
    const { status, json } = await ask({ method: 'POST', lines: [line], body: 'order' });
    const headers = json.headers as IncomingHttpHeaders;
    expect([status, json.body]).toEqual([200, 'order']);
    expect([headers['x-user-id'], headers['x-user-roles']]).toEqual(['alice%2F%C3%A9', 'staff']);
    expect(headers['x-session-id']).toMatch(/^[0-9a-f]{32}$/);
    const plain = await ask({ lines: [`Authorization: Bearer ${await login()}`] });
    expect((plain.json.headers as IncomingHttpHeaders)['x-user-roles']).toBeUndefined();
  });

  it.each<[string, number, string | undefined, (token: string) => RawRequest]>([
    ['no token', 401, 'TOKEN_MISSING', () => ({})],
    ['a malformed one', 401, 'TOKEN_MALFORMED', () => ({ lines: ['Authorization: Bearer a b'] })],
    ['an unknown one', 401, 'TOKEN_INVALID', (token) => ({ lines: [`Authorization: Bearer ${token}x`] })],
    ['a cookie', 200, undefined, (token) => ({ lines: [`Cookie: __Host-session=${token}`] })],
    [
      'a POST with a cookie from another origin',
      403,
      'CROSS_SITE_REQUEST',
      (token) => ({
        method: 'POST',
        lines: [`Cookie: __Host-session=${token}`, 'Origin: https://evil.example'],
        body: 'a',
      }),
    ],
    [
      'the same that claims to be a GET',
      403,
      'CROSS_SITE_REQUEST',
      (token) => ({
        method: 'POST',
        lines: [`Cookie: __Host-session=${token}`, 'X-Original-Method: GET', 'X-Forwarded-Method: GET'],
      }),
    ],
    [
      'a POST with a cookie from the own origin',
      200,
      undefined,
      (token) => ({
        method: 'POST',
        lines: [`Cookie: __Host-session=${token}`, 'Origin: http://localhost', 'X-Forwarded-Host: evil.example'],
      }),
    ],
  ])('answers %s with %i %s', async (_name, status, errorCode, requestOf) => {
    const answer = await ask(requestOf(await login()));
    expect({ status: answer.status, errorCode: answer.json.errorCode }).toEqual({ status, errorCode });
    if (status === 401) expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm="users"/);
  });

  it('answers 503 if sessions cannot be read', async () => {
    const lines = [`Authorization: Bearer ${await login()}`];
    await sessions.app.get(SessionRuntime, { strict: false }).database.engine.close();
    const answer = await ask({ lines });
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '2']);
  });
});

@Controller()
class CachedController {
  static calls = 0;

  @UseGuards(AuthGuard)
  @Header('Cache-Control', 'public, s-maxage=600')
  @Get('me')
  me(@CurrentUser('userId') userId: string) {
    return { userId };
  }

  @OptionalAuth()
  @Get('optional')
  optional(@CurrentUser() user: CurrentSessionUser | null) {
    return { userId: user?.userId ?? null };
  }

  @Get('public')
  open() {
    CachedController.calls++;
    return { calls: CachedController.calls };
  }
}

describe.each(adapters)('nginx proxy_cache in front of cookies on $name', (kind) => {
  const app: HttpApp = useApp(() =>
    startApp(
      kind,
      { imports: [SessionModule.forRoot(sessionOptions({ transport: cookies() }))], controllers: [CachedController] },
      { trustProxy: true },
    ),
  );
  // Keeps all that no header forbids to keep, for every client alike.
  const send = useNginx(
    (port) => `
      proxy_cache_path $home/cache keys_zone=all:1m;
      server {
        listen 127.0.0.1:${port};
        location / {
          proxy_pass http://127.0.0.1:${app.port};
          proxy_cache all;
          proxy_cache_key $uri;
          proxy_cache_valid any 10m;
          add_header X-Cache $upstream_cache_status always;
        }
      }`,
  );

  it('serves no answer to anybody else, and caches what is public', async () => {
    const tokens = await Promise.all(['alice', 'bob'].map((user) => app.tokens.login(user)));
    const clients = [
      ...tokens.map(({ accessToken, session: { userId } }) => ({
        userId,
        lines: [`Cookie: __Host-session=${accessToken}`],
      })),
      { userId: null, lines: [] },
    ];
    CachedController.calls = 0;
    for (const order of [clients, [...clients].reverse(), clients]) {
      for (const { userId, lines } of order) {
        const [me, optional, open] = [
          await send({ path: '/me', lines }),
          await send({ path: '/optional', lines }),
          await send({ path: '/public', lines }),
        ];
        expect(me.json.userId ?? null).toBe(userId);
        expect(optional.json).toEqual({ userId });
        expect([me, optional].map(({ headers }) => headers['x-cache'])).toEqual(['MISS', 'MISS']);
        expect(open.json).toEqual({ calls: 1 });
      }
    }
    expect((await send({ path: '/public' })).headers['x-cache']).toBe('HIT');
  });
});
