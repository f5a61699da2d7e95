import type { LiveSession } from '../../model/session-change.js';
import { type Ban, UNREADABLE_BANS } from '../../model/ban.js';
import { ipKey } from '../../model/ip-key.js';
import {
  BAN_FIELDS,
  type Check,
  END_FIELDS,
  type Field,
  type Fields,
  PAIR_FIELDS,
  SESSION_FIELDS,
  SUPERSEDED_FIELDS,
  checksOf,
} from '../../model/session-fields.js';
import {
  type Claims,
  type SessionEnd,
  type SessionPatch,
  type SessionRecord,
  type SessionDetails,
  isEndReason,
} from '../../model/session.js';
import { firstEnd } from '../../model/mass-end.js';
import type { SupersededPair } from '../../model/token-pair.js';
import { escapeUserId, unescapeUserId } from '../../model/user-key.js';
import { type Row, type SqlValue, type Statement, join, list, raw, sql, unindexed } from '../engine/sql.js';
import { columnOf } from './table-names.js';

const LATEST_DATE = 8.64e15;
const BAN = checksOf(BAN_FIELDS);
const SUPERSEDED = checksOf(SUPERSEDED_FIELDS);

/** Reads a value of a column; undefined for one that this version does not write. */
type Read = (value: unknown) => unknown;

const READ: Readonly<Record<Field['kind'], Read>> = {
  text: toText,
  words: (value) => (value === null ? [] : toText(value)?.split(' ')),
  hash: toText,
  userId: (value) => toUserId(value) ?? undefined,
  number: toNumber,
  time: toNumber,
  flag: (value) => [false, true][toNumber(value) ?? 2],
  endReason: (value) => (isEndReason(value) ? value : undefined),
  claims: toClaims,
  bans: (value) => toBans(value) ?? [UNREADABLE_BANS],
  pairs: toSuperseded,
};

const WRITE: Readonly<Partial<Record<Field['kind'], (value: unknown) => SqlValue>>> = {
  userId: (value) => escapeUserId(value as string),
  words: (value) => (value as string[]).join(' ') || null,
  flag: (value) => Number(value),
  claims: JSON.stringify,
  bans: (value) => fromList(value as object[]),
  pairs: (value) => fromList(value as object[]),
};

class Mapping<T extends object> {
  private readonly entries: readonly (readonly [name: string, column: string, read: Read])[];
  /** Those of the row that it is written to. */
  readonly columns: readonly string[];

  constructor(private readonly fields: Fields) {
    this.entries = Object.entries(fields).map(([name, field]) => {
      const read = READ[field.kind];
      const readOrNull: Read = (value) => (value === null ? null : read(value));
      return [name, columnOf(name, field), field.nullable ? readOrNull : read];
    });
    this.columns = this.entries.filter(([name]) => !fields[name]!.ofAccount).map(([, column]) => column);
  }

  /** Null for half an object, which must never pass for a whole one. */
  read(row: Row): T | null {
    const object: Record<string, unknown> = {};
    for (const [name, column, read] of this.entries) {
      const value = read(row[column]);
      if (value === undefined) return null;
      object[name] = value;
    }
    return object as T;
  }

  write(object: Partial<T>): Columns {
    const columns: Columns = {};
    for (const [name, column] of this.entries) {
      const value = (object as Record<string, unknown>)[name];
      const { kind, ofAccount } = this.fields[name]!;
      const write = WRITE[kind];
      if (value !== undefined && !ofAccount) columns[column] = write ? write(value) : (value as SqlValue);
    }
    return columns;
  }
}

type Columns = Record<string, SqlValue>;

const RECORD = new Mapping<Omit<SessionRecord, 'current' | 'end'>>(SESSION_FIELDS);
const PAIR = new Mapping<SessionRecord['current']>(PAIR_FIELDS);
const END = new Mapping<NonNullable<SessionRecord['end']>>(END_FIELDS);

/** Columns of a session's row under an alias of its table. `bans` and `account_version` come from the account. */
export function sessionColumns(alias: string): Statement {
  const columns = ['status', ...RECORD.columns, ...PAIR.columns, ...END.columns];
  return raw(columns.map((column) => `${alias}.${column}`).join(', '));
}

/** For rows found by id. PostgreSQL without statistics would as soon walk an index of the realm that ends with the id. */
export function isOfRealm(realm: string): Statement {
  return unindexed(sql`realm = ${realm}`);
}

export function insertSession(table: Statement, session: SessionRecord, slot: string): Statement {
  const idle_until = session.idleMs && session.lastSeenAt + session.idleMs;
  const row = { ...columnsOf(session), ...searchKeys(session), status: 'live', slot, idle_until };
  return sql`INSERT INTO ${table} (${raw(Object.keys(row).join(', '))}) VALUES (${list(Object.values(row))})`;
}

export function updateSession(table: Statement, id: string, patch: SessionPatch): Statement {
  const assignments = Object.entries(columnsOf(patch)).map(([column, value]) => sql`${raw(column)} = ${value}`);
  const set = join([...assignments, raw('version = version + 1')], ', ');
  return sql`UPDATE ${table} SET ${set} WHERE id = ${id}`;
}

function columnsOf({ current, ...fields }: Partial<SessionRecord>): Columns {
  return { ...RECORD.write(fields), ...(current && PAIR.write(current)) };
}

/** The end of all sessions of the account or of the realm that a row falls under, where the statement has read them; null for none. */
export function massEndOf(row: Row): SessionEnd | null {
  return firstEnd(
    ['account', 'realm'].map((scope) => {
      const [reason, at, by] = ['reason', 'at', 'by'].map((name) => row[`${scope}_end_${name}`]);
      return isEndReason(reason) ? { reason, at: Number(at), by: String(by), replacedBy: null } : null;
    }),
  );
}

/** Undefined for a row that is neither live nor ended: it carries an epoch that nothing has ended, and that is not the present one. */
function endOf(row: Row): SessionEnd | null | undefined {
  if (row.status === 'ended') return END.read(row) ?? undefined;
  if (row.status !== 'live') return undefined;
  const isPresent = ['account', 'realm'].every(
    (scope) => Number(row[`${scope}_epoch`]) === Number(row[`${scope}_epoch_now`]),
  );
  return isPresent ? null : (massEndOf(row) ?? undefined);
}

/** Null for a row that this version did not write. */
export function toRecord(row: Row): SessionRecord | null {
  const [fields, current, end] = [RECORD.read(row), PAIR.read(row), endOf(row)];
  return fields && current && end !== undefined ? { ...fields, current, end } : null;
}

export function toRecords(rows: readonly Row[]): readonly SessionRecord[] {
  return rows.map(toRecord).filter((record) => record !== null);
}

export function toLiveSession(row: Row): LiveSession {
  return {
    id: String(row.id),
    slot: String(row.slot),
    deviceType: optional(row.device_type),
    deviceId: optional(row.device_id),
    deviceName: optional(row.device_name),
    createdAt: Number(row.created_at),
    lastSeenAt: Number(row.last_seen_at),
    presentedAt: row.presented_at === null ? null : Number(row.presented_at),
  };
}

export function toUserId(stored: unknown): string | null {
  if (typeof stored !== 'string') return null;
  try {
    return unescapeUserId(stored);
  } catch {
    return null;
  }
}

function toText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function toNumber(value: unknown): number | undefined {
  return value !== null && isCountable(Number(value)) ? Number(value) : undefined;
}

/** True for a time that a Date can show. No other number of a row is as large. */
export function isCountable(value: number): boolean {
  return Number.isInteger(value) && Math.abs(value) <= LATEST_DATE;
}

export function optional(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

const KEY_BYTES = 64;

/** The beginning of a text, lower case, as hexadecimal digits: they sort alike in every collation, so a prefix is an index range. */
export function searchKey(text: string): string {
  return Buffer.from(text.normalize('NFC').toLowerCase()).subarray(0, KEY_BYTES).toString('hex');
}

export function searchKeys({ userId, userName, deviceName, ip }: SessionDetails) {
  return {
    user_search: searchKey(userId),
    name_search: userName === null ? null : searchKey(userName),
    device_search: deviceName === null ? null : searchKey(deviceName),
    ip_key: ip === null ? null : ipKey(ip),
  };
}

/** Undefined for text that is not JSON. */
export function parseStored(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}

/** Undefined, like the next ones, for text that was never written there. */
export function toClaims(text: unknown): Claims | undefined {
  const claims = parseStored(text);
  return claims && typeof claims === 'object' && !Array.isArray(claims) ? (claims as Claims) : undefined;
}

export function toSuperseded(text: unknown): readonly SupersededPair[] | undefined {
  return toList(text, SUPERSEDED);
}

export function toBans(text: unknown): readonly Ban[] | undefined {
  return toList(text, BAN);
}

export function fromList(list: readonly object[]): string | null {
  return list.length === 0 ? null : JSON.stringify(list);
}

function toList<T>(text: unknown, checks: Readonly<Record<string, Check>>): readonly T[] | undefined {
  if (text === null || text === undefined) return [];
  const list = parseStored(text);
  const isItem = (value: unknown) => {
    const item = (value ?? {}) as Record<string, unknown>;
    return Object.entries(checks).every(([name, check]) => check(item[name]));
  };
  return Array.isArray(list) && list.every(isItem) ? (list as readonly T[]) : undefined;
}
