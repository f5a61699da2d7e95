import { below, oneOf, randomHex, scattered, sometimes, weighted } from './chance.mjs';
import { addressOf, deviceOf } from './people.mjs';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const ACCESS_MS = 30 * MINUTE_MS;
const REFRESH_MS = 30 * DAY_MS;
const MAX_AGE_MS = 90 * DAY_MS;
const IDLE_MS = 2 * HOUR_MS;
/** Time over which logins and ends are spread, most of them towards its end. */
const SPAN_MS = 28 * DAY_MS;

const REASONS = {
  SESSION_LOGGED_OUT: 44,
  SESSION_REPLACED: 28,
  SESSION_IDLE: 9,
  TOKEN_EXPIRED: 8,
  SESSION_KICKED: 5,
  SESSION_REVOKED: 4,
  SESSION_EXPIRED: 1,
  REFRESH_REUSED: 1,
};
const ENDED_BY = {
  SESSION_KICKED: () => 'admin',
  SESSION_LOGGED_OUT: (username) => username,
  SESSION_REPLACED: (username) => username,
  SESSION_REVOKED: (username) => username,
};

/**
 * @typedef {ReturnType<typeof login>} DemoSession a session as it would be after weeks of use; times in milliseconds since
 *   the epoch
 */

/**
 * All sessions of one user: the live ones, then the past ones, of which some were replaced by another of these.
 * @param {{ index: number, username: string, live: number, ended: number }} user @param {number} now
 * @returns {DemoSession[]}
 */
export function historyOf({ index, username, live, ended }, now) {
  const sessions = [];
  for (let count = 0; count < live; count++) {
    const createdAt = timeOfDay(now, SPAN_MS);
    sessions.push(login({ index, username, createdAt, lastSeenAt: lastUse(createdAt, now) }));
  }
  for (let count = 0; count < ended; count++) sessions.push(past({ index, username }, sessions, now));
  return sessions;
}

function past({ index, username }, others, now) {
  const wanted = weighted(REASONS);
  const reason = wanted === 'SESSION_REPLACED' && others.length === 0 ? 'SESSION_LOGGED_OUT' : wanted;
  const successor = reason === 'SESSION_REPLACED' ? oneOf(others) : null;
  const at = successor?.createdAt ?? timeOfDay(now, SPAN_MS);
  const { createdAt, lastSeenAt } = lifeBefore(at, reason);
  const end = { reason, at, by: ENDED_BY[reason]?.(username) ?? 'system', replacedBy: successor?.id ?? null };
  return login({ index, username, createdAt, lastSeenAt, end });
}

/** When a session began and was used last that ended so. */
function lifeBefore(at, reason) {
  const used = scattered(MINUTE_MS, 10 * DAY_MS);
  if (reason === 'SESSION_EXPIRED') return { createdAt: at - MAX_AGE_MS, lastSeenAt: at - scattered(1000, DAY_MS) };
  const unused =
    { SESSION_IDLE: IDLE_MS, TOKEN_EXPIRED: REFRESH_MS }[reason] ?? Math.min(used, scattered(1000, DAY_MS));
  const lastSeenAt = at - unused;
  return { createdAt: reason in ENDED_BY ? at - used : lastSeenAt - used, lastSeenAt };
}

function login({ index, username, createdAt, lastSeenAt, end = null }) {
  const ip = addressOf(index);
  const expiresAt = createdAt + MAX_AGE_MS;
  const generation = 1 + Math.floor((lastSeenAt - createdAt) / ACCESS_MS);
  // The pair that the last use was made with.
  const issuedAt = generation === 1 ? createdAt : Math.max(createdAt, lastSeenAt - below(ACCESS_MS));
  const refreshExpiresAt = end?.reason === 'TOKEN_EXPIRED' ? end.at : Math.min(expiresAt, issuedAt + REFRESH_MS);
  return {
    id: randomHex(16),
    userId: username,
    userName: username,
    ...deviceOf(username),
    ip,
    createdAt,
    lastSeenAt,
    lastIp: lastSeenAt === createdAt ? null : sometimes(0.8) ? ip : addressOf(index),
    expiresAt,
    generation,
    issuedAt,
    accessExpiresAt: Math.min(refreshExpiresAt, issuedAt + ACCESS_MS),
    refreshExpiresAt,
    usableUntil: refreshExpiresAt,
    end,
  };
}

/** Some are in use now, most were today, a few never after the login. */
function lastUse(createdAt, now) {
  if (sometimes(0.03)) return createdAt;
  const ago = sometimes(0.3) ? below(10 * MINUTE_MS) : scattered(10 * MINUTE_MS, 5 * DAY_MS);
  return Math.max(createdAt, now - ago);
}

/** A time in the span before now; fewer at night than in the evening. */
function timeOfDay(now, span) {
  for (let attempt = 0; ; attempt++) {
    const time = Math.round(now - 1000 - span * Math.random() ** 2);
    const wave = Math.sin(((new Date(time).getHours() - 8) / 24) * 2 * Math.PI);
    if (attempt === 4 || sometimes(0.55 + 0.45 * wave)) return time;
  }
}
