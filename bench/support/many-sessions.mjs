import { sqlOf } from './sql-of.mjs';
import { withoutIndexes } from './without-indexes.mjs';

const DAY_MS = 86_400_000;
/** Time over which the sessions were opened. */
const SPAN_MS = 10_000_000;
const FIRST_NAMES = ['Anna', 'Bruno', 'Chen', 'Dara', 'Elif', 'Farid', 'Gita', 'Hugo', 'Ines', 'Jonas'];
/** Ended sessions of the one user who has many: one in so many. */
const OF_HEAVY_USER = 500;
export const HEAVY_USER = 'person-1';

/**
 * Fills the table of sessions by SQL, far faster than by logins: live sessions over the last hours, last seen in another
 * order than they were opened in, and ended ones, of users `person-1` and so on. 60 % are on a phone, 30 % on a desktop, 10 % on
 * a tablet; 70 % logged in by password, 20 % by passkey, 10 % through another service; addresses are in eight networks
 * `10.0.0.0/16` to `10.7.0.0/16`.
 *
 * @param {import('typeorm').DataSource} source
 * @param {{ live: number, ended: number }} counts
 */
export async function fillWithSessions(source, counts) {
  const sql = sqlOf(source);
  await withoutIndexes(source, ['latchkey_session'], async () => {
    for (const [status, count] of Object.entries(counts)) {
      if (count === 0) continue;
      const columns = status === 'live' ? liveColumns(sql, count) : endedColumns(sql, count, Math.max(1, counts.live));
      await source.query(
        `INSERT INTO latchkey_session (${Object.keys(columns).join(', ')})
         SELECT ${Object.values(columns).join(', ')} FROM ${sql.numbers(count)}`,
      );
    }
  });
  await sql.analyze('latchkey_session');
}

/**
 * What is written beside sessions: their users' accounts, a login and sometimes an end in the audit trail for each, failed
 * logins of the last hours, and from where live ones were used.
 *
 * @param {import('typeorm').DataSource} source filled by fillWithSessions
 * @param {{ failedLogins: number }} counts
 */
export async function fillWithRecords(source, { failedLogins }) {
  const sql = sqlOf(source);
  const eventColumns =
    'id, realm, at, type, user_key, user_id, session_id, reason, actor, ip, device_type, device_name';
  const eventId = (at, of) => `CONCAT(${sql.hex(at, 12)}, SUBSTR(${sql.md5(of)}, 1, 20))`;
  await source.query(
    `INSERT INTO latchkey_account (user_key, realm, user_id, epoch, not_before, version, end_epoch, logins, created_at)
     SELECT user_key, 'users', MIN(user_id), 0, 0, 0, 0, 0, MIN(created_at) FROM latchkey_session WHERE user_id LIKE 'person-%' GROUP BY user_key`,
  );
  await withoutIndexes(source, ['latchkey_event', 'latchkey_sighting'], async () => {
    await source.query(
      `INSERT INTO latchkey_event (${eventColumns})
       SELECT ${eventId('created_at', "CONCAT('login', id)")}, realm, created_at, 'LOGIN', user_key, user_id, id, NULL, user_id, ip,
         device_type, device_name FROM latchkey_session`,
    );
    await source.query(
      `INSERT INTO latchkey_event (${eventColumns})
       SELECT ${eventId('ended_at', "CONCAT('end', id)")}, realm, ended_at, 'SESSION_ENDED', user_key, user_id, id, end_reason,
         ended_by, ip, device_type, device_name FROM latchkey_session WHERE end_reason = 'SESSION_KICKED'`,
    );
    const at = `${Date.now()} - i * ${Math.max(1, Math.floor(SPAN_MS / failedLogins))}`;
    const user = `CONCAT('person-', MOD(i * 7919, 5000))`;
    await source.query(
      `INSERT INTO latchkey_event (${eventColumns}, detail)
       SELECT ${eventId(at, "CONCAT('failed', i)")}, 'users', ${at}, 'LOGIN_FAILED', ${sql.userKey(user)}, ${user}, NULL, NULL,
         ${user}, CONCAT('203.0.113.', MOD(i, 250)), 'phone', NULL, '{"reason":"wrong password"}' FROM ${sql.numbers(failedLogins)}`,
    );
    await source.query(
      `INSERT INTO latchkey_sighting (session_id, ip_key, ip, realm, user_key, first_at, last_at)
       SELECT id, ip_key, ip, realm, user_key, created_at, last_seen_at FROM latchkey_session
       WHERE status = 'live' AND ip_key IS NOT NULL`,
    );
  });
  for (const table of ['latchkey_account', 'latchkey_event', 'latchkey_sighting']) await sql.analyze(table);
}

function liveColumns(sql, count) {
  const now = Date.now();
  const at = `${now} - i * ${stepOf(count)}`;
  return {
    ...commonColumns(sql, { status: 'live', user: `CONCAT('person-', i)`, at }),
    slot: `'single'`,
    usable_until: `${now + DAY_MS} - i * ${stepOf(count)}`,
    version: '1',
  };
}

function endedColumns(sql, count, users) {
  const now = Date.now();
  const at = `${now - DAY_MS} - i * ${stepOf(count)}`;
  const user = `CASE WHEN MOD(i, ${OF_HEAVY_USER}) = 0 THEN '${HEAVY_USER}' ELSE CONCAT('person-', MOD(i, ${users})) END`;
  return {
    ...commonColumns(sql, { status: 'ended', user, at }),
    usable_until: `${now - DAY_MS} - i * ${stepOf(count)}`,
    end_reason: `CASE MOD(i, 10) WHEN 0 THEN 'SESSION_KICKED' WHEN 1 THEN 'SESSION_REPLACED' ELSE 'SESSION_LOGGED_OUT' END`,
    ended_at: `${now - DAY_MS / 2} - i * ${stepOf(count)}`,
    ended_by: user,
    version: '2',
  };
}

/** @param {{ status: string, user: string, at: string }} of user and at are SQL */
function commonColumns(sql, { status, user, at }) {
  const name = `CONCAT(${sql.pick(FIRST_NAMES, 'MOD(i, 10)')}, ' ', ${sql.md5('i')})`;
  const device = `CONCAT(${sql.pick(FIRST_NAMES, 'MOD(i * 3, 10)')}, ' device')`;
  const octets = ['10', 'MOD(i, 8)', 'MOD(i * 7919, 250)', 'MOD(i * 104729, 250)'];
  const ip = `CONCAT_WS('.', ${octets.join(', ')})`;
  const ipKey = `CONCAT('00000000000000000000ffff0a', ${octets
    .slice(1)
    .map((octet) => sql.hex(octet, 2))
    .join(', ')})`;
  return {
    id: sql.md5(`CONCAT('${status}', i)`),
    realm: `'users'`,
    user_id: user,
    user_key: sql.userKey(user),
    user_name: name,
    login_method: `CASE WHEN MOD(i, 10) < 7 THEN 'password' WHEN MOD(i, 10) < 9 THEN 'passkey' ELSE 'oauth' END`,
    user_search: sql.searchKey(user),
    name_search: sql.searchKey(name),
    device_search: sql.searchKey(device),
    ip_key: ipKey,
    last_ip_key: ipKey,
    device_type: `CASE WHEN MOD(i, 10) < 6 THEN 'phone' WHEN MOD(i, 10) < 9 THEN 'desktop' ELSE 'tablet' END`,
    device_name: device,
    ip,
    last_ip: ip,
    user_agent: `'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36'`,
    claims: `'{"roles":["reader"]}'`,
    created_at: at,
    authenticated_at: at,
    persistent: '0',
    account_epoch: '0',
    realm_epoch: '0',
    expires_at: `${Date.now() + 90 * DAY_MS}`,
    status: `'${status}'`,
    generation: '1',
    key_id: `'0123456789abcdef'`,
    nonce: sql.md5('i'),
    issued_at: at,
    access_hash: `CONCAT(${sql.md5('i')}, ${sql.md5('i')})`,
    access_expires_at: `${Date.now() + DAY_MS}`,
    last_seen_at: `${at} + MOD(i * 7919, 10000000) / 1000`,
  };
}

function stepOf(count) {
  return Math.max(1, Math.floor(SPAN_MS / count));
}
