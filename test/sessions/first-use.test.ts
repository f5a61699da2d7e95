import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type LoginResult, accessAndRefresh, multiDevice } from 'nestjs-latchkey';
import { ABANDONED_AFTER_MS } from 'lib/device-policy.js';
import { mergeActivity } from 'lib/journal-statements.js';
import { SqlSessionRepository } from 'lib/sql-session-repository.js';
import { databaseKinds } from '../support/databases.js';
import { type Services } from '../support/sessions.js';
import { MINUTE, SECOND, useSessions } from './harness.js';

const options = {
  policy: multiDevice({ max: 1, overflow: 'reject' }),
  tokens: accessAndRefresh(),
  timing: { activityFlush: '30s', sweep: '1h' },
} as const;

/** Every way in which a token comes to be seen. */
const WAYS: Readonly<Record<string, (services: Services, login: LoginResult) => unknown>> = {
  'a use': ({ tokens }, { accessToken }) => tokens.verify(accessToken),
  'a request that does not count': ({ tokens }, { accessToken }) => tokens.verify(accessToken, { activity: false }),
  'the same, strict': ({ tokens }, { accessToken }) => tokens.verify(accessToken, { activity: false, strict: true }),
  'a use that the application notes': ({ tokens }, { session }) =>
    tokens.recordUse(session.id, null, { activity: false }),
  'another service': ({ tokens }, { accessToken }) => tokens.introspect(accessToken),
  'an open stream or socket': ({ sessions }, { session }) => sessions.watch(session.id, () => undefined)(),
  'a refresh': ({ tokens }, { refreshToken }) => tokens.refresh(refreshToken),
};

describe.each(databaseKinds)('a login under a limit on $name', (kind) => {
  const harness = useSessions(kind, options);
  let other: Services;
  const full = { code: 'SESSION_LIMIT_REACHED' };
  const flush = () => harness.runtime.activity.flush();

  beforeAll(async () => (other = await harness.another()));

  it.each(Object.keys(WAYS))(
    'is not abandoned after %s, on this node and on others once it is written',
    async (way) => {
      const { tokens, sessions, clock } = harness;
      const login = await tokens.login(way);
      await WAYS[way]!(harness, login);
      clock.advance(ABANDONED_AFTER_MS);
      await expect(tokens.login(way)).rejects.toMatchObject(full);
      // Sooner than the uses themselves, where these are written less often.
      await harness.runtime.activity.flushFirst();
      await expect(other.tokens.login(way)).rejects.toMatchObject(full);
      expect((await sessions.list(way)).map(({ id }) => id)).toEqual([login.session.id]);
    },
  );

  it('is abandoned where its token was never presented, after two minutes and no sooner', async () => {
    const { tokens, clock } = harness;
    const lost = await tokens.login('lost');
    clock.advance(ABANDONED_AFTER_MS - 1);
    await expect(other.tokens.login('lost')).rejects.toMatchObject(full);
    clock.advance(1);
    const { ended } = await other.tokens.login('lost');
    expect(ended).toEqual([{ sessionId: lost.session.id, reason: 'SESSION_REPLACED' }]);
  });

  it('is known to be used after writes that failed, though the uses themselves are lost', async () => {
    const { tokens, runtime, clock } = harness;
    const { accessToken, session } = await tokens.login('unlucky', { ip: '192.0.2.1' });
    await tokens.verify(accessToken, { ip: '192.0.2.2' });
    const { dropped } = runtime.activity;
    const write = jest.spyOn(SqlSessionRepository.prototype, 'recordActivity').mockRejectedValue(new Error('down'));
    for (let time = 0; time < 3; time++) await flush();
    expect(runtime.activity.dropped).toBe(dropped + 1);
    write.mockRestore();
    clock.advance(ABANDONED_AFTER_MS);
    await flush();
    await expect(other.tokens.login('unlucky')).rejects.toMatchObject(full);
    expect(await other.sessions.find(session.id)).toMatchObject({
      lastSeenAt: session.createdAt,
      lastIp: '192.0.2.2',
    });
    expect(runtime.activity.peek(session.id)).toBeUndefined();
  });

  it('shows operators where its token comes from, whatever the request says, and is idle all the same', async () => {
    const { tokens, clock, runtime } = harness;
    const { accessToken, session } = await tokens.login('stolen', { ip: '192.0.2.1' });
    const seen = () => Promise.all([harness, other].map(({ sessions }) => sessions.find(session.id)));
    const addresses = async () => {
      await runtime.journal.flush();
      const all = { from: null, backwards: false, limit: 9 };
      const rows = await runtime.sightingQueries.bySession(session.id, all);
      return rows.map(({ item }) => item!.ip).sort();
    };
    clock.advance(SECOND);
    await tokens.verify(accessToken, { ip: '192.0.2.1' });
    await flush();
    const lastSeenAt = clock.now();
    clock.advance(MINUTE);
    for (let request = 0; request < 200; request++) {
      await tokens.verify(accessToken, { ip: '203.0.113.66:4711', activity: false });
    }
    await flush();
    for (const one of await seen()) expect(one).toMatchObject({ lastSeenAt, lastIp: '203.0.113.66' });
    expect(await addresses()).toEqual(['192.0.2.1', '203.0.113.66']);
    // What another node writes later, of a time before, is not the last.
    const late = { sessionId: session.id, at: lastSeenAt + 1, usedAt: lastSeenAt + 1, ip: '192.0.2.9' };
    await runtime.database.engine.write(
      mergeActivity(runtime.database.tables.session, runtime.database.engine.dialect.merging, [late]),
      { lane: 'control', budgetMs: 5000 },
    );
    for (const one of await seen()) {
      expect(one).toMatchObject({ lastSeenAt: lastSeenAt + 1, lastIp: '203.0.113.66' });
    }
  });
});
