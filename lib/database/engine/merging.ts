import { type SqlValue, type Statement, join, raw, sql } from './sql.js';

/** A table `v` of parameters: what stands before the statement, and what stands after FROM. */
export interface Values {
  readonly before: Statement;
  readonly from: Statement;
}

/** Parts of `${v.before}INSERT INTO ${table}${target} (...) SELECT ... FROM ${v.from} ...${onConflict(key, set)}`, and of an UPDATE. */
export interface Merging {
  readonly rows: (columns: ValueColumns, rows: readonly (readonly SqlValue[])[]) => Values;
  /** UPDATE of the rows `s` of a table that have the id of a row of `v`. */
  readonly update: (table: Statement, v: Values, set: Statement, where: Statement) => Statement;
  /** Names the table that is written, for `own`. */
  readonly target: Statement;
  /** @param key unique columns @param set assignments in terms of `own` and `given` */
  readonly onConflict: (key: string, set: Statement) => Statement;
  /** A column of the row that is there. */
  readonly own: (column: string) => Statement;
  /** A column of the row that was to be inserted. */
  readonly given: (column: string) => Statement;
  readonly least: Statement;
  readonly greatest: Statement;
}

export type ValueColumns = Readonly<Record<string, 'VARCHAR(45)' | 'BIGINT'>>;

/** PostgreSQL and SQLite. */
export const onConflict: Omit<Merging, 'least' | 'greatest'> = {
  // PostgreSQL takes parameters that it knows nothing of for text.
  rows: (columns, rows) => {
    const types = Object.values(columns);
    const cast = (value: SqlValue, index: number) => sql`CAST(${value} AS ${raw(types[index]!)})`;
    const values = rows.map((row) => sql`(${join(row.map(cast), ', ')})`);
    return {
      before: sql`WITH v(${raw(Object.keys(columns).join(', '))}) AS (VALUES ${join(values, ', ')}) `,
      from: raw('v'),
    };
  },
  update: (table, v, set, where) =>
    sql`${v.before}UPDATE ${table} AS s SET ${set} FROM ${v.from} WHERE s.id = v.id AND ${where}`,
  target: raw(' AS own'),
  onConflict: (key, set) => sql` ON CONFLICT (${raw(key)}) DO UPDATE SET ${set}`,
  own: (column) => raw(`own.${column}`),
  given: (column) => raw(`excluded.${column}`),
};

/** MySQL and MariaDB. */
export const onDuplicateKey: Merging = {
  rows: (columns, rows) => {
    const names = Object.keys(columns);
    const named = (value: SqlValue, index: number) => sql`${value} AS ${raw(names[index]!)}`;
    const selects = rows.map((row) => sql`SELECT ${join(row.map(named), ', ')}`);
    return { before: raw(''), from: sql`(${join(selects, ' UNION ALL ')}) AS v` };
  },
  update: (table, { from }, set, where) =>
    sql`UPDATE ${table} AS s JOIN ${from} ON v.id = s.id SET ${set} WHERE ${where}`,
  // It has no name for it; the names of columns alone mean that table, unless the SELECT has them as well.
  target: raw(''),
  onConflict: (_key, set) => sql` ON DUPLICATE KEY UPDATE ${set}`,
  own: raw,
  given: (column) => raw(`VALUES(${column})`),
  least: raw('LEAST'),
  greatest: raw('GREATEST'),
};
