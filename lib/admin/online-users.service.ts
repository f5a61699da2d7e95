import { Injectable } from '@nestjs/common';
import { optionalText } from '../core/login-input.js';
import { invalidArgument } from '../core/session-error.js';
import type { SessionEvent, SessionEventType } from '../core/session-event.js';
import { type Session, type SessionRecord, type SessionWithEnd, toSession } from '../core/session.js';
import { isSessionId } from '../core/token-codec.js';
import { TokenService } from '../core/token-service.js';
import { type AccountRef, type UserId, accountRef } from '../core/user-key.js';
import { type EventFilter, type OnlineFilter, type OnlineSort, SessionQueries } from '../database/session-queries.js';
import { decodeCursor, encodeCursor } from './cursor.js';
import { ApproximateCount } from './approximate-count.js';
import { pageLimit } from './page-limit.js';

/** One page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Pass it as `cursor` for the next page; null on the last one. */
  readonly nextCursor: string | null;
}

/** One page of who is online. */
export interface OnlinePage extends Page<Session> {
  readonly total: number;
  /** True where `total` was counted some seconds ago, which happens from 10,000 sessions on. */
  readonly totalIsEstimate: boolean;
}

export interface PageQuery {
  /** 1 to 200, default 50. */
  readonly limit?: number;
  readonly cursor?: string | null;
}

export interface OnlineQuery extends PageQuery {
  /** Beginning of a user id, the name of a device or an address; at most 128 characters. */
  readonly q?: string;
  readonly userId?: UserId;
  /** Address of the login or of the last use. */
  readonly ip?: string;
  readonly deviceType?: string;
  /** By last use or by login, latest first; default lastSeen. */
  readonly sort?: OnlineSort;
}

export interface UserSessionsQuery extends PageQuery {
  /** Past sessions instead of live ones. */
  readonly ended?: boolean;
}

export interface EventsQuery extends PageQuery {
  readonly userId?: UserId;
  readonly sessionId?: string;
  readonly ip?: string;
  readonly type?: SessionEventType;
  /** Milliseconds since the epoch, inclusive. */
  readonly from?: number;
  /** Milliseconds since the epoch, exclusive. */
  readonly to?: number;
}

/**
 * What operators need: who is online, on which device, since when; what happened; and to end any of it. Add it to the
 * `providers` of a module that imports SessionModule. It checks no rights: guard the routes that use it.
 *
 * Rejects with SessionError ARGUMENT_INVALID for an argument that it does not understand, before any query.
 */
@Injectable()
export class OnlineUsersService {
  private readonly counts: ApproximateCount;

  constructor(
    private readonly queries: SessionQueries,
    private readonly tokens: TokenService,
  ) {
    this.counts = new ApproximateCount((filter, cap) => this.queries.countOnline(filter, cap));
  }

  /** The live sessions of all users, latest first. */
  async list(query: OnlineQuery = {}): Promise<OnlinePage> {
    const limit = pageLimit(query.limit);
    const after = decodeCursor(query.cursor);
    const sort = query.sort ?? 'lastSeen';
    if (sort !== 'lastSeen' && sort !== 'login') throw invalidArgument('sort', 'must be lastSeen or login');
    const filter = this.onlineFilter(query);
    const [records, count] = await Promise.all([
      this.queries.online(filter, sort, after, limit + 1),
      this.counts.of(filter),
    ]);
    const page = toPage(records, limit, (record) => (sort === 'login' ? record.createdAt : record.lastSeenAt));
    return { ...page, items: page.items.map((session) => this.tokens.withPendingUse(session)), ...count };
  }

  /** The sessions of one user, live or past, latest login first. */
  async userSessions(userId: UserId, query: UserSessionsQuery = {}): Promise<Page<SessionWithEnd>> {
    const limit = pageLimit(query.limit);
    const after = decodeCursor(query.cursor);
    const status = query.ended ? 'ended' : 'live';
    const records = await this.queries.sessionsOf(this.account(userId), status, after, limit + 1);
    const page = toPage(records, limit, (record) => record.createdAt);
    return { ...page, items: page.items.map((session) => this.tokens.withPendingUse(session)) };
  }

  /** Ends one session, as the operator `by`. @returns how many it ended: 0 or 1 */
  async kickSession(sessionId: string, by: string): Promise<number> {
    return Number(await this.tokens.kickSession(sessionId, { by }));
  }

  /** Ends every session of a user, as the operator `by`. @returns how many it ended */
  async kickUser(userId: UserId, by: string): Promise<number> {
    return this.tokens.kickUser(userId, { by });
  }

  /** The audit trail, latest first. */
  async events(query: EventsQuery = {}): Promise<Page<SessionEvent>> {
    const limit = pageLimit(query.limit);
    const before = decodeCursor(query.cursor);
    const events = await this.queries.events(this.eventFilter(query), before?.id ?? null, limit + 1);
    const items = events.slice(0, limit);
    const last = items.at(-1);
    return { items, nextCursor: events.length > limit && last ? encodeCursor(last.at, last.id) : null };
  }

  private onlineFilter(query: OnlineQuery): OnlineFilter {
    const prefix = optionalText(query.q, 'q', 128);
    const ip = optionalText(query.ip, 'ip', 45);
    const deviceType = optionalText(query.deviceType, 'deviceType', 32)?.toLowerCase() ?? null;
    return {
      ...(query.userId !== undefined && { account: this.account(query.userId) }),
      ...(prefix !== null && { prefix }),
      ...(ip !== null && { ip }),
      ...(deviceType !== null && { deviceType }),
    };
  }

  private eventFilter(query: EventsQuery): EventFilter {
    const ip = optionalText(query.ip, 'ip', 45);
    const type = optionalText(query.type, 'type', 32) as SessionEventType | null;
    if (query.sessionId !== undefined && !isSessionId(query.sessionId)) {
      throw invalidArgument('sessionId', 'must be a session id: 32 hexadecimal digits');
    }
    for (const name of ['from', 'to'] as const) {
      const time = query[name];
      if (time !== undefined && !(Number.isSafeInteger(time) && time >= 0 && time < 2 ** 47)) {
        throw invalidArgument(name, 'must be a time in integer milliseconds since the epoch');
      }
    }
    return {
      ...(query.userId !== undefined && { account: this.account(query.userId) }),
      ...(query.sessionId !== undefined && { sessionId: query.sessionId }),
      ...(ip !== null && { ip }),
      ...(type !== null && { type }),
      ...(query.from !== undefined && { from: query.from }),
      ...(query.to !== undefined && { to: query.to }),
    };
  }

  private account(userId: UserId): AccountRef {
    return accountRef(this.queries.realm, userId);
  }
}

function toPage(
  records: readonly SessionRecord[],
  limit: number,
  keyOf: (record: SessionRecord) => number,
): Page<SessionWithEnd> {
  const items = records.slice(0, limit);
  const last = items.at(-1);
  return {
    items: items.map(toSession),
    nextCursor: records.length > limit && last ? encodeCursor(keyOf(last), last.id) : null,
  };
}
