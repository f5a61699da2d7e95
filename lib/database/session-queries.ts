import type { Clock } from '../core/clock.js';
import type { SessionEvent, SessionEventType } from '../core/session-event.js';
import type { SessionRecord } from '../core/session.js';
import { type AccountRef, escapeUserId } from '../core/user-key.js';
import type { Engine, RunOptions } from './engine.js';
import { SESSION_COLUMNS, isEndReason, optional, toRecord, toUserId } from './session-rows.js';
import { type Row, type Statement, join, raw, sql } from './sql.js';
import { parseStored } from './stored-json.js';
import type { Tables } from './tables.js';

/** Which live sessions to list; every part that is given must hold. */
export interface OnlineFilter {
  readonly account?: AccountRef;
  readonly deviceType?: string;
  /** Address of the login or of the last use. */
  readonly ip?: string;
  /** Beginning of the user id, the name of the device or the address. */
  readonly prefix?: string;
}

export type OnlineSort = 'lastSeen' | 'login';

/** A place in a list that is sorted by a time and an id, newest first. */
export interface Position {
  readonly at: number;
  readonly id: string;
}

/** Which lines of the audit trail to list; every part that is given must hold. Times in milliseconds since the epoch. */
export interface EventFilter {
  readonly account?: AccountRef;
  readonly sessionId?: string;
  readonly ip?: string;
  readonly type?: SessionEventType;
  readonly from?: number;
  readonly to?: number;
}

const SORT_COLUMN = { lastSeen: raw('last_seen_at'), login: raw('created_at') } as const;

/** Reads for operators. All lists are paged by key: the cost of a page does not depend on how far down it is. */
export class SessionQueries {
  private readonly options: RunOptions;

  constructor(
    private readonly engine: Engine,
    private readonly tables: Tables,
    readonly realm: string,
    private readonly clock: Clock,
    budgetMs: number,
  ) {
    this.options = { lane: 'work', budgetMs };
  }

  /** Live sessions, latest first. */
  async online(
    filter: OnlineFilter,
    sort: OnlineSort,
    after: Position | null,
    limit: number,
  ): Promise<readonly SessionRecord[]> {
    const column = SORT_COLUMN[sort];
    const { rows } = await this.engine.read(
      sql`SELECT ${SESSION_COLUMNS} FROM ${this.tables.session} WHERE ${this.onlineWhere(filter)}${afterKey(column, after)}
        ORDER BY ${column} DESC, id DESC LIMIT ${limit}`,
      this.options,
    );
    return records(rows);
  }

  /** How many live sessions there are, counted up to `cap`. */
  async countOnline(filter: OnlineFilter, cap: number): Promise<number> {
    const { rows } = await this.engine.read(
      sql`SELECT COUNT(*) AS total FROM (SELECT 1 AS one FROM ${this.tables.session} WHERE ${this.onlineWhere(filter)}
        LIMIT ${cap}) AS counted`,
      this.options,
    );
    return Number(rows[0]?.total);
  }

  /** Sessions of a user, live or ended, latest login first. */
  async sessionsOf(
    account: AccountRef,
    status: 'live' | 'ended',
    after: Position | null,
    limit: number,
  ): Promise<readonly SessionRecord[]> {
    const column = SORT_COLUMN.login;
    const usable = status === 'live' ? sql` AND usable_until > ${this.clock.now()}` : raw('');
    const { rows } = await this.engine.read(
      sql`SELECT ${SESSION_COLUMNS} FROM ${this.tables.session} WHERE user_key = ${account.key} AND status = ${status}
        ${usable}${afterKey(column, after)} ORDER BY ${column} DESC, id DESC LIMIT ${limit}`,
      this.options,
    );
    return records(rows);
  }

  /** The audit trail, latest first. @param before id of the last line of the page before */
  async events(filter: EventFilter, before: string | null, limit: number): Promise<readonly SessionEvent[]> {
    const conditions = [sql`realm = ${this.realm}`];
    if (filter.account) conditions.push(sql`user_key = ${filter.account.key}`);
    if (filter.sessionId !== undefined) conditions.push(sql`session_id = ${filter.sessionId}`);
    if (filter.ip !== undefined) conditions.push(sql`ip = ${filter.ip}`);
    if (filter.type !== undefined) conditions.push(sql`type = ${filter.type}`);
    if (filter.from !== undefined) conditions.push(sql`id >= ${idFrom(filter.from)}`);
    if (filter.to !== undefined) conditions.push(sql`id < ${idFrom(filter.to)}`);
    if (before !== null) conditions.push(sql`id < ${before}`);
    const { rows } = await this.engine.read(
      sql`SELECT id, at, type, user_id, session_id, reason, actor, ip, device_type, device_name, ended, detail
        FROM ${this.tables.event} WHERE ${join(conditions, ' AND ')} ORDER BY id DESC LIMIT ${limit}`,
      this.options,
    );
    return rows.map(toEvent);
  }

  private onlineWhere(filter: OnlineFilter): Statement {
    const conditions = [
      sql`realm = ${this.realm} AND status = 'live' AND usable_until > ${this.clock.now()}`,
      ...(filter.account ? [sql`user_key = ${filter.account.key}`] : []),
      ...(filter.deviceType !== undefined ? [sql`device_type = ${filter.deviceType}`] : []),
      ...(filter.ip !== undefined ? [sql`(ip = ${filter.ip} OR last_ip = ${filter.ip})`] : []),
    ];
    if (filter.prefix !== undefined) {
      const [id, text] = [likePrefix(escapeUserId(filter.prefix)), likePrefix(filter.prefix)];
      conditions.push(
        sql`(user_id LIKE ${id} ESCAPE '!' OR device_name LIKE ${text} ESCAPE '!' OR ip LIKE ${text} ESCAPE '!'
          OR last_ip LIKE ${text} ESCAPE '!')`,
      );
    }
    return join(conditions, ' AND ');
  }
}

/** Written as a range on the first column, which every engine turns into the start of an index scan. */
function afterKey(column: Statement, after: Position | null): Statement {
  return after ? sql` AND ${column} <= ${after.at} AND (${column} < ${after.at} OR id < ${after.id})` : raw('');
}

/** Nothing in the text is a wildcard. `!` escapes, since a backslash means something else on MySQL. */
function likePrefix(text: string): string {
  return `${text.replace(/[!%_]/g, '!$&')}%`;
}

/** The lowest event id of a millisecond. */
function idFrom(at: number): string {
  return at.toString(16).padStart(12, '0');
}

function records(rows: readonly Row[]): readonly SessionRecord[] {
  return rows.map(toRecord).filter((record) => record !== null);
}

function toEvent(row: Row): SessionEvent {
  return {
    id: String(row.id),
    at: Number(row.at),
    type: String(row.type) as SessionEventType,
    userId: toUserId(row.user_id),
    sessionId: optional(row.session_id),
    reason: isEndReason(row.reason) ? row.reason : null,
    actor: String(row.actor),
    ip: optional(row.ip),
    deviceType: optional(row.device_type),
    deviceName: optional(row.device_name),
    ended: row.ended === null ? null : Number(row.ended),
    detail: row.detail === null ? null : ((parseStored(row.detail) ?? null) as SessionEvent['detail']),
  };
}
