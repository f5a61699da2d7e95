import { createHash } from 'node:crypto';
import { SessionError, invalidArgument } from '../../model/session-error.js';
import type { Keyset, Listed, Portion, Position } from '../../database/lists/keyset.js';
import { pageLimit } from '../../nest/http/request-input.js';

/** One page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Cursor of the next page; null on the last. */
  readonly nextCursor: string | null;
  /** Cursor of the previous page; null on the first. */
  readonly prevCursor: string | null;
}

export interface PageQuery {
  /** 1 to 200. Default 50. */
  readonly limit?: number;
  /** `nextCursor` or `prevCursor` of a page of the same list, order and filter. Omit it for the first page. */
  readonly cursor?: string | null;
}

const MAX_CURSOR = 1024;
const CHECK_BYTES = 9;
const NUMBER = /^\d{1,15}$/;
const HEX = /^[0-9a-f]{0,128}$/;

/** Pages through a list. Cursors end with a checksum over order, filter and position, and are refused elsewhere. */
export class PagedList {
  private readonly scope: string;

  /** @param name list and order @param filter in canonical form */
  constructor(
    realm: string,
    name: string,
    filter: unknown,
    private readonly order: Keyset,
  ) {
    this.scope = JSON.stringify([realm, name, filter]);
  }

  /** @throws SessionError ARGUMENT_INVALID for an invalid limit, CURSOR_INVALID for a cursor of another list */
  portion({ limit, cursor }: PageQuery): Portion {
    const size = pageLimit(limit);
    if (cursor === undefined || cursor === null || cursor === '') return { from: null, backwards: false, limit: size };
    if (typeof cursor !== 'string') throw invalidArgument('cursor', 'must be a string');
    const text = cursor.length > MAX_CURSOR ? '' : Buffer.from(cursor, 'base64url').toString();
    const [direction, ...values] = text.split('.').slice(0, -1);
    const { columns } = this.order;
    const isPosition =
      (direction === 'n' || direction === 'p') &&
      values.length === columns.length &&
      values.every((value, index) => (columns[index]!.kind === 'number' ? NUMBER : HEX).test(value));
    const from = values.map((value, index) => (columns[index]?.kind === 'number' ? Number(value) : value));
    // Canonical spelling only: decoders skip unknown characters.
    if (!isPosition || this.cursor(direction, from) !== cursor) throw new SessionError('CURSOR_INVALID');
    return { from, backwards: direction === 'p', limit: size };
  }

  /** Reads one page. @throws SessionError as `portion` does, synchronously and before any query */
  read<T>(query: PageQuery, rows: (portion: Portion) => Promise<readonly Listed<T>[]>): Promise<Page<T>> {
    const portion = this.portion(query);
    return rows({ ...portion, limit: portion.limit + 1 }).then((read) => this.page(read, portion));
  }

  /** Makes a page of the rows read: one more than it shows if the list goes on in that direction. */
  page<T>(rows: readonly Listed<T>[], { from, backwards, limit }: Portion): Page<T> {
    const isMore = rows.length > limit;
    const shown = isMore ? (backwards ? rows.slice(1) : rows.slice(0, limit)) : rows;
    const [first, last] = [shown[0]?.position, shown.at(-1)?.position];
    return {
      items: shown.map(({ item }) => item).filter((item) => item !== null),
      nextCursor: isMore || backwards ? this.cursor('n', last) : null,
      prevCursor: (backwards ? isMore : from !== null) ? this.cursor('p', first) : null,
    };
  }

  private cursor(direction: 'n' | 'p', position: Position | undefined): string | null {
    if (position === undefined) return null;
    const place = [direction, ...position].join('.');
    return Buffer.from(`${place}.${checksum(this.scope, place, 'base64url')}`).toString('base64url');
  }
}

export function checksum(scope: string, place: string, encoding: 'base64url' | 'hex'): string {
  const hash = createHash('sha256').update(`${scope.length}:${scope}${place}`).digest();
  return hash.subarray(0, CHECK_BYTES).toString(encoding);
}
