import { expect, it } from '@jest/globals';
import { type SessionModuleOptions, type Verification, multiDevice, sliding } from 'nestjs-latchkey';
import { redis } from 'nestjs-latchkey/redis';
import { ManualClock } from 'nestjs-latchkey/testing';
import { createSqlite } from '../support/databases.js';
import { startRedis } from '../support/redis.js';
import { startSessions } from '../support/sessions.js';
import { until } from '../support/until.js';
import { useEnd } from '../support/use-database.js';

const MINUTE = 60_000;
const atEnd = useEnd();

async function start(options: Partial<SessionModuleOptions>) {
  const [server, database] = await Promise.all([startRedis(), createSqlite()]);
  atEnd(() => Promise.all([server.stop(), database.drop()]));
  const sessions = await startSessions({
    database: database.options,
    policy: multiDevice(),
    // Longer than a busy machine takes: what is not written in time is not written at all.
    redis: redis(server.url, { timeout: '5s' }),
    ...options,
  });
  atEnd(() => sessions.close());
  const { tokens, runtime } = sessions;
  const { stats } = runtime;
  /** Verifies until Redis, or the copy that came from there, has the answer. */
  const fromCopy = async (token: string): Promise<Verification> => {
    let verdict: Verification;
    await until(async () => {
      const before = stats.of('database', 'VALID');
      verdict = await tokens.verify(token);
      return stats.of('database', 'VALID') === before;
    });
    return verdict!;
  };
  return { ...sessions, fromCopy };
}

it.each([false, true])('a session of a request is the same, whoever knows it; near cache: %j', async (near) => {
  const { tokens, sessions, operators, fromCopy } = await start(near ? {} : { nearCache: false });
  const { accessToken, session } = await tokens.login('alice', {
    userName: 'Alice',
    deviceType: 'phone',
    deviceId: 'one',
    deviceName: 'Phone of Alice',
    loginMethod: 'password',
    ip: '192.0.2.1',
    userAgent: 'a browser',
    claims: { roles: ['admin'] },
    persistent: true,
    life: { idleTimeout: '2h' },
    amr: ['pwd'],
  });
  await operators.ban('alice', { service: 'comment', level: 2, by: 'root' });
  await sessions.reauthenticate(session.id, { amr: ['pwd', 'otp'] });
  const copied = await fromCopy(accessToken);
  const verified = await tokens.verify(accessToken, { strict: true });
  if (copied.status !== 'VALID' || verified.status !== 'VALID') throw new Error('A good token is refused.');
  expect(copied.session).toEqual(verified.session);
  expect(verified.session).toMatchObject({ userName: 'Alice', deviceName: 'Phone of Alice', idleMs: 7_200_000 });
  expect(verified.session.persistent).toBe(true);
  expect(verified.session.amr).toEqual(['pwd', 'otp']);
  expect(verified.session.bans).toMatchObject([{ service: 'comment', level: 2, by: 'root' }]);
  expect(verified.session.reauthenticatedAt).not.toBeNull();
  const found = (await sessions.find(session.id))!;
  const { ip, userAgent, lastIp, refreshMs, end, ...rest } = found;
  expect([ip, userAgent, lastIp, refreshMs, end]).toEqual(['192.0.2.1', 'a browser', null, null, null]);
  expect({ ...rest, lastSeenAt: 0 }).toEqual({ ...verified.session, lastSeenAt: 0 });
});

it('G5: a token that has a successor gets that one again, though its copy has nothing to make it of', async () => {
  const clock = new ManualClock(Date.now());
  const { tokens, fromCopy } = await start({
    clock,
    nearCache: false,
    tokens: sliding({ ttl: '60m', renewWithin: '10m' }),
    // Its clock stands still while the nodes poll.
    timing: { copyAge: '2h' },
  });
  const { accessToken } = await tokens.login('alice');
  await fromCopy(accessToken);
  clock.advance(51 * MINUTE);
  const successors: (string | undefined)[] = [];
  const note = (verdict: Verification) =>
    successors.push(verdict.status === 'VALID' ? verdict.renewed?.accessToken : verdict.status);
  await until(async () => {
    note(await tokens.verify(accessToken));
    return successors.at(-1) !== undefined;
  });
  for (let round = 0; round < 3; round++) note(await fromCopy(accessToken));
  const [successor] = successors.filter((one) => one !== undefined);
  expect(successor).not.toBe(accessToken);
  expect(successors.slice(-3)).toEqual([successor, successor, successor]);
  expect(await fromCopy(successor!)).toMatchObject({ status: 'VALID' });
});

it.each([false, true])('a copy knows the life of its login; near cache: %j', async (near) => {
  const clock = new ManualClock(Date.now());
  const { tokens, fromCopy } = await start({
    ...(!near && { nearCache: false }),
    clock,
    tokens: sliding({ ttl: '3h' }),
    timing: { copyAge: '4h' },
  });
  const [brief, idle, plain] = await Promise.all([
    tokens.login('alice', { life: { maxAge: '1h' } }),
    tokens.login('bob', { life: { idleTimeout: '30m' } }),
    tokens.login('carol'),
  ]);
  const verify = async ({ accessToken }: typeof plain) => tokens.verify(accessToken, { activity: false });
  for (const { accessToken } of [brief, idle, plain]) await fromCopy(accessToken);
  // And the slack of two flushes.
  clock.advance(30 * MINUTE + 20_000 - 1);
  expect(await verify(idle)).toMatchObject({ status: 'VALID' });
  clock.advance(1);
  expect(await verify(idle)).toMatchObject({ reason: 'SESSION_IDLE' });
  clock.advance(30 * MINUTE - 20_000 - 1);
  expect(await verify(brief)).toMatchObject({ status: 'VALID' });
  clock.advance(1);
  expect(await verify(brief)).toMatchObject({ reason: 'SESSION_EXPIRED' });
  expect(await fromCopy(plain.accessToken)).toMatchObject({ status: 'VALID' });
});
