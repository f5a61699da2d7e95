import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type TestDatabase, kindsOf } from '../support/databases.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import { type SampleApp, SampleApps, until, useSampleApps, refusal } from './sample-app.js';

const SESSION_SECRET = 'the secret of two servers that share a Redis';
const GOOD = { status: 'ok', database: 'up', redis: 'up', nearCache: 'on' };

const becomes = (app: SampleApp, expected: Record<string, string>) =>
  until(async () => {
    const { status, body } = await app.get('/health');
    return status === 200 && Object.entries(expected).every(([name, value]) => body[name] === value);
  });

describe.each(kindsOf('postgres'))('two servers with Redis, on $name', ({ create }) => {
  const apps = new SampleApps();
  let database: TestDatabase;
  let server: RedisServer;
  let one: SampleApp;
  let other: SampleApp;

  beforeAll(async () => {
    [database, server] = await Promise.all([create(), startRedis()]);
    const variables = { DATABASE_URL: database.url, REDIS_URL: server.url, SESSION_SECRET, SESSION_POLICY: 'multi' };
    [one, other] = await Promise.all([apps.start(variables), apps.start(variables)]);
    await Promise.all([becomes(one, GOOD), becomes(other, GOOD)]);
  });

  afterAll(async () => {
    await apps.close();
    await server.stop();
    await database.drop();
  });

  const login = async () => {
    const { accessToken, sessionId } = await one.login('alice');
    for (const app of [one, other]) {
      for (let use = 0; use < 2; use++) {
        expect(await app.get('/me', accessToken)).toMatchObject({ status: 200, body: { userId: 'alice', sessionId } });
      }
    }
    return { accessToken, sessionId };
  };

  it('refuse at once what the other one has ended', async () => {
    const admin = (await other.login('admin')).accessToken;
    for (let round = 0; round < 20; round++) {
      const { accessToken, sessionId } = await login();
      expect(await other.delete(`/admin/sessions/${sessionId}`, admin)).toMatchObject({ body: { ended: 1 } });
      expect(await one.get('/me', accessToken)).toMatchObject(refusal(401, 'SESSION_KICKED'));
    }
    for (const app of [one, other]) expect((await app.get('/health')).body).toEqual(GOOD);
  });

  it('go on without it, say so, and use it again when it is back', async () => {
    const { accessToken } = await login();
    await server.kill();
    const admin = (await one.login('admin')).accessToken;
    for (const app of [one, other]) {
      expect(await app.get('/me', accessToken)).toMatchObject({ status: 200 });
      await becomes(app, { ...GOOD, redis: 'down', nearCache: 'off' });
    }
    const during = await login();
    expect(await other.delete(`/admin/sessions/${during.sessionId}`, admin)).toMatchObject({ body: { ended: 1 } });
    expect(await one.get('/me', during.accessToken)).toMatchObject({ status: 401 });

    server = await startRedis({ port: server.port });
    for (const app of [one, other]) await becomes(app, GOOD);
    expect(await one.get('/me', during.accessToken)).toMatchObject({ status: 401 });
    expect(await other.get('/me', accessToken)).toMatchObject({ status: 200 });
    expect(one.stderr).toMatch(/Redis is unavailable/);
    expect(one.stdout + one.stderr).not.toMatch(/^ +at /m);
  });
});

describe('a server', () => {
  const apps = useSampleApps();

  it.each([
    ['express', 'auto', 'on'],
    ['fastify', 'off', 'off'],
  ])(
    'on an embedded database with %s and NEAR_CACHE=%s remembers by itself: %s',
    async (HTTP_ADAPTER, nearCache, on) => {
      const server = await startRedis();
      const app = await apps.start({ REDIS_URL: server.url, HTTP_ADAPTER, NEAR_CACHE: nearCache });
      await becomes(app, { ...GOOD, nearCache: on });
      const { accessToken } = await app.login('bob');
      expect(await app.get('/me', accessToken)).toMatchObject({ status: 200, body: { userId: 'bob' } });
      expect(await app.end('SIGTERM')).toBe(0);
      expect(app.stderr).toBe('');
      await server.stop();
    },
  );

  it('starts and works though its Redis is not there', async () => {
    const app = await apps.start({ REDIS_URL: 'redis://:hunter2@127.0.0.1:1' });
    const { accessToken } = await app.login('bob');
    expect((await app.get('/me', accessToken)).status).toBe(200);
    expect((await app.get('/health')).body).toMatchObject({ status: 'ok', redis: 'down' });
    expect(await app.end('SIGTERM')).toBe(0);
    expect(app.stderr).toMatch(/Redis is unavailable/);
    expect(app.stderr).not.toContain('hunter2');
  });
});
