import { userKey } from '../../dist/esm/core/user-key.js';
import { searchKeys } from '../../dist/esm/database/search-keys.js';
import { randomHex, sometimes } from './chance.mjs';
import { addressOf } from './people.mjs';

const REALM = 'users';
/** Of no application: nobody has a token of these sessions. */
const KEY_ID = 'demo000000000000';

/** Columns and values of one row. @typedef {Record<string, string | number | null>} Row */

/** The row of an account. @param {string} username @param {number} createdAt @returns {Row} */
export function accountRow(username, createdAt) {
  const user_key = userKey(REALM, username);
  return { user_key, realm: REALM, user_id: username, epoch: 0, not_before: 0, created_at: createdAt };
}

/** The row of a session: all of its columns that are not null in every one. @param {import('./history.mjs').DemoSession} session @returns {Row} */
export function sessionRow(session) {
  const { id, userId, userName, loginMethod, deviceType, deviceName, ip, lastIp, end } = session;
  return {
    id,
    realm: REALM,
    user_id: userId,
    user_key: userKey(REALM, userId),
    user_name: userName,
    login_method: loginMethod,
    ...searchKeys(session),
    // A place of its own, so that a user may have several whatever the policy is.
    slot: end ? null : `session:${id}`,
    device_type: deviceType,
    device_name: deviceName,
    ip,
    user_agent: session.userAgent,
    claims: JSON.stringify({ username: userName, roles: [] }),
    created_at: session.createdAt,
    authenticated_at: session.createdAt,
    expires_at: session.expiresAt,
    usable_until: session.usableUntil,
    status: end ? 'ended' : 'live',
    end_reason: end?.reason ?? null,
    ended_at: end?.at ?? null,
    ended_by: end?.by ?? null,
    replaced_by: end?.replacedBy ?? null,
    version: session.generation + (end ? 1 : 0),
    nonce: randomHex(16),
    generation: session.generation,
    key_id: KEY_ID,
    issued_at: session.issuedAt,
    access_hash: randomHex(32),
    access_expires_at: session.accessExpiresAt,
    refresh_hash: randomHex(32),
    refresh_expires_at: session.refreshExpiresAt,
    last_seen_at: session.lastSeenAt,
    last_ip: lastIp,
  };
}

/** What the audit trail tells of a session. @param {import('./history.mjs').DemoSession} session @param {number} index of the user @returns {Row[]} */
export function eventRows(session, index) {
  const { createdAt, issuedAt, generation, ip, lastIp, end } = session;
  const rows = [eventRow(session, { type: 'LOGIN', at: createdAt })];
  // Not all of them, which would be most of the table.
  if (generation > 1 && sometimes(0.3)) {
    rows.push(eventRow(session, { type: 'TOKEN_RENEWED', at: issuedAt, ip: lastIp ?? ip, detail: { generation } }));
  }
  if (!end) return rows;
  if (end.reason === 'REFRESH_REUSED') {
    const detail = { renewedFrom: lastIp ?? ip };
    rows.push(eventRow(session, { type: 'REFRESH_REUSED', at: end.at, ip: addressOf(index + 1), detail }));
  }
  rows.push(eventRow(session, { type: 'SESSION_ENDED', at: end.at, actor: end.by, reason: end.reason }));
  return rows;
}

function eventRow(session, { type, at, actor = session.userId, reason = null, ip = session.ip, detail = null }) {
  return {
    id: eventId(at),
    realm: REALM,
    at,
    type,
    user_key: userKey(REALM, session.userId),
    user_id: session.userId,
    session_id: session.id,
    reason,
    actor,
    ip,
    device_type: session.deviceType,
    device_name: session.deviceName,
    detail: detail && JSON.stringify(detail),
  };
}

let counter = 0;

/** Ids of events sort by time; see SessionEventEntity. */
function eventId(at) {
  counter = (counter + 1) % 0x10000;
  const order = counter.toString(16).padStart(4, '0');
  return at.toString(16).padStart(12, '0') + order + randomHex(8);
}
