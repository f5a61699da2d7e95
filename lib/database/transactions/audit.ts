import { randomBytes } from 'node:crypto';
import type { EndReason } from '../../model/session.js';
import type { SessionEventType } from '../../model/session-event.js';
import { type AccountRef, actorText, escapeUserId } from '../../model/user-key.js';
import type { Dialect } from '../engine/dialect.js';
import { type Row, type SqlValue, type Statement, join, list, raw, sql } from '../engine/sql.js';
import { RealmQueries } from '../lists/realm-queries.js';
import { columnOf } from '../schema/table-names.js';
import type { Tables } from '../schema/tables.js';

const EVENT_FIELDS = [
  'realm',
  'at',
  'type',
  'userKey',
  'userId',
  'sessionId',
  'reason',
  'actor',
  'ip',
  'deviceType',
  'deviceName',
  'ended',
] as const;
const EVENT_COLUMNS = raw(EVENT_FIELDS.map((field) => columnOf(field)).join(', '));

/** A line of the audit trail as its columns take it: the user id is escaped. */
export type EventRow = Readonly<Record<'realm' | 'userKey' | 'userId' | 'sessionId', SqlValue>> &
  Readonly<Partial<Record<'ip' | 'deviceType' | 'deviceName' | 'ended', SqlValue>>> & {
    readonly type: SessionEventType;
    readonly at: number;
    readonly actor: string;
    readonly reason?: EndReason | null;
    readonly detail?: object | null;
  };

export function insertEvents(tables: Tables, events: readonly EventRow[]): Statement {
  const rows = events.map((event) => {
    const values = EVENT_FIELDS.map((field) => event[field] ?? null);
    return sql`(${list([eventId(event.at), ...values, event.detail ? JSON.stringify(event.detail) : null])})`;
  });
  return sql`INSERT INTO ${tables.event} (id, ${EVENT_COLUMNS}, detail) VALUES ${join(rows, ', ')}`;
}

/** The audit trail of sessions that have ended. @param from their rows: what stands after FROM */
export function insertEndEvents(
  tables: Tables,
  dialect: Dialect,
  from: Statement,
  now: number,
  comment: string | null | undefined,
): Statement {
  const detail = commentOf(comment);
  // Half of a session's id is as random as the second half of eventId.
  const id = dialect.concat(sql`${orderOfEvent(now)}`, raw('SUBSTR(id, 17)'));
  return sql`INSERT INTO ${tables.event} (id, realm, at, type, user_key, user_id, session_id, reason, actor, ip, device_type,
    device_name, detail) SELECT ${id}, realm, ${now}, 'SESSION_ENDED', user_key, user_id, id, end_reason, ended_by, ip,
    device_type, device_name, ${detail && JSON.stringify(detail)} FROM ${from}`;
}

export function describe(row: Row) {
  const { realm, user_key, user_id, id, ip, device_type, device_name } = row as Readonly<Record<string, SqlValue>>;
  return {
    realm: realm!,
    userKey: user_key!,
    userId: user_id!,
    sessionId: id!,
    ip,
    deviceType: device_type,
    deviceName: device_name,
  };
}

export function describeAccount({ realm, key, userId }: AccountRef) {
  return { realm, userKey: key, userId: escapeUserId(userId), sessionId: null };
}

export function commentOf(comment: string | null | undefined): { readonly comment: string } | null {
  return comment ? { comment } : null;
}

let eventCounter = 0;

/** 48 bits of time, 16 of a counter and 64 random ones: ids sort by time, and inserts stay together on disk. */
export function eventId(at: number): string {
  return orderOfEvent(at) + randomBytes(8).toString('hex');
}

function orderOfEvent(at: number): string {
  eventCounter = (eventCounter + 1) % 0x10000;
  return lowestEventId(at) + eventCounter.toString(16).padStart(4, '0');
}

/** Milliseconds since the epoch. */
export function timeOfEvent(id: string): number {
  return parseInt(id.slice(0, 12), 16);
}

/** Prefix of the event ids of a millisecond; sorts before all of them. */
export function lowestEventId(at: number): string {
  return Math.max(0, at).toString(16).padStart(12, '0');
}

/** An act of an operator on no single session or account. */
export interface OperatorAct {
  readonly type: SessionEventType;
  readonly by: string;
  readonly ended?: number | null;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Writes acts of operators into the audit trail, where no other step does it. */
export class OperatorAudit extends RealmQueries {
  /** @throws SessionError SESSION_STORE_UNAVAILABLE */
  async record({ type, by, ended = null, detail }: OperatorAct): Promise<void> {
    const about = { realm: this.realm, userKey: null, userId: null, sessionId: null };
    const event = { type, at: this.clock.now(), actor: actorText(by), ...about, ended, detail };
    await this.engine.write(insertEvents(this.tables, [event]), this.options);
  }
}
