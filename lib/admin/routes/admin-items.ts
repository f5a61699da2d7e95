import type { Ban } from '../../model/ban.js';
import type { SessionEvent } from '../../model/session-event.js';
import { LISTED_FIELDS, SESSION_FIELDS } from '../../model/session-fields.js';
import type { SessionEnd, SessionWithEnd, UserSession } from '../../model/session.js';
import { filterWithoutAddresses } from '../access/filter-rights.js';
import type { KnownOperator } from '../access/admin.guard.js';
import type { OnlineUser } from '../../database/lists/online-queries.js';
import type { ShownUser } from '../lists/user-directory.js';
import type { EndItem, ListedFields, SessionItem, Successor } from './session-item.js';

/** What items are made with: names of users, and what the operator may see. */
export interface View {
  readonly users: ReadonlyMap<string, ShownUser>;
  readonly operator: KnownOperator;
}

/** A session as operators see it. */
export function toSessionItem(session: UserSession, { users, operator }: View): SessionItem {
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

function listedFields(session: UserSession, seesAddresses: boolean): ListedFields {
  const shown = LISTED_FIELDS.map((name) => {
    const [value, { listed }] = [session[name], SESSION_FIELDS[name]];
    if (listed === 'time') return [name, toIso(value as number)];
    return [name, listed === 'address' && !seesAddresses ? null : value];
  });
  return Object.fromEntries(shown) as ListedFields;
}

/** Facts about ends that are kept beside the sessions' rows. */
export interface EndFacts {
  /** Sessions that took the place of others, by their ids. */
  readonly successors: ReadonlyMap<string, UserSession>;
  /** The words of the operators, by the ids of the sessions that they ended. */
  readonly comments: ReadonlyMap<string, string>;
}

/** The same with how it ended, if it has. */
export function toPastSessionItem({ end, ...session }: SessionWithEnd, view: View, facts: EndFacts) {
  return { ...toSessionItem(session, view), ...(end && toEndItem(session.id, end, facts)) };
}

function toEndItem(sessionId: string, end: SessionEnd, { successors, comments }: EndFacts): EndItem {
  return {
    endReason: end.reason,
    endedAt: toIso(end.at),
    endedBy: end.by,
    endComment: comments.get(sessionId) ?? null,
    replacedBy: end.replacedBy === null ? null : toSuccessor(end.replacedBy, successors),
  };
}

function toSuccessor(sessionId: string, successors: EndFacts['successors']): Successor {
  const session = successors.get(sessionId);
  return {
    sessionId,
    deviceType: session?.deviceType ?? null,
    deviceName: session?.deviceName ?? null,
    createdAt: session ? toIso(session.createdAt) : null,
  };
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

/**
 * Of a refresh token that was used twice, the detail says where its successor had gone to; of a bulk kick and of an export,
 * which addresses somebody looked for.
 */
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
  // A number that is no time must not keep a list from being shown.
  return new Date(Math.min(Math.max(at || 0, -LATEST_DATE), LATEST_DATE)).toISOString();
}
