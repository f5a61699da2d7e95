import type { Copy } from '../cluster/near-cache.js';
import {
  BAN_FIELDS,
  type Check,
  END_FIELDS,
  PAIR_FIELDS,
  SESSION_FIELDS,
  SUPERSEDED_FIELDS,
  checksOf,
} from '../model/session-fields.js';
import type { SessionEnd, SessionRecord } from '../model/session.js';
import type { SupersededPair, TokenPair } from '../model/token-pair.js';
import type { Tombstone } from '../model/session-change.js';
import type { Ban } from '../model/ban.js';
import { userKey } from '../model/user-key.js';

/** First item of every value. Values of other versions are read as a miss, and the database answers. */
const FORMAT = 1;

const RECORD = checksOf(SESSION_FIELDS);
const PAIR = checksOf(PAIR_FIELDS);
const SUPERSEDED = checksOf(SUPERSEDED_FIELDS);
const BAN = checksOf(BAN_FIELDS);
const END = checksOf(END_FIELDS);

/** Fields of a live record that are written unchanged. The account's key follows from two of them. */
type WrittenAsIs = Omit<SessionRecord, 'userKey' | 'current' | 'superseded' | 'bans' | 'end' | 'version'>;

/** Serializes a live copy. Contains hashes only, no credential. */
export function writeCopy({ record, readAt }: Copy): string {
  const { current, superseded, bans, version } = record;
  const body = [
    FORMAT,
    valuesOf(record, RECORD),
    valuesOf(current, PAIR),
    superseded.map((pair) => valuesOf(pair, SUPERSEDED)),
    bans.map((ban) => valuesOf(ban, BAN)),
  ];
  return `L:${version}:${readAt}:${JSON.stringify(body)}`;
}

/** Serializes a tombstone, without any data of the user or of the actor of the end. */
export function writeTombstone({ sessionId, version, end, tokens }: Tombstone): string {
  const hashes = tokens.map(({ generation, accessHash }) => [generation, accessHash]);
  return `T:${version}:0:${JSON.stringify([FORMAT, sessionId, valuesOf({ ...end, by: '' }, END), hashes])}`;
}

/** Parses a value; null for text that this version did not write: half a record must never pass for a session. */
export function readStored(value: string): Copy | Tombstone | null {
  const head = /^([LT]):(\d{1,15}):(\d{1,15}):/.exec(value);
  if (!head) return null;
  const body = parse(value.slice(head[0].length));
  const version = Number(head[2]);
  if (!Array.isArray(body) || body[0] !== FORMAT) return null;
  return head[1] === 'L' ? readCopy(body, version, Number(head[3])) : readTombstone(body, version);
}

function readCopy(
  [, fields, pair, superseded, bans]: readonly unknown[],
  version: number,
  readAt: number,
): Copy | null {
  const record = objectOf<WrittenAsIs>(fields, RECORD);
  const current = objectOf<TokenPair>(pair, PAIR);
  const older = listOf<SupersededPair>(superseded, SUPERSEDED);
  const banned = listOf<Ban>(bans, BAN);
  if (!record || !current || !older || !banned) return null;
  const key = userKey(record.realm, record.userId);
  return {
    record: { ...record, userKey: key, version, current, superseded: older, bans: banned, end: null },
    readAt,
  };
}

function readTombstone([, sessionId, fields, hashes]: readonly unknown[], version: number): Tombstone | null {
  const end = objectOf<SessionEnd>(fields, END);
  if (!end || typeof sessionId !== 'string' || !Array.isArray(hashes)) return null;
  const tokens = hashes.map((item: unknown) => (Array.isArray(item) ? (item as unknown[]) : []));
  if (!tokens.every(([generation, hash]) => Number.isSafeInteger(generation) && typeof hash === 'string')) return null;
  return {
    sessionId,
    version,
    end,
    tokens: tokens.map(([generation, hash]) => ({ generation: generation as number, accessHash: hash as string })),
  };
}

function valuesOf(object: object, fields: Readonly<Record<string, Check>>): unknown[] {
  return Object.keys(fields).map((name) => (object as Record<string, unknown>)[name]);
}

function listOf<T>(values: unknown, fields: Readonly<Record<string, Check>>): readonly T[] | null {
  if (!Array.isArray(values)) return null;
  const objects = values.map((one) => objectOf<T>(one, fields));
  return objects.includes(null) ? null : (objects as T[]);
}

function objectOf<T>(values: unknown, fields: Readonly<Record<string, Check>>): T | null {
  if (!Array.isArray(values)) return null;
  const object: Record<string, unknown> = {};
  let index = 0;
  for (const name in fields) {
    const value: unknown = values[index++];
    if (!fields[name]!(value)) return null;
    object[name] = value;
  }
  return values.length === index ? (object as T) : null;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
