import { beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../support/until.js';
import { useSampleApp } from './sample-app.js';

describe.each(['express', 'fastify'])('a login with a wrong password, on %s', (HTTP_ADAPTER) => {
  const app = useSampleApp({ HTTP_ADAPTER });
  let admin: string;

  beforeAll(async () => {
    admin = (await app.login('admin')).accessToken;
  });

  const failed = async () => (await app.get('/admin/events?type=LOGIN_FAILED', admin)).body.items as object[];

  it('G9: is on record within seconds, with who it was said to be and from where, and never with the password', async () => {
    const device = { deviceType: 'phone', deviceName: 'her phone' };
    for (const username of ['alice', 'nobody']) {
      const { status } = await app.send('POST', '/auth/login', {
        body: { username, password: 'a-wrong-password', ...device },
      });
      expect(status).toBe(401);
    }
    await until(async () => (await failed()).length === 2);
    const items = await failed();
    expect(items).toEqual(
      ['nobody', 'alice'].map((userId) =>
        expect.objectContaining({ type: 'LOGIN_FAILED', userId, actor: userId, ip: '127.0.0.1', ...device }),
      ),
    );
    expect(JSON.stringify(items)).not.toContain('a-wrong-password');
  });

  it('leaves no line where the password is right', async () => {
    const before = (await failed()).length;
    await app.login('alice');
    await app.send('POST', '/auth/login', { body: { username: 'bob', password: 'wrong' } });
    await until(async () => (await failed()).length > before);
    expect((await failed()).length).toBe(before + 1);
  });
});
