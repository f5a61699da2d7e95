import type { SessionEventType } from '../../model/session-event.js';
import type { EndReason } from '../../model/session.js';
import type { EndRequest } from '../../model/session-change.js';
import type { EndedSession } from '../../model/tombstone.js';
import { type AccountRef, escapeUserId } from '../../model/user-key.js';
import type { Clock } from '../../ports/clock.js';
import type { Dialect } from '../engine/dialect.js';
import { eventId, orderOfEvent } from './event-id.js';
import {
  type Effect,
  type Row,
  type Script,
  type SqlValue,
  type Statement,
  effect,
  join,
  list,
  raw,
  sql,
} from '../engine/sql.js';
import { toUserId } from '../schema/session-rows.js';
import { toSuperseded } from '../schema/stored-json.js';
import type { Tables } from '../schema/tables.js';

/** Most rows that one statement touches, so that it stays below every engine's limit of parameters. */
const CHUNK = 500;

/** The columns of a locked live session that ending it needs. */
export const ENDING_COLUMNS = raw(
  'id, user_key, user_id, version, usable_until, expires_at, generation, access_hash, superseded',
);

export interface Ending {
  readonly reason: EndReason;
  readonly by: string;
  readonly at: number;
  readonly replacedBy: string | null;
  readonly comment?: string | null;
  /** Whether the data of the session stays readable; default false. */
  readonly keepData?: boolean;
}

/** The owner of a session's data, as its column names it. */
export function sessionOwner(sessionId: string): string {
  return `s:${sessionId}`;
}

/**
 * Ends sessions whose rows the transaction has locked and found live: the rows, the change log and the audit trail, in
 * one step. `endingOf` says how each ends; rows of one ending share statements. What is written down of a session is
 * copied by the database: of many sessions at once, it would be most of the work to send it there and back.
 */
export function* endSessions(
  tables: Tables,
  dialect: Dialect,
  clock: Pick<Clock, 'now'>,
  rows: readonly Row[],
  now: number,
  endingOf: (row: Row) => Ending,
): Script<EndedSession[]> {
  // Rows may be dated later than the clock says; see timeOfStep.
  const at = clock.now();
  const ended: EndedSession[] = [];
  for (const chunk of chunksOf(rows)) {
    const ends = chunk.map((row) => ({ row, id: String(row.id), ending: endingOf(row) }));
    for (const alike of groupBy(ends, ({ ending }) => JSON.stringify(ending))) {
      yield effect(
        sql`UPDATE ${tables.session} SET ${endOf(alike[0]!.ending)} WHERE id ${dialect.isOneOf(idsOf(alike))}`,
      );
    }
    const dataless = ends.filter(({ ending }) => !ending.keepData).map(({ id }) => sessionOwner(id));
    if (dataless.length > 0) yield effect(sql`DELETE FROM ${tables.data} WHERE owner ${dialect.isOneOf(dataless)}`);
    yield logChanges(tables, dialect, idsOf(ends), at);
    for (const alike of groupBy(ends, ({ ending }) => ending.comment ?? null)) {
      const from = sql`${tables.session} WHERE id ${dialect.isOneOf(idsOf(alike))}`;
      yield effect(insertEndEvents(tables, dialect, from, now, alike[0]!.ending.comment));
    }
    for (const { row, ending } of ends) ended.push(toEnded(row, ending));
  }
  return ended;
}

/** Where counting goes on for a number that cannot have been counted: above any that has been, and so above those of all copies. */
const NO_COUNT_FROM = 1e12;

/** The number after that of a column, which counts from 0 or 1. */
export function nextOf(column: 'version' | 'epoch'): Statement {
  return raw(`CASE WHEN ${column} BETWEEN 0 AND ${2 * NO_COUNT_FROM} THEN ${column} + 1 ELSE ${NO_COUNT_FROM} END`);
}

/** The same of a row. */
export function nextVersion(version: number): number {
  return version >= 0 && version <= NO_COUNT_FROM * 2 ? version + 1 : NO_COUNT_FROM;
}

/** What an ending makes of a row, as the assignments of an UPDATE. */
export function endOf({ reason, by, at, replacedBy }: Ending): Statement {
  return sql`status = 'ended', slot = NULL, end_reason = ${reason}, ended_at = ${at}, ended_by = ${by},
    replaced_by = ${replacedBy}, version = ${nextOf('version')}`;
}

/** The words of an operator, as the detail of an event. */
export function commentOf(comment: string | null | undefined): { readonly comment: string } | null {
  return comment ? { comment } : null;
}

/** @param row as it was before */
export function toEnded(row: Row, { reason, at, by, replacedBy }: Ending): EndedSession {
  const sessionId = String(row.id);
  const version = nextVersion(Number(row.version));
  const current = { generation: Number(row.generation), accessHash: String(row.access_hash) };
  const superseded = (toSuperseded(row.superseded) ?? []).map(({ generation, accessHash }) => ({
    generation,
    accessHash,
  }));
  const tombstone = { sessionId, version, end: { reason, at, by, replacedBy }, tokens: [...superseded, current] };
  return { sessionId, userId: toUserId(row.user_id) ?? '', reason, version, tombstone };
}

/** Rows, or their ids, in portions that one statement can take. */
export function* chunksOf<T>(rows: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < rows.length; from += CHUNK) yield rows.slice(from, from + CHUNK);
}

/**
 * The change log of sessions whose version has grown, by the end of the transaction. Once for each session: what is logged is its
 * last version.
 * @param at by the clock of the database
 */
export function logChanges(tables: Tables, dialect: Dialect, ids: readonly string[], at: number): Effect {
  const from = sql`${tables.session} WHERE id ${dialect.isOneOf(ids)}`;
  return effect(logChangesOf(tables, dialect, from, at), { isLast: true });
}

/** @param from rows of sessions: what stands after FROM */
export function logChangesOf(tables: Tables, dialect: Dialect, from: Statement, at: number): Statement {
  return sql`INSERT INTO ${tables.change} (session_id, version, realm, at)
    SELECT id, version, realm, ${dialect.changeTime(at)} FROM ${from}`;
}

/** A session that was overdue already ended by itself, whoever ends it now. */
export function endingOf(row: Row, end: EndRequest, now: number, at = now): Ending {
  return Number(row.usable_until) <= now ? overdueEnding(row) : { ...end, at, replacedBy: null };
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

/** What an event says of the session that it is about. */
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

/** What an event says of the account that it is about. */
export function describeAccount({ realm, key, userId }: AccountRef) {
  return { realm, userKey: key, userId: escapeUserId(userId), sessionId: null };
}

function idsOf(ends: readonly { readonly id: string }[]): readonly string[] {
  return ends.map(({ id }) => id);
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string | null): Iterable<readonly T[]> {
  const groups = new Map<string | null, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups.values();
}
