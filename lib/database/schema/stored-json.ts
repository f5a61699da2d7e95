import type { Ban } from '../../model/ban.js';
import type { SupersededPair } from '../../model/token-pair.js';

/** What a column of JSON text holds, or undefined if it is not JSON. */
export function parseStored(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}

/** The pairs of a column; null for what was never written there. */
export function toSuperseded(text: unknown): readonly SupersededPair[] | null {
  return toList(text, isSupersededPair);
}

/** The bans of a column; null for what was never written there. */
export function toBans(text: unknown): readonly Ban[] | null {
  return toList(text, isBan);
}

/** A list as its column holds it: nothing for an empty one. */
export function fromList(list: readonly object[]): string | null {
  return list.length === 0 ? null : JSON.stringify(list);
}

function toList<T>(text: unknown, isItem: (value: unknown) => value is T): readonly T[] | null {
  if (text === null || text === undefined) return [];
  const list = parseStored(text);
  return Array.isArray(list) && list.every(isItem) ? list : null;
}

function isSupersededPair(value: unknown): value is SupersededPair {
  const pair = (value ?? {}) as Partial<SupersededPair>;
  return (
    [pair.generation, pair.issuedAt, pair.accessExpiresAt].every(Number.isSafeInteger) &&
    [pair.keyId, pair.accessHash].every(isText) &&
    isNullOr(isText, pair.signingKeyId) &&
    isNullOr(isText, pair.refreshHash) &&
    isNullOr(Number.isSafeInteger, pair.refreshExpiresAt) &&
    isNullOr(Number.isSafeInteger, pair.graceUntil)
  );
}

function isBan(value: unknown): value is Ban {
  const ban = (value ?? {}) as Partial<Ban>;
  return (
    [ban.level, ban.at].every(Number.isSafeInteger) &&
    isText(ban.by) &&
    isNullOr(isText, ban.service) &&
    isNullOr(isText, ban.comment) &&
    isNullOr(Number.isSafeInteger, ban.until)
  );
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

function isNullOr(is: (value: unknown) => boolean, value: unknown): boolean {
  return value === null || is(value);
}
