import type { Ban } from '../../model/ban.js';
import type { AccountRef } from '../../model/user-key.js';
import type { BanOutcome } from '../../ports/session-repository.js';
import { type Script, effect, sql } from '../engine/sql.js';
import { fromList } from '../schema/session-rows.js';
import { describeAccount, insertEvents } from './audit.js';
import { endSessions, endingOf, logScopeChange } from './end-transaction.js';
import {
  type LockedAccount,
  type Scope,
  findOpenedAs,
  lockDamagedAccount,
  lockOfAccount,
  lockRows,
  nextVersion,
  timeOfStep,
} from './locks.js';
import { asOther, endByEpoch, hasMany } from './mass-end-transaction.js';

/** Bans stand in the row of the account alone. One from everything also ends the sessions that the account opened as others. */
export function* banScript(
  scope: Scope,
  account: AccountRef,
  draft: Omit<Ban, 'at'>,
  endsSessions: boolean,
): Script<BanOutcome> {
  const locked = yield* lockDamagedAccount(scope, account.key);
  const ended = yield* endsOfBan(scope, account, locked, draft, endsSessions);
  const now = scope.clock.now();
  const ban: Ban = { ...draft, at: ended.at };
  const bans = [...locked.bans.filter((other) => other.service !== ban.service && !hasRunOut(other, now)), ban];
  const event = { at: ban.at, actor: ban.by, ...describeAccount(account), detail: ban };
  yield effect(insertEvents(scope.tables, [{ ...event, type: 'BANNED' }]));
  const version = ended.change?.version ?? nextVersion(locked.version);
  return { ban, ended: ended.ended, change: yield* writeBans(scope, account, bans, version, ended.change) };
}

function* endsOfBan(
  scope: Scope,
  account: AccountRef,
  locked: LockedAccount,
  { service, by, comment }: Omit<Ban, 'at'>,
  endsSessions: boolean,
) {
  const { notBefore } = locked;
  if (service !== null) return { ended: [], change: null, at: timeOfStep(scope, [], notBefore) };
  const end = { reason: 'ACCOUNT_DISABLED', by, comment } as const;
  if (endsSessions && (yield* hasMany(scope, locked))) {
    return yield* endByEpoch(scope, account, locked, end, { except: null, raisesEpoch: false });
  }
  const { own, openedAsOthers } = endsSessions
    ? yield* lockOfAccount(scope, account, locked)
    : {
        own: [],
        openedAsOthers: yield* lockRows(
          scope,
          (yield* findOpenedAs(scope, account)).map(({ id }) => String(id)),
        ),
      };
  const others = openedAsOthers.filter((row) => row.user_key !== account.key);
  const now = scope.clock.now();
  const at = timeOfStep(scope, [...own, ...others], notBefore);
  const ended = yield* endSessions(scope, [...own, ...others], at, (row) =>
    endingOf(row, row.user_key === account.key ? end : asOther(end), now, at),
  );
  return { ended, change: null, at };
}

/** Removes a ban; null if there is none. */
export function* liftBanScript(
  scope: Scope,
  account: AccountRef,
  service: string | null,
  by: string,
): Script<BanOutcome | null> {
  const { bans, version } = yield* lockDamagedAccount(scope, account.key);
  const now = scope.clock.now();
  const ban = bans.find((one) => one.service === service && !hasRunOut(one, now));
  if (!ban) return null;
  const kept = bans.filter((other) => other !== ban && !hasRunOut(other, now));
  yield effect(
    insertEvents(scope.tables, [{ at: now, actor: by, ...describeAccount(account), detail: ban, type: 'BAN_LIFTED' }]),
  );
  return { ban, ended: [], change: yield* writeBans(scope, account, kept, nextVersion(version), null) };
}

/** @param massEnd that has raised the version and logged it; null to do so now */
function* writeBans(
  { tables, dialect, realm, clock }: Scope,
  { key }: AccountRef,
  bans: readonly Ban[],
  version: number,
  massEnd: BanOutcome['change'] | null,
): Script<BanOutcome['change']> {
  yield effect(
    sql`UPDATE ${tables.account} SET bans = ${fromList(bans)}, version = ${version} WHERE user_key = ${key}`,
  );
  if (massEnd) return massEnd;
  const change = { kind: 'account', id: key, version, end: null } as const;
  yield logScopeChange(tables, dialect, change, realm, clock.now());
  return change;
}

function hasRunOut({ until }: Ban, now: number): boolean {
  return until !== null && until <= now;
}
