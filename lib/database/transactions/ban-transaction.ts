import type { Ban } from '../../model/ban.js';
import type { AccountRef } from '../../model/user-key.js';
import type { BanOutcome } from '../../ports/session-repository.js';
import { type Row, type Script, effect, sql } from '../engine/sql.js';
import { fromList } from '../schema/session-rows.js';
import { describeAccount, insertEvents } from './audit.js';
import { endSessions, endingOf, logChanges, nextOf, nextVersion } from './end-transaction.js';
import { type Scope, chunksOf, lockDamagedAccount, lockOfAccount, lockSessions, timeOfStep } from './locks.js';

/** A ban from everything also ends the sessions that the account opened as others, which carry the bans of their own accounts. */
export function* banScript(
  scope: Scope,
  account: AccountRef,
  draft: Omit<Ban, 'at'>,
  endsSessions: boolean,
): Script<BanOutcome> {
  const { bans, notBefore } = yield* lockDamagedAccount(scope, account.key);
  const { own, openedAsOthers } = yield* lockOfAccount(scope, account);
  const now = scope.clock.now();
  const at = timeOfStep(scope, [...own, ...openedAsOthers], notBefore);
  const ban: Ban = { ...draft, at };
  const kept = bans.filter((other) => other.service !== ban.service && !hasRunOut(other, now));
  const event = { at, actor: ban.by, ...describeAccount(account), detail: ban };
  yield effect(insertEvents(scope.tables, [{ ...event, type: 'BANNED' }]));
  const carrying = endsSessions ? [] : own;
  const changed = yield* writeBans(scope, account, carrying, [...kept, ban], now);
  const rows = ban.service === null ? [...(endsSessions ? own : []), ...openedAsOthers] : [];
  const ended = yield* endSessions(scope, rows, at, (row) => {
    const reason = row.user_key === account.key ? 'ACCOUNT_DISABLED' : 'SESSION_KICKED';
    return endingOf(row, { reason, by: ban.by, comment: ban.comment }, now, at);
  });
  return { ban, ended, changed };
}

/** Removes a ban from an account and its sessions; null if there is none. */
export function* liftBanScript(
  scope: Scope,
  account: AccountRef,
  service: string | null,
  by: string,
): Script<BanOutcome | null> {
  const { bans } = yield* lockDamagedAccount(scope, account.key);
  const now = scope.clock.now();
  const ban = bans.find((one) => one.service === service && !hasRunOut(one, now));
  if (!ban) return null;
  const kept = bans.filter((other) => other !== ban && !hasRunOut(other, now));
  const rows = yield* lockSessions(scope, account.key);
  yield effect(
    insertEvents(scope.tables, [{ at: now, actor: by, ...describeAccount(account), detail: ban, type: 'BAN_LIFTED' }]),
  );
  return { ban, ended: [], changed: yield* writeBans(scope, account, rows, kept, now) };
}

/** The sessions carry a copy, so that one read by key is enough to judge a token. */
function* writeBans(
  scope: Scope,
  account: AccountRef,
  rows: readonly Row[],
  bans: readonly Ban[],
  at: number,
): Script<BanOutcome['changed']> {
  const { tables, dialect } = scope;
  const text = fromList(bans);
  yield effect(sql`UPDATE ${tables.account} SET bans = ${text} WHERE user_key = ${account.key}`);
  for (const chunk of chunksOf(rows)) {
    const ids = chunk.map((row) => String(row.id));
    yield effect(
      sql`UPDATE ${tables.session} SET bans = ${text}, version = ${nextOf('version')} WHERE id ${dialect.isOneOf(ids)}`,
    );
    yield logChanges(tables, dialect, ids, at);
  }
  return rows.map((row) => ({ sessionId: String(row.id), version: nextVersion(Number(row.version)) }));
}

function hasRunOut({ until }: Ban, now: number): boolean {
  return until !== null && until <= now;
}
