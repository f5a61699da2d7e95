import type { Ban } from '../../model/ban.js';
import { BAN_FIELDS, type Check, SUPERSEDED_FIELDS, checksOf } from '../../model/session-fields.js';
import type { Claims } from '../../model/session.js';
import type { SupersededPair } from '../../model/token-pair.js';

const BAN = checksOf(BAN_FIELDS);
const SUPERSEDED = checksOf(SUPERSEDED_FIELDS);

/** Undefined for text that is not JSON. */
export function parseStored(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}

/** Null, like the next ones, for text that was never written there. */
export function toClaims(text: unknown): Claims | null {
  const claims = parseStored(text);
  return typeof claims === 'object' && !Array.isArray(claims) ? (claims as Claims | null) : null;
}

export function toSuperseded(text: unknown): readonly SupersededPair[] | null {
  return toList(text, SUPERSEDED);
}

export function toBans(text: unknown): readonly Ban[] | null {
  return toList(text, BAN);
}

export function fromList(list: readonly object[]): string | null {
  return list.length === 0 ? null : JSON.stringify(list);
}

function toList<T>(text: unknown, checks: Readonly<Record<string, Check>>): readonly T[] | null {
  if (text === null || text === undefined) return [];
  const list = parseStored(text);
  const isItem = (value: unknown) => {
    const item = (value ?? {}) as Record<string, unknown>;
    return Object.entries(checks).every(([name, check]) => check(item[name]));
  };
  return Array.isArray(list) && list.every(isItem) ? (list as readonly T[]) : null;
}
