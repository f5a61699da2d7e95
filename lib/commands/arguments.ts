import { optionalAddress } from '../model/ip-key.js';
import { checkMethods } from '../model/authentication-methods.js';
import { type FieldsOf, checkFields, isObject, jsonText } from '../model/checked-input.js';
import { invalidArgument } from '../model/session-error.js';
import type { RoomToMake } from '../model/session-change.js';
import type { Claims, SessionDetails } from '../model/session.js';
import { sessionIdOf } from '../tokens/token-codec.js';
import type { SessionLife } from './login-life.js';

/** Returns the claims of a login. Called again if the credentials or claims of the user change before the login is recorded. */
export type ClaimsFunction = () => Claims | Promise<Claims>;

/**
 * At most 4,096 bytes as JSON, or a function that reads them: then they are never older than a change of claims that was
 * acknowledged. Required if SessionClaims has a required member.
 */
type LoginClaims =
  Record<never, never> extends Claims
    ? { readonly claims?: Claims | ClaimsFunction }
    : { readonly claims: Claims | ClaimsFunction };

/** Options of `login`. All are optional, except typed claims. */
export interface LoginOptions extends LoginClaims {
  /** Name of the user for operators, who see it and search by it. At most 128 characters. */
  readonly userName?: string | null;
  /**
   * Method of authentication, such as `password` or `passkey`: at most 32 letters, digits, `_` and `-`, stored in lower
   * case.
   */
  readonly loginMethod?: string | null;
  /**
   * Methods by which the user proved who they are, as RFC 8176 names them: 1 to 8, such as `['pwd', 'otp', 'mfa']`, each of 1 to 32
   * letters, digits, `.`, `:`, `_` and `-`, stored in lower case. Default: none. RequireFresh can ask for them.
   */
  readonly amr?: readonly string[];
  /** Kind of device, such as `phone`: at most 32 letters, digits, `_` and `-`, stored in lower case. */
  readonly deviceType?: string | null;
  /** Stable id of the device, at most 128 characters. A login replaces the live session with the same id. */
  readonly deviceId?: string | null;
  /** User's name for the device, at most 128 characters. */
  readonly deviceName?: string | null;
  /** Client address as proxies write it; text that is not an address is ignored. */
  readonly ip?: string | null;
  /** User-Agent header. Control characters are removed, and the rest is truncated to 512 characters. */
  readonly userAgent?: string | null;
  /**
   * Keeps the cookies of this login when the browser closes ("remember me"). Default: false. Means nothing for tokens in
   * headers.
   */
  readonly persistent?: boolean;
  /** Lives of this login, such as 30 days on a phone or an hour on a public computer. Default: those of the module. */
  readonly life?: SessionLife;
  /** Time of the proof of identity, in milliseconds since the epoch. Default and maximum: now. */
  readonly authenticatedAt?: number;
  /** Ticket that `beginLogin` returned before the password was checked. */
  readonly ticket?: string;
  /** Choice of the user at the limit of the policy; see SessionLimitError. */
  readonly makeRoom?: MakeRoom;
  /** Token that came with the login request, if any. Its session ends, against session fixation (CWE-384). */
  readonly presentedToken?: string | null;
}

/** Choice of a user whose login was refused at the limit of the policy. */
export interface MakeRoom {
  /** Ticket of the SessionLimitError. Is used up only by a login that succeeds. */
  readonly choice: string;
  /**
   * Ids of the user's sessions to end, 1 to 500, or the oldest: as many as must go. Ids that are unknown, of others, or have
   * ended are left out.
   */
  readonly end: RoomToMake;
}

/** Options of the logins of users and of operators. */
export type SharedLoginOptions = Pick<
  LoginOptions,
  'userName' | 'deviceType' | 'deviceName' | 'ip' | 'userAgent' | 'claims'
>;

/** Makes the options optional unless claims are required. */
export type LoginArguments =
  Record<never, never> extends LoginOptions ? [options?: LoginOptions] : [options: LoginOptions];

/** Validated options of a login: no field is undefined, and all text fits its column. */
export type CheckedLogin = Pick<
  SessionDetails,
  | 'userName'
  | 'loginMethod'
  | 'amr'
  | 'deviceType'
  | 'deviceId'
  | 'deviceName'
  | 'ip'
  | 'userAgent'
  | 'claims'
  | 'persistent'
>;

/** A login about to be recorded, as the hook beforeLogin sees it. */
export interface LoginAttempt extends CheckedLogin {
  readonly userId: string;
  /** Operator who opens the session as this user, or null. */
  readonly impersonator: string | null;
}

/**
 * Vetoes a login before it is recorded: throw, and `login` rejects with that error; return false, and it rejects with
 * FORBIDDEN.
 */
export type BeforeLogin = (login: LoginAttempt) => void | boolean | Promise<void | boolean>;

/** Fields of the logins of users and of operators. */
export const SHARED_FIELDS: FieldsOf<SharedLoginOptions> = {
  userName: true,
  deviceType: true,
  deviceName: true,
  ip: true,
  userAgent: true,
  claims: true,
};
const LOGIN_FIELDS: FieldsOf<LoginOptions> = {
  ...SHARED_FIELDS,
  loginMethod: true,
  amr: true,
  deviceId: true,
  persistent: true,
  life: true,
  authenticatedAt: true,
  ticket: true,
  makeRoom: true,
  presentedToken: true,
};
export const MAX_CLAIMS_BYTES = 4096;

/** @throws SessionError ARGUMENT_INVALID naming the field */
export function checkLogin(options: LoginOptions): CheckedLogin {
  checkFields(options, 'options', LOGIN_FIELDS);
  if (!['undefined', 'string'].includes(typeof (options.presentedToken ?? undefined))) {
    throw invalidArgument('presentedToken', 'must be a string');
  }
  return {
    userName: optionalText(options.userName, 'userName', 128),
    loginMethod: optionalWord(options.loginMethod, 'loginMethod'),
    amr: checkMethods(options.amr),
    deviceType: optionalWord(options.deviceType, 'deviceType'),
    deviceId: optionalText(options.deviceId, 'deviceId', 128),
    deviceName: optionalText(options.deviceName, 'deviceName', 128),
    ip: optionalAddress(options.ip, 'ip'),
    userAgent: cleanUserAgent(options.userAgent),
    // Those of a function are asked for later.
    claims: typeof options.claims === 'function' ? {} : checkClaims(options.claims),
    persistent: checkFlag(options.persistent, 'persistent'),
  };
}

/** Control characters, line separators, and lone surrogates. */
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]/u;

/** @throws SessionError ARGUMENT_INVALID */
export function checkFlag(value: unknown, name: string): boolean {
  if (value !== undefined && typeof value !== 'boolean') throw invalidArgument(name, 'must be true or false');
  return value === true;
}

/** @throws SessionError ARGUMENT_INVALID */
function optionalWord(value: unknown, name: string): string | null {
  const word = optionalText(value, name, 32);
  if (word !== null && !/^[A-Za-z0-9_-]+$/.test(word)) {
    throw invalidArgument(name, 'must consist of letters, digits, _ and -');
  }
  return word?.toLowerCase() ?? null;
}

/** Reads text; undefined, null and '' become null. @throws SessionError ARGUMENT_INVALID for what no column takes */
export function optionalText(value: unknown, name: string, maxLength: number): string | null {
  if (value === undefined || value === null || value === '') return null;
  if (typeof value !== 'string') throw invalidArgument(name, 'must be a string');
  if (value.length > maxLength) throw invalidArgument(name, `must be at most ${maxLength} characters long`);
  if (UNPRINTABLE.test(value)) {
    throw invalidArgument(name, 'must not contain control characters or lone surrogates');
  }
  return value;
}

/** @throws SessionError ARGUMENT_INVALID unless the value is undefined or integer milliseconds since the epoch */
export function checkTime(value: number | undefined, name: string): number | undefined {
  if (value === undefined || (Number.isSafeInteger(value) && value > 0)) return value;
  throw invalidArgument(name, 'must be a time in integer milliseconds since the epoch');
}

export function actorOf(value: unknown): string {
  if (typeof value === 'string' && value !== '' && value.length <= 1024) return value;
  throw invalidArgument('by', 'must name the operator in 1 to 1,024 characters');
}

const MAX_IDS = 500;

/** Removes duplicate ids. @throws SessionError ARGUMENT_INVALID */
export function sessionIdsOf(values: unknown, name: string): readonly string[] {
  if (!Array.isArray(values) || values.length === 0 || values.length > MAX_IDS) {
    throw invalidArgument(name, `must be a list of 1 to ${MAX_IDS} session ids`);
  }
  return [...new Set(values.map((value: unknown) => sessionIdOf(value, name)))];
}

function cleanUserAgent(value: unknown): string | null {
  if (typeof value !== 'string') return optionalText(value, 'userAgent', 512);
  const clean = value.split(UNPRINTABLE).join(' ').slice(0, 512);
  // The cut may have split a pair of surrogates.
  return clean.replace(/[\ud800-\udbff]$/, '') || null;
}

/** @throws SessionError ARGUMENT_INVALID unless the value is a plain JSON object of at most 4,096 bytes; undefined is `{}` */
export function checkClaims(claims: unknown, name = 'claims'): Claims {
  if (claims === undefined) return {};
  const copy: unknown = isObject(claims) ? JSON.parse(jsonText(claims, name, MAX_CLAIMS_BYTES)) : null;
  // An object with its own toJSON may have become anything.
  if (!isObject(copy)) throw invalidArgument(name, 'must be a plain JSON object');
  return copy as Claims;
}

export function claimsSize(claims: Claims): number {
  return Buffer.byteLength(JSON.stringify(claims));
}
