import { END_REASONS } from '../core/end-reason.js';
import { SESSION_EVENT_TYPES } from '../core/session-event.js';
import type { EventsQuery, EndedSessionsQuery, OnlineQuery, UserSessionsQuery } from './online-users.service.js';
import type { OnlineCriteria } from './admin-filters.js';
import type { PageQuery } from './cursor.js';
import { RequestInput } from './request-input.js';

const MAX_USER_ID = 1024;

/** Queries are text; these make what OnlineUsersService takes of them. Ranges it checks itself. */
export function readOnlineCriteria(input: RequestInput): OnlineCriteria {
  return {
    q: input.text('q', 128),
    userId: input.text('userId', MAX_USER_ID),
    ip: input.text('ip', 64),
    deviceType: input.text('deviceType', 32),
    loginMethod: input.text('loginMethod', 32),
    createdFrom: input.time('createdFrom'),
    createdTo: input.time('createdTo'),
    seenFrom: input.time('seenFrom'),
    seenTo: input.time('seenTo'),
  };
}

export function readOnlineQuery(query: unknown): OnlineQuery & { readonly groupBy: 'user' | undefined } {
  const input = new RequestInput(query);
  return {
    ...readPage(input),
    ...readOnlineCriteria(input),
    sort: input.choice('sort', ['lastSeen', 'login', 'user']),
    groupBy: input.choice('groupBy', ['user']),
  };
}

export function readUserSessionsQuery(query: unknown): UserSessionsQuery {
  const input = new RequestInput(query);
  return { ...readPage(input), ended: input.flag('ended') };
}

export function readEndedSessionsQuery(query: unknown): EndedSessionsQuery {
  const input = new RequestInput(query);
  return {
    ...readPage(input),
    userId: input.text('userId', MAX_USER_ID),
    reason: input.choice('reason', END_REASONS),
    endedFrom: input.time('endedFrom'),
    endedTo: input.time('endedTo'),
  };
}

export function readEventsQuery(query: unknown): EventsQuery {
  const input = new RequestInput(query);
  return {
    ...readPage(input),
    userId: input.text('userId', MAX_USER_ID),
    sessionId: input.text('sessionId', 64),
    ip: input.text('ip', 45),
    type: input.choice('type', SESSION_EVENT_TYPES),
    from: input.time('from'),
    to: input.time('to'),
  };
}

/** Why an operator does something. */
export function readReason(input: RequestInput): string | undefined {
  return input.text('reason', 255);
}

export function readPage(input: RequestInput): PageQuery {
  return { limit: input.integer('limit'), cursor: input.text('cursor', 1024) };
}
