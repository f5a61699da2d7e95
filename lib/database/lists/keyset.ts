import { type Row, type SqlValue, type Statement, join, raw, sql } from '../engine/sql.js';

/** A column that a list is sorted by. Hex: text of hexadecimal digits, which sorts alike in every collation. */
export interface SortColumn {
  readonly name: string;
  readonly kind: 'number' | 'hex';
}

/** A place in a list: the values of the sort columns there. */
export type Position = readonly (string | number)[];

/** Which part of a list: the rows next to a place, in the direction of the list or against it. */
export interface Portion {
  /** Null: the beginning of the list. */
  readonly from: Position | null;
  readonly backwards: boolean;
  readonly limit: number;
}

/** A row of a list: its place, and what is shown of it; null where nothing can be. */
export interface Listed<T> {
  readonly position: Position;
  readonly item: T | null;
}

/**
 * An order in which a list is read portion by portion. The last column makes it unique. A portion is found by its key, so that
 * its cost does not depend on how far down it is, and nothing is shown twice or left out because of what came or went before it.
 */
export class Keyset {
  /** @param index which rows stand in this order in, where there is one for the list */
  constructor(
    readonly columns: readonly SortColumn[],
    private readonly descending: boolean,
    readonly index?: string,
  ) {}

  /** The condition that a row is in the portion, with ` AND ` before it; nothing for the beginning. */
  after({ from, backwards }: Portion): Statement {
    if (!from) return raw('');
    const operator = this.descending !== backwards ? '<' : '>';
    return sql` AND ${beyond(this.columns, from, operator)}`;
  }

  /**
   * ORDER BY and LIMIT of the portion. Rows of a portion that is read backwards come in the reverse order.
   * @param prefix of the names of the columns
   */
  order({ backwards, limit }: Portion, prefix = ''): Statement {
    const direction = this.descending !== backwards ? ' DESC' : '';
    const keys = this.columns.map(({ name }) => prefix + name + direction);
    return sql` ORDER BY ${raw(keys.join(', '))} LIMIT ${limit}`;
  }

  /** Rows with their places, so that a list goes on behind a row of which nothing is shown. */
  listed<T>(rows: readonly Row[], toItem: (row: Row) => T | null): readonly Listed<T>[] {
    return rows.map((row) => ({ position: this.columns.map((column) => valueOf(row, column)), item: toItem(row) }));
  }

  /** The columns under names with a prefix, for rows that are joined with others which have the same columns. */
  prefixed(prefix: string): Statement {
    return raw(this.columns.map(({ name }) => `${name} AS ${prefix}${name}`).join(', '));
  }
}

/** A row has columns without the name of their table. */
function valueOf(row: Row, { name, kind }: SortColumn): string | number {
  const value = row[name.slice(name.indexOf('.') + 1)];
  return kind === 'number' ? Number(value) : String(value);
}

/** Written as a range on the first column, which every engine turns into the start of an index scan. */
function beyond([column, ...others]: readonly SortColumn[], [value, ...rest]: Position, operator: string): Statement {
  const name = raw(column!.name);
  const beyondIt = sql`${name} ${raw(operator)} ${value as SqlValue}`;
  if (others.length === 0) return beyondIt;
  return sql`${name} ${raw(operator)}= ${value as SqlValue} AND (${beyondIt} OR (${beyond(others, rest, operator)}))`;
}

/** All of the conditions. */
export function every(conditions: readonly Statement[]): Statement {
  return join(conditions, ' AND ');
}

/** Rows of a portion as they stand in the list, whichever way they were read. */
export function inListOrder<T>(rows: readonly T[], { backwards }: Portion): readonly T[] {
  return backwards ? [...rows].reverse() : rows;
}
