import { type FieldsOf, checkFields } from '../model/checked-input.js';
import { invalidArgument } from '../model/session-error.js';
import { type Duration, readDuration } from '../model/timing.js';
import { SHARED_FIELDS, type SharedLoginOptions, actorOf, optionalText } from './arguments.js';

/** Options of `kick`, `kickMany` and `kickUser`. */
export interface KickOptions {
  /** Operator, 1 to 1,024 characters. */
  readonly by: string;
  /** Operator's words for the audit trail, at most 255 characters. */
  readonly comment?: string | null;
}

/** Options of `impersonate`. */
export interface ImpersonationOptions extends KickOptions, SharedLoginOptions {
  /** Lifetime of the session, which nothing extends. Default `30m`, at most `12h`. */
  readonly for?: Duration;
}

const KICK_FIELDS: FieldsOf<KickOptions> = { by: true, comment: true };
const IMPERSONATION_FIELDS: FieldsOf<ImpersonationOptions> = { ...SHARED_FIELDS, ...KICK_FIELDS, for: true };

const MAX_IMPERSONATION_MS = 12 * 3_600_000;

/** @returns milliseconds @throws SessionError ARGUMENT_INVALID */
function impersonationLife(value: unknown = '30m'): number {
  const ms = readDuration(value);
  if (ms !== null && ms <= MAX_IMPERSONATION_MS) return ms;
  throw invalidArgument('for', "must be a duration of at most '12h', such as '30m'");
}

/** Reads operator, comment and lifetime (milliseconds) of an impersonation. @throws SessionError ARGUMENT_INVALID */
export function impersonationOf(options: ImpersonationOptions) {
  checkFields(options, 'options', IMPERSONATION_FIELDS);
  return { ...operatorOf(options), maxAgeMs: impersonationLife(options.for) };
}

/** @throws SessionError ARGUMENT_INVALID */
export function kickOf(options: KickOptions) {
  checkFields(options, 'options', KICK_FIELDS);
  return operatorOf(options);
}

function operatorOf({ by, comment }: KickOptions) {
  return { by: actorOf(by), comment: optionalText(comment, 'comment', 255) };
}
