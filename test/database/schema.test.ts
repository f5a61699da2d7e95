import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { LatchkeySession, sessionEntities, sessionMigrations } from 'nestjs-latchkey';
import { DataSource } from 'typeorm';
import { databaseKinds } from '../support/databases.js';
import { useDatabase } from '../support/use-database.js';

describe.each(databaseKinds)('the tables on $name', (kind) => {
  const database = useDatabase(kind, { empty: true });
  let application: DataSource;

  beforeEach(async () => {
    application = await new DataSource({
      ...database.options,
      entities: [...sessionEntities],
      migrations: [...sessionMigrations],
    }).initialize();
    database.atEnd(() => application.destroy());
  });

  it('are just what the entities say, and synchronize leaves them alone', async () => {
    await application.runMigrations();
    const changes = async () => {
      const { upQueries } = await application.driver.createSchemaBuilder().log();
      return upQueries.map(({ query }) => query);
    };
    expect(await changes()).toEqual([]);
    for (const metadata of application.entityMetadatas) metadata.synchronize = true;
    // Entities name no indexes.
    const indexes = (await changes()).filter((query) => query.startsWith('DROP INDEX'));
    expect(indexes.length).toBeGreaterThan(20);
    // The one column that an engine has alone.
    const own = kind.name === 'postgres' ? ['ALTER TABLE "latchkey_change" DROP COLUMN "xid"'] : [];
    expect(await changes()).toEqual([...indexes, ...own]);
  });

  it('can be removed by the migration that made them, and made again', async () => {
    const runner = application.createQueryRunner();
    const areThere = async () => {
      const tables = application.entityMetadatas.map(({ tablePath }) => runner.hasTable(tablePath));
      return [...new Set(await Promise.all(tables))];
    };
    for (let round = 0; round < 2; round++) {
      expect(await areThere()).toEqual([false]);
      await application.runMigrations();
      expect(await areThere()).toEqual([true]);
      await application.undoLastMigration();
    }
    await application.runMigrations();
    await new sessionMigrations[0]().up(runner);
    await runner.release();
  });

  it('have indexes to search by of which every engine uses all columns', async () => {
    await application.runMigrations();
    const runner = application.createQueryRunner();
    const table = await runner.getTable(application.getMetadata(LatchkeySession).tablePath);
    await runner.release();
    const found = table!.indices.filter(({ name }) => name!.startsWith('idx_latchkey_session_find_'));
    expect(found).toHaveLength(7);
    for (const { columnNames, where } of found) {
      // A column that an index says itself is the same in all of its rows would be skipped, and all behind it not be searched by.
      expect(columnNames.includes('status')).toBe(!where);
      expect(columnNames).toEqual(expect.arrayContaining(['realm', 'id']));
    }
  });

  it('can be made by the application, and used by the module after it', async () => {
    await application.runMigrations();
    const { tokens } = await database.start({ database: application });
    await database.start({ database: application, runMigrations: false });
    const { session } = await tokens.login('alice', { claims: { n: 1 }, deviceName: 'x' });
    const found = await application.getRepository(LatchkeySession).findOneByOrFail({ id: session.id });
    expect(found).toMatchObject({
      userId: 'alice',
      claims: { n: 1 },
      status: 'live',
      createdAt: session.createdAt,
      version: 1,
      endedAt: null,
    });
  });

  it('can be made by the module, and by the application after it', async () => {
    const { tokens, sessions } = await database.start({ database: application });
    const { session } = await tokens.login('alice');
    await application.runMigrations();
    expect(await sessions.find(session.id)).toEqual(session);
  });

  it('are missed at boot with a message that says what to do', async () => {
    await expect(database.start({ database: application, runMigrations: false })).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringContaining('runMigrations'),
    });
  });

  it('are made once when several modules start at the same time', async () => {
    const opened = await Promise.all([1, 2, 3, 4].map(() => database.start()));
    await Promise.all(opened.map(({ tokens }) => tokens.login('alice')));
    expect(await opened[0]!.sessions.list('alice')).toHaveLength(1);
  });

  it('A15: a record that no version of the library wrote is no session, and no error', async () => {
    const node = await database.start({ database: application, nearCache: false });
    const { accessToken } = await node.tokens.login('alice');
    const [good] = (await application.query('SELECT access_hash FROM latchkey_session')) as { access_hash: string }[];
    const repository = application.getRepository(LatchkeySession);
    const table = repository.metadata.tableName;
    for (const damage of [
      'claims = \'{"a":\'',
      "claims = '[]'",
      "user_id = 'a\\\\\\q'",
      "status = 'odd'",
      "status = 'ended'",
      "end_reason = 'X', status = 'ended', ended_at = 1",
    ]) {
      await application.query(`UPDATE ${table} SET ${damage}`);
      expect(await node.tokens.verify(accessToken)).toEqual({ status: 'INVALID', reason: 'TOKEN_INVALID' });
      expect(await node.sessions.list('alice')).toEqual([]);
      await application.query(
        `UPDATE ${table} SET claims = '{}', user_id = 'alice', access_hash = '${good!.access_hash}', status = 'live', end_reason = NULL, ended_at = NULL`,
      );
    }
    expect((await node.tokens.verify(accessToken)).status).toBe('VALID');
    await application.query(`UPDATE ${table} SET access_hash = 'é'`);
    expect(await node.tokens.verify(accessToken)).toEqual({ status: 'INVALID', reason: 'TOKEN_INVALID' });
    expect(await node.tokens.logout(accessToken)).toBe(false);
  });

  it('A13: a reply to another question is no answer', async () => {
    const node = await database.start({ database: application, nearCache: false });
    const [alice, bob] = [await node.tokens.login('alice'), await node.tokens.login('bob')];
    const engine: { read(...args: unknown[]): Promise<unknown> } = node.runtime.database.engine as never;
    const read = engine.read.bind(engine);
    const replies: Promise<unknown>[] = [];
    const bothAsked = new Promise<void>((resolve) => {
      jest.spyOn(engine, 'read').mockImplementation(async (...args) => {
        const mine = replies.push(read(...args)) - 1;
        if (replies.length === 2) resolve();
        await bothAsked;
        return replies[1 - mine];
      });
    });
    const first = node.tokens.verify(alice.accessToken);
    await Promise.resolve();
    const second = node.tokens.verify(bob.accessToken);
    expect([(await first).status, (await second).status]).toEqual(['UNKNOWN', 'UNKNOWN']);
    jest.restoreAllMocks();
    expect((await node.tokens.verify(alice.accessToken)).status).toBe('VALID');
  });
});
