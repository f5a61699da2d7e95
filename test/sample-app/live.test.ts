import http from 'node:http';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { type Login, type SampleApp, until, useSampleApp, useSampleApps, refusal } from './sample-app.js';

const PHONE = { deviceType: 'phone', deviceName: 'Phone of Alice' };
const LAPTOP = { deviceType: 'laptop', deviceName: 'Laptop of Alice' };
const ISO = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

describe.each(['express', 'fastify'])('the stream of a session on %s', (HTTP_ADAPTER) => {
  const app = useSampleApp({ HTTP_ADAPTER });
  let admin: Login;

  beforeAll(async () => (admin = await app.login('admin')));

  it('tells a device of the login that took its place', async () => {
    const phone = await app.login('alice', PHONE);
    const stream = await open(app, phone);
    expect(stream.headers).toMatchObject({ 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    await app.login('alice', LAPTOP);
    await until(() => stream.hasEnded);
    const { end } = stream;
    expect(end).toEqual({
      errorCode: 'SESSION_REPLACED',
      message: expect.any(String),
      endedAt: ISO,
      replacedBy: { ...LAPTOP, at: ISO },
    });
    const refused = await app.get('/me', phone.accessToken);
    expect(refused.body).toMatchObject(end as object);
  });

  it('tells of a kick, a logout and a ban, and ends with each', async () => {
    const ends = [
      ['SESSION_KICKED', ({ sessionId }: Login) => app.delete(`/admin/sessions/${sessionId}`, admin.accessToken)],
      ['SESSION_LOGGED_OUT', ({ accessToken }: Login) => app.post('/auth/logout', undefined, accessToken)],
      ['ACCOUNT_DISABLED', () => app.post('/admin/users/bob/ban', {}, admin.accessToken)],
    ] as const;
    for (const [errorCode, end] of ends) {
      const login = await app.login('bob', PHONE);
      const streams = [await open(app, login), await open(app, login)];
      await end(login);
      await until(() => streams.every((stream) => stream.hasEnded));
      for (const stream of streams) expect(stream.end).toMatchObject({ errorCode, endedAt: ISO, replacedBy: null });
    }
  });

  it('says nothing of the sessions of others', async () => {
    const [alice, other] = [await app.login('alice', PHONE), await app.login('admin', PHONE)];
    const [ofAlice, ofOther] = [await open(app, alice), await open(app, other)];
    await app.post('/auth/logout', undefined, other.accessToken);
    await until(() => ofOther.hasEnded);
    expect(ofAlice.text).toBe(': open\n\n');
    expect(ofAlice.hasEnded).toBe(false);
    ofAlice.close();
    admin = await app.login('admin');
  });

  it('is for who is logged in, and HEAD of it is answered at once', async () => {
    expect(await app.get('/me/live')).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Bearer realm="users"' },
      body: { errorCode: 'TOKEN_MISSING' },
    });
    const { accessToken } = await app.login('alice', PHONE);
    expect(await app.send('HEAD', '/me/live', { token: accessToken })).toMatchObject({ status: 200, text: '' });
    await app.post('/auth/logout', undefined, accessToken);
    expect(await app.get('/me/live', accessToken)).toMatchObject(refusal(401, 'SESSION_LOGGED_OUT'));
  });

  it('closes the oldest of a session that has too many', async () => {
    const login = await app.login('alice', PHONE);
    const streams: Stream[] = [];
    for (let count = 0; count < 9; count++) streams.push(await open(app, login));
    await until(() => streams[0]!.hasEnded);
    expect(streams[0]!.text).toBe(': open\n\n');
    expect(streams.filter(({ hasEnded }) => hasEnded)).toHaveLength(1);
    await app.post('/auth/logout', undefined, login.accessToken);
    await until(() => streams.every(({ hasEnded }) => hasEnded));
    expect(streams.at(-1)!.end).toMatchObject({ errorCode: 'SESSION_LOGGED_OUT' });
  });
});

describe.each(['express', 'fastify'])('a process with open streams on %s', (HTTP_ADAPTER) => {
  const apps = useSampleApps();

  it('ends without waiting for their clients', async () => {
    const app = await apps.start({ HTTP_ADAPTER, DATABASE_URL: 'sqlite::memory:', SESSION_SECRET: 's'.repeat(32) });
    const login = await app.login('alice', PHONE);
    const streams = [await open(app, login), await open(app, login)];
    app.process.kill('SIGTERM');
    // Far less than the ten seconds for which the others are waited for.
    await until(() => app.hasExited, 8000);
    expect(await app.exit()).toBe(0);
    expect(app.stderr).toBe('');
    await until(() => streams.every(({ hasEnded }) => hasEnded));
    // Not of an end: the session lives, and the client asks again.
    for (const { text } of streams) expect(text).toBe(': open\n\n');
  });
});

describe('a stream of another process', () => {
  const apps = useSampleApps();

  it('tells of an end as well', async () => {
    const variables = { DATABASE_URL: `sqlite:${apps.directory()}/shared.sqlite`, SESSION_SECRET: 's'.repeat(32) };
    const [one, other] = await Promise.all([apps.start(variables), apps.start(variables)]);
    const phone = await one.login('alice', PHONE);
    const stream = await open(other, phone);
    await one.login('alice', LAPTOP);
    await until(() => stream.hasEnded);
    expect(stream.end).toMatchObject({ errorCode: 'SESSION_REPLACED', replacedBy: LAPTOP });
  });
});

interface Stream {
  readonly headers: http.IncomingHttpHeaders;
  text: string;
  hasEnded: boolean;
  readonly end: unknown;
  close(): void;
}

async function open(app: SampleApp, { accessToken }: Login): Promise<Stream> {
  const request = http.get({
    port: app.port,
    host: '127.0.0.1',
    path: '/me/live',
    agent: false,
    headers: { authorization: `Bearer ${accessToken}` },
  });
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    request.on('response', resolve).on('error', reject);
  });
  const stream: Stream = {
    headers: response.headers,
    text: '',
    hasEnded: false,
    get end() {
      const data = /^(?::.*\n\n)*event: end\ndata: (.*)\n\n$/.exec(this.text)?.[1];
      return data === undefined ? undefined : (JSON.parse(data) as unknown);
    },
    close: () => request.destroy(),
  };
  response.setEncoding('utf8').on('data', (text: string) => (stream.text += text));
  response.on('error', () => undefined).on('close', () => (stream.hasEnded = true));
  await until(() => stream.text !== '');
  return stream;
}
