import type { Duration, MakeRoom, SessionLife } from 'nestjs-latchkey';
import { type Input, invalid, readBody } from '../http/input.js';

const MAX_PASSWORD = 1024;
const MIN_NEW_PASSWORD = 8;
const MAX_TOKEN = 4096;

export interface LoginRequest {
  /** Name and password, if it has them. Where a choice is made, its ticket says who it is. */
  readonly credentials: { readonly username: string; readonly password: string } | null;
  /** Choice of the user at the limit of sessions. */
  readonly makeRoom: MakeRoom | undefined;
  readonly deviceType: string | undefined;
  readonly deviceId: string | undefined;
  readonly deviceName: string | undefined;
  /** True if cookies stay when the browser closes. */
  readonly persistent: boolean | undefined;
  /** How long the session lives at most, if not as long as any. */
  readonly life: SessionLife | undefined;
}

/** @throws SessionError ARGUMENT_INVALID */
export function readLoginRequest(body: unknown): LoginRequest {
  return readBody(body, (input) => ({
    ...readProof(input),
    deviceType: input.optionalWord('deviceType', 32),
    deviceId: input.optionalLine('deviceId', 128),
    deviceName: input.optionalLine('deviceName', 128),
    persistent: input.optionalFlag('remember'),
    life: readLife(input.optionalText('maxAge', 16)),
  }));
}

/** The library checks that it is a duration, and not too long. */
function readLife(maxAge: string | undefined): SessionLife | undefined {
  return maxAge === undefined ? undefined : { maxAge: maxAge as Duration };
}

function readProof(input: Input): Pick<LoginRequest, 'credentials' | 'makeRoom'> {
  const choice = input.optionalText('ticket', MAX_TOKEN);
  const end = input.optionalValue('endSessions');
  const hasCredentials = ['username', 'password'].some((name) => input.optionalValue(name) !== undefined);
  const credentials =
    choice === undefined || hasCredentials
      ? { username: input.text('username', 128), password: input.text('password', MAX_PASSWORD) }
      : null;
  if (choice === undefined && end === undefined) return { credentials, makeRoom: undefined };
  if (choice === undefined) throw invalid('ticket', 'must come with endSessions');
  return { credentials, makeRoom: { choice, end: readEnd(end) } };
}

function readEnd(end: unknown): MakeRoom['end'] {
  if (end === 'oldest') return end;
  const isList = Array.isArray(end) && end.length > 0 && end.length <= 100;
  if (!isList || !end.every((id) => typeof id === 'string' && /^[0-9a-f]{32}$/.test(id))) {
    throw invalid('endSessions', 'must be "oldest" or a list of 1 to 100 session ids, and comes with a ticket');
  }
  return end as string[];
}

export interface ChangePasswordRequest {
  readonly oldPassword: string;
  readonly newPassword: string;
}

/** @throws SessionError ARGUMENT_INVALID */
export function readChangePasswordRequest(body: unknown): ChangePasswordRequest {
  return readBody(body, (input) => ({
    oldPassword: input.text('oldPassword', MAX_PASSWORD),
    newPassword: input.text('newPassword', MAX_PASSWORD, MIN_NEW_PASSWORD),
  }));
}

/** The password. @throws SessionError ARGUMENT_INVALID */
export function readConfirmPasswordRequest(body: unknown): string {
  return readBody(body, (input) => input.text('password', MAX_PASSWORD));
}

/** Returns the refresh token; undefined for none, as with cookies. @throws SessionError ARGUMENT_INVALID */
export function readRefreshRequest(body: unknown): string | undefined {
  return readBody(body, (input) => input.optionalText('refreshToken', MAX_TOKEN));
}
