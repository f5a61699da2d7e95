import { STATUS_CODES } from 'node:http';
import type { SessionErrorCode } from '../../model/session-error.js';

/** Schemas of OpenAPI 3, as far as they are used here. */
export type Schema = Readonly<Record<string, unknown>>;

/** Answers of a route by status, as `ApiResponse` of `@nestjs/swagger` keeps them. */
export type Answers = Record<number, object>;

export const text: Schema = { type: 'string' };
export const count: Schema = { type: 'integer' };
export const flag: Schema = { type: 'boolean' };
export const optionalText: Schema = { type: 'string', nullable: true };
export const optionalCount: Schema = { ...count, nullable: true };
export const time: Schema = { type: 'string', format: 'date-time' };

export const listOf = (items: Schema): Schema => ({ type: 'array', items });

/** Describes an object, all of whose fields are there but for the optional ones. */
export function object(properties: Readonly<Record<string, Schema>>, ...optional: readonly string[]): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', properties, ...(required.length > 0 && { required }) };
}

export const sessionItem: Schema = object({
  sessionId: text,
  current: flag,
  impersonated: flag,
  deviceType: optionalText,
  deviceName: optionalText,
  ip: optionalText,
  userAgent: optionalText,
  createdAt: time,
  lastSeenAt: time,
  expiresAt: time,
  idleMs: optionalCount,
  refreshMs: optionalCount,
});

/** Tokens are absent with cookies. */
export const sessionAnswer: Schema = object(
  {
    tokenType: { type: 'string', enum: ['Bearer'] },
    accessToken: text,
    expiresIn: count,
    refreshToken: text,
    refreshExpiresIn: count,
    sessionId: text,
    ended: { type: 'array', items: { type: 'object' } },
  },
  'tokenType',
  'accessToken',
  'refreshToken',
  'refreshExpiresIn',
);

/** Describes the body of a refusal with any of these codes. */
export function errorAnswer(status: number, codes: readonly SessionErrorCode[]): object {
  const schema = object({
    statusCode: { type: 'integer', enum: [status] },
    error: text,
    message: text,
    errorCode: { type: 'string', enum: codes },
  });
  const header = { 401: 'WWW-Authenticate', 503: 'Retry-After' }[status];
  return {
    description: STATUS_CODES[status],
    schema,
    ...(header !== undefined && { headers: { [header]: { schema: text } } }),
  };
}
