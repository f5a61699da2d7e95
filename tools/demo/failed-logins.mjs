import { below, oneOf, sometimes } from './chance.mjs';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** @typedef {{ userId: string, at: number, ip: string, deviceType: string | null, deviceName: string | null, reason: string }} DemoFailure */

/**
 * Logins that failed: people who mistype, and now and then somebody who tries many names from one address.
 * @param {readonly import('./history.mjs').DemoSession[]} sessions @param {number} now
 * @returns {DemoFailure[]}
 */
export function failedLogins(sessions, now) {
  const mistyped = sessions.filter(() => sometimes(0.08)).map((session) => mistake(session));
  return sometimes(0.4) && sessions.length > 0 ? [...mistyped, ...attack(sessions, now)] : mistyped;
}

/** Shortly before the login that went well. */
function mistake({ userId, createdAt, ip, deviceType, deviceName }) {
  const at = createdAt - 3000 - below(30_000);
  return { userId, at, ip, deviceType, deviceName, reason: 'BAD_CREDENTIALS' };
}

function attack(sessions, now) {
  const ip = `192.0.2.${1 + below(254)}`;
  const until = now - 5 * MINUTE_MS - below(DAY_MS);
  return Array.from({ length: 20 + below(60) }, () => {
    const { userId } = oneOf(sessions);
    const isUser = sometimes(0.7);
    return {
      userId: isUser ? userId : `admin${below(1000)}`,
      at: until - below(5 * MINUTE_MS),
      ip,
      deviceType: null,
      deviceName: null,
      reason: isUser ? 'BAD_CREDENTIALS' : 'UNKNOWN_USER',
    };
  });
}
