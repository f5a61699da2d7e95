/** The oldest version that the tests have seen. */
const TESTED_VERSION = 7;

/**
 * What a server's INFO says that costs speed. None of it costs safety: whatever Redis loses is read from the database.
 */
export function adviceFor(info: string): readonly string[] {
  const value = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  const advice: string[] = [];
  const version = value('valkey_version') || value('redis_version');
  if (version !== '' && Number.parseInt(version, 10) < TESTED_VERSION) {
    advice.push(`Redis is of version ${version}, which is not tested; use ${TESTED_VERSION} or later.`);
  }
  const limit = Number(value('maxmemory') || 0);
  if (limit > 0 && value('maxmemory_policy') === 'noeviction') {
    advice.push(
      'Redis has a limit of memory and the policy noeviction: once it is full, sessions are read from the database. ' +
        'Set maxmemory-policy to allkeys-lru, or raise maxmemory.',
    );
  }
  return advice;
}
