import type { Ban } from './ban.js';
import { END_REASONS, type SessionEnd, type SessionRecord, type SessionDetails } from './session.js';
import type { SupersededPair, TokenPair } from './token-pair.js';

/** Storage and display of a field of a session, for database, Redis and operators' lists. */
export interface Field {
  /** Default: the name of the field in snake case. */
  readonly column?: string;
  readonly kind:
    | 'text'
    | 'words'
    | 'hash'
    | 'userId'
    | 'number'
    | 'time'
    | 'flag'
    | 'endReason'
    | 'claims'
    | 'bans'
    | 'pairs';
  /** Most characters of a text, and of words with a space between them. */
  readonly length?: number;
  readonly nullable?: true;
  /** False if copies in Redis derive it or do without. */
  readonly copied?: false;
  /** Read from the row of the account, and written by no session. */
  readonly ofAccount?: true;
  /** Form in operators' lists; `address` needs the right to see addresses. */
  readonly listed?: 'plain' | 'time' | 'address';
  /** Operators search live sessions by it: a lower-case word, indexed. */
  readonly sought?: true;
}

export type Fields = Readonly<Record<string, Field>>;

type Kind<T> = T extends number
  ? 'number' | 'time'
  : T extends boolean
    ? 'flag'
    : T extends string
      ? 'text' | 'hash' | 'userId' | 'endReason'
      : Field['kind'];
type FieldsOf<T> = {
  readonly [K in keyof T]-?: Field & { readonly kind: Kind<NonNullable<T[K]>> } & (null extends T[K]
      ? { readonly nullable: true }
      : { readonly nullable?: never });
};

export const SESSION_FIELDS = {
  id: { kind: 'text', length: 32, copied: false },
  realm: { kind: 'text', length: 64, copied: false },
  userId: { kind: 'userId' },
  userKey: { kind: 'text', length: 64, copied: false },
  userName: { kind: 'text', length: 128, nullable: true },
  deviceType: { kind: 'text', length: 32, nullable: true, listed: 'plain', sought: true },
  deviceId: { kind: 'text', length: 128, nullable: true, listed: 'plain' },
  deviceName: { kind: 'text', length: 128, nullable: true, listed: 'plain' },
  loginMethod: { kind: 'text', length: 32, nullable: true, listed: 'plain', sought: true },
  amr: { kind: 'words', length: 263, listed: 'plain' },
  ip: { kind: 'text', length: 45, nullable: true, listed: 'address', copied: false },
  userAgent: { kind: 'text', length: 512, nullable: true, listed: 'address', copied: false },
  claims: { kind: 'claims' },
  createdAt: { kind: 'time', listed: 'time', copied: false },
  authenticatedAt: { kind: 'time' },
  reauthenticatedAt: { kind: 'time', nullable: true },
  lastSeenAt: { kind: 'time', listed: 'time' },
  lastIp: { kind: 'text', length: 45, nullable: true, listed: 'address', copied: false },
  expiresAt: { kind: 'time', listed: 'time' },
  impersonator: { kind: 'text', length: 255, nullable: true, listed: 'plain' },
  persistent: { kind: 'flag' },
  usableUntil: { kind: 'time' },
  version: { kind: 'number', copied: false },
  nonce: { kind: 'text', length: 32, copied: false },
  renewedFrom: { kind: 'text', length: 45, nullable: true, copied: false },
  superseded: { kind: 'pairs' },
  accountEpoch: { kind: 'number' },
  realmEpoch: { kind: 'number' },
  accountVersion: { kind: 'number', ofAccount: true },
  bans: { kind: 'bans', ofAccount: true },
  refreshMs: { kind: 'number', nullable: true, listed: 'plain', copied: false },
  // The last: a copy without it has a shorter number of bits.
  idleMs: { kind: 'number', nullable: true, listed: 'plain' },
} as const satisfies FieldsOf<Omit<SessionRecord, 'current' | 'end'>>;

/** Fields of the current pair, which are columns of the session's row, and of superseded pairs. */
export const PAIR_FIELDS = {
  generation: { kind: 'number' },
  keyId: { kind: 'text', length: 16 },
  signingKeyId: { kind: 'text', length: 64, nullable: true },
  issuedAt: { kind: 'time' },
  accessHash: { kind: 'hash', length: 64 },
  accessExpiresAt: { kind: 'time' },
  refreshHash: { kind: 'hash', length: 64, nullable: true, copied: false },
  refreshExpiresAt: { kind: 'time', nullable: true },
} as const satisfies FieldsOf<TokenPair>;

export const SUPERSEDED_FIELDS = {
  ...PAIR_FIELDS,
  graceUntil: { kind: 'time', nullable: true },
} as const satisfies FieldsOf<SupersededPair>;

export const END_FIELDS = {
  reason: { kind: 'endReason', length: 32, column: 'end_reason' },
  at: { kind: 'time', column: 'ended_at' },
  by: { kind: 'text', length: 255, column: 'ended_by' },
  replacedBy: { kind: 'text', length: 32, nullable: true },
} as const satisfies FieldsOf<SessionEnd>;

export const BAN_FIELDS = {
  service: { kind: 'text', nullable: true },
  level: { kind: 'number' },
  comment: { kind: 'text', nullable: true },
  until: { kind: 'time', nullable: true },
  at: { kind: 'time' },
  by: { kind: 'text' },
} as const satisfies FieldsOf<Ban>;

type All = typeof SESSION_FIELDS;
type With<Property> = { [K in keyof All]: All[K] extends Property ? K : never }[keyof All];

export type ListedField = With<{ readonly listed: string }> & keyof SessionDetails;
export type ListedTime = With<{ readonly listed: 'time' }>;
export const LISTED_FIELDS = fieldsWith('listed') as readonly ListedField[];

/** The fields that operators look for sessions by. */
export type SoughtField = With<{ readonly sought: true }>;
export const SOUGHT_FIELDS = fieldsWith('sought') as readonly SoughtField[];

function fieldsWith(property: keyof Field): readonly string[] {
  return Object.entries(SESSION_FIELDS as Fields).flatMap(([name, field]) => (field[property] ? [name] : []));
}

/** Tells if a value of JSON may be one of a field. */
export type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string';

const CHECKS: Readonly<Record<Field['kind'], Check>> = {
  text: isText,
  words: (value) => Array.isArray(value) && value.every(isText),
  hash: isText,
  userId: isText,
  number: Number.isSafeInteger,
  time: Number.isSafeInteger,
  flag: (value) => typeof value === 'boolean',
  endReason: (value) => (END_REASONS as readonly unknown[]).includes(value),
  claims: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  bans: Array.isArray,
  pairs: Array.isArray,
};

export function checksOf(fields: Fields): Readonly<Record<string, Check>> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, { kind, nullable }]) => {
      const check = CHECKS[kind];
      return [name, nullable ? (value: unknown) => value === null || check(value) : check];
    }),
  );
}
