const DAY_MS = 86_400_000;
/** Time over which the sessions were opened. */
const SPAN_MS = 10_000_000;

/**
 * Fills the table of sessions by SQL, far faster than by logins: live sessions over the last hours, last seen in another
 * order than they were opened in, and ended ones. 60 % are on a phone, 30 % on a desktop, 10 % on a tablet.
 *
 * @param {import('typeorm').DataSource} source
 * @param {{ live: number, ended: number }} counts
 */
export async function fillWithSessions(source, counts) {
  const isPostgres = source.options.type === 'postgres';
  const now = Date.now();
  for (const [status, count] of Object.entries(counts)) {
    if (count === 0) continue;
    const numbers = isPostgres
      ? `generate_series(1, ${count}::bigint) AS n(i)`
      : `(SELECT seq AS i FROM seq_1_to_${count}) AS n`;
    const step = Math.max(1, Math.floor(SPAN_MS / count));
    const age = status === 'live' ? 0 : DAY_MS;
    const columns = {
      id: `MD5(CONCAT('${status}', i))`,
      realm: `'users'`,
      user_id: `CONCAT('user-', i)`,
      user_key: `CONCAT(MD5(CONCAT('key', i)), MD5(CONCAT('rest', i)))`,
      slot: status === 'live' ? `'single'` : 'NULL',
      device_type: `CASE WHEN MOD(i, 10) < 6 THEN 'phone' WHEN MOD(i, 10) < 9 THEN 'desktop' ELSE 'tablet' END`,
      device_name: `'Device of a user'`,
      ip: `CONCAT('192.0.2.', MOD(i, 250))`,
      user_agent: `'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36'`,
      claims: `'{"roles":["reader"]}'`,
      created_at: `${now - age} - i * ${step}`,
      authenticated_at: `${now - age} - i * ${step}`,
      expires_at: `${now + 90 * DAY_MS}`,
      usable_until: `${now + DAY_MS} - i * ${step}`,
      status: `'${status}'`,
      end_reason: status === 'live' ? 'NULL' : `'SESSION_LOGGED_OUT'`,
      ended_at: status === 'live' ? 'NULL' : `${now - age}`,
      ended_by: status === 'live' ? 'NULL' : `CONCAT('user-', i)`,
      version: status === 'live' ? '1' : '2',
      generation: '1',
      key_id: `'0123456789abcdef'`,
      nonce: 'MD5(i)',
      issued_at: `${now - age} - i * ${step}`,
      access_hash: 'CONCAT(MD5(i), MD5(i))',
      access_expires_at: `${now + DAY_MS} - i * ${step}`,
      last_seen_at: `${now - age} - i * ${step} + MOD(i * 7919, 10000000) / 1000`,
      last_ip: `CONCAT('198.51.100.', MOD(i, 250))`,
    };
    const select = Object.values(columns)
      .join(', ')
      .replaceAll('MD5(i)', isPostgres ? 'MD5(i::text)' : 'MD5(i)');
    await source.query(
      `INSERT INTO user_session (${Object.keys(columns).join(', ')}) SELECT ${select} FROM ${numbers}`,
    );
  }
  await source.query(isPostgres ? 'VACUUM ANALYZE user_session' : 'ANALYZE TABLE user_session');
}
