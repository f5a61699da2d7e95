import type { SessionRecord } from 'lib/model/session.js';
import { type Statement, sql } from 'lib/sql.js';
import { accountRef } from 'lib/user-key.js';
import { multiply } from '../database/many-sessions.js';
import type { Sessions } from './sessions.js';

const PORTION = { from: null, backwards: false, limit: 1000 } as const;
const CAP = 10_000;

/** A row of a session, as far as ends are concerned. */
export interface SessionRow {
  readonly id: string;
  readonly status: string;
  readonly slot: string | null;
  readonly version: number;
  readonly accountEpoch: number;
  readonly end: { readonly reason: string | null; readonly at: number | null; readonly by: string | null };
}

export interface MassEndRow {
  readonly version: number;
  readonly end: { readonly reason: string; readonly at: number; readonly by: string };
  readonly closedAt: number | null;
  readonly ended: number;
}

const numberOf = (value: unknown) => (value === null ? null : Number(value));
const textOf = (value: unknown) => value as string | null;

/** Adds sessions to a user past the library, and looks into the tables and lists of the node that it is given. */
export class Crowd {
  constructor(
    private readonly node: Sessions,
    readonly userId: string,
  ) {}

  get database() {
    return this.node.runtime.database;
  }

  async rows(statement: Statement) {
    return (await this.database.engine.read(statement, { lane: 'work', budgetMs: 20_000 })).rows;
  }

  async write(statement: Statement): Promise<void> {
    await this.database.engine.write(statement, { lane: 'work', budgetMs: 20_000 });
  }

  /** @returns ids of copies of the session's row */
  add(session: Pick<SessionRecord, 'id'>, count: number): Promise<string[]> {
    return multiply(this, session, count);
  }

  async sessions(): Promise<readonly SessionRow[]> {
    const rows = await this.rows(
      sql`SELECT id, status, slot, version, account_epoch, end_reason, ended_at, ended_by FROM ${this.database.tables.session}
        WHERE user_key = ${this.key} ORDER BY id`,
    );
    return rows.map((row) => ({
      id: String(row.id),
      status: String(row.status),
      slot: textOf(row.slot),
      version: Number(row.version),
      accountEpoch: Number(row.account_epoch),
      end: { reason: textOf(row.end_reason), at: numberOf(row.ended_at), by: textOf(row.ended_by) },
    }));
  }

  async massEnds(): Promise<readonly MassEndRow[]> {
    const rows = await this.rows(
      sql`SELECT version, reason, at, actor, closed_at, ended FROM ${this.database.tables.massEnd}
        WHERE scope = ${this.key} ORDER BY version`,
    );
    return rows.map((row) => ({
      version: Number(row.version),
      end: { reason: String(row.reason), at: Number(row.at), by: String(row.actor) },
      closedAt: numberOf(row.closed_at),
      ended: Number(row.ended),
    }));
  }

  async isClosed(): Promise<boolean> {
    return (await this.massEnds()).every(({ closedAt }) => closedAt !== null);
  }

  /** Ids of the user's live sessions. */
  async listed(): Promise<readonly string[]> {
    return (await this.node.sessions.list(this.userId)).map(({ id }) => id).sort();
  }

  /** All that lists and counts of the realm say of how many sessions are live. */
  async counted(): Promise<readonly number[]> {
    const { online } = this.node.runtime;
    const sorted = ['lastSeen', 'login', 'user'] as const;
    const lists = await Promise.all(sorted.map((sort) => online.list({}, sort, PORTION)));
    const users = await online.users({}, PORTION);
    const { sessions } = await online.summary();
    return [
      ...lists.map((items) => items.length),
      users.reduce((sum, { item }) => sum + (item?.sessions ?? 0), 0),
      await online.count({}, CAP),
      sessions,
    ];
  }

  private get key(): string {
    return accountRef(this.node.runtime.options.realm, this.userId).key;
  }
}
