import type { LiveSession } from '../../model/device-slot.js';
import {
  END_REASONS,
  type EndReason,
  type Claims,
  type SessionPatch,
  type SessionRecord,
} from '../../model/session.js';
import type { TokenPair } from '../../model/token-pair.js';
import { escapeUserId, unescapeUserId } from '../../model/user-key.js';
import { type Row, type SqlValue, type Statement, join, list, raw, sql, unindexed } from '../engine/sql.js';
import { searchKeys } from './search-keys.js';
import { fromList, parseStored, toBans, toSuperseded } from './stored-json.js';

const LATEST_DATE = 8.64e15;

/** The columns that toRecord reads. */
export const SESSION_COLUMNS = raw(
  `id, realm, user_id, user_name, user_key, login_method, slot, device_type, device_id, device_name, ip, user_agent, claims, created_at,
   authenticated_at, reauthenticated_at, impersonator, expires_at, usable_until, status, end_reason, ended_at, ended_by,
   replaced_by, version, nonce, generation, key_id, signing_key_id, issued_at, access_hash, access_expires_at,
   refresh_hash, refresh_expires_at, superseded, renewed_from, bans, last_seen_at, last_ip`,
);

/**
 * The condition that a session is an account's, and live. No row has an empty status: were 'live' alone asked for, PostgreSQL, as
 * long as it has no statistics, would go through an index of all that is live.
 */
export function isLiveOf(accountKey: string): Statement {
  return sql`user_key = ${accountKey} AND status IN ('live', '')`;
}

/** The same with rows that say neither that they are live nor that they have ended: they hold a slot, and may be remembered as live. */
export function isNotEndedOf(accountKey: string): Statement {
  return sql`user_key = ${accountKey} AND (status < 'ended' OR status > 'ended')`;
}

/** The condition that a session can be used at a time: it is live, and not overdue. */
export function usableAt(now: number): Statement {
  return sql`status = 'live' AND usable_until > ${now}`;
}

/**
 * Whether a row that is found by its id is of a realm. PostgreSQL, as long as it has no statistics, would find it by an index of the
 * realm that ends with the id as soon as by the id alone, and walk through all of that.
 */
export function isOfRealm(realm: string): Statement {
  return unindexed(sql`realm = ${realm}`);
}

/** The INSERT of a login's session in its slot. */
export function insertSession(table: Statement, session: SessionRecord, slot: string): Statement {
  const row: Columns = {
    id: session.id,
    realm: session.realm,
    user_id: escapeUserId(session.userId),
    user_key: session.userKey,
    slot,
    user_name: session.userName,
    login_method: session.loginMethod,
    ...searchKeys(session),
    device_type: session.deviceType,
    device_id: session.deviceId,
    device_name: session.deviceName,
    ip: session.ip,
    user_agent: session.userAgent,
    created_at: session.createdAt,
    impersonator: session.impersonator,
    expires_at: session.expiresAt,
    status: 'live',
    version: session.version,
    nonce: session.nonce,
    bans: fromList(session.bans),
    last_seen_at: session.lastSeenAt,
    ...changedColumns(session),
  };
  return sql`INSERT INTO ${table} (${raw(Object.keys(row).join(', '))}) VALUES (${list(Object.values(row))})`;
}

/** The UPDATE of a change, which makes a new version. */
export function updateSession(table: Statement, id: string, patch: SessionPatch): Statement {
  const assignments = Object.entries(changedColumns(patch)).map(([column, value]) => sql`${raw(column)} = ${value}`);
  const set = join([...assignments, raw('version = version + 1')], ', ');
  return sql`UPDATE ${table} SET ${set} WHERE id = ${id}`;
}

type Columns = Record<string, SqlValue>;

/** The columns of what a change may set; those that it does not mention are left out. */
function changedColumns(patch: SessionPatch): Columns {
  const { current, superseded, renewedFrom, usableUntil, claims, reauthenticatedAt, authenticatedAt } = patch;
  return {
    ...(current && pairColumns(current)),
    ...(superseded && { superseded: fromList(superseded) }),
    ...(renewedFrom !== undefined && { renewed_from: renewedFrom }),
    ...(usableUntil !== undefined && { usable_until: usableUntil }),
    ...(claims && { claims: JSON.stringify(claims) }),
    ...(reauthenticatedAt !== undefined && { reauthenticated_at: reauthenticatedAt }),
    ...(authenticatedAt !== undefined && { authenticated_at: authenticatedAt }),
  };
}

function pairColumns(pair: TokenPair): Columns {
  return {
    generation: pair.generation,
    key_id: pair.keyId,
    signing_key_id: pair.signingKeyId,
    issued_at: pair.issuedAt,
    access_hash: pair.accessHash,
    access_expires_at: pair.accessExpiresAt,
    refresh_hash: pair.refreshHash,
    refresh_expires_at: pair.refreshExpiresAt,
  };
}

/**
 * A row as a record, or null if it is not one that this version of the library wrote: half a record must never pass for
 * a session.
 */
export function toRecord(row: Row): SessionRecord | null {
  const claims = parseStored(row.claims);
  const superseded = toSuperseded(row.superseded);
  const bans = toBans(row.bans);
  const userId = toUserId(row.user_id);
  const end = toEnd(row);
  if (!isPlainObject(claims) || !superseded || !bans || userId === null || end === undefined) return null;
  const record: SessionRecord = {
    id: String(row.id),
    realm: String(row.realm),
    userId,
    userKey: String(row.user_key),
    userName: optional(row.user_name),
    loginMethod: optional(row.login_method),
    deviceType: optional(row.device_type),
    deviceId: optional(row.device_id),
    deviceName: optional(row.device_name),
    ip: optional(row.ip),
    userAgent: optional(row.user_agent),
    claims,
    createdAt: Number(row.created_at),
    authenticatedAt: Number(row.authenticated_at),
    reauthenticatedAt: optionalNumber(row.reauthenticated_at),
    impersonator: optional(row.impersonator),
    bans,
    expiresAt: Number(row.expires_at),
    usableUntil: Number(row.usable_until),
    version: Number(row.version),
    nonce: String(row.nonce),
    current: {
      generation: Number(row.generation),
      keyId: String(row.key_id),
      signingKeyId: optional(row.signing_key_id),
      issuedAt: Number(row.issued_at),
      accessHash: String(row.access_hash),
      accessExpiresAt: Number(row.access_expires_at),
      refreshHash: optional(row.refresh_hash),
      refreshExpiresAt: optionalNumber(row.refresh_expires_at),
    },
    superseded,
    renewedFrom: optional(row.renewed_from),
    lastSeenAt: Number(row.last_seen_at),
    lastIp: optional(row.last_ip),
    end,
  };
  const numbers = [...Object.values(record), ...Object.values(record.current)].filter(isNumber);
  return numbers.every(isCountable) ? record : null;
}

/** The rows that are records. */
export function toRecords(rows: readonly Row[]): readonly SessionRecord[] {
  return rows.map(toRecord).filter((record) => record !== null);
}

/** The part of a row that a device policy decides by. */
export function toLiveSession(row: Row): LiveSession {
  return {
    id: String(row.id),
    slot: String(row.slot),
    deviceType: optional(row.device_type),
    deviceId: optional(row.device_id),
    createdAt: Number(row.created_at),
    lastSeenAt: Number(row.last_seen_at),
    presentedAt: optionalNumber(row.presented_at),
  };
}

/** The end of an ended session, null for a live one, undefined for a row that is neither. */
function toEnd(row: Row): SessionRecord['end'] | undefined {
  if (row.status === 'live') return null;
  const at = Number(row.ended_at);
  if (row.status !== 'ended' || row.ended_at === null || !Number.isSafeInteger(at) || !isEndReason(row.end_reason)) {
    return undefined;
  }
  return { reason: row.end_reason, at, by: String(row.ended_by), replacedBy: optional(row.replaced_by) };
}

export function isEndReason(value: unknown): value is EndReason {
  return (END_REASONS as readonly unknown[]).includes(value);
}

/** The user id of a row, or null if there is none. */
export function toUserId(stored: unknown): string | null {
  if (typeof stored !== 'string') return null;
  try {
    return unescapeUserId(stored);
  } catch {
    return null;
  }
}

function isPlainObject(value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number';
}

/** Whether it is a time that a Date can show. No other number of a row is ever as large. */
export function isCountable(value: number): boolean {
  return Number.isInteger(value) && Math.abs(value) <= LATEST_DATE;
}

function optionalNumber(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value);
}

/** Text of a column that may be empty. */
export function optional(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
