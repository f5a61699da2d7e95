import { hash } from 'node:crypto';
import { invalidArgument } from './session-error.js';

/** User id of the application: text, or an integer, which stands for its decimal digits. */
export type UserId = string | number | bigint;

/** Account of a user in one realm. */
export interface AccountRef {
  /** SHA-256 over realm and user id, 64 hex digits. Indexed and locked by the database. */
  readonly key: string;
  readonly realm: string;
  readonly userId: string;
}

const MAX_USER_ID_LENGTH = 1024;

/**
 * `1`, `1n`, `1.0` and `'1'` are the same user, `'01'` is another. Text is not trimmed, case-folded or normalized.
 * @throws SessionError ARGUMENT_INVALID for anything but text of 1 to 1,024 characters or a safe integer
 */
export function canonicalUserId(userId: unknown): string {
  if (typeof userId === 'bigint' || (typeof userId === 'number' && Number.isSafeInteger(userId))) return String(userId);
  if (typeof userId !== 'string') throw invalidArgument('userId', 'must be a string or an integer');
  if (userId.length === 0) throw invalidArgument('userId', 'must not be empty');
  if (userId.length > MAX_USER_ID_LENGTH) {
    throw invalidArgument('userId', `must be at most ${MAX_USER_ID_LENGTH} characters long`);
  }
  return userId;
}

/** SHA-256, 64 hex digits: collations compare other text differently (MariaDB equates 'a' and 'a '). */
export function userKey(realm: string, userId: string): string {
  const user = escapeUserId(userId);
  return hash('sha256', `${Buffer.byteLength(realm)}:${realm}${Buffer.byteLength(user)}:${user}`, 'hex');
}

/** @throws SessionError ARGUMENT_INVALID, see canonicalUserId */
export function accountRef(realm: string, userId: unknown): AccountRef {
  const canonical = canonicalUserId(userId);
  return { key: userKey(realm, canonical), realm, userId: canonical };
}

/** Keys that a change of the account holds: its own, and that of the sessions it opened as an impersonator. */
export function keysOf({ key, realm, userId }: AccountRef): readonly string[] {
  return [...new Set([key, userKey(realm, actorText(userId))])];
}

/** Escapes a user id for a column, as in a JSON string: PostgreSQL refuses NUL, and UTF-8 cannot hold lone surrogates. */
export function escapeUserId(userId: string): string {
  return JSON.stringify(userId).slice(1, -1);
}

export function unescapeUserId(stored: string): string {
  return stored.includes('\\') ? (JSON.parse(`"${stored}"`) as string) : stored;
}

/** Escapes the name of an actor like a user id, and truncates it to the 255 characters of its column. */
export function actorText(by: string): string {
  return escapeUserId(by).slice(0, 255);
}
