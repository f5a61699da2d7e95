import { beforeEach, describe, expect, it } from '@jest/globals';
import { type LoginResult, multiDevice } from 'nestjs-latchkey';
import { localStatus } from 'lib/session-status.js';
import type { DataSource } from 'typeorm';
import { kindsOf } from '../support/databases.js';
import { sized } from '../support/size.js';
import { until } from '../support/until.js';
import { type FaultNode, KICK, TIMING, untilRemembered, untilWell, useStage, verdictOf, verdictsOf } from './stage.js';

type Rows = readonly Record<string, string | null>[];
type Query = (statement: string) => Promise<Rows>;

/** By what a node notices that the database may have lost commits. */
const SIGNS: Record<string, (query: Query, node: FaultNode, isPostgres: boolean) => Promise<void>> = {
  'its row went back': async (query) => {
    await query('UPDATE latchkey_node SET poll = 0, polled = 0');
  },
  'its row is gone': async (query) => {
    await query('DELETE FROM latchkey_node');
  },
  'its connections are lost': async (query, _node, isPostgres) => {
    if (isPostgres) {
      await query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`);
      return;
    }
    const others = `SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()`;
    for (const { id } of await query(others)) await query(`KILL ${id}`);
  },
  'a poll has failed': async (_query, node) => {
    const { presence } = node.runtime.coherence;
    node.database.hold();
    await until(() => presence.pollAge > 3500);
    node.database.release();
  },
};

describe.each(sized(kindsOf('postgres', 'mariadb'), 2))('F44: a $name that has lost commits', (kind) => {
  const stage = useStage({ kind });
  let inspector: DataSource;
  let query: Query;
  let nodes: [FaultNode, FaultNode];
  let events: Record<string, unknown>[];

  beforeEach(async () => {
    inspector = await stage.database.connect();
    query = (statement) => inspector.query(statement);
    events = [];
    const hooks = { onEvent: (event: object) => void events.push({ ...event }) };
    nodes = (await stage.openAll(2, {
      policy: multiDevice(),
      hooks,
      timing: { ...TIMING, poll: '100ms', pollFreshness: '6s' },
    })) as [FaultNode, FaultNode];
  });

  const rowOf = async ({ session }: LoginResult) =>
    (await query(`SELECT * FROM latchkey_session WHERE id = '${session.id}'`))[0]!;
  const endsOf = ({ session }: LoginResult) =>
    query(`SELECT reason, actor FROM latchkey_event WHERE session_id = '${session.id}' AND type = 'SESSION_ENDED'`);
  const quoted = (value: string | null) => (value === null ? 'NULL' : `'${value}'`);

  /** Kicks a session, and has the database forget it, with all that was written about it. */
  const kickInVain = async (login: LoginResult): Promise<void> => {
    const { slot, version } = await rowOf(login);
    await nodes[0].operators.kick(login.session.id, KICK);
    const { id } = login.session;
    await query(`UPDATE latchkey_session SET status = 'live', slot = ${quoted(slot!)}, version = ${version}, end_reason = NULL,
      ended_at = NULL, ended_by = NULL WHERE id = '${id}'`);
    await query(`DELETE FROM latchkey_change WHERE id = '${id}'`);
    await query(`DELETE FROM latchkey_event WHERE session_id = '${id}' AND type = 'SESSION_ENDED'`);
  };

  it('G15: has nothing accepted that a node knows to be ended, whatever its rows say', async () => {
    const login = await nodes[0].tokens.login('alice');
    await untilRemembered(nodes, login);
    await kickInVain(login);
    // As high as that of the end, and higher.
    for (const version of [1, 2, 3]) {
      await query(`UPDATE latchkey_session SET version = ${version} WHERE id = '${login.session.id}'`);
      await stage.redisCommand('FLUSHALL');
      expect(await verdictsOf(nodes, login)).toEqual(['SESSION_KICKED', 'SESSION_KICKED']);
      for (const { tokens } of nodes) {
        expect(await tokens.verify(login.accessToken, { strict: true })).toMatchObject({ reason: 'SESSION_KICKED' });
        await expect(tokens.refresh(login.refreshToken!)).rejects.toMatchObject({ code: 'SESSION_KICKED' });
      }
    }
    expect(await rowOf(login)).toMatchObject({ status: 'live' });
  });

  it.each(Object.keys(SIGNS))('has the ends written again that a node knows of, once %s', async (sign) => {
    const [kicked, gone, live] = await Promise.all(
      ['alice', 'bob', 'carol'].map((name) => nodes[0].tokens.login(name)),
    );
    for (const login of [kicked!, gone!]) await kickInVain(login);
    const { id } = gone!.session;
    await query(`DELETE FROM latchkey_session WHERE id = '${id}'`);
    // A node that knows nothing of it, and has no other word for it than the database's.
    await stage.redisCommand('FLUSHALL');
    const stranger = await stage.open({ policy: multiDevice(), timing: TIMING });
    expect(await verdictOf(stranger, kicked!)).toBe('VALID');

    await SIGNS[sign]!(query, nodes[1], kind.name === 'postgres');
    await until(async () => (await rowOf(kicked!)).status === 'ended');
    expect(await rowOf(kicked!)).toMatchObject({ end_reason: 'SESSION_KICKED', ended_by: 'root', slot: null });
    expect(await endsOf(kicked!)).toEqual([{ reason: 'SESSION_KICKED', actor: 'root' }]);
    // It remembers what the database has said, until its next poll.
    await until(async () => (await verdictOf(stranger, kicked!)) === 'SESSION_KICKED');
    await untilWell(nodes);
    expect(await verdictsOf(nodes, kicked!)).toEqual(['SESSION_KICKED', 'SESSION_KICKED']);
    expect(await query(`SELECT id FROM latchkey_session WHERE id = '${id}'`)).toEqual([]);
    expect(await verdictsOf(nodes, live!)).toEqual(['VALID', 'VALID']);

    const rewritten = nodes.map(({ runtime }) => localStatus(runtime).rewrittenEnds);
    expect(rewritten.reduce((sum, count) => sum + count)).toBe(1);
    await until(() => events.some(({ type }) => type === 'database.commits-lost'));
    expect(events.filter(({ type }) => type === 'database.commits-lost')).toEqual([
      {
        type: 'database.commits-lost',
        realm: 'users',
        rewritten: 1,
        rewrittenMassEnds: 0,
        missing: 1,
        lostChanges: 0,
        isComplete: true,
      },
    ]);
  });
});
