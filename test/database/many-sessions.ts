import type { Tables } from 'lib/tables.js';
import { list, raw, sql } from 'lib/sql.js';
import type { SessionRecord } from 'lib/model/session.js';
import type { TestRepositories } from './repositories.js';

type RowsOfNode = Pick<TestRepositories, 'rows' | 'write'> & { readonly database: { readonly tables: Tables } };

/** Copies the row of a session; the first digits of their ids count up. */
export async function multiply(node: RowsOfNode, { id }: Pick<SessionRecord, 'id'>, count: number): Promise<string[]> {
  const { session } = node.database.tables;
  const [row] = await node.rows(sql`SELECT * FROM ${session} WHERE id = ${id}`);
  const columns = Object.keys(row!);
  const copies = Array.from({ length: count }, (_, index) => {
    const copyId = index.toString(16).padStart(8, '0') + id.slice(8);
    return { ...row, id: copyId, slot: copyId } as Record<string, string | number | null>;
  });
  for (let from = 0; from < count; from += 50) {
    const rows = copies.slice(from, from + 50).map((copy) => sql`(${list(columns.map((name) => copy[name]!))})`);
    const values = rows.reduce((all, one) => sql`${all}, ${one}`);
    await node.write(sql`INSERT INTO ${session} (${raw(columns.join(', '))}) VALUES ${values}`);
  }
  return copies.map((copy) => copy.id as string);
}
