import { accountBan } from '../../model/ban.js';
import type { SessionRecord } from '../../model/session.js';
import { actorText } from '../../model/user-key.js';
import type { LoginOutcome, LoginRequest } from '../../ports/session-repository.js';
import { type Row, type Script, effect, sql } from '../engine/sql.js';
import { realmScope } from '../schema/live-sessions.js';
import { insertSession } from '../schema/session-rows.js';
import { type EventRow, describeAccount, insertEvents } from './audit.js';
import { endSessions, overdueEnding } from './end-transaction.js';
import { FARTHEST_AHEAD_MS, type Scope, lockAccount, timeOfStep } from './locks.js';
import { allot, lockSeen } from './login-view.js';

/** Decides a login under the lock of the account. @param isAgain true if it failed before, perhaps for the slot of a damaged row */
export function* loginScript(scope: Scope, request: LoginRequest, isAgain: boolean): Script<LoginOutcome> {
  const { tables, clock } = scope;
  const { account, authenticatedAt, claimsEpoch, ticketEpoch, makeRoom } = request;
  const { epoch, notBefore, bans, version, endEpoch, realmEpoch, logins } = yield* lockAccount(scope, account.key);
  const seen = yield* lockSeen(scope, request, isAgain);
  const now = clock.now();
  const at = timeOfStep(scope, seen?.rows ?? [], notBefore);
  const opened = request.open(at);
  const session: SessionRecord = {
    ...opened,
    version: 1,
    superseded: [],
    renewedFrom: null,
    reauthenticatedAt: null,
    // A ticket lets in what bears an earlier time after the clock was set back; its refreshes compare the times.
    authenticatedAt: Math.max(opened.authenticatedAt, Math.min(notBefore, at)),
    bans,
    accountVersion: version,
    accountEpoch: endEpoch,
    realmEpoch,
    lastSeenAt: opened.createdAt,
    lastIp: null,
    end: null,
  };
  const isOverdue = (row: Row) => Number(row.usable_until) <= now;
  const event = {
    at,
    actor: session.impersonator ?? actorText(account.userId),
    ...describeAccount(account),
    sessionId: session.id,
    ip: session.ip,
    deviceType: session.deviceType,
    deviceName: session.deviceName,
  };
  const note = (line: Partial<EventRow> & Pick<EventRow, 'type'>) =>
    effect(insertEvents(tables, [{ ...event, ...line }]));
  const refused = { type: 'LOGIN_REFUSED', sessionId: null } as const;
  const ban = accountBan(bans, now);
  if (ban) {
    yield note({ ...refused, reason: 'ACCOUNT_DISABLED' });
    return { kind: 'banned', ban, ended: [] };
  }
  const isSetBack = notBefore > now;
  // Where the clock was set back, only the number of a ticket says what came first.
  const isLate = authenticatedAt !== null && authenticatedAt <= notBefore && !(isSetBack && ticketEpoch === epoch);
  if (isLate || (ticketEpoch !== null && ticketEpoch !== epoch)) {
    yield note({ ...refused, reason: 'SESSION_REVOKED' });
    return { kind: 'superseded', ended: [], clockSetBackBy: isLate && isSetBack ? notBefore - now : 0 };
  }
  if (claimsEpoch !== null && claimsEpoch !== epoch) return { kind: 'outdated', ended: [] };
  if (makeRoom && (makeRoom.logins !== logins || makeRoom.realmEpoch !== realmEpoch)) {
    yield note(refused);
    return { kind: 'choice-void', ended: [] };
  }
  if (notBefore > now + FARTHEST_AHEAD_MS) {
    yield effect(sql`UPDATE ${tables.account} SET not_before = ${at} WHERE user_key = ${account.key}`);
  }
  if (session.impersonator !== null) {
    yield effect(insertSession(tables.session, session, `as:${session.id}`));
    yield note({ type: 'IMPERSONATION', detail: { comment: request.impersonationComment } });
    return { kind: 'granted', session, ended: [], unsettled: false };
  }
  if (!seen) {
    yield note(refused);
    return { kind: 'too-many', ended: [] };
  }
  const allotment = yield* allot(scope, request, seen, { id: session.id, isOverdue, at });
  if (!('slot' in allotment)) {
    const { limit, live } = allotment;
    yield note({ ...refused, detail: { limit } });
    return { kind: 'limit-reached', limit, live, account: { epoch, realmEpoch, logins }, at, ended: [] };
  }
  const { slot, losers } = allotment;
  const replaced = { reason: 'SESSION_REPLACED', by: event.actor, at, replacedBy: session.id } as const;
  const keepData = request.keepReplacedData;
  const ended = yield* endSessions(scope, losers, at, (row) =>
    isOverdue(row) ? overdueEnding(row) : { ...replaced, keepData },
  );
  const unsettled = yield* isUnsettled(scope, account.key);
  yield effect(sql`UPDATE ${tables.account} SET logins = logins + 1 WHERE user_key = ${account.key}`);
  yield effect(insertSession(tables.session, session, slot));
  yield note({ type: 'LOGIN', ...(makeRoom && { detail: { madeRoom: losers.length } }) });
  return { kind: 'granted', session, ended, unsettled };
}

/**
 * True if the change log names an end of the account, or one of the whole realm that was not acknowledged: another node may not
 * have told of it yet, or have crashed before.
 */
function* isUnsettled({ tables, realm }: Scope, accountKey: string): Script<boolean> {
  const { rows } =
    yield sql`SELECT 1 AS found FROM ${tables.change} WHERE user_key = ${accountKey} AND reason IS NOT NULL
    UNION ALL SELECT 1 AS found FROM ${tables.change} c JOIN ${tables.massEnd} m ON m.version = c.version
      WHERE c.kind = 'realm' AND c.id = ${realm} AND m.scope = ${realmScope(realm)} AND m.acknowledged_at IS NULL LIMIT 1`;
  return rows.length > 0;
}
