import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type SessionModuleOptions, accessAndRefresh, multiDevice } from 'nestjs-latchkey';
import { DataSource } from 'typeorm';
import type { JournalPurge } from 'lib/journal-purge.js';
import { resolveOptions } from 'lib/resolve-options.js';
import { databaseKinds } from '../support/databases.js';
import { SECRET } from '../support/sessions.js';
import { DAY, HOUR, useSessions } from '../sessions/harness.js';

const options = {
  policy: multiDevice(),
  tokens: accessAndRefresh({ refresh: '30d' }),
  onReplace: 'keep',
  timing: { activityFlush: '5m', sweep: '1h', endReasonTtl: '1d' },
} as const satisfies Partial<SessionModuleOptions>;

describe.each(databaseKinds)('retention on $name', (kind) => {
  const harness = useSessions(kind, options);
  let application: DataSource;
  /** A value of a column, which is text or a number, as it stands in a statement. */
  const quoted = (value: unknown) => (value === null ? 'NULL' : `'${String(value as string).replaceAll("'", "''")}'`);
  const count = async (table: string, where = '1 = 1') =>
    Number((await application.query(`SELECT COUNT(*) AS n FROM latchkey_${table} WHERE ${where}`))[0].n);
  const keeping = (retention: SessionModuleOptions['retention'], more = {}) => harness.another({ retention, ...more });

  beforeAll(async () => {
    application = await new DataSource(harness.database.options).initialize();
  });
  afterAll(() => application.destroy());

  it('is for ever, unless the application says otherwise', async () => {
    const { tokens, operators, runtime, clock } = harness;
    const { session } = await tokens.login('old', { ip: '192.0.2.1' });
    await operators.kick(session.id, { by: 'root' });
    tokens.recordFailedLogin('old');
    await runtime.journal.flush();
    clock.advance(10_000 * DAY);
    await runtime.sweep();
    expect([await count('session'), await count('sighting'), await count('event'), await count('statistic')]).toEqual([
      1, 1, 3, 3,
    ]);
  });

  it('removes ended sessions with what belongs to them, in portions, by several servers at once; their tokens are unknown then', async () => {
    const { tokens, sessions, runtime, clock } = harness;
    const logins = [];
    for (let index = 0; index < 3; index++) logins.push(await tokens.login('ending', { ip: '192.0.2.2' }));
    const [ended, later, live] = logins as [(typeof logins)[0], (typeof logins)[0], (typeof logins)[0]];
    for (const { session } of logins) await sessions.data(session.id).set('note', 1);
    await tokens.login('ending', { presentedToken: ended.accessToken, deviceId: 'x' });
    // More than a portion: copies of the row of one that has ended.
    const columns = (await application.query(
      'SELECT * FROM latchkey_session WHERE id = ' + `'${ended.session.id}'`,
    )) as [Record<string, unknown>];
    const names = Object.keys(columns[0]);
    for (let index = 0; index < 1200; index++) {
      const row = { ...columns[0], id: index.toString(16).padStart(32, '0') };
      await application.query(
        `INSERT INTO latchkey_session (${names.join(', ')}) VALUES (${Object.values(row).map(quoted).join(', ')})`,
      );
    }
    await runtime.journal.flush();
    clock.advance(2 * DAY);
    await tokens.logout(later.refreshToken);
    expect(await tokens.verify(ended.accessToken)).toMatchObject({ reason: 'TOKEN_INVALID' });
    const nodes = await Promise.all([1, 2, 3].map(() => keeping({ endedSessions: '2d' })));
    clock.advance(1);
    await Promise.all(nodes.map((node) => node.runtime.sweep()));
    const ids = (await application.query('SELECT id FROM latchkey_session')) as { id: string }[];
    expect(ids.map(({ id }) => id)).toEqual(expect.arrayContaining([later.session.id, live.session.id]));
    // The login that ended the first one is live as well.
    expect(ids).toHaveLength(3);
    const owned = `owner = 's:${ended.session.id}'`;
    expect([await count('data', owned), await count('sighting', `session_id = '${ended.session.id}'`)]).toEqual([0, 0]);
    expect(await count('sighting', `session_id = '${live.session.id}'`)).toBe(1);
    expect(await tokens.verify(ended.accessToken)).toMatchObject({ status: 'INVALID', reason: 'TOKEN_INVALID' });
    await expect(tokens.refresh(ended.refreshToken)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
    expect(await sessions.explainEnd(ended.session.id)).toBeNull();
    expect((await tokens.refresh(live.refreshToken)).session.id).toBe(live.session.id);
    // Its end is of a moment ago, and its holder is told.
    await expect(tokens.refresh(later.refreshToken)).rejects.toMatchObject({ code: 'SESSION_LOGGED_OUT' });
  });

  it('removes events, sightings and statistics of the realm that are old enough, and no others', async () => {
    const { tokens, runtime, clock } = harness;
    clock.advance(100 * DAY);
    const admins = await keeping({}, { realm: 'admins' });
    const { session } = await admins.tokens.login('root', { ip: '192.0.2.3' });
    for (let index = 0; index < 1100; index++) tokens.recordFailedLogin(`user-${index}`);
    await tokens.login('before', { ip: '192.0.2.4' });
    await Promise.all([runtime.journal.flush(), admins.runtime.journal.flush()]);
    clock.advance(10 * DAY);
    await tokens.login('after', { ip: '192.0.2.5' });
    await runtime.journal.flush();
    const nodes = await Promise.all(
      [1, 2].map(() => keeping({ events: '9d', sightings: '9d', statistics: '9d', endedSessions: false })),
    );
    await Promise.all(nodes.map((node) => node.runtime.sweep()));
    const at = clock.now() - 9 * DAY;
    const users = "realm = 'users'";
    expect([
      await count('event', `${users} AND at < ${at}`),
      await count('sighting', `${users} AND last_at < ${at}`),
      await count('statistic', `${users} AND hour < ${at - HOUR}`),
    ]).toEqual([0, 0, 0]);
    expect([
      await count('event', users),
      await count('sighting', `${users} AND ip = '192.0.2.5'`),
      await count('statistic', users),
    ]).toEqual([expect.any(Number), 1, expect.any(Number)]);
    expect(await count('event', `${users} AND type = 'LOGIN'`)).toBe(1);
    expect(await count('statistic', `${users} AND kind = 'login'`)).toBe(1);
    expect(await count('sighting', `session_id = '${session.id}'`)).toBe(1);
    expect(await count('event', "realm = 'admins'")).toBe(1);
  });

  it('stops when its time is over, and goes on with the next sweep', async () => {
    const { runtime } = harness;
    const { parts } = runtime.journal as unknown as { parts: { purging: JournalPurge } };
    harness.clock.advance(10 * DAY);
    for (let index = 0; index < 1100; index++) harness.tokens.recordFailedLogin(`user-${index}`);
    await runtime.journal.flush();
    const times = { endedSessions: null, events: harness.clock.now() + 1, sightings: null, statistics: null };
    const failed = () => count('event', "realm = 'users'");
    const before = await failed();
    for (const portions of [1, 2]) {
      let left = 1;
      await parts.purging.run(times, () => left-- > 0);
      expect(await failed()).toBe(before - portions * 500);
    }
  });
});

describe('the option', () => {
  const resolve = (retention: unknown, more = {}) =>
    resolveOptions({ secret: SECRET, retention, ...more } as SessionModuleOptions).retention;

  it('is for ever by default', () => {
    const never = { endedSessions: null, events: null, sightings: null, statistics: null };
    expect([resolve(undefined), resolve({}), resolve({ events: false, sightings: undefined })]).toEqual(
      Array(3).fill(never),
    );
    expect(resolve({ endedSessions: '7d', statistics: '1h' })).toMatchObject({
      endedSessions: 7 * DAY,
      statistics: HOUR,
    });
  });

  it.each<[unknown, string, object?]>([
    [{ endedSessions: '6d' }, 'endReasonTtl'],
    [{ endedSessions: '1m' }, 'copyAge', { timing: { endReasonTtl: '1m' } }],
    [{ events: true }, 'duration'],
    [{ events: '0d' }, 'duration'],
  ])('%j stops the boot', (retention, message, more = {}) => {
    expect(() => resolve(retention, more)).toThrow(
      expect.objectContaining({ code: 'CONFIGURATION_INVALID', message: expect.stringContaining(message) }),
    );
  });
});
