import { beforeAll, describe, expect, it } from '@jest/globals';
import { multiDevice } from 'nestjs-latchkey';
import { databaseKinds } from '../support/databases.js';
import { DAY, HOUR, MINUTE, useSessions } from '../sessions/harness.js';

describe.each(databaseKinds)('statistics on $name', (kind) => {
  const harness = useSessions(kind, { policy: multiDevice() });
  let node: Awaited<ReturnType<typeof harness.another>>;
  const series = (range: '24h' | '30d') => harness.runtime.statisticQueries.series(range);

  beforeAll(async () => (node = await harness.another()));

  it('add up over servers that write at the same time', async () => {
    const { runtime, clock } = harness;
    for (let round = 0; round < 5; round++) {
      for (const [index, { tokens, operators }] of [harness, node].entries()) {
        const { session } = await tokens.login(`user-${round}-${index}`, { deviceType: index ? 'phone' : 'laptop' });
        if (round < 3) await operators.kick(session.id, { by: 'root' });
        tokens.recordFailedLogin('nobody');
      }
      await Promise.all([runtime.journal.flush(), node.runtime.journal.flush()]);
    }
    await Promise.all([runtime.journal.statistics.countLive(), node.runtime.journal.statistics.countLive()]);
    await Promise.all([runtime.journal.flush(), node.runtime.journal.flush()]);
    expect((await series('24h')).at(-1)).toEqual({
      at: clock.now() - (clock.now() % HOUR),
      // Not twice: both have seen the same four.
      online: 4,
      logins: 10,
      loginsByDeviceType: { laptop: 5, phone: 5 },
      failedLogins: 10,
      ends: { SESSION_KICKED: 6 },
    });
  });

  it('keep the highest number of live sessions of an hour', async () => {
    const { runtime, tokens, sessions, clock } = harness;
    const { statistics } = runtime.journal;
    clock.advance(HOUR);
    for (const expected of [4, 6, 6]) {
      await statistics.countLive();
      await statistics.flush();
      expect((await series('24h')).at(-1)!.online).toBe(expected);
      if (expected === 4) for (const user of ['x', 'y']) await tokens.login(user);
      else for (const user of ['x', 'y']) await sessions.endAll(user);
      clock.advance(5 * MINUTE);
    }
  });

  it('come for every hour of 24 and every day of 30 (UTC), zeros filled in, and no number of sessions where none was counted', async () => {
    const { runtime, tokens, clock } = harness;
    clock.advance(40 * DAY - (clock.now() % DAY));
    const day = clock.now();
    const zero = { online: null, logins: 0, loginsByDeviceType: {}, failedLogins: 0, ends: {} };
    expect(await series('24h')).toEqual(
      Array.from({ length: 24 }, (_, index) => ({ at: day - (23 - index) * HOUR, ...zero })),
    );
    expect(await series('30d')).toEqual(
      Array.from({ length: 30 }, (_, index) => ({ at: day - (29 - index) * DAY, ...zero })),
    );
    const hours = [0, 1, 23, 24, 25, 24 * 28];
    for (const [index, hour] of hours.entries()) {
      clock.advance(day + hour * HOUR - clock.now());
      for (let login = 0; login <= index; login++) await tokens.login('counter');
      await runtime.journal.statistics.countLive();
      await runtime.journal.flush();
    }
    const days = await series('30d');
    expect(days.map(({ logins }) => logins).filter((logins) => logins > 0)).toEqual([1 + 2 + 3, 4 + 5, 6]);
    // Of the hours of a day the highest, and not their sum.
    expect(Math.max(...days.map(({ online }) => online ?? 0))).toBeLessThan(15);
    expect(days.find(({ at }) => at === day)!.online).toBeGreaterThan(0);
    const last = await series('24h');
    expect([last.length, last[22]!.logins, last[23]!.logins]).toEqual([24, 0, 6]);
  });
});
