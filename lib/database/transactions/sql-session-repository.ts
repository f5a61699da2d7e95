import type { AccountRecord, AccountState, Ban } from '../../model/ban.js';
import type { ScopeChange } from '../../model/mass-end.js';
import type {
  Activity,
  BanOutcome,
  AccountEnd,
  ChangeOptions,
  ClaimsChange,
  ClaimsChangeNote,
  ChangedSession,
  IdleRules,
  LoginOutcome,
  LoginRequest,
  SessionRepository,
} from '../../ports/session-repository.js';
import type { EndRequest, SessionDecision, EndedSession } from '../../model/session-change.js';
import { SessionError } from '../../model/session-error.js';
import type { Claims, SessionRecord } from '../../model/session.js';
import type { AccountRef } from '../../model/user-key.js';
import { lockOrLook } from '../engine/engine.js';
import { type Script, type Statement, list, raw, sql, unindexed } from '../engine/sql.js';
import { mergeActivity } from '../journal/journal-statements.js';
import { RealmQueries, type RealmScope } from '../lists/realm-queries.js';
import { isLiveIn, isLiveOf, isUnclosed, listedColumns, realmScope, selectRecords } from '../schema/live-sessions.js';
import { toRecords } from '../schema/session-rows.js';
import { banScript, liftBanScript } from './ban-transaction.js';
import { changeScript } from './change-transaction.js';
import { claimsScript } from './claims-transaction.js';
import { endAtOnce, endIdle, endOne, endOverdue, endSome, sessionOwner } from './end-transaction.js';
import { type Scope, ensureAccount, lockDamagedAccount, toDamagedAccount } from './locks.js';
import { withKnownEnd } from './lost-ends.js';
import { loginScript } from './login-transaction.js';
import { endAccount, endRealm, ensureRealm } from './mass-end-transaction.js';

const LIST_LIMIT = 1000;
/** Ends of several sessions take turns, since any two may have one in common. */
const SEVERAL = 'ends';
const REALM = 'realm';

/** Time limits of calls. Milliseconds. */
interface Budgets {
  readonly verifyMs: number;
  readonly loginMs: number;
  readonly endMs: number;
}

export class SqlSessionRepository extends RealmQueries implements SessionRepository {
  private readonly scope: Scope;
  private readonly budgets: Budgets;

  constructor({
    budgets,
    endOf,
    ...parts
  }: Omit<RealmScope, 'budgetMs'> & Pick<Scope, 'endOf'> & { readonly budgets: Budgets }) {
    super({ ...parts, budgetMs: budgets.endMs });
    this.budgets = budgets;
    this.scope = { ...parts, endOf, dialect: parts.engine.dialect };
  }

  async findSessions(ids: readonly string[]): Promise<readonly SessionRecord[]> {
    const rows = await this.rows(sql`${selectRecords(this.tables, this.realm)} WHERE s.id IN (${list(ids)})`, {
      lane: 'verify',
      budgetMs: this.budgets.verifyMs,
    });
    // A connection that hands out the reply to another query has said nothing about this one.
    if (rows.some((row) => !ids.includes(String(row.id)))) {
      throw new SessionError('SESSION_STORE_UNAVAILABLE', 'The database returned the result of another query.');
    }
    return toRecords(rows)
      .filter(({ realm }) => realm === this.realm)
      .map((record) => withKnownEnd(record, this.scope));
  }

  async login(request: LoginRequest): Promise<LoginOutcome> {
    const options = { ...this.options, budgetMs: this.budgets.loginMs, row: `login:${request.account.key}` };
    await this.engine.write(ensureAccount(this.scope, request.account), { ...options, isPlannedOnce: true });
    // On SQLite a slot that is taken stays taken, so there is no second time.
    let isAgain = this.engine.dialect.engine === 'sqlite';
    return this.engine.transaction(() => {
      const script = loginScript(this.scope, request, isAgain);
      isAgain = true;
      return script;
    }, options);
  }

  changeSession<T>(
    id: string,
    decide: (record: SessionRecord | null, account: AccountState, now: number) => SessionDecision<T>,
    { beforeWaiting = () => Promise.resolve(null), budgetMs = this.options.budgetMs }: ChangeOptions<T> = {},
  ): Promise<ChangedSession<T>> {
    const script = (waits: boolean) => changeScript(this.scope, id, decide, waits);
    return lockOrLook(this.engine, script, beforeWaiting, { ...this.options, budgetMs, row: sessionOwner(id) });
  }

  async endSession(id: string, end: EndRequest, account?: AccountRef): Promise<EndedSession | null> {
    const deadline = performance.now() + this.options.budgetMs;
    const row = `end:${id}`;
    const { inTransaction } = this.engine.dialect;
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
  ): Promise<AccountEnd> {
    await this.ensureAccount(account);
    return this.write(rowOf(account), () => endAccount(this.scope, account, end, options));
  }

  async endRealm(end: EndRequest): Promise<ScopeChange> {
    const options = { ...this.options, row: REALM };
    await this.engine.write(ensureRealm(this.scope), options);
    return this.write(REALM, () => endRealm(this.scope, end));
  }

  async noteAcknowledged({ kind, id, version }: ScopeChange): Promise<void> {
    const scope = kind === 'realm' ? realmScope(id) : id;
    await this.engine.write(
      sql`UPDATE ${this.tables.massEnd} SET acknowledged_at = ${this.clock.now()} WHERE scope = ${scope} AND version = ${version}`,
      this.options,
    );
  }

  async readAccount(account: AccountRef): Promise<AccountRecord> {
    const [row] = await this.rows(
      sql`SELECT epoch, not_before, bans FROM ${this.tables.account} WHERE user_key = ${account.key}`,
    );
    return toDamagedAccount(row);
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

  async changeAccountClaims(
    account: AccountRef,
    change: (claims: Claims) => Claims,
    about: ClaimsChangeNote,
  ): Promise<ClaimsChange | null> {
    await this.ensureAccount(account);
    return this.write(rowOf(account), () => claimsScript(this.scope, account, change, about));
  }

  async listLiveSessions(account: AccountRef): Promise<readonly SessionRecord[]> {
    const rows = await this.rows(
      sql`SELECT ${listedColumns(this.tables)} FROM ${this.tables.session} s WHERE ${isLiveOf(this.tables, this.realm, account.key)}
        AND usable_until > ${this.clock.now()} ORDER BY created_at DESC, id DESC LIMIT ${LIST_LIMIT}`,
    );
    return toRecords(rows);
  }

  async recordActivity(activities: readonly Activity[]): Promise<void> {
    if (activities.length === 0) return;
    const statement = mergeActivity(this.tables.session, this.engine.dialect.merging, activities);
    await this.engine.write(statement, { ...this.options, lane: 'control' });
  }

  endOverdueSessions(limit: number): Promise<readonly EndedSession[]> {
    const now = this.clock.now();
    return this.endUpTo('usable_until', isUnclosed(this.tables, this.realm), now, limit, (ids) =>
      endOverdue(this.scope, ids, now),
    );
  }

  /** First the ones with an idle timeout of their own. */
  async endIdleSessions(rules: IdleRules, limit: number): Promise<readonly EndedSession[]> {
    const live = isLiveIn(this.tables, this.realm);
    const at = this.clock.now() - rules.slackMs;
    const script = (ids: readonly string[]) => endIdle(this.scope, ids, rules, at);
    const longest = Math.min(at - rules.lostAt, Number.MAX_SAFE_INTEGER);
    const isProven = unindexed(sql`idle_ms <= ${longest}`);
    const own = await this.endUpTo('idle_until', sql`${live} AND ${isProven}`, at, limit, script);
    const { idleMs, allowLongerLife } = rules;
    if (idleMs === null || idleMs > longest || own.length === limit) return own;
    const which = allowLongerLife ? sql`${live} AND ${unindexed(sql`idle_ms IS NULL`)}` : live;
    return [...own, ...(await this.endUpTo('last_seen_at', which, at - idleMs, limit - own.length, script))];
  }

  /** Ids first and then by key: a statement that walks the index of such rows while it changes them blocks logins. */
  private async endUpTo(
    column: 'usable_until' | 'idle_until' | 'last_seen_at',
    which: Statement,
    time: number,
    limit: number,
    script: (ids: readonly string[]) => Script<readonly EndedSession[]>,
  ): Promise<readonly EndedSession[]> {
    const by = raw(column);
    const rows = await this.rows(
      sql`SELECT id FROM ${this.tables.session} WHERE ${which} AND ${by} <= ${time} ORDER BY ${by} LIMIT ${limit}`,
      { ...this.options, lane: 'control' },
    );
    return rows.length === 0 ? [] : this.write(SEVERAL, () => script(rows.map((row) => String(row.id))));
  }

  private async ensureAccount(account: AccountRef): Promise<void> {
    const options = { ...this.options, isPlannedOnce: true, row: rowOf(account) };
    await this.engine.write(ensureAccount(this.scope, account), options);
  }

  private write<T>(row: string, script: () => Script<T>, budgetMs = this.options.budgetMs): Promise<T> {
    return this.engine.transaction(script, { ...this.options, budgetMs, row });
  }
}

function rowOf(account: AccountRef): string {
  return `account:${account.key}`;
}
