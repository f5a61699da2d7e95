import { invalidArgument } from '../core/session-error.js';
import type { Keyset, Listed, Portion, Position } from '../database/keyset.js';
import { pageLimit } from './page-limit.js';

/** One page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Pass it as `cursor` for the next page; null on the last one. */
  readonly nextCursor: string | null;
  /** Pass it as `cursor` for the page before; null on the first one. */
  readonly prevCursor: string | null;
}

export interface PageQuery {
  /** 1 to 200, default 50. */
  readonly limit?: number;
  /** `nextCursor` or `prevCursor` of a page of the same list; none for the first page. */
  readonly cursor?: string | null;
}

const MAX_CURSOR = 1024;
const NUMBER = /^\d{1,15}$/;
const HEX = /^[0-9a-f]{0,128}$/;

/** @throws SessionError ARGUMENT_INVALID for a limit or a cursor that is none */
export function portionOf({ limit, cursor }: PageQuery, { columns }: Keyset): Portion {
  const size = pageLimit(limit);
  if (cursor === undefined || cursor === null || cursor === '') return { from: null, backwards: false, limit: size };
  const [direction, ...values] =
    typeof cursor === 'string' && cursor.length <= MAX_CURSOR
      ? Buffer.from(cursor, 'base64url').toString().split('.')
      : [];
  const isRight =
    (direction === 'n' || direction === 'p') &&
    values.length === columns.length &&
    values.every((value, index) => (columns[index]!.kind === 'number' ? NUMBER : HEX).test(value));
  if (!isRight) throw invalidArgument('cursor', 'must be the nextCursor or prevCursor of a page of the same list');
  const from = values.map((value, index) => (columns[index]!.kind === 'number' ? Number(value) : value));
  return { from, backwards: direction === 'p', limit: size };
}

/**
 * A page of what was read, which is one row more than it shows where there is more in that direction.
 * @param portion of portionOf, before `oneMore`
 */
export function pageOf<T>(rows: readonly Listed<T>[], { from, backwards, limit }: Portion): Page<T> {
  const isMore = rows.length > limit;
  const shown = isMore ? (backwards ? rows.slice(1) : rows.slice(0, limit)) : rows;
  const [first, last] = [shown[0]?.position, shown.at(-1)?.position];
  return {
    items: shown.map(({ item }) => item).filter((item) => item !== null),
    nextCursor: isMore || backwards ? cursor('n', last) : null,
    prevCursor: backwards ? (isMore ? cursor('p', first) : null) : from === null ? null : cursor('p', first),
  };
}

function cursor(direction: 'n' | 'p', position: Position | undefined): string | null {
  return position === undefined ? null : Buffer.from([direction, ...position].join('.')).toString('base64url');
}

/** The portion to read for a page. */
export function oneMore(portion: Portion): Portion {
  return { ...portion, limit: portion.limit + 1 };
}
