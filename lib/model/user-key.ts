import { createHash } from 'node:crypto';
import { invalidArgument } from './session-error.js';

/** What an application may use as a user id: text, or an integer, which stands for its decimal digits. */
export type UserId = string | number | bigint;

/** The user of one realm that sessions belong to. */
export interface AccountRef {
  /** SHA-256 over realm and user id, 64 hex digits: what the database indexes and locks by. */
  readonly key: string;
  readonly realm: string;
  readonly userId: string;
}

const MAX_USER_ID_LENGTH = 1024;

/**
 * The one spelling of a user id. `1`, `1n`, `1.0` and `'1'` are the same user, `'01'` is another. Text is taken as it is:
 * no trimming, no change of case and no Unicode normalization.
 * @throws SessionError ARGUMENT_INVALID for anything that is not text of 1 to 1,024 characters or a safe integer
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

/**
 * SHA-256 over the length-prefixed parts, as 64 hex digits: different (realm, userId) pairs have different keys, whatever
 * characters they are made of. Databases compare text in ways of their own (MariaDB takes 'a' and 'a ' as equal); ASCII
 * hex has one way only.
 */
export function userKey(realm: string, userId: string): string {
  const hash = createHash('sha256');
  for (const part of [realm, escapeUserId(userId)]) {
    hash.update(`${Buffer.byteLength(part)}:`).update(part);
  }
  return hash.digest('hex');
}

/** Names the account of a user. @throws SessionError ARGUMENT_INVALID, see canonicalUserId */
export function accountRef(realm: string, userId: unknown): AccountRef {
  const canonical = canonicalUserId(userId);
  return { key: userKey(realm, canonical), realm, userId: canonical };
}

/** Held keys of an account: that of its sessions, and that of those that it opened as others, if this is another one. */
export function keysOf({ key, realm, userId }: AccountRef): readonly string[] {
  return [...new Set([key, userKey(realm, actorText(userId))])];
}

/**
 * The user id as a column can hold it: the text between the quotes of a JSON string. Ordinary ids stay as they are; NUL,
 * which PostgreSQL refuses and SQLite cuts at, and lone surrogates, which UTF-8 cannot hold, become escapes.
 */
export function escapeUserId(userId: string): string {
  return JSON.stringify(userId).slice(1, -1);
}

/** The reverse of escapeUserId. */
export function unescapeUserId(stored: string): string {
  return stored.includes('\\') ? (JSON.parse(`"${stored}"`) as string) : stored;
}

/** The name of an actor as its column holds it: escaped like a user id, and cut to 255 characters. */
export function actorText(by: string): string {
  return escapeUserId(by).slice(0, 255);
}
