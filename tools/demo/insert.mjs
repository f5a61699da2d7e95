/** Of values in one statement: SQLite takes 32,766. */
const MOST_VALUES = 1000;

/**
 * Inserts rows that all have the same columns.
 * @param {import('typeorm').QueryRunner} runner
 * @param {string} entity name of its table
 * @param {readonly import('./rows.mjs').Row[]} rows
 * @param {{ unlessKnown?: string }} [options] the column by which a row that is there already is left alone
 */
export async function insertRows(runner, entity, rows, { unlessKnown } = {}) {
  if (rows.length === 0) return;
  const { dataSource } = runner;
  const metadata = dataSource.entityMetadatas.find(({ tableName }) => tableName === entity);
  const columns = Object.keys(rows[0]);
  const { type } = dataSource.options;
  const into = `INSERT INTO ${metadata.tablePath} (${columns.join(', ')})`;
  if (type === 'postgres') {
    // One parameter for each column, however many rows there are.
    const arrays = columns.map((name, index) => {
      const { type: kind } = metadata.findColumnWithDatabaseName(name);
      return `$${index + 1}::${kind === 'varchar' ? 'text' : kind}[]`;
    });
    const values = columns.map((name) => rows.map((row) => row[name]));
    const rest = unlessKnown ? ' ON CONFLICT DO NOTHING' : '';
    await runner.query(`${into} SELECT * FROM unnest(${arrays.join(', ')})${rest}`, values);
    return;
  }
  const known =
    type === 'better-sqlite3' ? ' ON CONFLICT DO NOTHING' : ` ON DUPLICATE KEY UPDATE ${unlessKnown} = ${unlessKnown}`;
  const size = Math.floor(MOST_VALUES / columns.length);
  const row = `(${columns.map(() => '?').join(', ')})`;
  for (let from = 0; from < rows.length; from += size) {
    const chunk = rows.slice(from, from + size);
    const values = chunk.flatMap((one) => columns.map((name) => one[name]));
    await runner.query(`${into} VALUES ${Array(chunk.length).fill(row).join(', ')}${unlessKnown ? known : ''}`, values);
  }
}
