import type { RealmScope } from '../lists/realm-queries.js';
import { randomBytes } from 'node:crypto';
import type { EndReason } from '../../model/session.js';
import type { SessionEventType } from '../../model/session-event.js';
import { type AccountRef, actorText, escapeUserId } from '../../model/user-key.js';
import type { Dialect } from '../engine/dialect.js';
import type { RunOptions } from '../engine/engine.js';
import { type Row, type SqlValue, type Statement, join, list, raw, sql } from '../engine/sql.js';
import type { Tables } from '../schema/tables.js';

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
  readonly detail?: object | null;
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
        event.detail ? JSON.stringify(event.detail) : null,
      ])})`,
  );
  return sql`INSERT INTO ${tables.event} (id, realm, at, type, user_key, user_id, session_id, reason, actor, ip, device_type,
    device_name, ended, detail) VALUES ${join(rows, ', ')}`;
}

/**
 * The audit trail of sessions that have ended.
 * @param from their rows: what stands after FROM
 */
export function insertEndEvents(
  tables: Tables,
  dialect: Dialect,
  from: Statement,
  now: number,
  comment: string | null | undefined,
): Statement {
  const detail = commentOf(comment);
  const id = dialect.concat(sql`${orderOfEvent(now)}`, raw('SUBSTR(id, 17)'));
  return sql`INSERT INTO ${tables.event} (id, realm, at, type, user_key, user_id, session_id, reason, actor, ip, device_type,
    device_name, detail) SELECT ${id}, realm, ${now}, 'SESSION_ENDED', user_key, user_id, id, end_reason, ended_by, ip,
    device_type, device_name, ${detail && JSON.stringify(detail)} FROM ${from}`;
}

/** The fields of an event that describe its session. */
export function describe(row: Row) {
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

/** The fields of an event that describe its account. */
export function describeAccount({ realm, key, userId }: AccountRef) {
  return { realm, userKey: key, userId: escapeUserId(userId), sessionId: null };
}

/** The words of an operator, as the detail of an event. */
export function commentOf(comment: string | null | undefined): { readonly comment: string } | null {
  return comment ? { comment } : null;
}

/** Shared by all modules of the process: it orders, and decides nothing. */
let eventCounter = 0;

/**
 * 48 bits of time, 16 of a counter that keeps what this process writes in order within a millisecond, and 64 random ones:
 * ids sort by time, and inserts stay together on disk.
 */
export function eventId(at: number): string {
  return orderOfEvent(at) + randomBytes(8).toString('hex');
}

/** The first half of an event id, for ids that the database makes: half of a session's id, which is as random, can be the other. */
export function orderOfEvent(at: number): string {
  eventCounter = (eventCounter + 1) % 0x10000;
  return lowestEventId(at) + eventCounter.toString(16).padStart(4, '0');
}

/** The time that an id was made for. Milliseconds since the epoch. */
export function timeOfEvent(id: string): number {
  return parseInt(id.slice(0, 12), 16);
}

/** The prefix of every event id of a millisecond; it sorts before all of them. */
export function lowestEventId(at: number): string {
  return Math.max(0, at).toString(16).padStart(12, '0');
}

/** Something that an operator does to no single session or account. */
export interface OperatorAct {
  readonly type: SessionEventType;
  readonly by: string;
  readonly ended?: number | null;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Writes acts of operators into the audit trail, where no other step does it. */
export class OperatorAudit {
  private readonly options: RunOptions;

  constructor(private readonly parts: RealmScope) {
    this.options = { lane: 'work', budgetMs: parts.budgetMs };
  }

  /** @throws SessionError SESSION_STORE_UNAVAILABLE */
  async record({ type, by, ended = null, detail }: OperatorAct): Promise<void> {
    const nobody = { realm: this.parts.realm, userKey: null, userId: null, sessionId: null };
    const event = { type, at: this.parts.clock.now(), actor: actorText(by), ...nobody, ended, detail };
    await this.parts.engine.write(insertEvents(this.parts.tables, [event]), this.options);
  }
}
