import type { EventsQuery, OnlineQuery, SessionEventType, UserSessionsQuery } from 'nestjs-latchkey/admin';
import { Input } from '../http/input.js';

/** An object, so that one that is missing does not compile. */
const EVENT_TYPES = Object.keys({
  LOGIN: true,
  LOGIN_REFUSED: true,
  IMPERSONATION: true,
  TOKEN_RENEWED: true,
  REFRESH_REUSED: true,
  SESSION_ENDED: true,
  ACCOUNT_SESSIONS_ENDED: true,
  KICK_WITHOUT_EFFECT: true,
  CONFIRMED: true,
  BANNED: true,
  BAN_LIFTED: true,
} satisfies Record<SessionEventType, true>) as SessionEventType[];

/** Queries are text; these make what OnlineUsersService takes of them. Ranges it checks itself. */
export function readOnlineQuery(query: unknown): OnlineQuery {
  const input = new Input(query);
  return {
    ...readPage(input),
    q: input.optionalText('q', 128),
    userId: input.optionalText('userId', 1024),
    ip: input.optionalText('ip', 45),
    deviceType: input.optionalText('deviceType', 32),
    sort: input.optionalChoice('sort', ['lastSeen', 'login']),
  };
}

export function readUserSessionsQuery(query: unknown): UserSessionsQuery {
  const input = new Input(query);
  return { ...readPage(input), ended: input.optionalChoice('ended', ['true', 'false']) === 'true' };
}

export function readEventsQuery(query: unknown): EventsQuery {
  const input = new Input(query);
  return {
    ...readPage(input),
    userId: input.optionalText('userId', 1024),
    sessionId: input.optionalText('sessionId', 64),
    ip: input.optionalText('ip', 45),
    type: input.optionalChoice('type', EVENT_TYPES),
    from: input.optionalTime('from'),
    to: input.optionalTime('to'),
  };
}

function readPage(input: Input): { limit: number | undefined; cursor: string | undefined } {
  return { limit: input.optionalInteger('limit'), cursor: input.optionalText('cursor', 128) };
}
