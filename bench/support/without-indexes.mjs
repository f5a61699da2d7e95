/**
 * Adds many rows to tables without their indexes, which are made again after it: faster than to keep them up row by row. Nobody
 * else uses the tables meanwhile.
 *
 * @param {import('typeorm').DataSource} source
 * @param {readonly string[]} tables
 * @param {() => Promise<void>} work
 */
export async function withoutIndexes(source, tables, work) {
  const indexes = await (source.options.type === 'postgres' ? ofPostgres : ofMariadb)(source, tables);
  for (const { drop } of indexes) await source.query(drop);
  await work();
  for (const { create } of indexes) await source.query(create);
}

async function ofPostgres(source, tables) {
  const found = await source.query(
    `SELECT c.relname AS name, pg_get_indexdef(c.oid) AS definition FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     WHERE i.indrelid = ANY($1::regclass[]) AND NOT i.indisprimary`,
    [tables],
  );
  return found.map(({ name, definition }) => ({ drop: `DROP INDEX "${name}"`, create: definition }));
}

/** All of a table in one step: it is read once for all of them. */
async function ofMariadb(source, tables) {
  const steps = [];
  for (const table of tables) {
    const found = await source.query(
      `SELECT index_name AS name, MAX(non_unique) AS non_unique,
         GROUP_CONCAT(column_name ORDER BY seq_in_index) AS columns
       FROM information_schema.statistics
       WHERE table_schema = DATABASE() AND table_name = ? AND index_name <> 'PRIMARY' GROUP BY index_name`,
      [table],
    );
    if (found.length === 0) continue;
    const adds = found.map(
      ({ name, non_unique, columns }) => `ADD ${Number(non_unique) ? '' : 'UNIQUE '}INDEX \`${name}\` (${columns})`,
    );
    steps.push({
      drop: `ALTER TABLE ${table} ${found.map(({ name }) => `DROP INDEX \`${name}\``).join(', ')}`,
      create: `ALTER TABLE ${table} ${adds.join(', ')}`,
    });
  }
  return steps;
}
