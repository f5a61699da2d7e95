import { randomBytes } from 'node:crypto';
import type { SessionEventType } from '../core/session-event.js';
import type { EndReason } from '../core/end-reason.js';
import type { EndedSession } from '../core/session.js';
import { type Row, type Script, type SqlValue, type Statement, join, list, raw, sql } from './sql.js';
import type { Tables } from './tables.js';

/** Most rows that one statement touches, so that it stays below every engine's limit of parameters. */
const CHUNK = 500;

/** The columns of a locked live session that ending it needs. */
export const ENDING_COLUMNS = raw(
  'id, realm, user_key, user_id, version, ip, device_type, device_name, usable_until, expires_at',
);

export interface Ending {
  readonly reason: EndReason;
  readonly by: string;
  readonly at: number;
  readonly replacedBy: string | null;
}

/**
 * Ends sessions whose rows the transaction has locked and found live: the rows, the change log and the audit trail, in
 * one step. `endingOf` says how each ends; rows of one ending share statements.
 */
export function* endSessions(
  tables: Tables,
  rows: readonly Row[],
  now: number,
  endingOf: (row: Row) => Ending,
): Script<EndedSession[]> {
  const ended: EndedSession[] = [];
  for (let from = 0; from < rows.length; from += CHUNK) {
    const chunk = rows.slice(from, from + CHUNK);
    for (const [key, alike] of groupBy(chunk, (row) => JSON.stringify(endingOf(row)))) {
      const { reason, by, at, replacedBy } = JSON.parse(key) as Ending;
      yield sql`UPDATE ${tables.session} SET status = 'ended', slot = NULL, end_reason = ${reason}, ended_at = ${at},
        ended_by = ${by}, replaced_by = ${replacedBy}, version = version + 1
        WHERE id IN (${list(alike.map((row) => String(row.id)))})`;
    }
    const versions = chunk.map(
      (row) => sql`(${String(row.id)}, ${Number(row.version) + 1}, ${String(row.realm)}, ${now})`,
    );
    yield sql`INSERT INTO ${tables.change} (session_id, version, realm, at) VALUES ${join(versions, ', ')}`;
    yield insertEvents(
      tables,
      chunk.map((row) => {
        const { reason, by } = endingOf(row);
        return { type: 'SESSION_ENDED' as const, at: now, actor: by, reason, ...describe(row) };
      }),
    );
    for (const row of chunk) {
      ended.push({ sessionId: String(row.id), reason: endingOf(row).reason, version: Number(row.version) + 1 });
    }
  }
  return ended;
}

/** How an overdue session ended: by its own clock, at the moment from which it could not be used any more. */
export function overdueEnding(row: Row): Ending {
  const usableUntil = Number(row.usable_until);
  const reason = usableUntil < Number(row.expires_at) ? 'TOKEN_EXPIRED' : 'SESSION_EXPIRED';
  return { reason, by: 'system', at: usableUntil, replacedBy: null };
}

/** A line of the audit trail as its columns take it. */
export interface EventRow {
  readonly type: SessionEventType;
  readonly at: number;
  readonly actor: string;
  readonly realm: SqlValue;
  readonly userKey: SqlValue;
  /** Escaped as the column holds it. */
  readonly userId: SqlValue;
  readonly sessionId: SqlValue;
  readonly reason?: EndReason | null;
  readonly ip?: SqlValue;
  readonly deviceType?: SqlValue;
  readonly deviceName?: SqlValue;
  readonly ended?: number | null;
}

export function insertEvents(tables: Tables, events: readonly EventRow[]): Statement {
  const rows = events.map(
    (event) =>
      sql`(${list([
        eventId(event.at),
        event.realm,
        event.at,
        event.type,
        event.userKey,
        event.userId,
        event.sessionId,
        event.reason ?? null,
        event.actor,
        event.ip ?? null,
        event.deviceType ?? null,
        event.deviceName ?? null,
        event.ended ?? null,
      ])})`,
  );
  return sql`INSERT INTO ${tables.event} (id, realm, at, type, user_key, user_id, session_id, reason, actor, ip, device_type,
    device_name, ended) VALUES ${join(rows, ', ')}`;
}

/** Shared by all modules of the process: it orders, and decides nothing. */
let eventCounter = 0;

/**
 * 48 bits of time, 16 of a counter that keeps what this process writes in order within a millisecond, and 64 random ones:
 * ids sort by time, and inserts stay together on disk.
 */
function eventId(at: number): string {
  eventCounter = (eventCounter + 1) % 0x10000;
  const order = eventCounter.toString(16).padStart(4, '0');
  return at.toString(16).padStart(12, '0') + order + randomBytes(8).toString('hex');
}

function describe(row: Row) {
  const value = (column: string) => (row[column] ?? null) as SqlValue;
  return {
    realm: value('realm'),
    userKey: value('user_key'),
    userId: value('user_id'),
    sessionId: value('id'),
    ip: value('ip'),
    deviceType: value('device_type'),
    deviceName: value('device_name'),
  };
}

function groupBy(rows: readonly Row[], keyOf: (row: Row) => string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const key = keyOf(row);
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  }
  return groups;
}
