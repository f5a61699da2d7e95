import type { IpRange } from '../../model/ip-key.js';
import { SOUGHT_FIELDS, type SoughtField } from '../../model/session-fields.js';
import type { AccountRef } from '../../model/user-key.js';
import { searchKey } from '../schema/session-rows.js';
import { columnOf } from '../schema/table-names.js';
import { type SqlValue, type Statement, join, raw, sql } from '../engine/sql.js';

/** From inclusive, to exclusive. Milliseconds since the epoch. */
export interface TimeRange {
  readonly from?: number;
  readonly to?: number;
}

/** Selects live sessions; every part that is given must hold. */
export interface OnlineFilter extends Readonly<Partial<Record<SoughtField, string>>> {
  readonly account?: AccountRef;
  /** Address of the login or of the last use. */
  readonly ip?: IpRange;
  /** Beginning of the user id, the user's name or the name of the device, in letters of any case. */
  readonly prefix?: string;
  readonly prefixIp?: IpRange;
  readonly created?: TimeRange;
  readonly seen?: TimeRange;
}

/** Rows of one value, or of a range of values, in the index of a column. */
export interface IndexRange {
  readonly column: string;
  readonly where: Statement;
}

/** A condition, and the ranges that hold exactly the rows for which it is true. */
export interface Condition {
  readonly where: Statement;
  readonly ranges: readonly IndexRange[];
}

export function conditionsOf(filter: OnlineFilter): readonly Condition[] {
  const { account, ip, prefix, prefixIp } = filter;
  const sought = SOUGHT_FIELDS.filter((name) => filter[name] !== undefined);
  return [
    ...(account ? [anyOf([equal('user_key', account.key)])] : []),
    ...sought.map((name) => anyOf([equal(columnOf(name), filter[name]!)])),
    ...(ip ? [anyOf(addressIn(ip))] : []),
    ...(prefix !== undefined ? [anyOf([...beginsWith(prefix), ...(prefixIp ? addressIn(prefixIp) : [])])] : []),
    ...within('created_at', filter.created),
    ...within('last_seen_at', filter.seen),
  ];
}

export function anyOf(ranges: readonly IndexRange[]): Condition {
  const wheres = ranges.map(({ where }) => where);
  return { where: wheres.length === 1 ? wheres[0]! : sql`(${join(wheres, ' OR ')})`, ranges };
}

function equal(column: string, value: SqlValue): IndexRange {
  return { column, where: sql`${raw(column)} = ${value}` };
}

function beginsWith(prefix: string): readonly IndexRange[] {
  const key = searchKey(prefix);
  // `g` sorts behind all hexadecimal digits.
  return ['user_search', 'name_search', 'device_search'].map((column) => between(column, key, `${key}g`));
}

function addressIn({ low, high }: IpRange): readonly IndexRange[] {
  return ['ip_key', 'last_ip_key'].map((column) =>
    low === high ? equal(column, low) : { column, where: sql`${raw(column)} >= ${low} AND ${raw(column)} <= ${high}` },
  );
}

function between(column: string, from: SqlValue, to: SqlValue): IndexRange {
  return { column, where: sql`${raw(column)} >= ${from} AND ${raw(column)} < ${to}` };
}

function within(column: string, { from = 0, to = Number.MAX_SAFE_INTEGER }: TimeRange = {}): readonly Condition[] {
  if (from === 0 && to === Number.MAX_SAFE_INTEGER) return [];
  return [anyOf([between(column, from, to)])];
}
