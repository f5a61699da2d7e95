import { describe, expect, it } from '@jest/globals';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { type Answer, type Login, type SampleApp, type Variables, until, useSampleApp } from './sample-app.js';

const codeOf = ({ status, body }: Answer) => (status === 200 ? 200 : (body?.errorCode as string));
const eventsOf = async (app: SampleApp, sessionId: string, type: string) => {
  const admin = await app.login('admin');
  const { body } = await app.get(`/admin/events?sessionId=${sessionId}&type=${type}`, admin.accessToken);
  return body.items as readonly Record<string, unknown>[];
};

describe.each<Variables>([
  { TOKEN_MODE: 'refresh', HTTP_ADAPTER: 'express' },
  { TOKEN_MODE: 'jwt', HTTP_ADAPTER: 'fastify' },
])('access and refresh tokens: $TOKEN_MODE on $HTTP_ADAPTER', (variables) => {
  const app = useSampleApp({ ...variables, SESSION_POLICY: 'multi' });

  it('renew each other, and every retry gets the same pair', async () => {
    const login = await app.login('alice');
    const answers = await Promise.all(Array.from({ length: 20 }, () => app.refresh(login.refreshToken)));
    expect(answers.map(codeOf)).toEqual(Array(20).fill(200));
    expect(new Set(answers.map(({ body }) => `${body.accessToken} ${body.refreshToken}`)).size).toBe(1);
    const next = answers[0]!.body as Login;
    expect(next).toEqual({
      tokenType: 'Bearer',
      accessToken: expect.any(String),
      expiresIn: expect.any(Number),
      refreshToken: expect.any(String),
      refreshExpiresIn: 30 * 86_400,
      sessionId: login.sessionId,
      ended: [],
    });
    expect(next.accessToken).not.toBe(login.accessToken);
    expect(next.refreshToken).not.toBe(login.refreshToken);
    // Requests that are under way with the old one are not refused.
    for (const { accessToken } of [next, login]) expect((await app.get('/me', accessToken)).status).toBe(200);
    expect(await eventsOf(app, login.sessionId, 'TOKEN_RENEWED')).toHaveLength(1);
  });

  it('live as long as the login asks for, if not longer than any', async () => {
    const login = await app.login('bob', { maxAge: '1h' });
    expect(login.refreshExpiresIn).toBeGreaterThan(3590);
    expect(login.refreshExpiresIn).toBeLessThanOrEqual(3600);
    const { body } = await app.get('/sessions', login.accessToken);
    const [{ createdAt, expiresAt }] = body.items as [{ createdAt: string; expiresAt: string }];
    expect(Date.parse(expiresAt) - Date.parse(createdAt)).toBe(3_600_000);
    const refreshed = await app.refresh(login.refreshToken);
    expect((refreshed.body as Login).refreshExpiresIn).toBeLessThanOrEqual(3600);
    const bob = { username: 'bob', password: 'bob-password' };
    for (const bad of [{ maxAge: '91d' }, { maxAge: 3600 }, { maxAge: '0s' }, { remember: 'yes' }]) {
      const answer = await app.post('/auth/login', { ...bob, ...bad });
      const message = expect.stringContaining(Object.keys(bad)[0]!);
      expect(answer).toMatchObject({ status: 400, body: { errorCode: 'ARGUMENT_INVALID', message } });
    }
  });

  it('end together, with either of them, and logging out may be repeated', async () => {
    const logouts: readonly ((login: Login) => Promise<Answer>)[] = [
      ({ refreshToken }) => app.post('/auth/logout', { refreshToken }),
      ({ accessToken }) => app.post('/auth/logout', undefined, accessToken),
      ({ accessToken, refreshToken }) => app.post('/auth/logout', { refreshToken }, accessToken),
    ];
    for (const logout of logouts) {
      const login = await app.login('alice');
      for (let time = 0; time < 3; time++) expect(await logout(login)).toMatchObject({ status: 204, text: '' });
      expect(codeOf(await app.get('/me', login.accessToken))).toBe('SESSION_LOGGED_OUT');
      expect(codeOf(await app.refresh(login.refreshToken))).toBe('SESSION_LOGGED_OUT');
    }
    expect((await app.post('/auth/logout', { refreshToken: 'unknown' })).status).toBe(204);
    expect((await app.post('/auth/logout')).status).toBe(204);
  });

  if (variables.TOKEN_MODE === 'jwt') {
    it('can be checked by another service, with the public keys that everybody may read', async () => {
      const { accessToken, sessionId } = await app.login('alice');
      const keys = await app.get('/.well-known/jwks.json');
      expect(keys).toMatchObject({ status: 200, headers: { 'cache-control': 'public, max-age=300' } });
      expect(keys.body.keys).toEqual([
        { kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig', kid: expect.any(String), x: expect.any(String) },
      ]);
      const { payload } = await jwtVerify(accessToken, createLocalJWKSet(keys.body), {
        issuer: 'latchkey-sample',
        audience: 'latchkey-sample',
        typ: 'at+jwt',
      });
      expect(payload).toMatchObject({ sub: 'alice', sid: sessionId });
      const [head, body, signature] = accessToken.split('.') as [string, string, string];
      const admin = Buffer.from(JSON.stringify({ ...payload, sub: 'admin' })).toString('base64url');
      for (const forged of [`${head}.${admin}.${signature}`, `${head}.${body}.`, `${head}.${body}`]) {
        expect(codeOf(await app.get('/me', forged))).toBe('TOKEN_INVALID');
      }
    });
  }
});

describe('a session that nobody uses', () => {
  const app = useSampleApp({ IDLE_TIMEOUT: '1s' });

  it('ends: polling that says so is no use', async () => {
    const { accessToken, refreshToken, sessionId } = await app.login('alice');
    const poll = () => app.send('GET', '/me', { token: accessToken, headers: { 'x-no-activity': '1' } });
    await until(async () => codeOf(await poll()) === 'SESSION_IDLE');
    expect(codeOf(await app.refresh(refreshToken))).toBe('SESSION_IDLE');
    const polled = await app.login('alice');
    const body = { refreshToken: polled.refreshToken };
    const refresh = () => app.send('POST', '/auth/refresh', { body, headers: { 'x-no-activity': '1' } });
    await until(async () => codeOf(await refresh()) === 'SESSION_IDLE');
    await until(async () => (await eventsOf(app, sessionId, 'SESSION_ENDED')).length === 1);
    expect(await eventsOf(app, sessionId, 'SESSION_ENDED')).toMatchObject([{ reason: 'SESSION_IDLE' }]);
  });
});

describe('the key-values of a replaced login', () => {
  const app = useSampleApp({ ON_REPLACE: 'keep' });

  it('are kept for operators where that is asked for', async () => {
    const first = await app.login('alice');
    await app.put('/me/token-data/cart', { value: ['book'] }, first.accessToken);
    await app.put('/me/account-data/theme', { value: 'dark' }, first.accessToken);
    const second = await app.login('alice');
    expect((await app.get('/me/token-data/cart', second.accessToken)).body).toEqual({ key: 'cart', value: null });
    expect((await app.get('/me/account-data/theme', second.accessToken)).body.value).toBe('dark');
    expect(codeOf(await app.get('/me/token-data/cart', first.accessToken))).toBe('SESSION_REPLACED');
    const admin = await app.login('admin');
    const kept = await app.get(`/admin/sessions/${first.sessionId}/token-data`, admin.accessToken);
    expect(kept).toMatchObject({ status: 200, body: { data: { cart: ['book'] } } });
    expect(codeOf(await app.get('/admin/sessions/nonsense/token-data', admin.accessToken))).toBe('ARGUMENT_INVALID');
  });
});
