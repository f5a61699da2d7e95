import { describe, expect, it } from '@jest/globals';
import { multiDevice } from 'nestjs-latchkey';
import { databaseKinds, kindsOf, portOf, throughPort } from '../support/databases.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import { useDatabase } from '../support/use-database.js';
import { HOUR, MINUTE, SECOND, eventsOf, useSessions } from '../sessions/harness.js';

describe.each(databaseKinds)('failed logins on $name', (kind) => {
  const harness = useSessions(kind, { policy: multiDevice() });
  const queries = () => harness.runtime.failedLoginQueries;
  const flush = () => harness.runtime.journal.events.flush();

  it('are lines of the audit trail, with the reason, and told to listeners', async () => {
    const { tokens, clock } = harness;
    const hostile = `\0\u2028' OR 1=1 -- \ud800${'ü'.repeat(2000)}`;
    tokens.recordFailedLogin('mallory', {
      ip: '192.0.2.1',
      reason: 'SECOND_FACTOR',
      deviceType: 'phone',
      deviceName: 'x',
    });
    tokens.recordFailedLogin(hostile, { ip: '192.0.2.1' });
    tokens.recordFailedLogin(null);
    await flush();
    const { items } = await harness.online.events({ type: 'LOGIN_FAILED' });
    expect(items).toHaveLength(3);
    expect(items.find(({ userId }) => userId === 'mallory')).toMatchObject({
      at: clock.now(),
      actor: 'mallory',
      sessionId: null,
      ip: '192.0.2.1',
      deviceType: 'phone',
      deviceName: 'x',
      detail: { reason: 'SECOND_FACTOR' },
    });
    expect(items.map(({ userId }) => userId).sort()).toEqual([hostile.slice(0, 1024), null, 'mallory'].sort());
    expect(await eventsOf(harness, 'mallory')).toMatchObject([
      { type: 'account.login-failed', reason: 'SECOND_FACTOR' },
    ]);
  });

  it('are summed up by user and by address, bursts first, then most first', async () => {
    const { tokens, clock } = harness;
    clock.advance(24 * HOUR - (clock.now() % HOUR));
    const fail = (userId: string, ip: string, times = 1) => {
      for (let time = 0; time < times; time++) tokens.recordFailedLogin(userId, { ip });
    };
    const otherRealm = await harness.another({ realm: 'admins' });
    otherRealm.tokens.recordFailedLogin('alice', { ip: '192.0.2.10' });
    await otherRealm.runtime.journal.flush();
    // Ten, spread over windows: no burst. Then ten within one.
    for (let minute = 0; minute < 10; minute++) {
      fail('slow', '192.0.2.20');
      clock.advance(10 * MINUTE);
    }
    fail('alice', '192.0.2.10', 9);
    fail('alice', '192.0.2.11', 2);
    // Four accounts from one address, and five from another.
    for (const user of ['a', 'b', 'c', 'd']) fail(user, '192.0.2.30');
    for (const user of ['a', 'b', 'c', 'd', 'e']) fail(user, '192.0.2.31');
    const at = clock.now();
    clock.advance(SECOND);
    fail('d', '192.0.2.30');
    await flush();
    const byUser = await queries().byUser(24);
    expect(byUser.map(({ userId, count, addresses, burst }) => [userId, count, addresses, burst]).slice(0, 2)).toEqual([
      ['alice', 11, 2, true],
      ['slow', 10, 1, false],
    ]);
    expect(byUser.find(({ userId }) => userId === 'alice')).toMatchObject({ lastAt: at });
    expect(byUser.find(({ userId }) => userId === 'd')).toEqual({
      userId: 'd',
      count: 3,
      addresses: 2,
      lastAt: at + SECOND,
      burst: false,
    });
    const byAddress = await queries().byAddress(24);
    expect(byAddress.map(({ ip, count, accounts, burst }) => [ip, count, accounts, burst])).toEqual([
      ['192.0.2.31', 5, 5, true],
      ['192.0.2.20', 10, 1, false],
      ['192.0.2.10', 9, 1, false],
      ['192.0.2.30', 5, 4, false],
      ['192.0.2.11', 2, 1, false],
    ]);
    // Only those of the last hours.
    expect((await queries().byUser(1)).find(({ userId }) => userId === 'slow')?.count).toBe(5);
  });

  it('have a burst among the hundred, however many others fail more often', async () => {
    const { tokens, clock } = harness;
    clock.advance(200 * HOUR);
    for (let round = 0; round < 9; round++) {
      for (let index = 0; index < 120; index++) tokens.recordFailedLogin(`office-${index}`, { ip: `10.2.0.${index}` });
      clock.advance(4 * MINUTE);
      await flush();
    }
    for (let index = 0; index < 8; index++) tokens.recordFailedLogin(`tried-${index}`, { ip: '192.0.2.66' });
    for (let index = 0; index < 10; index++) tokens.recordFailedLogin('hunted', { ip: `192.0.2.${70 + index}` });
    await flush();
    const [byAddress, byUser] = [await queries().byAddress(1), await queries().byUser(1)];
    expect([byAddress.length, byUser.length]).toEqual([100, 100]);
    expect(byAddress[0]).toMatchObject({ ip: '192.0.2.66', count: 8, accounts: 8, burst: true });
    expect(byUser[0]).toMatchObject({ userId: 'hunted', count: 10, addresses: 10, burst: true });
  });

  it('are written when the application is closed', async () => {
    const node = await harness.another();
    harness.clock.advance(200 * HOUR);
    node.tokens.recordFailedLogin('late', { ip: '192.0.2.99' });
    await node.close();
    expect(await queries().byUser(1)).toMatchObject([{ userId: 'late', count: 1 }]);
  });
});

describe.each(kindsOf('postgres', 'mariadb'))('while $name is gone', (kind) => {
  const database = useDatabase(kind);

  it('G10: nobody waits, what cannot be written is dropped and counted, and all is well again afterwards', async () => {
    const proxy = await TcpProxy.start(portOf(database));
    database.atEnd(() => proxy.close());
    const options = throughPort(database, proxy.port);
    const timing = { endBudget: '2s', activityFlush: '5m', sweep: '1h' } as const;
    const sessions = await database.start({ database: options, policy: multiDevice(), timing });
    const { journal, sightingQueries } = sessions.runtime;
    const { session } = await sessions.tokens.login('alice', { ip: '192.0.2.1' });
    await journal.flush();
    proxy.hold();
    const startedAt = performance.now();
    for (let index = 0; index < 1300; index++) sessions.tokens.recordFailedLogin(`user-${index}`, { ip: '192.0.2.7' });
    sessions.tokens.recordUse(session.id, '192.0.2.2');
    expect(performance.now() - startedAt).toBeLessThan(1000);
    await journal.flush();
    // One budget, half of that of an end, for all of them, however many batches there are.
    expect(performance.now() - startedAt).toBeLessThan(1000 + 2000);
    expect([journal.events.dropped, journal.sightings!.dropped, journal.statistics.dropped]).toEqual([1300, 1, 1300]);
    proxy.release();
    proxy.cut();
    // A driver may hand out a connection once that it does not know to be broken.
    const isWritten = async () => {
      const before = journal.events.dropped;
      sessions.tokens.recordFailedLogin('after', { ip: '192.0.2.7' });
      await journal.flush();
      return journal.events.dropped === before;
    };
    await until(isWritten);
    sessions.tokens.recordUse(session.id, '192.0.2.2');
    await journal.flush();
    const all = { from: null, backwards: false, limit: 10 };
    expect(await sightingQueries.bySession(session.id, all)).toHaveLength(2);
  });
});
