import { type LiveSession, type LoginView, MOST_SEEN } from '../../model/session-change.js';
import { misused } from '../../model/session-error.js';
import type { LoginRequest } from '../../ports/session-repository.js';
import { type Row, type Script, type Statement, raw, sql, unindexed } from '../engine/sql.js';
import { inEpochsOf, isLiveOf, isNotEndedOf } from '../schema/live-sessions.js';
import { toLiveSession } from '../schema/session-rows.js';
import { LOCKED_COLUMNS, type Scope, lockRows } from './locks.js';

/** To know that there are more than MOST_SEEN. As text, so that PostgreSQL plans by it. */
const ENOUGH = raw(String(MOST_SEEN + 1));

/** Sessions that a login looks at, all of them locked. */
export interface SeenSessions {
  /** Overdue ones, and sessions of impersonators, may be among them. */
  readonly rows: readonly Row[];
  /** True if no other row of the account holds a slot, unless it is damaged. */
  readonly isComplete: boolean;
}

/** A grant with the rows that make way, an overdue one only if it holds the slot; or a refusal with the sessions that do not. */
export type Allotment =
  | { readonly slot: string; readonly losers: readonly Row[] }
  | { readonly limit: number; readonly live: readonly LiveSession[] };

/**
 * Locks the sessions that the policy needs to see; null for too many. The row of the account must be locked.
 * @param isAgain true to see damaged rows that hold a slot as well
 */
export function* lockSeen(
  scope: Scope,
  { account, view }: LoginRequest,
  isAgain: boolean,
): Script<SeenSessions | null> {
  if (view.needs === 'all') {
    const which = isAgain ? isNotEndedOf : isLiveOf;
    const rows = yield* lockFew(scope, which(scope.tables, scope.realm, account.key));
    if (rows.length <= MOST_SEEN) return { rows, isComplete: true };
  }
  const ids = yield* findSeen(scope, account.key, view);
  if (ids.length > MOST_SEEN) return null;
  const rows = ids.length > 0 ? yield* lockRows(scope, ids) : [];
  return { rows: rows.filter((row) => row.user_key === account.key), isComplete: false };
}

/** Asks the policy, and once more with the session that holds the slot granted, if it did not see that. */
export function* allot(
  scope: Scope,
  { account, decide, makeRoom }: LoginRequest,
  { rows, isComplete }: SeenSessions,
  { id, isOverdue, at }: { readonly id: string; readonly isOverdue: (row: Row) => boolean; readonly at: number },
): Script<Allotment> {
  const own = rows.filter((row) => row.impersonator === null && !isOverdue(row));
  const choice = makeRoom?.end ?? [];
  const chosen = choice === 'oldest' ? [] : own.filter((row) => choice.includes(String(row.id)));
  const oldest = choice === 'oldest' ? own.toSorted(byAge) : [];
  for (;;) {
    const decision = decide(own.filter((row) => !chosen.includes(row)).map(toLiveSession), at);
    if (decision.kind === 'refuse') {
      const next = oldest.shift();
      if (!next) return { limit: decision.limit, live: own.map(toLiveSession) };
      chosen.push(next);
      continue;
    }
    const { slot, end } = decision;
    const losers = own.filter((row) => chosen.includes(row) || end.includes(String(row.id)));
    // Its id is new, and no one else has it in the name of a slot.
    if (slot.includes(id) || losers.some((row) => row.slot === slot)) return { slot, losers };
    const holder = isComplete ? rows.find((row) => row.slot === slot) : yield* lockHolder(scope, account.key, slot);
    if (!holder) return { slot, losers };
    if (isOverdue(holder) || holder.status !== 'live') return { slot, losers: [...losers, holder] };
    if (own.some((row) => row.id === holder.id)) {
      throw misused(
        `The device policy granted the slot "${slot}", which the database takes for "${String(holder.slot)}"`,
      );
    }
    own.push(holder);
  }
}

function byAge(a: Row, b: Row): number {
  return Number(a.created_at) - Number(b.created_at) || (String(a.id) < String(b.id) ? -1 : 1);
}

function* lockFew({ tables, dialect }: Scope, which: Statement): Script<readonly Row[]> {
  const { rows } =
    yield sql`SELECT ${LOCKED_COLUMNS} FROM ${tables.session}${dialect.through('idx_latchkey_session_account')}
      WHERE ${which} ORDER BY id LIMIT ${ENOUGH}${dialect.forUpdate()}`;
  return rows;
}

function* lockHolder({ tables, dialect, realm }: Scope, accountKey: string, slot: string): Script<Row | undefined> {
  const { rows } =
    yield sql`SELECT ${LOCKED_COLUMNS} FROM ${tables.session}${dialect.through('idx_latchkey_session_slot')}
      WHERE user_key = ${accountKey} AND slot = ${slot} AND ${inEpochsOf(tables, realm, accountKey)}${dialect.forUpdate()}`;
  return rows[0];
}

/**
 * Finds the ids of sessions that are not overdue, a few more than MOST_SEEN at most. Locks none: no session is added to the account
 * while its row is locked, and what is found is locked in order.
 */
function* findSeen(
  scope: Scope,
  accountKey: string,
  { needs, deviceId, presentedSessionId, chosenIds }: LoginView,
): Script<string[]> {
  const { tables, dialect, realm } = scope;
  const inEpochs = inEpochsOf(tables, realm, accountKey);
  const byAccount = sql`SELECT id FROM ${tables.session}${dialect.through('idx_latchkey_session_account')}
    WHERE user_key = ${accountKey} AND status = 'live' AND ${inEpochs} AND ${isUsable(scope)}`;
  if (needs === 'all') return idsOf((yield sql`${byAccount} LIMIT ${ENOUGH}`).rows);
  const ids = presentedSessionId === null ? [] : [presentedSessionId];
  if (chosenIds.length > 0) {
    ids.push(...idsOf((yield sql`${byAccount} AND id ${dialect.isOneOf(chosenIds)}`).rows));
  }
  if (deviceId !== null) {
    // Only this index has their order, so that PostgreSQL does not keep to another since the table was small.
    const { rows } =
      yield sql`SELECT id, device_id FROM ${tables.session}${dialect.through('idx_latchkey_session_device')}
        WHERE user_key = ${accountKey} AND device_id = ${deviceId} AND ended_at IS NULL
          AND ${unindexed(sql`status = 'live' AND ${inEpochs}`)} AND ${isUsable(scope)} ORDER BY id LIMIT ${ENOUGH}`;
    // Databases take more than one text for the same.
    ids.push(...idsOf(rows.filter((row) => row.device_id === deviceId)));
  }
  if (typeof needs === 'object') {
    const { rows } = yield sql`${byAccount} AND ${unindexed(sql`impersonator IS NULL`)}
      ORDER BY created_at DESC, id DESC LIMIT ${needs.newest}`;
    ids.push(...idsOf(rows));
  }
  return [...new Set(ids)];
}

function idsOf(rows: readonly Row[]): string[] {
  return rows.map(({ id }) => String(id));
}

function isUsable({ clock }: Scope): Statement {
  return unindexed(sql`usable_until > ${clock.now()}`);
}
