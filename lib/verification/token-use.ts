import { type FieldsOf, checkFields } from '../model/checked-input.js';
import { optionalAddress } from '../model/ip-key.js';
import { invalidArgument } from '../model/session-error.js';
import type { Inspection } from './verifier.js';

/** Circumstances of presenting a token. */
export interface TokenUse {
  /** Client address, as in LoginOptions. Recorded for operators even if the request is not a use. */
  readonly ip?: string | null;
  /** Bypasses all caches. Default false. */
  readonly strict?: boolean;
  /**
   * Counts as a use of the session, for lastSeenAt and the idle timeout. Default true. With false, the address and the
   * arrival of the login are still recorded.
   */
  readonly activity?: boolean;
}

/** Circumstances of presenting a refresh token. */
export type RefreshUse = Pick<TokenUse, 'ip' | 'activity'>;

/** Response of RFC 7662 section 2.2. Times are seconds since the epoch. */
export type Introspection =
  | { readonly active: false }
  | {
      readonly active: true;
      readonly token_type: 'Bearer';
      /** User id. */
      readonly sub: string;
      /** Session id. */
      readonly sid: string;
      readonly iat: number;
      readonly exp: number;
    };

const FIELDS: FieldsOf<TokenUse> = { ip: true, strict: true, activity: true };
/** Fields of methods that do not take all of TokenUse. */
export const REFRESH_USE: FieldsOf<RefreshUse> = { ip: true, activity: true };
export const ADDRESS_ONLY: FieldsOf<Pick<TokenUse, 'ip'>> = { ip: true };
export const ACTIVITY_ONLY: FieldsOf<Pick<TokenUse, 'activity'>> = { activity: true };

/** @returns the client's address @throws SessionError ARGUMENT_INVALID */
export function checkUse(use: TokenUse, fields: object = FIELDS, name = 'use'): string | null {
  checkFields(use, name, fields);
  checkFlag(use.strict, 'strict');
  checkFlag(use.activity, 'activity');
  return optionalAddress(use.ip, 'ip');
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
