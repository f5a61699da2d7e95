import { beforeEach, expect, it } from '@jest/globals';
import { ChangeLogReader } from 'lib/sql-node-registry.js';
import { join, list, sql } from 'lib/sql.js';
import { START, describeRepository } from './repositories.js';

const OPTIONS = { lane: 'work', budgetMs: 20_000 } as const;

describeRepository('the change log', ({ node }) => {
  let reader: ChangeLogReader;
  let rowsRead: number;

  beforeEach(async () => {
    rowsRead = 0;
    const { engine, tables } = node.database;
    await node.write(sql`DELETE FROM ${tables.change}`);
    const counted: Pick<typeof engine, 'read'> = {
      read: async (statement, options) => {
        const result = await engine.read(statement, options);
        rowsRead += result.rows.length;
        return result;
      },
    };
    reader = new ChangeLogReader({ engine: counted, tables, realm: 'users', options: OPTIONS });
  });

  /** Changes of as many sessions at each of the moments, `<name>-<moment>-<number>`. */
  async function log(name: string, moments: readonly number[], each: number): Promise<void> {
    const rows = moments.flatMap((at) => Array.from({ length: each }, (_, index) => ({ at, index })));
    for (let from = 0; from < rows.length; from += 500) {
      const values = rows
        .slice(from, from + 500)
        .map(({ at, index }) => sql`(${list(['session', `${name}-${at - START}-${index}`, 1, 'users', at])})`);
      await node.write(
        sql`INSERT INTO ${node.database.tables.change} (kind, id, version, realm, at) VALUES ${join(values, ', ')}`,
      );
    }
  }

  const told = async (since: number) => (await reader.changesSince(since)).map(({ sessionId }) => sessionId).sort();
  const moments = (count: number) => Array.from({ length: count }, (_, index) => START + index);

  it('is read again and again while it is short', async () => {
    await log('a', [START], 3);
    expect(await told(START)).toHaveLength(3);
    expect(await told(START)).toHaveLength(3);
    expect(await told(START + 1)).toEqual([]);
  });

  it('tells of nothing twice while it is long, and of everything that comes, also behind what is known', async () => {
    await log('a', moments(4), 200);
    expect(await told(START)).toHaveLength(800);
    rowsRead = 0;
    expect(await told(START)).toEqual([]);
    expect(rowsRead).toBe(4);
    await log('late', [START + 1], 1);
    await log('new', [START + 9], 2);
    const found = await told(START);
    expect(found).toEqual(expect.arrayContaining(['late-1-0', 'new-9-0', 'new-9-1']));
    expect(found).toHaveLength(203);
    expect(await told(START)).toEqual([]);
  });

  it('tells of all again from an earlier time on', async () => {
    await log('a', moments(4), 200);
    expect(await told(START + 1)).toHaveLength(600);
    expect(await told(START)).toHaveLength(800);
    expect(await told(START + 1)).toEqual([]);
  });

  it('is read from the first new moment on where there are too many to name', async () => {
    await log('a', moments(2), 300);
    expect(await told(START)).toHaveLength(600);
    await log('b', moments(1200).slice(600), 1);
    expect(await told(START)).toHaveLength(600);
    expect(await told(START)).toEqual([]);
  });

  it('is read anew where some of it is gone, as after a database was restored', async () => {
    await log('a', moments(4), 200);
    await told(START);
    await node.write(sql`DELETE FROM ${node.database.tables.change} WHERE id = 'a-2-7'`);
    expect(await told(START)).toHaveLength(199);
  });

  it('A6: is read where others come at the moments of some that were removed, as after a clock was set back', async () => {
    await log('a', moments(8), 100);
    await told(START);
    await node.write(sql`DELETE FROM ${node.database.tables.change} WHERE at >= ${START + 6}`);
    expect(await told(START)).toEqual([]);
    await log('b', [START + 6], 100);
    expect(await told(START)).toHaveLength(100);
  });

  it('of another realm is not told', async () => {
    await log('a', moments(4), 200);
    const { engine, tables } = node.database;
    expect(
      await new ChangeLogReader({ engine, tables, realm: 'others', options: OPTIONS }).changesSince(START),
    ).toEqual([]);
  });
});
