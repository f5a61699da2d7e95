import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Answer, type SampleApp, SampleApps } from './sample-app.js';

const ALICE = { username: 'alice', password: 'alice-password' };
const ADMIN = { username: 'admin', password: 'admin-password' };
const OWN = { 'sec-fetch-site': 'same-origin' };

const cookiesOf = ({ headers }: Answer) =>
  (headers['set-cookie'] ?? []).map((line) => line.split(';')[0]!).filter((pair) => !pair.endsWith('='));

describe('optional logins and roles', () => {
  const apps = new SampleApps();
  let app: SampleApp;
  beforeAll(async () => {
    app = await apps.start();
  });
  afterAll(() => apps.close());

  it('GET /optional tells who asks, or null, and refuses a bad token', async () => {
    expect((await app.get('/optional')).body).toEqual({ user: null });
    const { accessToken } = await app.login('alice');
    expect((await app.get('/optional', accessToken)).body).toMatchObject({ user: { userId: 'alice' } });
    expect(await app.get('/optional', 'unknown')).toMatchObject({ status: 401, body: { errorCode: 'TOKEN_INVALID' } });
  });

  it('GET /auth/verify tells a gateway who asks', async () => {
    const { accessToken, sessionId } = await app.login('alice');
    const headers = { 'x-user-id': 'alice', 'x-session-id': sessionId };
    expect(await app.get('/auth/verify', accessToken)).toMatchObject({ status: 200, text: '', headers });
    expect(await app.get('/auth/verify')).toMatchObject({ status: 401, body: { errorCode: 'TOKEN_MISSING' } });
  });

  it('GET /reports needs a role', async () => {
    const [alice, admin] = [await app.login('alice'), await app.login('admin')];
    expect(await app.get('/reports', alice.accessToken)).toMatchObject({
      status: 403,
      body: { errorCode: 'FORBIDDEN', missing: { roles: ['auditor', 'admin'] } },
    });
    expect((await app.get('/reports', admin.accessToken)).status).toBe(200);
  });
});

describe.each(['express', 'fastify'])('TOKEN_TRANSPORT=cookie on %s', (HTTP_ADAPTER) => {
  const apps = new SampleApps();
  let app: SampleApp;
  beforeAll(async () => {
    const trusted = { TRUSTED_ORIGINS: 'https://app.example' };
    app = await apps.start({ TOKEN_TRANSPORT: 'cookie', HTTP_ADAPTER, ...trusted });
  });
  afterAll(() => apps.close());

  const send = (method: string, path: string, headers: object, body?: object) =>
    app.send(method, path, { headers: { ...headers }, ...(body && { body }) });
  const jar = (cookies: readonly string[]) => ({ cookie: cookies.join('; ') });

  it('keeps cookies of a login that is remembered, as long as it asks for, and no others', async () => {
    const attributesOf = async (options: object) => {
      const login = await send('POST', '/auth/login', OWN, { username: 'bob', password: 'bob-password', ...options });
      return [login.headers['set-cookie']].flat().map((line) => /; (Max-Age=\d+)/.exec(String(line))?.[1] ?? 'none');
    };
    const hour = expect.stringMatching(/^Max-Age=3(600|59\d)$/);
    expect(await attributesOf({ maxAge: '1h', remember: true })).toEqual([hour, hour]);
    for (const options of [{}, { remember: false }, { remember: false, maxAge: '1h' }]) {
      expect(await attributesOf(options)).toEqual(['none', 'none']);
    }
  });

  it('logs in, refreshes and logs out with cookies and without a body', async () => {
    const login = await send('POST', '/auth/login', OWN, ALICE);
    expect(login).toMatchObject({ status: 200, body: { sessionId: expect.any(String), ended: [] } });
    expect([login.text.includes('ses_'), cookiesOf(login)]).toMatchObject([
      false,
      [{}, {}].map(() => expect.any(String)),
    ]);
    expect((await send('GET', '/me', jar(cookiesOf(login)))).body).toMatchObject({ userId: 'alice' });
    const verified = await send('GET', '/auth/verify', jar(cookiesOf(login)));
    expect(verified).toMatchObject({ status: 200, text: '', headers: { 'x-user-id': 'alice' } });
    const refreshed = await send('POST', '/auth/refresh', { ...OWN, ...jar(cookiesOf(login)) });
    expect([refreshed.status, refreshed.text.includes('ses_')]).toEqual([200, false]);
    const logout = await send('POST', '/auth/logout', { ...OWN, ...jar(cookiesOf(refreshed)) });
    expect([logout.status, cookiesOf(logout)]).toEqual([204, []]);
    expect(await send('GET', '/me', jar(cookiesOf(refreshed)))).toMatchObject({
      status: 401,
      body: { errorCode: 'SESSION_LOGGED_OUT' },
    });
  });

  it('refuses another site, and hears one that is trusted', async () => {
    const cookies = cookiesOf(await send('POST', '/auth/login', OWN, ADMIN));
    const from = (origin: string, path: string) =>
      send('POST', path, { origin, 'sec-fetch-site': 'cross-site', ...jar(cookies) });
    for (const path of ['/auth/logout-others', '/auth/logout', '/auth/refresh', '/auth/login', '/admin/kick']) {
      expect(await from('https://evil.example', path)).toMatchObject({
        status: 403,
        body: { errorCode: 'CROSS_SITE_REQUEST' },
      });
    }
    expect(await from('https://app.example', '/auth/logout-others')).toMatchObject({ status: 200, body: { ended: 0 } });
  });
});
