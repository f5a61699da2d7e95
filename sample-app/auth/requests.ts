import { readBody } from '../http/input.js';

const MAX_PASSWORD = 1024;
const MIN_NEW_PASSWORD = 8;
const MAX_TOKEN = 4096;

export interface LoginRequest {
  readonly username: string;
  readonly password: string;
  readonly deviceType: string | undefined;
  readonly deviceId: string | undefined;
  readonly deviceName: string | undefined;
}

/** @throws SessionError ARGUMENT_INVALID */
export function readLoginRequest(body: unknown): LoginRequest {
  return readBody(body, (input) => ({
    username: input.text('username', 128),
    password: input.text('password', MAX_PASSWORD),
    deviceType: input.optionalWord('deviceType', 32),
    deviceId: input.optionalLine('deviceId', 128),
    deviceName: input.optionalLine('deviceName', 128),
  }));
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
