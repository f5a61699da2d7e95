import type { AccountState } from '../../model/ban.js';
import type { SessionDecision } from '../../model/session-change.js';
import type { SessionRecord } from '../../model/session.js';
import { actorText } from '../../model/user-key.js';
import type { ChangedSession } from '../../ports/session-repository.js';
import { type Script, effect, sql } from '../engine/sql.js';
import { isOfRealm, sessionColumns, toRecord, updateSession } from '../schema/session-rows.js';
import { describe, insertEvents } from './audit.js';
import { endSessions, logChanges } from './end-transaction.js';
import { type Scope, readAround } from './locks.js';
import { withKnownEnd } from './lost-ends.js';

const NO_ACCOUNT: AccountState = { bans: [], notBefore: 0 };

/** Locks a session's row and does what a pure function decides. Null without `waits` where the row is not free, or not there. */
export function* changeScript<T>(
  scope: Scope,
  id: string,
  decide: (record: SessionRecord | null, account: AccountState, now: number) => SessionDecision<T>,
  waits: boolean,
): Script<ChangedSession<T> | null> {
  const { tables, dialect, realm, clock } = scope;
  const { rows } =
    yield sql`SELECT ${sessionColumns('s')} FROM ${tables.session} s WHERE id = ${id} AND ${isOfRealm(realm)}${dialect.forUpdate(waits)}`;
  const row = rows[0];
  if (!row && !waits) return null;
  // Read after the row was locked, and not locked: what changes the account from now on makes all copies of this record old.
  const around = row && (yield* readAround(scope, row));
  const stored = around ? toRecord(around.row) : null;
  const record = stored && withKnownEnd(stored, scope);
  // Read after the lock, for which this may have waited.
  const now = clock.now();
  const { result, patch, end, events = [] } = decide(record, (record && around?.account) ?? NO_ACCOUNT, now);
  if (!row || !record || record.end || (!patch && !end)) return { result, record, changed: false, ended: null };
  if (events.length > 0) {
    const about = { at: now, actor: record.impersonator ?? actorText(record.userId), ...describe(row) };
    const lines = events.map((event) => ({ ...about, ...event }));
    yield effect(insertEvents(tables, lines));
  }
  if (end) {
    const { reason, by, at = now } = end;
    const [ended] = yield* endSessions(scope, [row], now, () => ({ reason, by, at, replacedBy: null }));
    const after = { ...record, version: ended!.version, end: { reason, by, at, replacedBy: null } };
    return { result, record: after, changed: true, ended: ended! };
  }
  yield effect(updateSession(tables.session, id, patch!));
  yield logChanges(tables, dialect, [id], now);
  return { result, record: { ...record, ...patch, version: record.version + 1 }, changed: true, ended: null };
}
