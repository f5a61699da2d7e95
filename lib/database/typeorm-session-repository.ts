import type { Clock } from '../core/clock.js';
import type {
  Activity,
  EndRequest,
  LoginOutcome,
  LoginRequest,
  SessionRepository,
} from '../core/session-repository.js';
import { SessionError } from '../core/session-error.js';
import type { EndedSession, SessionRecord } from '../core/session.js';
import { type AccountRef, escapeUserId } from '../core/user-key.js';
import { ENDING_COLUMNS, type Ending, endSessions, insertEvents, overdueEnding } from './ending-script.js';
import type { Engine } from './engine.js';
import { ensureAccount, lockAccount, lockLiveSessions, loginScript } from './login-script.js';
import { SESSION_COLUMNS, toRecord } from './session-rows.js';
import { type Row, type Script, list, sql } from './sql.js';
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
    return rows.map(toRecord).filter((record) => record !== null && record.realm === this.realm) as SessionRecord[];
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

  endSession(id: string, end: EndRequest, account?: AccountRef): Promise<EndedSession | null> {
    return this.write(() => this.endOne(id, end, account));
  }

  async endAccountSessions(
    account: AccountRef,
    end: EndRequest,
    options: { readonly except: string | null; readonly raiseEpoch: boolean },
  ): Promise<readonly EndedSession[]> {
    await this.engine.write(ensureAccount(this.tables, this.engine.dialect, account, this.clock.now()), {
      lane: 'work',
      budgetMs: this.budgets.endMs,
    });
    return this.write(() => this.endAll(account, end, options));
  }

  async listLiveSessions(account: AccountRef): Promise<readonly SessionRecord[]> {
    const { rows } = await this.engine.read(
      sql`SELECT ${SESSION_COLUMNS} FROM ${this.tables.session} WHERE user_key = ${account.key} AND status = 'live'
        AND usable_until > ${this.clock.now()} ORDER BY created_at DESC, id DESC LIMIT ${LIST_LIMIT}`,
      { lane: 'work', budgetMs: this.budgets.endMs },
    );
    return rows.map(toRecord).filter((record) => record !== null);
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

  private *endOne(id: string, end: EndRequest, account?: AccountRef): Script<EndedSession | null> {
    const { tables } = this;
    const now = this.clock.now();
    const { rows } = yield sql`SELECT ${ENDING_COLUMNS} FROM ${tables.session}
      WHERE id = ${id} AND realm = ${this.realm} AND status = 'live'${this.engine.dialect.forUpdate}`;
    const row = rows[0];
    if (!row || (account && row.user_key !== account.key)) {
      if (end.reason === 'SESSION_KICKED') {
        const nobody = { realm: this.realm, userKey: null, userId: null, sessionId: id, reason: end.reason };
        yield insertEvents(tables, [{ type: 'KICK_WITHOUT_EFFECT', at: now, actor: end.by, ...nobody, ended: 0 }]);
      }
      return null;
    }
    const [ended] = yield* endSessions(tables, [row], now, () => endingOf(row, end, now));
    return ended ?? null;
  }

  private *endAll(
    account: AccountRef,
    end: EndRequest,
    options: { readonly except: string | null; readonly raiseEpoch: boolean },
  ): Script<readonly EndedSession[]> {
    const { tables } = this;
    const { dialect } = this.engine;
    const now = this.clock.now();
    yield* lockAccount(tables, dialect, account.key);
    if (options.raiseEpoch) yield sql`UPDATE ${tables.account} SET epoch = epoch + 1 WHERE user_key = ${account.key}`;
    const rows = yield* lockLiveSessions(tables, dialect, account.key);
    const others = rows.filter((row) => row.id !== options.except);
    const ended = yield* endSessions(tables, others, now, (row) => endingOf(row, end, now));
    const target = {
      realm: account.realm,
      userKey: account.key,
      userId: escapeUserId(account.userId),
      sessionId: null,
    };
    yield insertEvents(tables, [
      { type: 'ACCOUNT_SESSIONS_ENDED', at: now, actor: end.by, reason: end.reason, ...target, ended: ended.length },
    ]);
    return ended;
  }

  private *endOverdue(candidates: readonly Row[], now: number): Script<readonly EndedSession[]> {
    const ids = candidates.map((row) => String(row.id)).sort();
    const { rows } = yield sql`SELECT ${ENDING_COLUMNS} FROM ${this.tables.session} WHERE id IN (${list(ids)})
      AND status = 'live' AND usable_until <= ${now} ORDER BY id${this.engine.dialect.forUpdate}`;
    return yield* endSessions(this.tables, rows, now, overdueEnding);
  }

  private write<T>(script: () => Script<T>): Promise<T> {
    return this.engine.transaction(script, { lane: 'work', budgetMs: this.budgets.endMs });
  }
}

/** A session that was overdue already ended by itself, whoever ends it now. */
function endingOf(row: Row, end: EndRequest, now: number): Ending {
  return Number(row.usable_until) <= now ? overdueEnding(row) : { ...end, at: now, replacedBy: null };
}
