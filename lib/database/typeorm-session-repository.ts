import type { Clock } from '../core/clock.js';
import type { Ban } from '../core/ban.js';
import type {
  AccountState,
  Activity,
  BanOutcome,
  ChangedSession,
  EndRequest,
  LoginOutcome,
  LoginRequest,
  SessionDecision,
  SessionRepository,
} from '../core/session-repository.js';
import { SessionError } from '../core/session-error.js';
import type { EndedSession, SessionRecord } from '../core/session.js';
import { type AccountRef, escapeUserId } from '../core/user-key.js';
import { banScript, liftBanScript } from './account-script.js';
import { changeScript } from './change-script.js';
import {
  commentOf,
  ENDING_COLUMNS,
  endSessions,
  endingOf,
  insertEvents,
  logChanges,
  overdueEnding,
} from './ending-script.js';
import type { Engine } from './engine.js';
import { ensureAccount, lockAccount, lockLiveSessions, loginScript, timeOfStep, toAccount } from './login-script.js';
import { SESSION_COLUMNS, toRecords, usableAt } from './session-rows.js';
import { type Row, type Script, effect, list, sql } from './sql.js';
import type { Tables } from './tables.js';

/** How long operations may take, in milliseconds. */
export interface RepositoryBudgets {
  readonly verifyMs: number;
  readonly loginMs: number;
  readonly endMs: number;
}

const LIST_LIMIT = 1000;

/** The record of sessions in a database that TypeORM connects to. See SessionRepository for the contract. */
export class TypeOrmSessionRepository implements SessionRepository {
  constructor(
    private readonly engine: Engine,
    private readonly tables: Tables,
    private readonly realm: string,
    private readonly clock: Clock,
    private readonly budgets: RepositoryBudgets,
  ) {}

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

  async readEpoch(account: AccountRef): Promise<number> {
    const { rows } = await this.engine.read(
      sql`SELECT epoch FROM ${this.tables.account} WHERE user_key = ${account.key}`,
      { lane: 'work', budgetMs: this.budgets.loginMs },
    );
    return Number(rows[0]?.epoch ?? 0);
  }

  async login(request: LoginRequest): Promise<LoginOutcome> {
    const options = { lane: 'work', budgetMs: this.budgets.loginMs } as const;
    const { tables } = this;
    const { dialect } = this.engine;
    await this.engine.write(ensureAccount(tables, dialect, request.account, this.clock.now()), options);
    return this.engine.transaction(() => loginScript(tables, dialect, this.clock, request), options);
  }

  changeSession<T>(
    id: string,
    decide: (record: SessionRecord | null, account: AccountState, now: number) => SessionDecision<T>,
    budgetMs = this.budgets.endMs,
  ): Promise<ChangedSession<T>> {
    const { dialect } = this.engine;
    return this.engine.transaction(() => changeScript(this.tables, dialect, this.realm, id, this.clock, decide), {
      lane: 'work',
      budgetMs,
    });
  }

  endSession(id: string, end: EndRequest, account?: AccountRef): Promise<EndedSession | null> {
    return this.write(() => this.endOne(id, end, account));
  }

  endSessions(ids: readonly string[], end: EndRequest): Promise<readonly EndedSession[]> {
    return this.write(() => this.endSome(ids, end));
  }

  async endAccountSessions(
    account: AccountRef,
    end: EndRequest,
    options: { readonly except: string | null; readonly raiseEpoch: boolean },
  ): Promise<readonly EndedSession[]> {
    await this.ensureAccount(account);
    return this.write(() => this.endAll(account, end, options));
  }

  async readAccount(account: AccountRef): Promise<AccountState> {
    const { rows } = await this.engine.read(
      sql`SELECT epoch, not_before, bans FROM ${this.tables.account} WHERE user_key = ${account.key}`,
      { lane: 'work', budgetMs: this.budgets.endMs },
    );
    return toAccount(rows[0]);
  }

  async ban(account: AccountRef, ban: Omit<Ban, 'at'>, endsSessions: boolean): Promise<BanOutcome> {
    await this.ensureAccount(account);
    const { dialect } = this.engine;
    return this.write(() => banScript(this.tables, dialect, account, ban, endsSessions, this.clock));
  }

  liftBan(account: AccountRef, service: string | null, by: string): Promise<BanOutcome | null> {
    const { dialect } = this.engine;
    return this.write(() => liftBanScript(this.tables, dialect, account, service, by, this.clock));
  }

  async listLiveSessions(account: AccountRef): Promise<readonly SessionRecord[]> {
    const { rows } = await this.engine.read(
      sql`SELECT ${SESSION_COLUMNS} FROM ${this.tables.session} WHERE user_key = ${account.key}
        AND ${usableAt(this.clock.now())} ORDER BY created_at DESC, id DESC LIMIT ${LIST_LIMIT}`,
      { lane: 'work', budgetMs: this.budgets.endMs },
    );
    return toRecords(rows);
  }

  async recordActivity(activities: readonly Activity[]): Promise<void> {
    if (activities.length === 0) return;
    const statement = this.engine.dialect.mergeActivity(this.tables.session, activities);
    await this.engine.write(statement, { lane: 'control', budgetMs: this.budgets.endMs });
  }

  async endOverdueSessions(limit: number): Promise<readonly EndedSession[]> {
    const now = this.clock.now();
    // Ids first and then by key: a statement that walks the index of overdue rows while it changes them blocks logins.
    const { rows } = await this.engine.read(
      sql`SELECT id FROM ${this.tables.session}
        WHERE realm = ${this.realm} AND status = 'live' AND usable_until <= ${now} ORDER BY usable_until LIMIT ${limit}`,
      { lane: 'control', budgetMs: this.budgets.endMs },
    );
    if (rows.length === 0) return [];
    return this.write(() => this.endOverdue(rows, now));
  }

  async endIdleSessions(idleMs: number, slackMs: number, limit: number): Promise<readonly EndedSession[]> {
    const before = this.clock.now() - idleMs - slackMs;
    const { rows } = await this.engine.read(
      sql`SELECT id FROM ${this.tables.session}
        WHERE realm = ${this.realm} AND status = 'live' AND last_seen_at <= ${before} ORDER BY last_seen_at LIMIT ${limit}`,
      { lane: 'control', budgetMs: this.budgets.endMs },
    );
    if (rows.length === 0) return [];
    return this.write(() => this.endIdle(rows, idleMs, before));
  }

  private *endOne(id: string, end: EndRequest, account?: AccountRef): Script<EndedSession | null> {
    const { tables } = this;
    const now = this.clock.now();
    const { rows } = yield sql`SELECT ${ENDING_COLUMNS} FROM ${tables.session}
      WHERE id = ${id} AND realm = ${this.realm} AND status = 'live'${this.engine.dialect.forUpdate}`;
    const row = rows[0];
    if (!row || (account && row.user_key !== account.key)) {
      if (end.reason === 'SESSION_KICKED') {
        const nobody = { realm: this.realm, userKey: null, userId: null, sessionId: id, reason: end.reason };
        yield effect(
          insertEvents(tables, [
            {
              type: 'KICK_WITHOUT_EFFECT',
              at: now,
              actor: end.by,
              ...nobody,
              ended: 0,
              detail: commentOf(end.comment),
            },
          ]),
        );
      }
      return null;
    }
    const [ended] = yield* endSessions(tables, [row], now, () => endingOf(row, end, now));
    return ended ?? null;
  }

  private *endSome(ids: readonly string[], end: EndRequest): Script<readonly EndedSession[]> {
    const { rows } =
      yield sql`SELECT ${ENDING_COLUMNS} FROM ${this.tables.session} WHERE id IN (${list([...ids].sort())})
      AND realm = ${this.realm} AND status = 'live' ORDER BY id${this.engine.dialect.forUpdate}`;
    const now = this.clock.now();
    return yield* endSessions(this.tables, rows, now, (row) => endingOf(row, end, now));
  }

  private *endAll(
    account: AccountRef,
    end: EndRequest,
    options: { readonly except: string | null; readonly raiseEpoch: boolean },
  ): Script<readonly EndedSession[]> {
    const { tables } = this;
    const { dialect } = this.engine;
    const { notBefore } = yield* lockAccount(tables, dialect, account.key);
    const rows = yield* lockLiveSessions(tables, dialect, account.key);
    const now = timeOfStep(this.clock, rows, notBefore);
    const others = rows.filter((row) => row.id !== options.except);
    if (options.raiseEpoch) {
      yield effect(
        sql`UPDATE ${tables.account} SET epoch = epoch + 1, not_before = ${now} WHERE user_key = ${account.key}`,
      );
      const kept = rows.filter((row) => row.id === options.except);
      if (kept.length > 0) {
        yield effect(
          sql`UPDATE ${tables.session} SET authenticated_at = ${now}, version = version + 1 WHERE id = ${options.except}`,
        );
        yield effect(logChanges(tables, kept, now));
      }
    }
    const ended = yield* endSessions(tables, others, now, (row) => endingOf(row, end, now));
    const target = {
      realm: account.realm,
      userKey: account.key,
      userId: escapeUserId(account.userId),
      sessionId: null,
    };
    yield effect(
      insertEvents(tables, [
        {
          type: 'ACCOUNT_SESSIONS_ENDED',
          at: now,
          actor: end.by,
          reason: end.reason,
          ...target,
          ended: ended.length,
          detail: commentOf(end.comment),
        },
      ]),
    );
    return ended;
  }

  private *endOverdue(candidates: readonly Row[], now: number): Script<readonly EndedSession[]> {
    const ids = candidates.map((row) => String(row.id)).sort();
    const { rows } = yield sql`SELECT ${ENDING_COLUMNS} FROM ${this.tables.session} WHERE id IN (${list(ids)})
      AND status = 'live' AND usable_until <= ${now} ORDER BY id${this.engine.dialect.forUpdate}`;
    return yield* endSessions(this.tables, rows, now, overdueEnding);
  }

  private *endIdle(candidates: readonly Row[], idleMs: number, before: number): Script<readonly EndedSession[]> {
    const ids = candidates.map((row) => String(row.id)).sort();
    const { rows } = yield sql`SELECT ${ENDING_COLUMNS}, last_seen_at FROM ${this.tables.session}
      WHERE id IN (${list(ids)}) AND status = 'live' AND last_seen_at <= ${before} ORDER BY id
      ${this.engine.dialect.forUpdate}`;
    const now = this.clock.now();
    return yield* endSessions(this.tables, rows, now, (row) => {
      const at = Number(row.last_seen_at) + idleMs;
      const end = { reason: 'SESSION_IDLE', by: 'system', at, replacedBy: null } as const;
      return Number(row.usable_until) < at ? overdueEnding(row) : end;
    });
  }

  private async ensureAccount(account: AccountRef): Promise<void> {
    await this.engine.write(ensureAccount(this.tables, this.engine.dialect, account, this.clock.now()), {
      lane: 'work',
      budgetMs: this.budgets.endMs,
    });
  }

  private write<T>(script: () => Script<T>): Promise<T> {
    return this.engine.transaction(script, { lane: 'work', budgetMs: this.budgets.endMs });
  }
}
