import { type FieldsOf, checkFields } from '../model/checked-input.js';
import { optionalAddress } from '../model/ip-key.js';
import { invalidArgument } from '../model/session-error.js';
import type { Inspection } from './verifier.js';

/** Circumstances in which a token is presented. */
export interface TokenUse {
  /** Address of the client, as in LoginOptions; operators see it, whether or not it counts as a use. */
  readonly ip?: string | null;
  /** Asks the database in any case; default false. */
  readonly strict?: boolean;
  /**
   * Counts as a use of the session, for lastSeenAt and the idle timeout; default true. False still notes the address for
   * operators, and that the login is not abandoned.
   */
  readonly activity?: boolean;
}

/** Circumstances in which a refresh token is presented. */
export type RefreshUse = Pick<TokenUse, 'ip' | 'activity'>;

/** The answer of RFC 7662 section 2.2. Times in seconds since the epoch. */
export type Introspection =
  | { readonly active: false }
  | {
      readonly active: true;
      readonly token_type: 'Bearer';
      /** The user id. */
      readonly sub: string;
      /** The session id. */
      readonly sid: string;
      readonly iat: number;
      readonly exp: number;
    };

const FIELDS: FieldsOf<TokenUse> = { ip: true, strict: true, activity: true };
const ACTIVITY_ONLY: FieldsOf<Pick<TokenUse, 'activity'>> = { activity: true };
const ADDRESS_ONLY: FieldsOf<Pick<TokenUse, 'ip'>> = { ip: true };
const REFRESH: FieldsOf<RefreshUse> = { ip: true, activity: true };

/** @returns the address @throws SessionError ARGUMENT_INVALID */
export function checkUse(use: TokenUse): string | null {
  checkFields(use, 'use', FIELDS);
  checkFlag(use.strict, 'strict');
  checkFlag(use.activity, 'activity');
  return optionalAddress(use.ip, 'ip');
}

/** @returns the address @throws SessionError ARGUMENT_INVALID */
export function checkRefreshUse(use: RefreshUse): string | null {
  checkFields(use, 'use', REFRESH);
  checkFlag(use.activity, 'activity');
  return optionalAddress(use.ip, 'ip');
}

/** The address of a use that has nothing else. @throws SessionError ARGUMENT_INVALID */
export function addressIn(use: Pick<TokenUse, 'ip'>): string | null {
  checkFields(use, 'use', ADDRESS_ONLY);
  return optionalAddress(use.ip, 'ip');
}

/** True if a presented token counts as a use of its session. @throws SessionError ARGUMENT_INVALID */
export function countsAsUse(options: Pick<TokenUse, 'activity'>): boolean {
  checkFields(options, 'options', ACTIVITY_ONLY);
  checkFlag(options.activity, 'activity');
  return options.activity !== false;
}

export function introspectionOf(result: Inspection): Introspection {
  if (result.status !== 'VALID') return { active: false };
  const { record, pair } = result;
  return {
    active: true,
    token_type: 'Bearer',
    sub: record.userId,
    sid: record.id,
    iat: Math.floor(pair.issuedAt / 1000),
    exp: Math.floor(pair.accessExpiresAt / 1000),
  };
}

function checkFlag(value: unknown, name: string): void {
  if (value !== undefined && typeof value !== 'boolean') throw invalidArgument(name, 'must be true or false');
}
