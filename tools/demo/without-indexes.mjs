/** From so many rows on, indexes are made anew faster than they are kept up. */
const WORTH_IT = 50_000;

/**
 * Adds many rows to tables of PostgreSQL in one transaction in which their indexes are gone, and made again at its end. If it
 * does not come to that, nothing has happened. Others wait for the tables meanwhile.
 * @template T
 * @param {import('typeorm').QueryRunner} runner @param {readonly string[]} tables
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withoutIndexes(runner, tables, work) {
  await runner.startTransaction();
  try {
    await runner.query(`SET LOCAL lock_timeout = '10s'`);
    await runner.query(`LOCK TABLE ${tables.join(', ')} IN ACCESS EXCLUSIVE MODE`);
    await runner.query(`SET LOCAL maintenance_work_mem = '256MB'`);
    const indexes = await runner.query(
      `SELECT c.relname AS name, pg_get_indexdef(c.oid) AS definition FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
       WHERE i.indrelid = ANY($1::regclass[]) AND NOT i.indisprimary`,
      [tables],
    );
    for (const { name } of indexes) await runner.query(`DROP INDEX "${name}"`);
    const result = await work();
    for (const { definition } of indexes) await runner.query(definition);
    await runner.commitTransaction();
    return result;
  } catch (error) {
    await runner.rollbackTransaction();
    throw error;
  }
}

/** Whether a load is so large that it pays, also because what is there already must be indexed again. @param {import('typeorm').QueryRunner} runner @param {number} rows */
export async function paysWithoutIndexes(runner, rows) {
  if (runner.dataSource.options.type !== 'postgres' || rows < WORTH_IT) return false;
  const [{ count }] = await runner.query(
    `SELECT COUNT(*) AS count FROM (SELECT 1 FROM latchkey_session LIMIT ${rows}) s`,
  );
  return Number(count) < rows;
}
