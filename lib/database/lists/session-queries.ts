import { type EndReason, type SessionRecord, isEndReason } from '../../model/session.js';
import type { SessionEvent, SessionEventType } from '../../model/session-event.js';
import type { AccountRef } from '../../model/user-key.js';
import { lowestEventId } from '../transactions/audit.js';
import { Keyset, type Listed, type Portion, every } from './keyset.js';
import type { TimeRange } from './online-filter.js';
import { RealmQueries } from './realm-queries.js';
import { optional, parseStored, toRecord, toRecords, toUserId } from '../schema/session-rows.js';
import { isLiveOf, listedColumns, realmScope, selectRecords } from '../schema/live-sessions.js';
import { type Row, type Statement, list, raw, sql, unindexed } from '../engine/sql.js';

/** Selects past sessions; every part that is given must hold. */
export interface EndedFilter {
  readonly account?: AccountRef;
  readonly reason?: EndReason;
  readonly ended?: TimeRange;
}

/** Selects lines of the audit trail; every part that is given must hold. Times in milliseconds since the epoch. */
export interface EventFilter {
  readonly account?: AccountRef;
  readonly sessionId?: string;
  readonly ip?: string;
  readonly types?: readonly SessionEventType[];
  readonly from?: number;
  readonly to?: number;
}

const ID = { name: 'id', kind: 'hex' } as const;

export const LOGIN_ORDER = new Keyset([{ name: 'created_at', kind: 'number' }, ID], true);
export const ENDED_ORDER = new Keyset([{ name: 'ended_at', kind: 'number' }, ID], true);
export const EVENT_ORDER = new Keyset([ID], true);

export class SessionQueries extends RealmQueries {
  /** Sessions of a user, live or ended, latest login first. */
  async sessionsOf(account: AccountRef, status: 'live' | 'ended', portion: Portion) {
    const where =
      status === 'live'
        ? sql`${isLiveOf(this.tables, this.realm, account.key)} AND usable_until > ${this.clock.now()}`
        : sql`user_key = ${account.key} AND status = 'ended'`;
    return this.records(where, LOGIN_ORDER, portion);
  }

  /** Sessions by their ids, live or ended, in any order; at most 500. */
  async byIds(ids: readonly string[]): Promise<readonly SessionRecord[]> {
    const rows = await this.rows(
      sql`${selectRecords(this.tables, this.realm)} WHERE s.id IN (${list(ids)}) AND ${unindexed(sql`s.realm = ${this.realm}`)}`,
    );
    return toRecords(rows);
  }

  /** Comments of operators by session id; at most 500 sessions. @param since none ended earlier, milliseconds since the epoch */
  async endComments(ids: readonly string[], since: number): Promise<ReadonlyMap<string, string>> {
    if (ids.length === 0) return new Map();
    const rows = await this.rows(
      sql`SELECT session_id, detail FROM ${this.tables.event}${this.through('idx_latchkey_event_session')}
        WHERE session_id IN (${list(ids)}) AND id >= ${lowestEventId(since)} AND type = 'SESSION_ENDED'`,
    );
    const alone = rows.flatMap(({ session_id, detail }) => {
      const { comment } = (parseStored(detail) ?? {}) as { readonly comment?: unknown };
      return typeof comment === 'string' ? [[String(session_id), comment] as const] : [];
    });
    // Sessions that ended with others have no line of their own.
    const others = await this.rows(
      sql`SELECT s.id, m.comment FROM ${this.tables.session} s JOIN ${this.tables.massEnd} m ON m.at = s.ended_at AND
        ((m.scope = s.user_key AND m.epoch = s.account_epoch) OR (m.scope = ${realmScope(this.realm)} AND m.epoch = s.realm_epoch))
        WHERE s.id IN (${list(ids)}) AND m.comment IS NOT NULL`,
    );
    return new Map([...others.map(({ id, comment }) => [String(id), String(comment)] as const), ...alone]);
  }

  /** Past sessions, latest end first. */
  async ended({ account, reason, ended }: EndedFilter, portion: Portion) {
    const conditions = [sql`${this.accountOrRealm(account)} AND ended_at IS NOT NULL`];
    if (reason !== undefined) conditions.push(sql`end_reason = ${reason}`);
    if (ended?.from !== undefined) conditions.push(sql`ended_at >= ${ended.from}`);
    if (ended?.to !== undefined) conditions.push(sql`ended_at < ${ended.to}`);
    const index = account ? 'ended' : reason === undefined ? 'past' : 'by_reason';
    return this.records(every(conditions), ENDED_ORDER, portion, `idx_latchkey_session_${index}`);
  }

  /** The audit trail, latest first. */
  async events(filter: EventFilter, portion: Portion): Promise<readonly SessionEvent[]> {
    const conditions = [this.accountOrRealm(filter.account)];
    if (filter.sessionId !== undefined) conditions.push(sql`session_id = ${filter.sessionId}`);
    if (filter.ip !== undefined) conditions.push(sql`ip = ${filter.ip}`);
    if (filter.types) conditions.push(sql`type IN (${list(filter.types)})`);
    if (filter.from !== undefined) conditions.push(sql`id >= ${lowestEventId(filter.from)}`);
    if (filter.to !== undefined) conditions.push(sql`id < ${lowestEventId(filter.to)}`);
    const rows = await this.portion(
      sql`SELECT id, at, type, user_id, session_id, reason, actor, ip, device_type, device_name, ended, detail
        FROM ${this.tables.event}${this.through(eventIndex(filter))} WHERE ${every(conditions)}`,
      EVENT_ORDER,
      portion,
    );
    return rows.map(toEvent);
  }

  /** Not both: an engine might walk the index of the realm, which is far longer. */
  private accountOrRealm(account: AccountRef | undefined): Statement {
    return account ? sql`user_key = ${account.key}` : sql`realm = ${this.realm}`;
  }

  private async records(
    where: Statement,
    order: Keyset,
    portion: Portion,
    index?: string,
  ): Promise<readonly Listed<SessionRecord>[]> {
    const select = sql`SELECT ${listedColumns(this.tables)} FROM ${this.tables.session} s${this.through(index)} WHERE ${where}`;
    return order.listed(await this.portion(select, order, portion), toRecord);
  }

  private through(index: string | undefined): Statement {
    return index === undefined ? raw('') : this.engine.dialect.through(index);
  }
}

/** The index that begins with what the filter asks for and goes on with the order of the list, if any. */
function eventIndex({ account, sessionId, ip, types }: EventFilter): string | undefined {
  if (account) return 'idx_latchkey_event_account';
  if (sessionId !== undefined) return 'idx_latchkey_event_session';
  if (ip !== undefined) return 'idx_latchkey_event_ip';
  if (types === undefined) return 'idx_latchkey_event_realm';
  return types.length === 1 ? 'idx_latchkey_event_type' : undefined;
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
