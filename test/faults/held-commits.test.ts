import { describe, expect, it } from '@jest/globals';
import { singleDevice } from 'nestjs-latchkey';
import { localStatus } from 'lib/session-status.js';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { startMariadb } from '../../tools/servers/mariadb.mjs';
import { startPostgres } from '../../tools/servers/postgres.mjs';
import type { DatabaseKind } from '../support/databases.js';
import { isSoak } from '../support/size.js';
import { until } from '../support/until.js';
import { type FaultNode, KICK, TIMING, untilRemembered, untilWell, useStage, verdictsOf } from './stage.js';

/** A server of one test, whose commits it may hold. */
const ownServer = (name: 'postgres' | 'mariadb'): DatabaseKind => ({
  name,
  create: async () => {
    const { url, stop } = await (name === 'postgres' ? startPostgres() : startMariadb());
    return { options: { type: name, url }, url, drop: stop };
  },
});

/** In the soak for three minutes, which is longer than the cache or a message lives. */
const POLLS_HELD = isSoak ? 1800 : 15;
const OPTIONS = { policy: singleDevice(), timing: { ...TIMING, poll: '100ms', endBudget: '3s' } } as const;

type Query = (statement: string) => Promise<readonly Record<string, string>[]>;

interface Case {
  readonly what: string;
  readonly kind: DatabaseKind;
  /** Of the node whose commits are held. */
  readonly extra: object;
  /** Has the server hold the COMMIT of what a node does. Resolves once it is there. */
  hold(query: Query, node: FaultNode, begin: () => void): Promise<void>;
  release(query: Query): Promise<void>;
  /** Goes on for a while, with what the other node knows and does meanwhile. */
  wait(query: Query, far: FaultNode): Promise<void>;
}

const onStandby: Case = {
  what: 'a synchronous standby that is missing',
  kind: ownServer('postgres'),
  // The other node does not wait for the standby, and goes on.
  extra: { options: '-c synchronous_commit=on' },
  hold: async (query, _node, begin) => {
    await query(`ALTER SYSTEM SET synchronous_standby_names = 'missing'`);
    await query('SELECT pg_reload_conf()');
    await until(async () => (await query('SHOW synchronous_standby_names'))[0]!.synchronous_standby_names !== '');
    begin();
    const held = `SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%COMMIT%'`;
    await until(async () => (await query(held)).length > 0);
  },
  release: async (query) => {
    await query('ALTER SYSTEM RESET synchronous_standby_names');
    await query('SELECT pg_reload_conf()');
  },
  wait: async (query, far) => {
    const polls = async () =>
      Math.max(...(await query('SELECT poll FROM latchkey_node')).map(({ poll }) => Number(poll)));
    const from = await polls();
    await until(async () => (await polls()) >= from + POLLS_HELD);
    expect(far.runtime.coherence.caching).toBe(true);
    expect(localStatus(far.runtime).oldestWriteMs).toBeGreaterThan(0);
  },
};

const onBackup: Case = {
  what: "a backup's lock",
  kind: ownServer('mariadb'),
  extra: {},
  hold: async (query, node, begin) => {
    node.database.delay(100);
    begin();
    // The session, its line of the audit trail and the change, which is written last.
    await until(async () => /undo log entries 3/.test((await query('SHOW ENGINE INNODB STATUS'))[0]!.Status!));
    await query('FLUSH TABLES WITH READ LOCK');
    node.database.delay(0);
    const held = `SELECT 1 FROM information_schema.processlist WHERE info = 'COMMIT' AND state LIKE 'Waiting for %lock'`;
    await until(async () => (await query(held)).length > 0);
  },
  release: async (query) => void (await query('UNLOCK TABLES')),
  // No node polls, and so none goes by what it remembers.
  wait: async (_query, far) => until(() => !far.runtime.coherence.caching),
};

describe.each([onStandby, onBackup])('F43: a server that holds a COMMIT for $what', ({ kind, extra, ...held }) => {
  const stage = useStage({ kind });

  it('makes it an end on every node when it comes', async () => {
    const options = { ...stage.database.options, poolSize: 1 } as DataSourceOptions;
    const inspector = await new DataSource(options).initialize();
    stage.atEnd(() => inspector.destroy());
    const query: Query = (statement) => inspector.query(statement);
    const far = await stage.open(OPTIONS);
    const timing = { ...OPTIONS.timing, endBudget: '20s' } as const;
    const near = await stage.open({ ...OPTIONS, timing, extra });
    const nodes: FaultNode[] = [near, far];
    await untilWell(nodes);
    const witness = stage.witness(nodes);
    const [first, other] = [await near.tokens.login('alice'), await far.tokens.login('bob')];
    witness.watch(first, other);
    for (const login of [first, other]) await untilRemembered(nodes, login);
    const second = await witness.ending([first], async () => {
      let kick: Promise<unknown> | undefined;
      await held.hold(query, near, () => {
        kick = near.operators.kick(first.session.id, KICK).catch(({ code }: { code: string }) => code);
      });
      await held.wait(query, far);
      // Nothing is known of it yet, by right.
      expect(await far.tokens.verify(first.accessToken)).toMatchObject({ status: 'VALID' });
      await held.release(query);
      expect([true, 'SESSION_STORE_UNAVAILABLE']).toContain(await kick);
      await untilWell(nodes);
      return far.tokens.login('alice');
    });
    witness.watch(second);
    expect(second.ended).toEqual([]);
    expect(await verdictsOf(nodes, first)).toEqual(['SESSION_KICKED', 'SESSION_KICKED']);
    await witness.ending([second], () => near.operators.kick(second.session.id, KICK));
    await witness.close({ mayBeUnknown: true });
  });
});
