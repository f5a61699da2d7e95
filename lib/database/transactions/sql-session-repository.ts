import type { Clock } from '../../ports/clock.js';
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
import type { EndRequest, SessionDecision } from '../../model/session-change.js';
import { SessionError } from '../../model/session-error.js';
import type { SessionRecord } from '../../model/session.js';
import type { EndedSession } from '../../model/tombstone.js';
import type { AccountRef } from '../../model/user-key.js';
import { banScript, liftBanScript } from './account-script.js';
import { changeScript } from './change-script.js';
import { EndTransactions } from './end-transactions.js';
import { endAtOnce } from './ending-at-once.js';
import { sessionOwner } from './ending-script.js';
import { type Engine, lockOrLook } from '../engine/engine.js';
import { ensureAccount, loginScript, toDamagedAccount } from './login-script.js';
import { SESSION_COLUMNS, isLiveOf, toRecords } from '../schema/session-rows.js';
import { type Script, list, raw, sql } from '../engine/sql.js';
import type { Tables } from '../schema/tables.js';

/** How long operations may take, in milliseconds. */
export interface RepositoryBudgets {
  readonly verifyMs: number;
  readonly loginMs: number;
  readonly endMs: number;
}

const LIST_LIMIT = 1000;
/** What ends several sessions at once takes turns, since any two may have one in common. */
const SEVERAL = 'ends';

/** The record of sessions in a database that TypeORM connects to. See SessionRepository for the contract. */
export class SqlSessionRepository implements SessionRepository {
  private readonly ends: EndTransactions;

  constructor(
    private readonly engine: Engine,
    private readonly tables: Tables,
    private readonly realm: string,
    private readonly clock: Clock,
    private readonly budgets: RepositoryBudgets,
  ) {
    this.ends = new EndTransactions(tables, engine.dialect, realm, clock);
  }

  async findSessions(ids: readonly string[]): Promise<readonly SessionRecord[]> {
    const { rows } = await this.engine.read(
      sql`SELECT ${SESSION_COLUMNS} FROM ${this.tables.session} WHERE id IN (${list(ids)})`,
      { lane: 'verify', budgetMs: this.budgets.verifyMs },
    );
    // A connection that hands out the reply to another question has said nothing about this one.
    const foreign = rows.find((row) => !ids.includes(String(row.id)));
    if (foreign) throw new SessionError('SESSION_STORE_UNAVAILABLE', 'The database answered another question.');
    return toRecords(rows).filter(({ realm }) => realm === this.realm);
  }

  async login(request: LoginRequest): Promise<LoginOutcome> {
    const options = { lane: 'work', budgetMs: this.budgets.loginMs, row: `login:${request.account.key}` } as const;
    const { tables } = this;
    const { dialect } = this.engine;
    const account = ensureAccount(tables, dialect, request.account, this.clock.now());
    await this.engine.write(account, { ...options, isPlannedOnce: true });
    // On SQLite a slot that is taken stays taken, so there is no second time.
    let isAgain = dialect.engine === 'sqlite';
    return this.engine.transaction(() => {
      const script = loginScript(tables, dialect, this.clock, request, isAgain);
      isAgain = true;
      return script;
    }, options);
  }

  changeSession<T>(
    id: string,
    decide: (record: SessionRecord | null, account: AccountState, now: number) => SessionDecision<T>,
    { beforeWaiting = () => Promise.resolve(null), budgetMs = this.budgets.endMs }: ChangeOptions<T> = {},
  ): Promise<ChangedSession<T>> {
    const { engine, tables, realm, clock } = this;
    const script = (waits: boolean) => changeScript(tables, engine.dialect, realm, id, clock, decide, waits);
    return lockOrLook(engine, script, beforeWaiting, { lane: 'work', budgetMs, row: sessionOwner(id) });
  }

  async endSession(id: string, end: EndRequest, account?: AccountRef): Promise<EndedSession | null> {
    const deadline = performance.now() + this.budgets.endMs;
    const row = `end:${id}`;
    const { tables, realm, clock } = this;
    const { dialect } = this.engine;
    const { inTransaction } = dialect;
    if (inTransaction) {
      const target = { id, realm, account };
      const outcome = await this.write(row, () => endAtOnce(tables, dialect, inTransaction, target, end, clock));
      const ended = outcome();
      if (ended) return ended;
    }
    return this.write(row, () => this.ends.one(id, end, account), deadline - performance.now());
  }

  endSessions(ids: readonly string[], end: EndRequest): Promise<readonly EndedSession[]> {
    return this.write(SEVERAL, () => this.ends.some(ids, end));
  }

  async endAccountSessions(
    account: AccountRef,
    end: EndRequest,
    options: { readonly except: string | null; readonly raiseEpoch: boolean },
  ): Promise<readonly EndedSession[]> {
    await this.ensureAccount(account);
    return this.write(rowOf(account), () => this.ends.all(account, end, options));
  }

  async readAccount(account: AccountRef): Promise<AccountRecord> {
    const { rows } = await this.engine.read(
      sql`SELECT epoch, not_before, bans FROM ${this.tables.account} WHERE user_key = ${account.key}`,
      { lane: 'work', budgetMs: this.budgets.endMs },
    );
    return toDamagedAccount(rows[0]);
  }

  async ban(account: AccountRef, ban: Omit<Ban, 'at'>, endsSessions: boolean): Promise<BanOutcome> {
    await this.ensureAccount(account);
    const { dialect } = this.engine;
    return this.write(rowOf(account), () => banScript(this.tables, dialect, account, ban, endsSessions, this.clock));
  }

  liftBan(account: AccountRef, service: string | null, by: string): Promise<BanOutcome | null> {
    const { dialect } = this.engine;
    return this.write(rowOf(account), () => liftBanScript(this.tables, dialect, account, service, by, this.clock));
  }

  async listLiveSessions(account: AccountRef): Promise<readonly SessionRecord[]> {
    const { rows } = await this.engine.read(
      sql`SELECT ${SESSION_COLUMNS} FROM ${this.tables.session} WHERE ${isLiveOf(account.key)}
        AND usable_until > ${this.clock.now()} ORDER BY created_at DESC, id DESC LIMIT ${LIST_LIMIT}`,
      { lane: 'work', budgetMs: this.budgets.endMs },
    );
    return toRecords(rows);
  }

  async recordActivity(activities: readonly Activity[]): Promise<void> {
    if (activities.length === 0) return;
    const statement = this.engine.dialect.mergeActivity(this.tables.session, activities);
    await this.engine.write(statement, { lane: 'control', budgetMs: this.budgets.endMs });
  }

  endOverdueSessions(limit: number): Promise<readonly EndedSession[]> {
    const now = this.clock.now();
    return this.endUpTo('usable_until', now, limit, (ids) => this.ends.overdue(ids, now));
  }

  endIdleSessions(idleMs: number, slackMs: number, limit: number): Promise<readonly EndedSession[]> {
    const before = this.clock.now() - idleMs - slackMs;
    return this.endUpTo('last_seen_at', before, limit, (ids) => this.ends.idle(ids, idleMs, before));
  }

  /** Ids first and then by key: a statement that walks the index of such rows while it changes them blocks logins. */
  private async endUpTo(
    column: 'usable_until' | 'last_seen_at',
    time: number,
    limit: number,
    script: (ids: readonly string[]) => Script<readonly EndedSession[]>,
  ): Promise<readonly EndedSession[]> {
    const by = raw(column);
    const { rows } = await this.engine.read(
      sql`SELECT id FROM ${this.tables.session}
        WHERE realm = ${this.realm} AND status = 'live' AND ${by} <= ${time} ORDER BY ${by} LIMIT ${limit}`,
      { lane: 'control', budgetMs: this.budgets.endMs },
    );
    return rows.length === 0 ? [] : this.write(SEVERAL, () => script(rows.map((row) => String(row.id))));
  }

  private async ensureAccount(account: AccountRef): Promise<void> {
    await this.engine.write(ensureAccount(this.tables, this.engine.dialect, account, this.clock.now()), {
      lane: 'work',
      budgetMs: this.budgets.endMs,
      isPlannedOnce: true,
      row: rowOf(account),
    });
  }

  private write<T>(row: string, script: () => Script<T>, budgetMs = this.budgets.endMs): Promise<T> {
    return this.engine.transaction(script, { lane: 'work', budgetMs, row });
  }
}

/** For what concerns all sessions of an account. */
function rowOf(account: AccountRef): string {
  return `account:${account.key}`;
}
