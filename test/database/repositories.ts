import { beforeAll, describe } from '@jest/globals';
import { DataStore } from 'lib/data.js';
import type { DataOwner } from 'lib/data-repository.js';
import type { LoginOutcome } from 'lib/session-repository.js';
import type { SessionEvent } from 'lib/session-event.js';
import type { SessionRecord } from 'lib/model/session.js';
import type { EndRequest, EndedSession } from 'lib/session-change.js';
import { type AccountRef, accountRef } from 'lib/user-key.js';
import { type Database, openDatabase } from 'lib/database.js';
import type { Engine } from 'lib/engine.js';
import { SessionQueries } from 'lib/session-queries.js';
import { type Row, type Statement, list, sql } from 'lib/sql.js';
import { SqlDataRepository } from 'lib/sql-data-repository.js';
import { SqlSessionRepository } from 'lib/sql-session-repository.js';
import { type ContractLogin, loginRequest } from 'lib/contract-stage.js';
import { ManualClock } from 'nestjs-latchkey/testing';
import { type DatabaseKind, type TestDatabase, databaseKinds } from '../support/databases.js';
import { type UsedDatabase, useDatabase } from '../support/use-database.js';

export { HOUR, MINUTE, tokenPair as testPair } from 'lib/contract-stage.js';

export const START = Date.UTC(2026, 0, 15, 12);

const BUDGET_MS = 20_000;
const BUDGETS = { verifyMs: BUDGET_MS, loginMs: BUDGET_MS, endMs: BUDGET_MS };

export type TestLogin = ContractLogin;

export class TestRepositories {
  readonly sessions: SqlSessionRepository;
  readonly stores: { session(sessionId: string): DataStore; account(account: AccountRef): DataStore };
  private readonly queries: SessionQueries;

  private constructor(
    readonly database: Database,
    readonly clock: ManualClock,
    readonly realm: string,
  ) {
    const { engine, tables } = database;
    this.sessions = new SqlSessionRepository({ engine, tables, realm, clock, budgets: BUDGETS });
    const data = new SqlDataRepository({ engine, tables, realm, clock, budgetMs: BUDGET_MS });
    const store = (owner: DataOwner) => new DataStore(data, owner, () => Promise.resolve(null));
    this.stores = {
      session: (sessionId) => store({ kind: 'session', sessionId }),
      account: (account) => store({ kind: 'account', account }),
    };
    this.queries = new SessionQueries({ engine, tables, realm, clock, budgetMs: BUDGET_MS });
  }

  /** @param datesByDatabase whether the clock is to be that of the database, and changes that are dated otherwise are refused */
  static async open(
    { options }: TestDatabase,
    clock = new ManualClock(START),
    datesByDatabase = false,
    measureClock?: () => Promise<void>,
  ): Promise<TestRepositories> {
    const lanes = { verify: 4, work: 8, control: 2, journal: 1 };
    const settings = {
      source: options,
      runMigrations: true,
      lanes,
      budgetMs: BUDGET_MS,
      datesByDatabase,
      measureClock,
    };
    const database = await openDatabase(settings);
    return new TestRepositories(database, clock, 'users');
  }

  /** The same for sweeps, in which something happens once the candidates have been read, and before their rows are locked. */
  interrupted(afterRead: () => Promise<unknown>): SqlSessionRepository {
    const { engine, tables } = this.database;
    const interrupted: Engine = {
      dialect: engine.dialect,
      write: (...args) => engine.write(...args),
      transaction: (...args) => engine.transaction(...args),
      attempt: (...args) => engine.attempt(...args),
      close: () => engine.close(),
      read: async (...args) => {
        const result = await engine.read(...args);
        await afterRead();
        return result;
      },
    };
    return new SqlSessionRepository({
      engine: interrupted,
      tables,
      realm: this.realm,
      clock: this.clock,
      budgets: BUDGETS,
    });
  }

  /** The same connections, seen by another realm. */
  inRealm(realm: string): TestRepositories {
    return new TestRepositories(this.database, this.clock, realm);
  }

  close(): Promise<void> {
    return this.database.engine.close();
  }

  account(userId: string): AccountRef {
    return accountRef(this.realm, userId);
  }

  async tryLogin(userId: string, login: TestLogin = {}): Promise<LoginOutcome> {
    return this.sessions.login(loginRequest(this.realm, userId, login));
  }

  async login(userId: string, login?: TestLogin): Promise<SessionRecord> {
    const outcome = await this.tryLogin(userId, login);
    if (outcome.kind !== 'granted') throw new Error(`The login came to ${outcome.kind}.`);
    return outcome.session;
  }

  /** Ends what a user has, as a change of credentials by that user does, or for another reason. */
  async endAll(
    userId: string,
    { except = null, ...end }: Partial<EndRequest> & { readonly except?: string | null } = {},
  ) {
    const cause = { reason: 'SESSION_REVOKED', by: userId, ...end } as const;
    return (await this.sessions.endAccountSessions(this.account(userId), cause, { except, raiseEpoch: true })).ended;
  }

  async record(id: string): Promise<SessionRecord> {
    const [record] = await this.sessions.findSessions([id]);
    if (!record) throw new Error('There is no such session.');
    return record;
  }

  async loggedVersions(id: string): Promise<number[]> {
    const rows = await this.rows(sql`SELECT version FROM ${this.database.tables.change} WHERE id = ${id}`);
    return rows.map((row) => Number(row.version)).sort((a, b) => a - b);
  }

  async events(userId: string): Promise<SessionEvent[]> {
    return [
      ...(await this.queries.events({ account: this.account(userId) }, { from: null, backwards: false, limit: 1000 })),
    ].reverse();
  }

  async countData(sessionIds: readonly string[]): Promise<number> {
    const owners = list(sessionIds.map((id) => `s:${id}`));
    const [row] = await this.rows(
      sql`SELECT COUNT(*) AS total FROM ${this.database.tables.data} WHERE owner IN (${owners})`,
    );
    return Number(row!.total);
  }

  async rows(statement: Statement): Promise<readonly Row[]> {
    return (await this.database.engine.read(statement, { lane: 'work', budgetMs: BUDGET_MS })).rows;
  }

  /** Changes rows behind the library's back. */
  async write(statement: Statement): Promise<void> {
    await this.database.engine.write(statement, { lane: 'work', budgetMs: BUDGET_MS });
  }
}

interface Nodes {
  readonly kind: DatabaseKind;
  readonly database: UsedDatabase;
  readonly clock: ManualClock;
  readonly node: TestRepositories;
  readonly other: TestRepositories;
  readonly open: (clock: ManualClock) => Promise<TestRepositories>;
  readonly newUser: () => string;
}

/** A part of the contract of SessionRepository, which is the same on every database. */
export function describeRepository(title: string, body: (nodes: Nodes) => void, kinds = databaseKinds): void {
  describe.each(kinds)(`${title} on $name`, (kind) => {
    const database = useDatabase(kind, { isShared: true });
    const clock = new ManualClock(START);
    const [node, other] = [0, 0].map(() => Object.create(TestRepositories.prototype) as TestRepositories) as [
      TestRepositories,
      TestRepositories,
    ];
    let users = 0;
    const open = async (another: ManualClock) => {
      const opened = await TestRepositories.open(database, another);
      database.atEnd(() => opened.close());
      return opened;
    };
    beforeAll(async () => {
      for (const one of [node, other]) Object.assign(one, await open(clock));
    });
    body({ kind, database, clock, node, other, open, newUser: () => `user-${++users}` });
  });
}

export function idsOf(ended: readonly EndedSession[]): string[] {
  return ended.map(({ sessionId }) => sessionId).sort();
}
