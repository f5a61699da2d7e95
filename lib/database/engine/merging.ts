import { type SqlValue, type Statement, join, raw, sql } from './sql.js';

/**
 * An INSERT that merges: `${v.before}INSERT INTO ${table}${target} (...) SELECT ... FROM ${v.from} ...${onConflict(key, set)}`,
 * where `v` is what `rows` returns.
 */
export interface Merging {
  /** Rows of parameters as a table `v`: what stands before the INSERT, and what stands after FROM. */
  readonly rows: (
    columns: readonly ValueColumn[],
    rows: readonly (readonly SqlValue[])[],
  ) => { before: Statement; from: Statement };
  /** What the table that is written is called, so that `own` can name it. */
  readonly target: Statement;
  /** @param key the columns that are unique @param set assignments in terms of `own` and `given` */
  readonly onConflict: (key: string, set: Statement) => Statement;
  /** A column of the row that is there. */
  readonly own: (column: string) => Statement;
  /** A column of the row that was to be inserted. */
  readonly given: (column: string) => Statement;
  /** Functions: the smallest and the largest of their arguments. */
  readonly least: Statement;
  readonly greatest: Statement;
}

export interface ValueColumn {
  readonly name: string;
  readonly type: 'VARCHAR(45)' | 'BIGINT';
}

/** PostgreSQL and SQLite. */
export const onConflict: Omit<Merging, 'least' | 'greatest'> = {
  // PostgreSQL takes parameters that it knows nothing of for text.
  rows: (columns, rows) => {
    const cast = (value: SqlValue, index: number) => sql`CAST(${value} AS ${raw(columns[index]!.type)})`;
    const values = rows.map((row) => sql`(${join(row.map(cast), ', ')})`);
    return {
      before: sql`WITH v(${raw(columns.map(({ name }) => name).join(', '))}) AS (VALUES ${join(values, ', ')}) `,
      from: raw('v'),
    };
  },
  target: raw(' AS own'),
  onConflict: (key, set) => sql` ON CONFLICT (${raw(key)}) DO UPDATE SET ${set}`,
  own: (column) => raw(`own.${column}`),
  given: (column) => raw(`excluded.${column}`),
};

/** MySQL and MariaDB. */
export const onDuplicateKey: Merging = {
  rows: (columns, rows) => {
    const named = (value: SqlValue, index: number) => sql`${value} AS ${raw(columns[index]!.name)}`;
    const selects = rows.map((row) => sql`SELECT ${join(row.map(named), ', ')}`);
    return { before: raw(''), from: sql`(${join(selects, ' UNION ALL ')}) AS v` };
  },
  // It has no name for it; the names of columns alone mean that table, unless the SELECT has them as well.
  target: raw(''),
  onConflict: (_key, set) => sql` ON DUPLICATE KEY UPDATE ${set}`,
  own: raw,
  given: (column) => raw(`VALUES(${column})`),
  least: raw('LEAST'),
  greatest: raw('GREATEST'),
};
