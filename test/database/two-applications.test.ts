import { describe, expect, it } from '@jest/globals';
import { LatchkeySession, sessionEntities, singleDevice } from 'nestjs-latchkey';
import { DataSource, type DataSourceOptions, EntitySchema } from 'typeorm';
import { databaseKinds } from '../support/databases.js';
import { useDatabase } from '../support/use-database.js';

/** Entities of an application that are called as tables of the library might be. */
const OWN = ['UserSession', 'Session', 'SessionEntity', 'Account', 'Event', 'Change', 'Data', 'Node', 'Migration'].map(
  (name) =>
    new EntitySchema<{ id: number; text: string }>({
      name,
      columns: { id: { type: Number, primary: true }, text: { type: String, length: 32 } },
    }),
);

describe.each(databaseKinds)('two applications on one database on $name', (kind) => {
  const database = useDatabase(kind, { empty: true });

  const start = async (entityPrefix?: string) => {
    const options = { ...database.options, entityPrefix, entities: [...OWN, ...sessionEntities], synchronize: true };
    const source = await new DataSource(options as DataSourceOptions).initialize();
    database.atEnd(() => source.destroy());
    for (const entity of OWN) await source.getRepository(entity).save({ id: 1, text: entity.options.name });
    const boot = () => database.start({ database: source, policy: singleDevice() });
    const indexes = async () => {
      const runner = source.createQueryRunner();
      const table = await runner.getTable(source.getMetadata(LatchkeySession).tablePath);
      await runner.release();
      return table!.indices.map(({ name, columnNames }) => ({ name: name!, columnNames })).sort(byName);
    };
    return { source, boot, indexes };
  };
  const byName = (one: { name: string }, other: { name: string }) => (one.name < other.name ? -1 : 1);

  it('have the same users apart, and all of their indexes', async () => {
    const [shop, forum] = [await start('shop_'), await start('forum_')];
    const [inShop, inForum] = [await shop.boot(), await forum.boot()];
    const { accessToken, session } = await inShop.tokens.login('alice');
    await inForum.tokens.login('alice');
    await inForum.operators.kickUser('alice', { by: 'root' });
    expect(await inShop.tokens.verify(accessToken)).toMatchObject({ status: 'VALID' });
    expect(await inForum.sessions.list('alice')).toEqual([]);
    expect(await shop.source.getRepository(LatchkeySession).find()).toMatchObject([{ id: session.id }]);
    expect(await forum.source.getRepository(LatchkeySession).find()).toMatchObject([{ status: 'ended' }]);
    const columnsOf = async ({ indexes }: typeof shop) => (await indexes()).map(({ columnNames }) => columnNames);
    expect(await columnsOf(shop)).toEqual(await columnsOf(forum));
    expect(await columnsOf(shop)).toHaveLength(18);
  });

  it('have names that the database does not cut', async () => {
    const long = 'p'.repeat(30);
    const { boot, indexes } = await start(long);
    await boot();
    expect((await indexes()).filter(({ name }) => name.endsWith('latchkey_session_find_last_ip'))).toHaveLength(1);
    await expect(database.start({ database: { ...database.options, entityPrefix: `${long}p` } })).rejects.toMatchObject(
      {
        code: 'CONFIGURATION_INVALID',
        message: expect.stringContaining('entityPrefix') as unknown,
      },
    );
  });

  it.each([undefined, 'shop_'])(
    'leave tables of the application alone that are called alike, with prefix %s',
    async (prefix) => {
      const { source, boot, indexes } = await start(prefix);
      const { tokens } = await boot();
      const { accessToken } = await tokens.login('alice');
      const before = await indexes();
      await source.synchronize();
      expect(await indexes()).toEqual(before);
      expect(await tokens.verify(accessToken)).toMatchObject({ status: 'VALID' });
      for (const entity of OWN) {
        expect(await source.getRepository(entity).find()).toEqual([{ id: 1, text: entity.options.name }]);
      }
      // A second start of the same application finds its tables.
      expect(await (await boot()).tokens.verify(accessToken)).toMatchObject({ status: 'VALID' });
    },
  );
});
