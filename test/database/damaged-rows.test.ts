import { beforeAll, describe, expect, it } from '@jest/globals';
import { singleDevice } from 'nestjs-latchkey';
import { OnlineUsersService } from 'nestjs-latchkey/admin';
import type { DataSource } from 'typeorm';
import { accountRef } from 'lib/user-key.js';
import { databaseKinds } from '../support/databases.js';
import type { Sessions } from '../support/sessions.js';
import { useDatabase } from '../support/use-database.js';

const BY = { by: 'root' };
/** The largest number that a column holds, and one that JavaScript can count and that is no date. */
const LARGEST = '9223372036854775807';
const NO_DATE = '9000000000000000';

/** What hands, and other programs, may have made of the row of a live session. */
const SESSION = [
  'version = -1',
  `version = ${LARGEST}`,
  `status = 'weird'`,
  `slot = 'unknown'`,
  'slot = NULL',
  `claims = '{'`,
  `superseded = '[{}]'`,
  `user_id = '\\\\'`,
  `ended_at = 1`,
  'generation = -1',
  `generation = ${LARGEST}`,
  `access_hash = ''`,
  'account_epoch = -1',
  `account_epoch = ${LARGEST}`,
  'realm_epoch = -1',
  `realm_epoch = ${LARGEST}`,
  'created_at = -1',
  `idle_ms = ${LARGEST}`,
  ...['created_at', 'authenticated_at', 'last_seen_at', 'usable_until', 'expires_at', 'access_expires_at'].flatMap(
    (column) => [`${column} = ${LARGEST}`, `${column} = ${NO_DATE}`],
  ),
];

const ACCOUNT = [
  'epoch = -1',
  'version = -1',
  `version = ${LARGEST}`,
  'end_epoch = -1',
  `end_epoch = ${LARGEST}`,
  'end_epoch = 1',
  `epoch = ${LARGEST}`,
  `not_before = ${LARGEST}`,
  `not_before = ${NO_DATE}`,
];

describe.each(databaseKinds)('F41: rows on $name that are damaged', (kind) => {
  const database = useDatabase(kind, { isShared: true });
  let node: Sessions;
  let source: DataSource;
  let users = 0;

  beforeAll(async () => {
    node = await database.start({ policy: singleDevice() }, [OnlineUsersService]);
    source = await database.connect();
  });

  const damage = async (assignment: string, table: 'session' | 'account') => {
    const user = `user-${users++}`;
    const login = await node.tokens.login(user);
    const [name, key] =
      table === 'session'
        ? ['latchkey_session', `id = '${login.session.id}'`]
        : ['latchkey_account', `user_key = '${accountRef('users', user).key}'`];
    await source.query(`UPDATE ${name} SET ${assignment} WHERE ${key}`);
    return { user, ...login };
  };

  /** @param left damaged sessions that a login does not end: their tokens are refused, and a kick closes them */
  const isWell = async (user: string, damaged: string, left = 0) => {
    const { tokens, sessions, operators } = node;
    const { accessToken, session } = await tokens.login(user);
    expect((await tokens.verify(accessToken)).status).toBe('VALID');
    expect((await tokens.verify(damaged)).status).not.toBe('VALID');
    expect((await sessions.list(user)).map(({ id }) => id)).toEqual([session.id]);
    expect(await operators.kickUser(user, BY)).toBe(1 + left);
    expect((await tokens.verify(accessToken)).status).toBe('INVALID');
  };

  const canBeListed = async (user: string) => {
    const online = node.context.get(OnlineUsersService, { strict: false });
    await online.list({});
    await online.listUsers({});
    await online.endedSessions({});
    await online.userSessions(user, {});
    await online.userSessions(user, { ended: true });
    await online.events({});
  };

  describe.each([
    ['session', SESSION],
    ['account', ACCOUNT],
  ] as const)('of a(n) %s', (table, assignments) => {
    it.each(assignments)('%s: the user can log in', async (assignment) => {
      const { user, accessToken } = await damage(assignment, table);
      await canBeListed(user);
      // On SQLite, a login ends these as well.
      const isLeft = kind.name !== 'sqlite' && table === 'session' && assignment.includes('_epoch');
      await isWell(user, accessToken, Number(isLeft));
      await canBeListed(user);
    });

    it.each(assignments)('%s: the user can be kicked', async (assignment) => {
      const { user, accessToken } = await damage(assignment, table);
      await node.operators.kickUser(user, BY);
      expect((await node.tokens.verify(accessToken)).status).not.toBe('VALID');
      await isWell(user, accessToken);
    });

    it.each(assignments)('%s: the session can be kicked', async (assignment) => {
      const { user, session, accessToken } = await damage(assignment, table);
      await node.operators.kick(session.id, BY);
      expect((await node.tokens.verify(accessToken)).status).not.toBe('VALID');
      await isWell(user, accessToken);
    });
  });

  describe('bans that cannot be read', () => {
    const unreadable = () => damage(`bans = 'no'`, 'account');

    it('keep logins out, and do not keep the sessions from being ended', async () => {
      const { tokens, operators } = node;
      const { user, accessToken } = await unreadable();
      await expect(tokens.login(user)).rejects.toMatchObject({ code: 'SESSION_STORE_UNAVAILABLE' });
      expect(await operators.kickUser(user, BY)).toBe(1);
      expect((await tokens.verify(accessToken)).status).toBe('INVALID');
    });

    it('are shown as one, which can be lifted', async () => {
      const { operators } = node;
      const { user, accessToken } = await unreadable();
      const shown = { service: null, until: null, comment: expect.stringContaining('cannot be read') as unknown };
      expect(await operators.bans(user)).toEqual([expect.objectContaining(shown)]);
      expect(await operators.liftBan(user, BY)).toBe(true);
      expect(await operators.bans(user)).toEqual([]);
      await isWell(user, accessToken);
    });

    it('are replaced by a ban from everything, and stay beside one from a service', async () => {
      const { tokens, operators } = node;
      const { user, accessToken } = await unreadable();
      await operators.ban(user, { ...BY, service: 'comment' });
      expect((await operators.bans(user)).map(({ service }) => service)).toEqual([null, 'comment']);
      await expect(tokens.login(user)).rejects.toMatchObject({ code: 'ACCOUNT_DISABLED' });
      await operators.ban(user, { ...BY, comment: 'spam' });
      expect(await operators.bans(user)).toMatchObject([{ service: 'comment' }, { service: null, comment: 'spam' }]);
      await operators.liftBan(user, BY);
      await isWell(user, accessToken);
    });
  });
});
