import { type FieldsOf, checkFields } from '../model/checked-input.js';
import { optionalAddress } from '../model/ip-key.js';
import { invalidArgument } from '../model/session-error.js';

/** How a token is being used. */
export interface TokenUse {
  /** Address of the client, as in LoginOptions; operators see it, whether or not it counts as a use. */
  readonly ip?: string | null;
  /** Whether the database is to be asked in any case; default false. */
  readonly strict?: boolean;
  /**
   * Whether it counts as a use of the session, for lastSeenAt and the idle timeout; default true. What operators see of the
   * token's addresses, and that the login is not abandoned, does not depend on it.
   */
  readonly activity?: boolean;
}

/** How a refresh token is being used. */
export type RefreshUse = Pick<TokenUse, 'ip' | 'activity'>;

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

/** The address of a use of which nothing else is told. @throws SessionError ARGUMENT_INVALID */
export function addressIn(use: Pick<TokenUse, 'ip'>): string | null {
  checkFields(use, 'use', ADDRESS_ONLY);
  return optionalAddress(use.ip, 'ip');
}

/** Whether a presented token counts as a use of its session. @throws SessionError ARGUMENT_INVALID */
export function countsAsUse(options: Pick<TokenUse, 'activity'>): boolean {
  checkFields(options, 'options', ACTIVITY_ONLY);
  checkFlag(options.activity, 'activity');
  return options.activity !== false;
}

function checkFlag(value: unknown, name: string): void {
  if (value !== undefined && typeof value !== 'boolean') throw invalidArgument(name, 'must be true or false');
}
