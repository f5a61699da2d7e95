import type { LiveSession } from '../core/device-policy.js';
import { END_REASONS, type EndReason } from '../core/end-reason.js';
import type { Claims, NewSession, SessionRecord } from '../core/session.js';
import { escapeUserId, unescapeUserId } from '../core/user-key.js';
import { type Row, type SqlValue, type Statement, list, raw, sql } from './sql.js';

/** The columns that toRecord reads. */
export const SESSION_COLUMNS = raw(
  `id, realm, user_id, user_key, slot, device_type, device_id, device_name, ip, user_agent, claims, created_at,
   authenticated_at, expires_at, usable_until, status, end_reason, ended_at, ended_by, replaced_by, version, generation,
   access_hash, access_expires_at, last_seen_at, last_ip`,
);

/** The INSERT of a login's session in its slot. */
export function insertSession(table: Statement, session: NewSession, slot: string): Statement {
  const row: Record<string, SqlValue> = {
    id: session.id,
    realm: session.realm,
    user_id: escapeUserId(session.userId),
    user_key: session.userKey,
    slot,
    device_type: session.deviceType,
    device_id: session.deviceId,
    device_name: session.deviceName,
    ip: session.ip,
    user_agent: session.userAgent,
    claims: JSON.stringify(session.claims),
    created_at: session.createdAt,
    authenticated_at: session.authenticatedAt,
    expires_at: session.expiresAt,
    usable_until: session.usableUntil,
    status: 'live',
    version: 1,
    generation: 1,
    key_id: session.keyId,
    nonce: session.nonce,
    access_hash: session.accessHash,
    access_expires_at: session.accessExpiresAt,
    last_seen_at: session.createdAt,
  };
  return sql`INSERT INTO ${table} (${raw(Object.keys(row).join(', '))}) VALUES (${list(Object.values(row))})`;
}

/**
 * A row as a record, or null if it is not one that this version of the library wrote: half a record must never pass for
 * a session.
 */
export function toRecord(row: Row): SessionRecord | null {
  const claims = parse(() => JSON.parse(String(row.claims)));
  const userId = toUserId(row.user_id);
  const end = toEnd(row);
  const numbers = [
    row.created_at,
    row.authenticated_at,
    row.expires_at,
    row.usable_until,
    row.version,
    row.generation,
    row.access_expires_at,
    row.last_seen_at,
  ].map(Number);
  if (!isPlainObject(claims) || userId === null || end === undefined) return null;
  if (!numbers.every(Number.isSafeInteger)) return null;
  const [createdAt, authenticatedAt, expiresAt, usableUntil, version, generation, accessExpiresAt, lastSeenAt] =
    numbers as [number, number, number, number, number, number, number, number];
  return {
    id: String(row.id),
    realm: String(row.realm),
    userId,
    userKey: String(row.user_key),
    deviceType: optional(row.device_type),
    deviceId: optional(row.device_id),
    deviceName: optional(row.device_name),
    ip: optional(row.ip),
    userAgent: optional(row.user_agent),
    claims,
    createdAt,
    authenticatedAt,
    expiresAt,
    usableUntil,
    version,
    generation,
    accessHash: String(row.access_hash),
    accessExpiresAt,
    lastSeenAt,
    lastIp: optional(row.last_ip),
    end,
  };
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
  return typeof stored === 'string' ? (parse(() => unescapeUserId(stored)) as string | null) : null;
}

/** What a column holds, or null if it is not what was ever written there. */
function parse(read: () => unknown): unknown {
  try {
    return read();
  } catch {
    return null;
  }
}

function isPlainObject(value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Text of a column that may be empty. */
export function optional(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
