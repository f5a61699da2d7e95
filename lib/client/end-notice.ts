/** Why the session is over, as the server told it. */
export interface SessionEndNotice {
  /** SESSION_REPLACED, SESSION_KICKED and so on; TOKEN_INVALID where the server gave no reason. */
  readonly errorCode: string;
  /** For people. */
  readonly message: string;
  /** ISO 8601; for SESSION_REPLACED, SESSION_KICKED and SESSION_REVOKED. */
  readonly endedAt?: string;
  /** The login that took its place, for SESSION_REPLACED; `at` is ISO 8601. */
  readonly replacedBy?: {
    readonly deviceType: string | null;
    readonly deviceName: string | null;
    readonly at: string | null;
  };
}

const ENDS: ReadonlySet<string> = new Set([
  'SESSION_LOGGED_OUT',
  'SESSION_REPLACED',
  'SESSION_KICKED',
  'SESSION_REVOKED',
  'SESSION_EXPIRED',
  'SESSION_IDLE',
  'ACCOUNT_DISABLED',
  'REFRESH_REUSED',
]);

/** Whether a code says that the session is over, whichever of its tokens was sent. */
export function isEnd(errorCode: string): boolean {
  return ENDS.has(errorCode);
}

/** Whether a code says that this access token is over and its session may have another. */
export function asksForAnotherToken(errorCode: string): boolean {
  return errorCode === 'TOKEN_EXPIRED' || errorCode === 'TOKEN_INVALID';
}

/** A notice from a value that may be anything; null for what has no errorCode. */
export function readNotice(value: unknown): SessionEndNotice | null {
  if (typeof value !== 'object' || value === null) return null;
  const { errorCode, message, endedAt, replacedBy } = value as Partial<Record<string, unknown>>;
  if (typeof errorCode !== 'string') return null;
  return {
    errorCode,
    message: textOrNull(message) ?? '',
    ...(typeof endedAt === 'string' && { endedAt }),
    ...(typeof replacedBy === 'object' && replacedBy !== null && { replacedBy: readReplacement(replacedBy) }),
  };
}

function readReplacement(value: Partial<Record<string, unknown>>): SessionEndNotice['replacedBy'] {
  const { deviceType, deviceName, at } = value;
  return { deviceType: textOrNull(deviceType), deviceName: textOrNull(deviceName), at: textOrNull(at) };
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
