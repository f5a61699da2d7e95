import type { ScopeChange } from '../../model/mass-end.js';
import type { EndRequest } from '../../model/session-change.js';
import { type AccountRef, escapeUserId } from '../../model/user-key.js';
import type { AccountEnd } from '../../ports/session-repository.js';
import { type Row, type Script, effect, raw, sql } from '../engine/sql.js';
import { realmScope } from '../schema/live-sessions.js';
import { commentOf, describeAccount, insertEvents } from './audit.js';
import { endSessions, endingOf, logChanges, logScopeChange } from './end-transaction.js';
import {
  type LockedAccount,
  NEXT_VERSION,
  type Scope,
  findOpenedAs,
  lockDamagedAccount,
  lockOfAccount,
  lockRows,
  nextVersion,
  timeOfStep,
} from './locks.js';

/** Most sessions of an account that the transaction that ends them closes one by one. More of them are closed later. */
export const CLOSED_AT_ONCE = 200;

/** Ends the sessions of an account but one, and those that it opened as others. */
export function* endAccount(
  scope: Scope,
  account: AccountRef,
  end: EndRequest,
  { except, raiseEpoch }: { readonly except: string | null; readonly raiseEpoch: boolean },
): Script<AccountEnd> {
  const { tables, dialect, clock } = scope;
  const locked = yield* lockDamagedAccount(scope, account.key);
  const about = {
    type: 'ACCOUNT_SESSIONS_ENDED' as const,
    actor: end.by,
    reason: end.reason,
    ...describeAccount(account),
  };
  if (yield* hasMany(scope, locked)) {
    const { at, ...ended } = yield* endByEpoch(scope, account, locked, end, { except, raisesEpoch: raiseEpoch });
    yield effect(insertEvents(tables, [{ ...about, at, ended: null, detail: commentOf(end.comment) }]));
    return ended;
  }
  const { own, openedAsOthers } = yield* lockOfAccount(scope, account, locked);
  const now = clock.now();
  const at = timeOfStep(scope, [...own, ...openedAsOthers], locked.notBefore);
  const others = own.filter((row) => row.id !== except);
  const kept = own.find((row) => row.id === except);
  if (raiseEpoch) {
    yield effect(
      sql`UPDATE ${tables.account} SET epoch = ${nextVersion(locked.epoch)}, not_before = ${at} WHERE user_key = ${account.key}`,
    );
    if (kept) {
      yield effect(sql`UPDATE ${tables.session} SET ${provedBy(at)}, version = ${NEXT_VERSION} WHERE id = ${except}`);
      yield logChanges(tables, dialect, [except!], now);
    }
  }
  const ended = yield* endSessions(scope, [...others, ...openedAsOthers], at, (row) => endingOf(row, end, now, at));
  yield effect(insertEvents(tables, [{ ...about, at, ended: others.length, detail: commentOf(end.comment) }]));
  return { ended, changed: raiseEpoch ? changeOf(kept) : [], change: null };
}

/** The change of credentials proved the user, by methods that are not known here. */
const provedBy = (at: number) => sql`authenticated_at = ${at}, amr = NULL`;

/** True if an account has more live sessions than `most`, by default those that are closed at once. Its row must be locked. */
export function* hasMany(
  { tables, dialect }: Scope,
  { sessions }: LockedAccount,
  most = CLOSED_AT_ONCE,
): Script<boolean> {
  const { rows } = yield sql`SELECT COUNT(*) AS total FROM (
      SELECT 1 AS one FROM ${tables.session}${dialect.through('idx_latchkey_session_account')}
      WHERE ${sessions} LIMIT ${most + 1}) AS counted`;
  return Number(rows[0]?.total) > most;
}

/** Ends all sessions of an account by one number, however many there are; those that it opened as others one by one. */
export function* endByEpoch(
  scope: Scope,
  account: AccountRef,
  locked: LockedAccount,
  end: EndRequest,
  { except, raisesEpoch }: { readonly except: string | null; readonly raisesEpoch: boolean },
): Script<AccountEnd & { readonly at: number }> {
  const { tables, dialect, clock } = scope;
  const opened = yield* findOpenedAs(scope, account);
  const rows = yield* lockRows(scope, [
    ...new Set([...(except === null ? [] : [except]), ...opened.map((row) => String(row.id))]),
  ]);
  const isKept = (row: { readonly id?: unknown; readonly user_key?: unknown }) =>
    row.id === except && row.user_key === account.key;
  const openedAsOthers = rows.filter((row) => !isKept(row) && row.user_key !== account.key);
  const { rows: latest } = yield sql`SELECT MAX(created_at) AS created_at FROM ${tables.session}
    WHERE user_key = ${account.key} AND status = 'live' AND account_epoch = ${locked.endEpoch}`;
  const now = clock.now();
  const at = timeOfStep(scope, [...latest, ...openedAsOthers], locked.notBefore);
  const version = nextVersion(locked.version);
  const epoch = raisesEpoch ? nextVersion(locked.epoch) : locked.epoch;
  yield effect(
    sql`UPDATE ${tables.account} SET version = ${version}, end_epoch = ${version}, epoch = ${epoch},
      not_before = ${raisesEpoch ? at : locked.notBefore} WHERE user_key = ${account.key}`,
  );
  const kept = rows.find(isKept);
  if (kept) {
    yield effect(
      sql`UPDATE ${tables.session} SET account_epoch = ${version}, version = ${NEXT_VERSION}${raisesEpoch ? sql`, ${provedBy(at)}` : raw('')}
        WHERE id = ${except}`,
    );
  }
  const change = yield* recordMassEnd(
    scope,
    { kind: 'account', id: account.key, version },
    locked.endEpoch,
    end,
    at,
    account,
  );
  // Later than the end in the order of times, in which a poll may read: it finds no end without the session that is kept.
  if (kept) yield logChanges(tables, dialect, [except!], clock.now());
  const ended = yield* endSessions(scope, openedAsOthers, at, (row) => endingOf(row, asOther(end), now, at));
  return { ended, changed: changeOf(kept), change, at };
}

function changeOf(kept: Row | undefined): AccountEnd['changed'] {
  return kept ? [{ sessionId: String(kept.id), version: nextVersion(Number(kept.version)) }] : [];
}

/** The end of what a banned account opened as others, who are not banned. */
export function asOther(end: EndRequest): EndRequest {
  return end.reason === 'ACCOUNT_DISABLED' ? { ...end, reason: 'SESSION_KICKED' } : end;
}

/** Ends every session of the realm. */
export function* endRealm(scope: Scope, end: EndRequest): Script<ScopeChange> {
  const { tables, dialect, realm, clock } = scope;
  const { rows } = yield sql`SELECT end_epoch FROM ${tables.realm} WHERE realm = ${realm}${dialect.forUpdate()}`;
  const epoch = Number(rows[0]?.end_epoch ?? 0);
  const version = nextVersion(epoch);
  yield effect(sql`UPDATE ${tables.realm} SET end_epoch = ${version} WHERE realm = ${realm}`);
  const at = clock.now();
  const { by: actor, reason, comment } = end;
  const about = { realm, userKey: null, userId: null, sessionId: null };
  yield effect(
    insertEvents(tables, [{ type: 'REALM_SESSIONS_ENDED', at, actor, reason, ...about, detail: commentOf(comment) }]),
  );
  return yield* recordMassEnd(scope, { kind: 'realm', id: realm, version }, epoch, end, at, null);
}

/** Inserts the row of a realm if missing. To be run on its own, as ensureAccount. */
export function ensureRealm({ tables, dialect, realm }: Scope) {
  return sql`INSERT INTO ${tables.realm} (realm, end_epoch) VALUES (${realm}, 0)${dialect.orIgnore}`;
}

export function* recordMassEnd(
  { tables, dialect, realm, clock }: Scope,
  scope: Omit<ScopeChange, 'end'>,
  epoch: number,
  { reason, by, comment = null }: EndRequest,
  at: number,
  account: AccountRef | null,
): Script<ScopeChange> {
  const change = { ...scope, end: { reason, at, by, replacedBy: null } };
  const key = account ? account.key : realmScope(realm);
  yield effect(
    sql`INSERT INTO ${tables.massEnd} (scope, epoch, realm, user_id, version, reason, actor, comment, at, ended)
      VALUES (${key}, ${epoch}, ${realm}, ${account && escapeUserId(account.userId)}, ${scope.version}, ${reason}, ${by}, ${comment}, ${at}, 0)`,
  );
  yield logScopeChange(tables, dialect, change, realm, clock.now());
  return change;
}
