import type { ScopeChange } from '../../model/mass-end.js';
import { type LifeRules, idleMsOf } from '../../model/session-life.js';
import type { SessionEnd } from '../../model/session.js';
import type { EndRequest, EndedSession } from '../../model/session-change.js';
import type { AccountRef } from '../../model/user-key.js';
import type { Dialect, TransactionConditions } from '../engine/dialect.js';
import {
  type Effect,
  type Row,
  type Script,
  type Statement,
  effect,
  list,
  raw,
  sql,
  unindexed,
} from '../engine/sql.js';
import { isMassEnded, selectRecords } from '../schema/live-sessions.js';
import { isOfRealm, massEndOf, toSuperseded, toUserId } from '../schema/session-rows.js';
import type { Tables } from '../schema/tables.js';
import { commentOf, insertEndEvents, insertEvents } from './audit.js';
import {
  NEXT_VERSION,
  type Scope,
  chunksOf,
  isMassEndedRow,
  lockRows,
  lockUnclosedRows,
  nextVersion,
} from './locks.js';

export interface Ending extends EndRequest {
  readonly at: number;
  readonly replacedBy: string | null;
  /** Keeps the data of the session readable; default false. */
  readonly keepData?: boolean;
}

/** Names a session in the column `owner` of its data. */
export function sessionOwner(sessionId: string): string {
  return `s:${sessionId}`;
}

/**
 * Ends locked live sessions; those that end alike share statements. The database itself copies facts to the audit trail.
 * @param isLogged false where the change log and the audit trail name a mass end in the place of each session
 */
export function* endSessions(
  { tables, dialect, clock }: Scope,
  rows: readonly Row[],
  now: number,
  endingOf: (row: Row) => Ending,
  isLogged = true,
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
    if (isLogged) yield logChanges(tables, dialect, idsOf(ends), at);
    for (const alike of isLogged ? groupBy(ends, ({ ending }) => ending.comment ?? null) : []) {
      const from = sql`${tables.session} WHERE id ${dialect.isOneOf(idsOf(alike))}`;
      yield effect(insertEndEvents(tables, dialect, from, now, alike[0]!.ending.comment));
    }
    for (const { row, ending } of ends) ended.push(toEnded(row, ending));
  }
  return ended;
}

/**
 * Ends a live session in one trip, without looking first. Its data is a second statement, which sees what was written
 * under earlier locks; the change log comes last. @returns to be called after the commit: the end, or null if nothing
 * changed
 */
export function* endAtOnce(
  { tables, dialect, realm, clock }: Scope,
  { isOpen, isWriterOf }: TransactionConditions,
  id: string,
  end: EndRequest,
  account?: AccountRef,
): Script<() => EndedSession | null> {
  const now = clock.now();
  const ending = { ...end, at: now, replacedBy: null };
  const ofAccount = account ? sql` AND ${unindexed(sql`user_key = ${account.key}`)}` : raw('');
  const change = effect(
    sql`WITH own AS (UPDATE ${tables.session} SET ${endOf(ending)}
        WHERE id = ${id} AND ${isOfRealm(realm)} AND ${unindexed(sql`status = 'live' AND usable_until > ${now}`)}
          AND NOT ${isMassEnded(tables, realm)} AND ${isOpen}${ofAccount} RETURNING *),
      told AS (${insertEndEvents(tables, dialect, raw('own'), now, end.comment)})
      SELECT id, user_id, version - 1 AS version, generation, access_hash, superseded FROM own`,
    { isGuarded: true },
  );
  yield change;
  yield effect(
    sql`WITH ended AS (SELECT ${LOGGED_COLUMNS} FROM ${tables.session} WHERE id = ${id} AND ${isWriterOf}),
      wiped AS (DELETE FROM ${tables.data} WHERE owner = ${sessionOwner(id)} AND EXISTS (SELECT 1 FROM ended))
      ${logChangesOf(tables, dialect, raw('ended'), now)}`,
    { isGuarded: true },
  );
  return () => {
    const row = change.result?.rows[0];
    return row ? toEnded(row, ending) : null;
  };
}

/** Ends one session, of this account if one is given. A kick that ends nothing is noted as well. */
export function* endOne(scope: Scope, id: string, end: EndRequest, account?: AccountRef): Script<EndedSession | null> {
  const { tables, realm, clock } = scope;
  const [row] = yield* lockRows(scope, [id]);
  const now = clock.now();
  if (row && (!account || row.user_key === account.key)) {
    const [ended] = yield* endSessions(scope, [row], now, () => endingOf(row, end, now));
    return ended ?? null;
  }
  const { reason, by, comment } = end;
  if (reason === 'SESSION_KICKED') {
    const about = { realm, userKey: null, userId: null, sessionId: id, ended: 0, detail: commentOf(comment) };
    yield effect(insertEvents(tables, [{ type: 'KICK_WITHOUT_EFFECT', at: now, actor: by, reason, ...about }]));
  }
  return null;
}

export function* endSome(scope: Scope, ids: readonly string[], end: EndRequest): Script<readonly EndedSession[]> {
  const rows = yield* lockRows(scope, ids);
  const now = scope.clock.now();
  return yield* endSessions(scope, rows, now, (row) => endingOf(row, end, now));
}

export function* endOverdue(scope: Scope, ids: readonly string[], now: number): Script<readonly EndedSession[]> {
  const rows = yield* lockUnclosedRows(scope, ids);
  const overdue = rows.filter((row) => Number(row.usable_until) <= now);
  const massEnds = yield* findMassEnds(scope, overdue);
  return yield* endSessions(scope, overdue, now, (row) => closingOf(row, massEnds));
}

export function* endIdle(
  scope: Scope,
  ids: readonly string[],
  rules: LifeRules,
  now: number,
): Script<readonly EndedSession[]> {
  const own = ({ idle_ms: ms }: Row) => ({ idleMs: ms === null ? null : Number(ms) });
  const idleAt = (row: Row) => Number(row.last_seen_at) + idleMsOf(own(row), rules);
  const rows = yield* lockRows(scope, ids);
  const idle = rows.filter((row) => idleAt(row) <= now);
  return yield* endSessions(scope, idle, scope.clock.now(), (row) => {
    const at = idleAt(row);
    if (Number(row.usable_until) < at) return overdueEnding(row);
    return { reason: 'SESSION_IDLE', by: 'system', at, replacedBy: null };
  });
}

function endOf({ reason, by, at, replacedBy }: Ending): Statement {
  return sql`status = 'ended', slot = NULL, end_reason = ${reason}, ended_at = ${at}, ended_by = ${by},
    replaced_by = ${replacedBy}, version = ${NEXT_VERSION}`;
}

function toEnded(row: Row, { reason, at, by, replacedBy }: Ending): EndedSession {
  const sessionId = String(row.id);
  const version = nextVersion(Number(row.version));
  const current = { generation: Number(row.generation), accessHash: String(row.access_hash) };
  const pairs = [...(toSuperseded(row.superseded) ?? []), current];
  const tokens = pairs.map(({ generation, accessHash }) => ({ generation, accessHash }));
  const tombstone = { sessionId, version, end: { reason, at, by, replacedBy }, tokens };
  return { sessionId, userId: toUserId(row.user_id) ?? '', reason, version, tombstone };
}

/** A session that was overdue already has ended by itself. */
export function endingOf(row: Row, end: EndRequest, now: number, at = now): Ending {
  return Number(row.usable_until) <= now ? overdueEnding(row) : { ...end, at, replacedBy: null };
}

/** How sessions of these rows were ended with others, by id. */
export function* findMassEnds(scope: Scope, rows: readonly Row[]): Script<ReadonlyMap<string, SessionEnd>> {
  const found = new Map<string, SessionEnd>();
  for (const chunk of chunksOf(rows.filter(isMassEndedRow))) {
    const ids = chunk.map((row) => String(row.id));
    const { rows: whole } =
      yield sql`${selectRecords(scope.tables, scope.realm)} WHERE s.id ${scope.dialect.isOneOf(ids)}`;
    for (const row of whole) found.set(String(row.id), massEndOf(row)!);
  }
  return found;
}

/** How a session that is over by now has ended: overdue, or before that with others. */
export function closingOf(row: Row, massEnds: ReadonlyMap<string, SessionEnd>): Ending {
  const massEnd = massEnds.get(String(row.id));
  return massEnd && massEnd.at < Number(row.usable_until) ? massEnd : overdueEnding(row);
}

/** An overdue session ended at the moment from which it could not be used any more. */
export function overdueEnding(row: Row): Ending {
  const usableUntil = Number(row.usable_until);
  const reason = usableUntil < Number(row.expires_at) ? 'TOKEN_EXPIRED' : 'SESSION_EXPIRED';
  return { reason, by: 'system', at: usableUntil, replacedBy: null };
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

/** A session that has not ended has neither reason nor actor. */
const LOGGED_COLUMNS = raw('id, version, realm, user_key, end_reason, ended_by');

/** Logs the last versions at the end of the transaction, so once for each session. @param at by the clock of the database */
export function logChanges(tables: Tables, dialect: Dialect, ids: readonly string[], at: number): Effect {
  const from = sql`${tables.session} WHERE id ${dialect.isOneOf(ids)}`;
  return effect(logChangesOf(tables, dialect, from, at), { isLast: true });
}

function logChangesOf(tables: Tables, dialect: Dialect, from: Statement, at: number): Statement {
  return sql`INSERT INTO ${tables.change} (kind, id, version, realm, user_key, reason, actor, at)
    SELECT 'session', ${LOGGED_COLUMNS}, ${dialect.changeTime(at)} FROM ${from}`;
}

/** Logs a change of an account, or the end of everything in a realm. @param at by the clock of the database */
export function logScopeChange(
  tables: Tables,
  dialect: Dialect,
  change: ScopeChange,
  realm: string,
  at: number,
): Effect {
  const { kind, id, version, end } = change;
  const values = [kind, id, version, realm, kind === 'account' ? id : null, end && end.reason, end && end.by];
  return effect(
    sql`INSERT INTO ${tables.change} (kind, id, version, realm, user_key, reason, actor, at)
      VALUES (${list(values)}, ${dialect.changeTime(at)})`,
    { isLast: true },
  );
}
