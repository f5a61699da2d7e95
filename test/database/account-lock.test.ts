import { expect, it } from '@jest/globals';
import { raw } from 'lib/sql.js';
import { kindsOf } from '../support/databases.js';
import { until } from '../support/until.js';
import { type TestRepositories, describeRepository } from './repositories.js';

type Step = (node: TestRepositories, user: string) => Promise<unknown>;

const login: Step = (node, user) => node.tryLogin(user);
const loginByTicket: Step = (node, user) => node.tryLogin(user, { ticketEpoch: 0 });
const endAll: Step = (node, user) => node.endAll(user);
const ban =
  (service: string | null = null): Step =>
  (node, user) =>
    node.sessions.ban(node.account(user), { service, level: 1, comment: null, until: null, by: 'root' }, true);
const liftBan: Step = (node, user) => node.sessions.liftBan(node.account(user), 'vote', 'root');

/** What the account has once both are done: live sessions, and services that it is banned from. */
interface Case {
  readonly name: string;
  readonly before?: Step;
  readonly first: Step;
  readonly second: Step;
  /** What the second comes to, where it is a login. */
  readonly kind?: string;
  readonly live: number;
  readonly banned: readonly (string | null)[];
}

const CASES: readonly Case[] = [
  { name: 'a login while it is banned', first: ban(), second: login, kind: 'banned', live: 0, banned: [null] },
  { name: 'a ban while it logs in', first: login, second: ban(), live: 0, banned: [null] },
  {
    name: 'a login that began before all sessions are ended',
    first: endAll,
    second: loginByTicket,
    kind: 'superseded',
    live: 0,
    banned: [],
  },
  { name: 'an end of all sessions while it logs in', first: login, second: endAll, live: 0, banned: [] },
  { name: 'a ban beside another', first: ban('vote'), second: ban('post'), live: 0, banned: ['post', 'vote'] },
  {
    name: 'a ban while another is lifted',
    before: ban('vote'),
    first: liftBan,
    second: ban('post'),
    live: 0,
    banned: ['post'],
  },
  {
    name: 'a lift while it is banned from more',
    before: ban('vote'),
    first: ban('post'),
    second: liftBan,
    live: 0,
    banned: ['post'],
  },
];

describeRepository(
  'an account that two nodes change at once',
  ({ database, node, other, newUser }) => {
    /** Keeps transactions that write to the audit trail from committing. */
    const holdingAudit = async <T>(work: () => Promise<T>): Promise<T> => {
      const runner = (await database.connect()).createQueryRunner();
      await runner.startTransaction();
      await runner.query('LOCK TABLE latchkey_event IN SHARE MODE');
      const result = await work();
      await runner.rollbackTransaction();
      await runner.release();
      return result;
    };

    const waiting = async () =>
      (
        await other.rows(
          raw(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`),
        )
      ).length;

    it.each(CASES)('A68, G11: decides $name by what came first', async ({ before, first, second, ...expected }) => {
      const user = newUser();
      // So that the account is known, without a session.
      await node.sessions.endSession((await node.login(user)).id, { reason: 'SESSION_KICKED', by: 'root' });
      await before?.(node, user);
      const both = await holdingAudit(async () => {
        const one = first(node, user);
        await until(async () => (await waiting()) >= 1);
        const two = second(other, user);
        await until(async () => (await waiting()) >= 2);
        return [one, two];
      });
      const [, outcome] = (await Promise.all(both)) as [unknown, { readonly kind?: string }];
      expect(outcome.kind).toBe(expected.kind);
      expect(await node.sessions.listLiveSessions(node.account(user))).toHaveLength(expected.live);
      const { bans } = await node.sessions.readAccount(node.account(user));
      expect(bans.map(({ service }) => service).sort()).toEqual(expected.banned);
    });
  },
  kindsOf('postgres'),
);
