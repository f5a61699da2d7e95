import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type RequestOptions, SampleApps, type SampleApp } from './sample-app.js';
import { until } from '../support/until.js';

/** Headers that may tell what is wrong, or how to keep the answer. */
const COMPARED = ['www-authenticate', 'cache-control', 'content-type', 'x-powered-by', 'etag'] as const;

describe('Express and Fastify', () => {
  const apps = new SampleApps();
  let pair: readonly SampleApp[];

  beforeAll(async () => {
    pair = await Promise.all(
      ['express', 'fastify'].map((HTTP_ADAPTER) => apps.start({ HTTP_ADAPTER, DATABASE_URL: 'sqlite::memory:' })),
    );
  });

  afterAll(() => apps.close());

  it('give the same answer to everything', async () => {
    const login = { username: 'alice', password: 'alice-password', deviceType: 'phone' };
    const json = { 'content-type': 'application/json' };
    const requests: readonly (readonly [method: string, path: string, options?: RequestOptions])[] = [
      ['POST', '/auth/login', { body: login }],
      ['POST', '/auth/login', { body: { ...login, password: 'wrong' } }],
      ['POST', '/auth/login', { body: { ...login, deviceType: 'no such thing!' } }],
      ['POST', '/auth/login', { body: { ...login, username: ['alice'] } }],
      ['POST', '/auth/login', { body: '{"username"' }],
      ['POST', '/auth/login', { body: '[]' }],
      ['POST', '/auth/login', { body: '"alice"' }],
      ['POST', '/auth/login', { body: 'true' }],
      ['POST', '/auth/login', { body: '' }],
      ['POST', '/auth/login', { body: `{"__proto__":{"username":"alice"},"password":"x"}` }],
      ['POST', '/auth/login', { body: JSON.stringify({ ...login, extra: 'x'.repeat(60_000) }) }],
      ['POST', '/auth/login', { body: JSON.stringify({ ...login, extra: 'x'.repeat(70_000) }) }],
      ['POST', '/auth/login', { body: 'a=b', headers: { 'content-type': 'text/plain' } }],
      ['POST', '/auth/login', { body: 'a=b', headers: { 'content-type': 'application/xml; charset=utf-8' } }],
      ['POST', '/auth/login', { headers: json }],
      ['POST', '/auth/login', {}],
      ['GET', '/auth/login', {}],
      ['GET', '/me', {}],
      ['GET', '/me/', {}],
      ['GET', '/ME', {}],
      ['GET', '//me', {}],
      ['GET', '/me', { token: 'nonsense' }],
      ['GET', '/me', { token: '@' }],
      ['GET', '/me', { headers: { authorization: 'Basic YTpi' } }],
      ['GET', '/me?access_token=x', {}],
      ['GET', '/sessions', { token: 'LIVE' }],
      ['GET', '/me', { token: 'LIVE' }],
      ['GET', '/ME/', { token: 'LIVE' }],
      ['HEAD', '/me', { token: 'LIVE' }],
      ['PUT', '/me', { token: 'LIVE', body: '{}' }],
      ['DELETE', '/sessions/abc', { token: 'LIVE', headers: json }],
      ['DELETE', '/sessions/abc', { token: 'LIVE', body: '{}' }],
      ['DELETE', '/sessions/%ff', { token: 'LIVE' }],
      ['DELETE', `/sessions/${'1'.repeat(1000)}`, { token: 'LIVE' }],
      ['POST', '/auth/change-password', { token: 'LIVE', body: { oldPassword: 'x', newPassword: 'y' } }],
      ['POST', '/auth/logout-others', { token: 'LIVE', headers: json }],
      ['GET', '/admin/online-users', { token: 'LIVE' }],
      ['GET', '/admin/online-users?limit=x', { token: 'ADMIN' }],
      ['GET', '/admin/online-users?q=a&q=b', { token: 'ADMIN' }],
      ['GET', '/admin/online-users?q[]=alice', { token: 'ADMIN' }],
      ['GET', '/admin/online-users', { token: 'ADMIN' }],
      ['GET', '/admin/users/a%2Fb/sessions', { token: 'ADMIN' }],
      ['DELETE', `/admin/users/${'u'.repeat(1025)}/sessions`, { token: 'ADMIN' }],
      ['DELETE', '/admin/sessions/abc', { token: 'ADMIN' }],
      ['GET', '/admin/events?type=LOGIN&from=2026-01-01', { token: 'ADMIN' }],
      ['GET', '/public', {}],
      ['GET', '/health', {}],
      ['GET', '/nowhere', {}],
      ['POST', '/auth/refresh', { body: { refreshToken: 'REFRESH' } }],
      ['POST', '/auth/refresh', { body: { refreshToken: 'REFRESH' } }],
      ['POST', '/auth/refresh', { body: { refreshToken: 'nonsense' } }],
      ['POST', '/auth/refresh', { body: { refreshToken: 7 } }],
      ['POST', '/auth/refresh', { body: '[]' }],
      ['POST', '/auth/refresh', {}],
      ['POST', '/auth/logout', { body: { refreshToken: 'nonsense' } }],
      ['POST', '/auth/logout', { body: { refreshToken: ['x'] } }],
      ['POST', '/auth/confirm-password', { token: 'LIVE', body: { password: 'alice-password' } }],
      ['POST', '/auth/confirm-password', { token: 'LIVE', body: { password: 'wrong' } }],
      ['POST', '/auth/confirm-password', { token: 'LIVE' }],
      ['POST', '/me/sensitive', { token: 'LIVE' }],
      ['POST', '/me/sensitive', {}],
      ['PUT', '/me/token-data/cart', { token: 'LIVE', body: { value: ['book'] } }],
      ['PUT', '/me/token-data/cart', { token: 'LIVE', body: {} }],
      ['PUT', '/me/token-data/cart', { token: 'LIVE', body: '5' }],
      ['GET', '/me/token-data/cart', { token: 'LIVE' }],
      ['PUT', '/me/account-data/a%2Fb', { token: 'LIVE', body: { value: { deep: [1, null] } } }],
      ['GET', '/me/account-data/a%2Fb', { token: 'LIVE' }],
      ['GET', '/me/account-data/%00', { token: 'LIVE' }],
      ['GET', `/me/account-data/${'k'.repeat(129)}`, { token: 'LIVE' }],
      ['POST', '/comments', { token: 'LIVE', body: { text: 'Hello' } }],
      ['POST', '/admin/users/alice/ban', { token: 'ADMIN', body: { service: 'comment', level: 2, reason: 'spam' } }],
      ['POST', '/comments', { token: 'LIVE', body: { text: 'Hello' } }],
      ['GET', '/admin/users/alice/bans', { token: 'ADMIN' }],
      ['DELETE', '/admin/users/alice/ban?service=comment', { token: 'ADMIN' }],
      ['DELETE', '/admin/users/alice/ban?service=comment', { token: 'ADMIN', headers: json }],
      ['POST', '/admin/users/alice/ban', { token: 'ADMIN', body: { until: 'tomorrow' } }],
      ['POST', '/admin/users/nobody/ban', { token: 'ADMIN', body: {} }],
      ['POST', '/admin/users/bob/impersonate', { token: 'ADMIN', body: { reason: 'ticket 7', for: '5m' } }],
      ['POST', '/admin/users/bob/impersonate', { token: 'ADMIN', body: { for: '13h' } }],
      ['POST', '/admin/users/bob/ban', { token: 'ADMIN', body: {} }],
      ['POST', '/auth/login', { body: { username: 'bob', password: 'bob-password' } }],
      ['POST', '/auth/login', { body: { username: 'bob', password: 'wrong' } }],
      ['GET', '/.well-known/jwks.json', {}],
      ['POST', '/auth/logout', { token: 'LIVE', headers: json }],
      ['POST', '/auth/logout', { token: 'LIVE' }],
      ['GET', '/me', { token: 'LIVE' }],
    ];
    const tokens = await Promise.all(
      pair.map(async (app) => ({
        LIVE: (await app.login('alice', { deviceType: 'laptop' })).accessToken,
        REFRESH: '',
        ADMIN: (await app.login('admin')).accessToken,
      })),
    );
    // An application answers before it has its Redis, where it has one, and its near cache.
    await until(async () => {
      const [one, other] = await Promise.all(pair.map((app) => app.send('GET', '/health')));
      return one!.body.redis !== 'down' && one!.text === other!.text;
    });
    // The first one logs alice in again, which the others go on with.
    for (const [method, path, options = {}] of requests) {
      const [express, fastify] = await Promise.all(
        pair.map(async (app, index) => {
          const names: Record<string, string> = tokens[index]!;
          const token = options.token === undefined ? undefined : (names[options.token] ?? options.token);
          const sent = JSON.stringify(options.body)?.replace('REFRESH', () => names.REFRESH!);
          const payload = typeof options.body === 'string' ? options.body : sent;
          const { status, headers, text, body } = await app.send(method, path, { ...options, body: payload, token });
          if (path === '/auth/login' && status === 200) {
            tokens[index]!.LIVE = body.accessToken as string;
            tokens[index]!.REFRESH = body.refreshToken as string;
          }
          const compared = COMPARED.map((name) => [name, String(headers[name]).toLowerCase().replace(/; /g, ';')]);
          const request = `${method} ${path} ${JSON.stringify(options).slice(0, 200)}`;
          return { request, status, compared, text: withoutChance(text, app) };
        }),
      );
      expect(fastify).toEqual(express);
      expect(express!.status).toBeLessThan(500);
    }
    expect(pair[0]!.stderr.replace(/.*SESSION_SECRET.*\n/, '')).toBe('');
    expect(pair[1]!.stderr).toBe(pair[0]!.stderr);
  });

  it('serve commands for the address that it was asked for at', async () => {
    for (const app of pair) {
      const page = await app.get('/commands');
      expect(page.headers['content-type']).toMatch(/^text\/html/);
      expect(page.text).toContain(`curl -s http://127.0.0.1:${app.port}/auth/login`);
      const named = await app.send('GET', '/commands', { headers: { host: 'sessions.example:8080' } });
      expect(named.text).toContain('http://sessions.example:8080/me');
      const bad = await app.send('GET', '/commands', { headers: { host: '"><script>$(id)' } });
      expect(bad.text).not.toContain('script');
    }
  });
});

/** Ids, tokens, times, cursors and the port are different in every run. */
function withoutChance(text: string, app: SampleApp): string {
  return text
    .replaceAll(String(app.port), 'PORT')
    .replace(/ses_[ar]t_[\w-]+/g, 'TOKEN')
    .replace(/(?<="expiresIn":)\d+/, 'SECONDS')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replace(/[0-9a-f]{32}/g, 'ID');
}
