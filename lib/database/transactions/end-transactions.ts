import type { Clock } from '../../ports/clock.js';
import type { EndRequest } from '../../model/session-change.js';
import type { EndedSession } from '../../model/tombstone.js';
import type { AccountRef } from '../../model/user-key.js';
import type { Dialect } from '../engine/dialect.js';
import {
  type Ending,
  commentOf,
  describeAccount,
  endSessions,
  endingOf,
  insertEvents,
  logChanges,
  nextOf,
  overdueEnding,
} from './ending-script.js';
import { lockDamagedAccount, timeOfStep } from './login-script.js';
import { lockOfAccount, lockRows } from './session-locks.js';
import { type Row, type Script, effect, sql } from '../engine/sql.js';
import type { Tables } from '../schema/tables.js';

/** The transactions that end sessions of a realm: which rows are locked, and how each of them ends. */
export class EndTransactions {
  constructor(
    private readonly tables: Tables,
    private readonly dialect: Dialect,
    private readonly realm: string,
    private readonly clock: Clock,
  ) {}

  /** One session, of this account if one is given. A kick that ends nothing is noted as well. */
  *one(id: string, end: EndRequest, account?: AccountRef): Script<EndedSession | null> {
    const { tables } = this;
    const [row] = yield* this.lock([id]);
    const now = this.clock.now();
    if (!row || (account && row.user_key !== account.key)) {
      if (end.reason === 'SESSION_KICKED') yield effect(insertEvents(tables, [this.kickWithoutEffect(id, end, now)]));
      return null;
    }
    const [ended] = yield* this.end([row], now, () => endingOf(row, end, now));
    return ended ?? null;
  }

  /** Those of these sessions that are live. */
  *some(ids: readonly string[], end: EndRequest): Script<readonly EndedSession[]> {
    const rows = yield* this.lock(ids);
    const now = this.clock.now();
    return yield* this.end(rows, now, (row) => endingOf(row, end, now));
  }

  /** All sessions of an account but one, and those that it opened as others. With `raiseEpoch`, logins that began before are refused. */
  *all(
    account: AccountRef,
    end: EndRequest,
    { except, raiseEpoch }: { readonly except: string | null; readonly raiseEpoch: boolean },
  ): Script<readonly EndedSession[]> {
    const { tables, dialect, clock } = this;
    const { notBefore } = yield* lockDamagedAccount(tables, dialect, account.key);
    const { own, openedAsOthers } = yield* lockOfAccount(tables, dialect, account);
    const now = clock.now();
    const at = timeOfStep(clock, [...own, ...openedAsOthers], notBefore);
    const isKept = (row: Row) => row.id === except;
    const [kept, others] = [own.filter(isKept), own.filter((row) => !isKept(row))];
    if (raiseEpoch) {
      yield effect(
        sql`UPDATE ${tables.account} SET epoch = ${nextOf('epoch')}, not_before = ${at} WHERE user_key = ${account.key}`,
      );
    }
    if (raiseEpoch && kept.length > 0) {
      yield effect(
        sql`UPDATE ${tables.session} SET authenticated_at = ${at}, version = version + 1 WHERE id = ${except}`,
      );
      yield logChanges(tables, dialect, [String(kept[0]!.id)], now);
    }
    const ended = yield* this.end([...others, ...openedAsOthers], at, (row) => endingOf(row, end, now, at));
    const event = {
      at,
      actor: end.by,
      reason: end.reason,
      ...describeAccount(account),
      ended: others.length,
      detail: commentOf(end.comment),
    };
    yield effect(insertEvents(tables, [{ ...event, type: 'ACCOUNT_SESSIONS_ENDED' }]));
    return ended;
  }

  /** Those of these sessions that are overdue. */
  *overdue(ids: readonly string[], now: number): Script<readonly EndedSession[]> {
    const rows = yield* this.lock(ids);
    const overdue = rows.filter((row) => Number(row.usable_until) <= now);
    return yield* this.end(overdue, now, overdueEnding);
  }

  /** Those of these sessions that were not used since a time. */
  *idle(ids: readonly string[], idleMs: number, before: number): Script<readonly EndedSession[]> {
    const rows = yield* this.lock(ids);
    const idle = rows.filter((row) => Number(row.last_seen_at) <= before);
    const now = this.clock.now();
    return yield* this.end(idle, now, (row) => {
      const at = Number(row.last_seen_at) + idleMs;
      const end = { reason: 'SESSION_IDLE', by: 'system', at, replacedBy: null } as const;
      return Number(row.usable_until) < at ? overdueEnding(row) : end;
    });
  }

  private end(rows: readonly Row[], now: number, endingOf: (row: Row) => Ending): Script<readonly EndedSession[]> {
    return endSessions(this.tables, this.dialect, this.clock, rows, now, endingOf);
  }

  private lock(ids: readonly string[]): Script<readonly Row[]> {
    return lockRows(this.tables, this.dialect, this.realm, ids);
  }

  private kickWithoutEffect(sessionId: string, { reason, by, comment }: EndRequest, at: number) {
    const target = { realm: this.realm, userKey: null, userId: null, sessionId };
    return {
      type: 'KICK_WITHOUT_EFFECT' as const,
      at,
      actor: by,
      reason,
      ...target,
      ended: 0,
      detail: commentOf(comment),
    };
  }
}
