import { describe, expect, it } from '@jest/globals';
import { type LoginResult, type Verification, sessionEntities, sessionMigrations, singleDevice } from 'nestjs-latchkey';
import { DataSource } from 'typeorm';
import { databaseKinds } from '../support/databases.js';
import { type NodeOptions, TestNode } from '../support/nodes.js';
import { useDatabase } from '../support/use-database.js';

const REPLACED = { status: 'INVALID', reason: 'SESSION_REPLACED' };

/** `npm test` runs this with TypeORM 0.3 in this process (TEST_TYPEORM). The nodes that it starts run on TypeORM 1. */
describe.each(databaseKinds)('the version of TypeORM in this process on $name', (kind) => {
  const database = useDatabase(kind, { empty: true });

  async function startNode() {
    const policy: NodeOptions['policy'] = { name: 'singleDevice' };
    const node = await TestNode.start({ database: database.options, policy });
    database.atEnd(() => node.close());
    return node;
  }

  it.each(['this process', 'a node'])(
    'shares tables that %s made, and each hears what the other ends',
    async (maker) => {
      if (maker === 'a node') await (await startNode()).close();
      const { tokens: here } = await database.start({ policy: singleDevice() });
      const node = await startNode();
      const verifyThere = async (token: string) => (await node.call<Verification>('verify', token)).value;
      const good = { status: 'VALID', session: { userId: 'alice' } };

      const first = await here.login('alice');
      expect(await verifyThere(first.accessToken)).toMatchObject(good);
      const { value: second } = await node.call<LoginResult>('login', 'alice');
      expect(await here.verify(first.accessToken)).toMatchObject(REPLACED);
      expect(await here.verify(second!.accessToken)).toMatchObject(good);
      await here.login('alice');
      expect(await verifyThere(second!.accessToken)).toMatchObject(REPLACED);
    },
  );

  it('finds nothing to migrate after a node of TypeORM 1', async () => {
    await (await startNode()).close();
    const application = await new DataSource({
      ...database.options,
      entities: [...sessionEntities],
      migrations: [...sessionMigrations],
      migrationsTableName: 'latchkey_migration',
    }).initialize();
    database.atEnd(() => application.destroy());
    const isVersion03 = !('dataSource' in application.createQueryRunner());
    expect(isVersion03).toBe(process.env.TEST_TYPEORM === '0.3');
    expect(await application.showMigrations()).toBe(false);
    const { upQueries } = await application.driver.createSchemaBuilder().log();
    expect(upQueries.map(({ query }) => query)).toEqual([]);
  });
});
