import { beforeEach, describe, expect, it } from '@jest/globals';
import { multiDevice, singleDevice } from 'nestjs-latchkey';
import type { DataSource } from 'typeorm';
import { SynchronizedClock } from 'lib/clock.js';
import type { UnacknowledgedError } from 'lib/session-error.js';
import { PROTOCOL } from 'lib/node-presence.js';
import { SqlNodeRegistry } from 'lib/sql-node-registry.js';
import { databaseKinds, serviceKinds } from '../support/databases.js';
import { type LoginOutcome, TestNode } from '../support/nodes.js';
import type { Sessions } from '../support/sessions.js';
import { until } from '../support/until.js';
import { useDatabase } from '../support/use-database.js';

const MEMBERS = 'SELECT id, caching FROM latchkey_node';

describe.each(serviceKinds)('the near cache on $name', (kind) => {
  const database = useDatabase(kind);
  let application: DataSource;
  // What nodes do that cannot send messages, in every run.
  const open = (options: Parameters<typeof database.start>[0] = {}) =>
    database.start({ policy: multiDevice(), redis: undefined, ...options });
  const startProcess = (timing = {}) =>
    TestNode.start({ database: database.options, policy: { name: 'multiDevice' }, redis: null, timing });
  const coherenceOf = ({ runtime }: Pick<Sessions, 'runtime'>) => runtime.coherence;

  beforeEach(async () => {
    application = await database.connect();
  });

  it('G6: a node that joins ends nothing before the cache of the other one is off', async () => {
    const first = await open();
    for (let round = 0; round < 3; round++) {
      await until(() => coherenceOf(first).caching);
      const logins = await Promise.all(Array.from({ length: 5 }, (_, index) => first.tokens.login(`user-${index}`)));
      for (const { accessToken } of logins) {
        await first.tokens.verify(accessToken);
        expect((await first.tokens.verify(accessToken)).status).toBe('VALID');
      }
      const second = await open();
      await Promise.all(
        logins.map(async ({ accessToken, session }) => {
          await second.operators.kick(session.id, { by: 'root' });
          expect((await first.tokens.verify(accessToken)).status).toBe('INVALID');
        }),
      );
      expect(coherenceOf(first).caching).toBe(false);
      await second.close();
    }
  });

  it('comes back when the other node has left, and after a crash of it', async () => {
    const first = await open();
    const other = await startProcess();
    await until(() => !coherenceOf(first).caching);
    await other.close();
    await until(() => coherenceOf(first).caching);

    const doomed = await startProcess({ outageGrace: '5m' });
    await until(() => !coherenceOf(first).caching);
    await doomed.kill();
    // On this host its process is known to be gone; nobody waits for its silence to be long enough.
    await until(() => coherenceOf(first).caching);
  });

  it('begins when a node that is only silent accepts nothing from memory any more', async () => {
    const silent = await startProcess();
    const { value } = (await silent.call('login', 'alice', {})) as LoginOutcome;
    await until(async () => (await members()).some(({ caching }) => caching === 1));
    await silent.call('verify', value!.accessToken);
    silent.process.kill('SIGSTOP');
    try {
      const node = await open();
      // It was waited for before the first request could come.
      expect(coherenceOf(node).presence.unheardNodes).toEqual([]);
      await until(async () => (await members()).length === 1);
      await node.operators.kickUser('alice', { by: 'root' });
    } finally {
      silent.process.kill('SIGCONT');
    }
    // It wakes with the session in its memory, and must not use it.
    expect(await silent.call('verify', value!.accessToken)).toMatchObject({ value: { reason: 'SESSION_KICKED' } });
    await silent.close();
  });

  it('of a node that does not answer is waited for: ends are pending, and a login says when to come again', async () => {
    const node = await open({ timing: { endBudget: '500ms' }, policy: singleDevice() });
    const { tokens, operators } = node;
    const { accessToken, session } = await tokens.login('alice');
    const id = 'f'.repeat(32);
    await application.query(
      `INSERT INTO latchkey_node (id, realm, protocol, caching, messaging, silence_ms, window_ms, renewed_at, poll, polled)
        VALUES ('${id}', 'users', 1, 1, 0, 60000, 60000, 0, 1, 0)`,
    );
    // The first may have been under way before that.
    await coherenceOf(node).poll();
    await coherenceOf(node).poll();
    const failure = (work: Promise<unknown>) =>
      work.then(
        () => null,
        (error: object) => error,
      );
    expect(await failure(operators.kickUser('alice', { by: 'root' }))).toMatchObject({ code: 'CHANGE_PENDING' });
    // There is nothing left to end, and still it is not acknowledged while the silent node may accept the token.
    for (const end of [operators.kickUser('alice', { by: 'root' }), operators.kick(session.id, { by: 'root' })]) {
      expect(await failure(end)).toMatchObject({ code: 'CHANGE_PENDING' });
    }
    const { code, retryAfterMs } = (await failure(tokens.login('alice'))) as UnacknowledgedError;
    expect(code).toBe('SESSION_STORE_UNAVAILABLE');
    expect(retryAfterMs).toBeGreaterThan(30_000);
    expect(retryAfterMs).toBeLessThanOrEqual(60_000);
    await application.query(`UPDATE latchkey_node SET caching = 0 WHERE id = '${id}'`);
    await tokens.logout(accessToken);
    expect((await tokens.login('alice')).ended).toHaveLength(1);
  });

  const members = async () =>
    ((await application.query(MEMBERS)) as { id: string; caching: number | string }[]).map(({ id, caching }) => ({
      id,
      caching: Number(caching),
    }));
});

describe.each(databaseKinds)('the row of a silent node on $name', (kind) => {
  const database = useDatabase(kind);

  it('is removed, unless it has been written since it was read', async () => {
    const { runtime } = await database.start({ redis: undefined, nearCache: false });
    const { engine, tables } = runtime.database;
    const clock = new SynchronizedClock();
    const nodeRegistry = new SqlNodeRegistry({ engine, tables, realm: 'users', clock, budgetMs: 5000 });
    const times = { silenceMs: 60_000, windowMs: 60_000 };
    const state = { id: 'f'.repeat(32), protocol: PROTOCOL, caching: true, messaging: true, ...times, polled: 0 };
    await nodeRegistry.poll({ ...state, poll: 1 }, null);
    await nodeRegistry.poll({ ...state, poll: 2 }, null);
    const others = async () => (await nodeRegistry.list('')).others.filter(({ id }) => id === state.id);
    await nodeRegistry.remove([{ id: state.id, poll: 1 }]);
    expect(await others()).toMatchObject([{ poll: 2, silenceMs: 60_000 }]);
    await nodeRegistry.remove(await others());
    expect(await others()).toEqual([]);
  });
});
