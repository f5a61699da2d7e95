import { beforeAll, describe, expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { type LoginResult, accessAndRefresh, multiDevice } from 'nestjs-latchkey';
import { accountRef } from 'lib/user-key.js';
import { kindsOf } from '../support/databases.js';
import { rounds } from '../support/size.js';
import type { Services, Sessions } from '../support/sessions.js';
import { until } from '../support/until.js';
import { useDatabase } from '../support/use-database.js';

const BY = { by: 'root' };
/** Many times the connections that there are. */
const AT_ONCE = rounds('waitersForARow');

let addresses = 0;
/** Of another client each time: those of one take a turn together. */
const address = () => ({ ip: `192.0.2.${addresses++ % 256}` });

interface Command {
  readonly locks: 'session' | 'account';
  readonly run: (services: Services, login: LoginResult) => Promise<unknown>;
  /** The answer for a session that was kicked, where that is certain without its row. */
  readonly onceKicked?: unknown;
}

const ofSession = (run: Command['run'], onceKicked?: unknown): Command => ({ locks: 'session', run, onceKicked });
const ofAccount = (run: Command['run']): Command => ({ locks: 'account', run });
const GONE = 'SESSION_NOT_FOUND';

const COMMANDS: Record<string, Command> = {
  refresh: ofSession(({ tokens }, login) => tokens.refresh(login.refreshToken, address()), 'SESSION_KICKED'),
  reauthenticate: ofSession(({ sessions }, { session }) => sessions.reauthenticate(session.id), GONE),
  updateClaims: ofSession(({ sessions }, { session }) => sessions.updateClaims(session.id, { a: 1 }), GONE),
  'data.set': ofSession(({ sessions }, { session }) => sessions.data(session.id).set('a', 1), GONE),
  'data.clear': ofSession(({ sessions }, { session }) => sessions.data(session.id).clear(), GONE),
  logout: ofSession(({ tokens }, { accessToken }) => tokens.logout(accessToken), false),
  kick: ofSession(({ operators }, { session }) => operators.kick(session.id, BY)),
  kickMany: ofSession(({ operators }, { session }) => operators.kickMany([session.id], BY)),
  login: ofAccount(({ tokens }, { session }) => tokens.login(session.userId)),
  'accountData.set': ofAccount(({ sessions }, { session }) => sessions.accountData(session.userId).set('a', 1)),
  kickUser: ofAccount(({ operators }, { session }) => operators.kickUser(session.userId, BY)),
  ban: ofAccount(({ operators }, { session }) => operators.ban(session.userId, { ...BY, endSessions: false })),
  liftBan: ofAccount(({ operators }, { session }) => operators.liftBan(session.userId, BY)),
};

const HOPELESS = Object.entries(COMMANDS).filter(([, { onceKicked }]) => onceKicked !== undefined);

const answerOf = (work: Promise<unknown>) => work.catch(({ code }: { code: string }) => code);

const OPTIONS = {
  policy: multiDevice({ max: 2 }),
  tokens: accessAndRefresh(),
  timing: { loginBudget: '8s', endBudget: '8s', verifyBudget: '8s' },
} as const;

describe.each(kindsOf('postgres', 'mariadb'))('a row on $name that many wait for', (kind) => {
  const database = useDatabase(kind, { isShared: true });
  let node: Sessions;
  let tokens: Sessions['tokens'];
  let operators: Sessions['operators'];
  let holder: DataSource;
  let users = 0;

  beforeAll(async () => {
    node = await database.start(OPTIONS);
    ({ tokens, operators } = node);
    holder = await database.connect();
  });

  const whileLocked = async (locks: 'session' | 'account', { session }: LoginResult, work: () => Promise<void>) => {
    const runner = holder.createQueryRunner();
    const row =
      locks === 'session'
        ? `SELECT id FROM latchkey_session WHERE id = '${session.id}'`
        : `SELECT user_key FROM latchkey_account WHERE user_key = '${accountRef('users', session.userId).key}'`;
    await runner.startTransaction();
    await runner.query(`${row} FOR UPDATE`);
    try {
      await work();
    } finally {
      await runner.rollbackTransaction();
      await runner.release();
    }
  };

  const goesOn = async () => {
    const { session, accessToken } = await tokens.login(`other-${users++}`);
    expect((await tokens.verify(accessToken)).status).toBe('VALID');
    expect(await operators.kick(session.id, BY)).toBe(true);
    expect(await operators.kickUser(session.userId, BY)).toBe(0);
  };

  it.each(Object.entries(COMMANDS))(
    `F38: takes no connection from others: ${AT_ONCE} at once of %s`,
    async (_, command) => {
      const login = await tokens.login(`user-${users++}`);
      let many: Promise<unknown> | undefined;
      await whileLocked(command.locks, login, async () => {
        many = Promise.allSettled(Array.from({ length: AT_ONCE }, () => command.run(node, login)));
        await goesOn();
      });
      await many;
      await goesOn();
    },
  );

  it.each(HOPELESS)(
    `F38: is not even waited for by ${AT_ONCE} at once of %s of a session that has ended`,
    async (_, command) => {
      const login = await tokens.login(`user-${users++}`);
      await operators.kick(login.session.id, BY);
      await whileLocked('session', login, async () => {
        const many = Array.from({ length: AT_ONCE }, () => answerOf(command.run(node, login)));
        await goesOn();
        expect(new Set(await Promise.all(many))).toEqual(new Set([command.onceKicked]));
        expect(await answerOf(command.run(node, login))).toBe(command.onceKicked);
      });
    },
  );

  it('is waited for by the refresh of a live session', async () => {
    const login = await tokens.login(`user-${users++}`);
    let refreshed: Promise<{ accessToken: string }> | undefined;
    await whileLocked('session', login, async () => {
      refreshed = tokens.refresh(login.refreshToken);
      await goesOn();
    });
    expect((await tokens.verify((await refreshed!).accessToken)).status).toBe('VALID');
  });

  it('lets in no operator as a user whose kick looked for the session before it was there, and commits after it', async () => {
    await tokens.login('operator');
    const runner = holder.createQueryRunner();
    await runner.startTransaction();
    await runner.query(
      `UPDATE latchkey_account SET epoch = epoch + 1 WHERE user_key = '${accountRef('users', 'operator').key}'`,
    );
    const opening = operators.impersonate('user', { by: 'operator' }).catch((error: unknown) => error);
    await until(async () => (await node.sessions.list('user')).length > 0);
    await runner.commitTransaction();
    await runner.release();
    expect(await opening).toMatchObject({ code: 'FORBIDDEN' });
    expect(await node.sessions.list('user')).toEqual([]);
  });

  it('is ended by a kick, however many refreshes of the session wait for their turn', async () => {
    const login = await tokens.login(`user-${users++}`);
    const granted: string[] = [];
    // They take their turns one by one, each within its budget.
    const many = Array.from({ length: Math.min(AT_ONCE, 100) }, () =>
      tokens.refresh(login.refreshToken, address()).then(
        ({ accessToken }) => void granted.push(accessToken),
        ({ code }: { code: string }) => code,
      ),
    );
    expect(await operators.kick(login.session.id, BY)).toBe(true);
    const before = granted.length;
    const outcomes = await Promise.all(many);
    // One that had its turn before may be answered after; what it gives is refused.
    expect(granted.length - before).toBeLessThanOrEqual(1);
    for (const token of granted) expect(await tokens.verify(token)).toMatchObject({ reason: 'SESSION_KICKED' });
    expect(new Set(outcomes.filter((one) => one !== undefined))).toEqual(new Set(['SESSION_KICKED']));
  });
});

describe('a SQLite file that another process writes to', () => {
  const database = useDatabase(kindsOf('sqlite')[0]!);

  it.each(HOPELESS)('is not waited for by %s of a session that has ended', async (_, command) => {
    const node = await database.start(OPTIONS);
    const { tokens, operators } = node;
    const login = await tokens.login('user');
    await operators.kick(login.session.id, BY);
    const holder = await database.connect();
    await holder.query('BEGIN IMMEDIATE');
    const many = Array.from({ length: AT_ONCE }, () => answerOf(command.run(node, login)));
    expect(new Set(await Promise.all(many))).toEqual(new Set([command.onceKicked]));
    await holder.query('ROLLBACK');
  });
});
