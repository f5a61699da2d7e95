import type { Ban } from '../../model/ban.js';
import type { SessionEvent } from '../../model/session-event.js';
import { LISTED_FIELDS, SESSION_FIELDS } from '../../model/session-fields.js';
import { type SessionEnd, type SessionWithEnd, type SessionDetails, toDetails } from '../../model/session.js';
import { filterWithoutAddresses } from '../access/filter-rights.js';
import type { OnlineUser } from '../../database/lists/online-queries.js';
import { UserDirectory, type View } from '../lists/user-directory.js';
import type { EndItem, ListedFields, SessionItem, Successor } from './session-item.js';
import { Injectable } from '@nestjs/common';
import { SessionRuntime } from '../../nest/module/session-runtime.js';
import type { Page } from '../lists/cursor.js';
import type { KnownOperator } from '../access/admin.guard.js';

export function toSessionItem(session: SessionDetails, { users, operator }: View): SessionItem {
  const user = users.get(session.userId);
  return {
    sessionId: session.id,
    userId: session.userId,
    username: user?.username ?? session.userName,
    avatarUrl: user?.avatarUrl ?? null,
    ...listedFields(session, operator.rights.has('viewAddresses')),
    current: session.id === operator.session.id,
  };
}

function listedFields(session: SessionDetails, seesAddresses: boolean): ListedFields {
  const shown = LISTED_FIELDS.map((name) => {
    const [value, { listed }] = [session[name], SESSION_FIELDS[name]];
    if (listed === 'time') return [name, toIso(value as number)];
    return [name, listed === 'address' && !seesAddresses ? null : value];
  });
  return Object.fromEntries(shown) as ListedFields;
}

/** Facts outside of the session rows. */
export interface EndFacts {
  readonly successors: ReadonlyMap<string, SessionDetails>;
  /** Operators' comments by id of the ended session. */
  readonly comments: ReadonlyMap<string, string>;
}

export function toPastSessionItem({ end, ...session }: SessionWithEnd, view: View, facts: EndFacts) {
  return { ...toSessionItem(session, view), ...(end && toEndItem(session.id, end, facts)) };
}

function toEndItem(sessionId: string, end: SessionEnd, { successors, comments }: EndFacts): EndItem {
  return {
    endReason: end.reason,
    endedAt: toIso(end.at),
    endedBy: end.by,
    endComment: comments.get(sessionId) ?? null,
    replacedBy: end.replacedBy === null ? null : toSuccessor(end.replacedBy, successors.get(end.replacedBy)),
  };
}

function toSuccessor(sessionId: string, session: SessionDetails | undefined): Successor {
  const { deviceType = null, deviceName = null, createdAt } = session ?? {};
  return { sessionId, deviceType, deviceName, createdAt: createdAt === undefined ? null : toIso(createdAt) };
}

export function toOnlineUserItem({ userName, lastSeenAt, ...user }: OnlineUser, { users }: View) {
  const shown = users.get(user.userId);
  return {
    ...user,
    username: shown?.username ?? userName,
    avatarUrl: shown?.avatarUrl ?? null,
    lastSeenAt: toIso(lastSeenAt),
  };
}

/** HTTP calls an operator's comment `reason`. */
function withReason<T extends { readonly comment?: unknown }>({ comment, ...rest }: T) {
  return { ...rest, reason: comment };
}

export function toEventItem({ at, ip, detail, ...event }: SessionEvent, { users, operator }: View) {
  const seesAddresses = operator.rights.has('viewAddresses');
  const shown = detail && 'comment' in detail ? withReason(detail) : detail;
  return {
    ...event,
    detail: seesAddresses ? shown : withoutAddresses(shown),
    at: toIso(at),
    username: event.userId === null ? null : (users.get(event.userId)?.username ?? null),
    ip: seesAddresses ? ip : null,
  };
}

/** Removes where a refresh token's successor went, and which addresses a bulk kick or an export searched for. */
function withoutAddresses(detail: SessionEvent['detail']): SessionEvent['detail'] {
  if (!detail) return detail;
  const { renewedFrom: _, filter, ...rest } = detail;
  if (filter === undefined) return rest;
  return { ...rest, filter: typeof filter === 'object' && filter !== null ? filterWithoutAddresses(filter) : filter };
}

export type EventItem = ReturnType<typeof toEventItem>;

export function toBanItem(ban: Ban) {
  return { ...withReason(ban), at: toIso(ban.at), until: ban.until === null ? null : toIso(ban.until) };
}

const LATEST_DATE = 8.64e15;

export function toIso(at: number): string {
  // An invalid time must not keep a list from being shown.
  return new Date(Math.min(Math.max(at || 0, -LATEST_DATE), LATEST_DATE)).toISOString();
}

/** Presents sessions to operators: with users' names, each session's replacement, and the comment on its end. */
@Injectable()
export class PastSessions {
  constructor(
    private readonly runtime: SessionRuntime,
    private readonly users: UserDirectory,
  ) {}

  async show({ items, ...page }: Page<SessionWithEnd>, operator: KnownOperator) {
    const [users, successors, comments] = await Promise.all([
      this.users.describe(items.map(({ userId }) => userId)),
      this.successorsOf(items),
      this.commentsOn(items),
    ]);
    const view = { users, operator };
    return { items: items.map((item) => toPastSessionItem(item, view, { successors, comments })), ...page };
  }

  private async commentsOn(sessions: readonly SessionWithEnd[]): Promise<ReadonlyMap<string, string>> {
    const ended = sessions.filter(({ end }) => end && end.by !== 'system' && end.replacedBy === null);
    const ids = ended.map(({ id }) => id);
    return this.runtime.queries.endComments(ids, Math.min(...ended.map(({ end }) => end!.at)));
  }

  private async successorsOf(sessions: readonly SessionWithEnd[]): Promise<EndFacts['successors']> {
    const ids = [...new Set(sessions.flatMap(({ end }) => end?.replacedBy ?? []))];
    const found = ids.length === 0 ? [] : await this.runtime.queries.byIds(ids);
    return new Map(found.map((record) => [record.id, toDetails(record)]));
  }
}
