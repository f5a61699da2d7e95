import { type Row, type SqlValue, type Statement, join, raw, sql } from '../engine/sql.js';

/** A column that a list is sorted by. Hexadecimal digits sort alike in every collation. */
export interface SortColumn {
  readonly name: string;
  readonly kind: 'number' | 'hex';
}

/** A place in a list: the values of the sort columns there. */
export type Position = readonly (string | number)[];

/** The rows next to a place in a list, in its direction or against it. */
export interface Portion {
  /** Null for the beginning of the list. */
  readonly from: Position | null;
  readonly backwards: boolean;
  readonly limit: number;
}

export interface Listed<T> {
  readonly position: Position;
  /** Null where nothing can be shown. */
  readonly item: T | null;
}

/** An order for keyset pagination, made unique by its last column: no row is shown twice or left out as others come and go. */
export class Keyset {
  /** @param index with the rows in this order, if there is one */
  constructor(
    readonly columns: readonly SortColumn[],
    private readonly descending: boolean,
    readonly index?: string,
  ) {}

  /** The condition that a row is in the portion, after ` AND `; nothing for the beginning. */
  after({ from, backwards }: Portion): Statement {
    if (!from) return raw('');
    const operator = this.descending !== backwards ? '<' : '>';
    return sql` AND ${beyond(this.columns, from, operator)}`;
  }

  /** ORDER BY and LIMIT; reverse for a portion that is read backwards. @param prefix of the names of the columns */
  order({ backwards, limit }: Portion, prefix = ''): Statement {
    const direction = this.descending !== backwards ? ' DESC' : '';
    const keys = this.columns.map(({ name }) => prefix + name + direction);
    return sql` ORDER BY ${raw(keys.join(', '))} LIMIT ${limit}`;
  }

  /** Rows with their places, so that a list goes on behind a row that cannot be shown. */
  listed<T>(rows: readonly Row[], toItem: (row: Row) => T | null): readonly Listed<T>[] {
    return rows.map((row) => ({ position: this.columns.map((column) => valueOf(row, column)), item: toItem(row) }));
  }

  /** The columns under names with a prefix, for joins. */
  prefixed(prefix: string): Statement {
    return raw(this.columns.map(({ name }) => `${name} AS ${prefix}${name}`).join(', '));
  }
}

/** A row has columns without the name of their table. */
function valueOf(row: Row, { name, kind }: SortColumn): string | number {
  const value = row[name.slice(name.indexOf('.') + 1)];
  return kind === 'number' ? Number(value) : String(value);
}

/** A range on the first column, which every engine turns into the start of an index scan. */
function beyond([column, ...others]: readonly SortColumn[], [value, ...rest]: Position, operator: string): Statement {
  const name = raw(column!.name);
  const beyondIt = sql`${name} ${raw(operator)} ${value as SqlValue}`;
  if (others.length === 0) return beyondIt;
  return sql`${name} ${raw(operator)}= ${value as SqlValue} AND (${beyondIt} OR (${beyond(others, rest, operator)}))`;
}

export function every(conditions: readonly Statement[]): Statement {
  return join(conditions, ' AND ');
}

export function inListOrder<T>(rows: readonly T[], { backwards }: Portion): readonly T[] {
  return backwards ? [...rows].reverse() : rows;
}
