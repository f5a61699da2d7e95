import { ipKey } from '../../dist/esm/model/ip-key.js';
import { userKey } from '../../dist/esm/model/user-key.js';
import { eventId } from '../../dist/esm/database/transactions/audit.js';
import { searchKeys } from '../../dist/esm/database/schema/session-rows.js';
import { randomHex, sometimes } from './chance.mjs';
import { addressOf } from './people.mjs';

/** The default of the library, and that of the sample application. */
export const REALM = 'users';
/** Of no application: nobody has a token of these sessions. */
const KEY_ID = 'demo000000000000';

/** Columns and values of one row. @typedef {Record<string, string | number | null>} Row */

/** The row of an account. @param {string} username @param {number} createdAt @returns {Row} */
export function accountRow(username, createdAt) {
  const user_key = userKey(REALM, username);
  return {
    user_key,
    realm: REALM,
    user_id: username,
    epoch: 0,
    not_before: 0,
    version: 0,
    end_epoch: 0,
    logins: 0,
    created_at: createdAt,
  };
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
    persistent: 0,
    account_epoch: 0,
    realm_epoch: 0,
    nonce: randomHex(16),
    generation: session.generation,
    key_id: KEY_ID,
    issued_at: session.issuedAt,
    access_hash: randomHex(32),
    access_expires_at: session.accessExpiresAt,
    refresh_hash: randomHex(32),
    refresh_expires_at: session.refreshExpiresAt,
    last_seen_at: session.lastSeenAt,
    presented_at: session.lastSeenAt,
    last_ip: lastIp,
    last_ip_key: lastIp === null ? null : ipKey(lastIp),
  };
}

/** From where a session was used. @param {import('./history.mjs').DemoSession} session @returns {Row[]} */
export function sightingRows({ id, userId, ip, lastIp, createdAt, lastSeenAt }) {
  const row = (address, first_at, last_at) => {
    const user_key = userKey(REALM, userId);
    return { session_id: id, ip_key: ipKey(address), ip: address, realm: REALM, user_key, first_at, last_at };
  };
  if (lastIp === null) return [];
  if (lastIp === ip) return [row(ip, createdAt, lastSeenAt)];
  const moved = Math.floor((createdAt + lastSeenAt) / 2);
  return [row(ip, createdAt, moved), row(lastIp, moved, lastSeenAt)];
}

/** A login that failed. @param {import('./failed-logins.mjs').DemoFailure} failure @returns {Row} */
export function failureRow({ userId, at, ip, deviceType, deviceName, reason }) {
  return eventRow({ id: null, userId, ip, deviceType, deviceName }, { type: 'LOGIN_FAILED', at, detail: { reason } });
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
