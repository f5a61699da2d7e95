import type { RealmScope } from '../lists/realm-queries.js';
import type { AccountRecord, AccountState, Ban } from '../../model/ban.js';
import type {
  Activity,
  BanOutcome,
  ChangeOptions,
  ChangedSession,
  LoginOutcome,
  LoginRequest,
  SessionRepository,
} from '../../ports/session-repository.js';
import type { EndRequest, SessionDecision, EndedSession } from '../../model/session-change.js';
import { SessionError } from '../../model/session-error.js';
import type { SessionRecord } from '../../model/session.js';
import type { AccountRef } from '../../model/user-key.js';
import { lockOrLook } from '../engine/engine.js';
import { type Script, list, raw, sql } from '../engine/sql.js';
import { SESSION_COLUMNS, isLiveOf, toRecords } from '../schema/session-rows.js';
import { banScript, liftBanScript } from './ban-transaction.js';
import { changeScript } from './change-transaction.js';
import { endAll, endAtOnce, endIdle, endOne, endOverdue, endSome, sessionOwner } from './end-transaction.js';
import { type Scope, ensureAccount, lockDamagedAccount, toDamagedAccount } from './locks.js';
import { loginScript } from './login-transaction.js';

const LIST_LIMIT = 1000;
/** Ends of several sessions take turns, since any two may have one in common. */
const SEVERAL = 'ends';

/** The record of sessions in a database that TypeORM connects to. See SessionRepository for the contract. */
export class SqlSessionRepository implements SessionRepository {
  private readonly scope: Scope;

  constructor(
    private readonly parts: Omit<RealmScope, 'budgetMs'> & {
      /** Longest times of calls. Milliseconds. */
      readonly budgets: { readonly verifyMs: number; readonly loginMs: number; readonly endMs: number };
    },
  ) {
    this.scope = { ...parts, dialect: parts.engine.dialect };
  }

  async findSessions(ids: readonly string[]): Promise<readonly SessionRecord[]> {
    const { rows } = await this.parts.engine.read(
      sql`SELECT ${SESSION_COLUMNS} FROM ${this.parts.tables.session} WHERE id IN (${list(ids)})`,
      { lane: 'verify', budgetMs: this.parts.budgets.verifyMs },
    );
    // A connection that hands out the reply to another question has said nothing about this one.
    const foreign = rows.find((row) => !ids.includes(String(row.id)));
    if (foreign)
      throw new SessionError('SESSION_STORE_UNAVAILABLE', 'The database returned the result of another query.');
    return toRecords(rows).filter(({ realm }) => realm === this.parts.realm);
  }

  async login(request: LoginRequest): Promise<LoginOutcome> {
    const options = {
      lane: 'work',
      budgetMs: this.parts.budgets.loginMs,
      row: `login:${request.account.key}`,
    } as const;
    await this.parts.engine.write(ensureAccount(this.scope, request.account), { ...options, isPlannedOnce: true });
    // On SQLite a slot that is taken stays taken, so there is no second time.
    let isAgain = this.parts.engine.dialect.engine === 'sqlite';
    return this.parts.engine.transaction(() => {
      const script = loginScript(this.scope, request, isAgain);
      isAgain = true;
      return script;
    }, options);
  }

  changeSession<T>(
    id: string,
    decide: (record: SessionRecord | null, account: AccountState, now: number) => SessionDecision<T>,
    { beforeWaiting = () => Promise.resolve(null), budgetMs = this.parts.budgets.endMs }: ChangeOptions<T> = {},
  ): Promise<ChangedSession<T>> {
    const script = (waits: boolean) => changeScript(this.scope, id, decide, waits);
    return lockOrLook(this.parts.engine, script, beforeWaiting, { lane: 'work', budgetMs, row: sessionOwner(id) });
  }

  async endSession(id: string, end: EndRequest, account?: AccountRef): Promise<EndedSession | null> {
    const deadline = performance.now() + this.parts.budgets.endMs;
    const row = `end:${id}`;
    const { inTransaction } = this.parts.engine.dialect;
    if (inTransaction) {
      const outcome = await this.write(row, () => endAtOnce(this.scope, inTransaction, id, end, account));
      const ended = outcome();
      if (ended) return ended;
    }
    return this.write(row, () => endOne(this.scope, id, end, account), deadline - performance.now());
  }

  endSessions(ids: readonly string[], end: EndRequest): Promise<readonly EndedSession[]> {
    return this.write(SEVERAL, () => endSome(this.scope, ids, end));
  }

  async endAccountSessions(
    account: AccountRef,
    end: EndRequest,
    options: { readonly except: string | null; readonly raiseEpoch: boolean },
  ): Promise<readonly EndedSession[]> {
    await this.ensureAccount(account);
    return this.write(rowOf(account), () => endAll(this.scope, account, end, options));
  }

  async readAccount(account: AccountRef): Promise<AccountRecord> {
    const { rows } = await this.parts.engine.read(
      sql`SELECT epoch, not_before, bans FROM ${this.parts.tables.account} WHERE user_key = ${account.key}`,
      { lane: 'work', budgetMs: this.parts.budgets.endMs },
    );
    return toDamagedAccount(rows[0]);
  }

  readSettledAccount(account: AccountRef): Promise<AccountRecord> {
    return this.write(rowOf(account), () => lockDamagedAccount(this.scope, account.key));
  }

  async ban(account: AccountRef, ban: Omit<Ban, 'at'>, endsSessions: boolean): Promise<BanOutcome> {
    await this.ensureAccount(account);
    return this.write(rowOf(account), () => banScript(this.scope, account, ban, endsSessions));
  }

  liftBan(account: AccountRef, service: string | null, by: string): Promise<BanOutcome | null> {
    return this.write(rowOf(account), () => liftBanScript(this.scope, account, service, by));
  }

  async listLiveSessions(account: AccountRef): Promise<readonly SessionRecord[]> {
    const { rows } = await this.parts.engine.read(
      sql`SELECT ${SESSION_COLUMNS} FROM ${this.parts.tables.session} WHERE ${isLiveOf(account.key)}
        AND usable_until > ${this.parts.clock.now()} ORDER BY created_at DESC, id DESC LIMIT ${LIST_LIMIT}`,
      { lane: 'work', budgetMs: this.parts.budgets.endMs },
    );
    return toRecords(rows);
  }

  async recordActivity(activities: readonly Activity[]): Promise<void> {
    if (activities.length === 0) return;
    const statement = this.parts.engine.dialect.mergeActivity(this.parts.tables.session, activities);
    await this.parts.engine.write(statement, { lane: 'control', budgetMs: this.parts.budgets.endMs });
  }

  endOverdueSessions(limit: number): Promise<readonly EndedSession[]> {
    const now = this.parts.clock.now();
    return this.endUpTo('usable_until', now, limit, (ids) => endOverdue(this.scope, ids, now));
  }

  endIdleSessions(idleMs: number, slackMs: number, limit: number): Promise<readonly EndedSession[]> {
    const before = this.parts.clock.now() - idleMs - slackMs;
    return this.endUpTo('last_seen_at', before, limit, (ids) => endIdle(this.scope, ids, idleMs, before));
  }

  /** Ids first and then by key: a statement that walks the index of such rows while it changes them blocks logins. */
  private async endUpTo(
    column: 'usable_until' | 'last_seen_at',
    time: number,
    limit: number,
    script: (ids: readonly string[]) => Script<readonly EndedSession[]>,
  ): Promise<readonly EndedSession[]> {
    const by = raw(column);
    const { rows } = await this.parts.engine.read(
      sql`SELECT id FROM ${this.parts.tables.session}
        WHERE realm = ${this.parts.realm} AND status = 'live' AND ${by} <= ${time} ORDER BY ${by} LIMIT ${limit}`,
      { lane: 'control', budgetMs: this.parts.budgets.endMs },
    );
    return rows.length === 0 ? [] : this.write(SEVERAL, () => script(rows.map((row) => String(row.id))));
  }

  private async ensureAccount(account: AccountRef): Promise<void> {
    await this.parts.engine.write(ensureAccount(this.scope, account), {
      lane: 'work',
      budgetMs: this.parts.budgets.endMs,
      isPlannedOnce: true,
      row: rowOf(account),
    });
  }

  private write<T>(row: string, script: () => Script<T>, budgetMs = this.parts.budgets.endMs): Promise<T> {
    return this.parts.engine.transaction(script, { lane: 'work', budgetMs, row });
  }
}

/** For what concerns all sessions of an account. */
function rowOf(account: AccountRef): string {
  return `account:${account.key}`;
}
