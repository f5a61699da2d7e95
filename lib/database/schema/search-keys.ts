import { ipKey } from '../../model/ip-key.js';
import type { UserSession } from '../../model/session.js';

/** How much of a text can be searched for: bytes of UTF-8. */
const KEY_BYTES = 64;

/**
 * The beginning of a text as hexadecimal digits, in lower case letters: what begins with the same letters has a key that
 * begins alike, and such keys sort alike in every collation, so that a search is a range of an index on every engine.
 */
export function searchKey(text: string): string {
  return Buffer.from(text.normalize('NFC').toLowerCase()).subarray(0, KEY_BYTES).toString('hex');
}

/** The columns by which operators find a session. */
export function searchKeys({
  userId,
  userName,
  deviceName,
  ip,
}: Pick<UserSession, 'userId' | 'userName' | 'deviceName' | 'ip'>) {
  return {
    user_search: searchKey(userId),
    name_search: userName === null ? null : searchKey(userName),
    device_search: deviceName === null ? null : searchKey(deviceName),
    ip_key: ip === null ? null : ipKey(ip),
  };
}
