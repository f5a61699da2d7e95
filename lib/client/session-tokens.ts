import { page } from './page.js';

/** Response of a login; further fields are ignored. */
export interface SessionTokens {
  /** Absent with cookies. */
  readonly accessToken?: string;
  /** Absent if the server renews access tokens by itself. */
  readonly refreshToken?: string | null;
  /** Lifetime of the access token in seconds. */
  readonly expiresIn?: number | null;
  /** Lifetime of the refresh token in seconds, enforced by the server. */
  readonly refreshExpiresIn?: number | null;
  readonly sessionId?: string | null;
}

/** Tokens as stored. With cookies, `accessToken` is a random mark of their generation, which is not sent. */
export interface HeldTokens {
  readonly accessToken: string;
  readonly refreshToken: string | null;
  /** Milliseconds since the epoch by this machine's clock; null if unknown. */
  readonly expiresAt: number | null;
  readonly sessionId: string | null;
  /** Random id of the login, kept by renewals, which tells one session's tokens from the next. */
  readonly login: string;
}

/**
 * @param byCookie the server keeps the tokens in cookies; a mark then takes the place of the access token
 * @throws TypeError unless the value is the response of a login
 */
export function checkTokens(
  given: SessionTokens,
  name: string,
  byCookie = false,
): SessionTokens & { readonly accessToken: string } {
  if (typeof given !== 'object' || given === null) throw new TypeError(`${name} must be an object.`);
  const { accessToken = byCookie ? randomText() : undefined, refreshToken, expiresIn, sessionId } = given;
  const need = (isRight: boolean, problem: string) => {
    if (!isRight) throw new TypeError(`${name}.${problem}.`);
  };
  const hasTokens = given.accessToken !== undefined || given.refreshToken != null;
  need(!(byCookie && hasTokens), 'accessToken must be absent: the server puts tokens into cookies only if asked to');
  need(isToken(accessToken), 'accessToken must be a token');
  need(refreshToken == null || isToken(refreshToken), 'refreshToken must be a token, or absent');
  need(expiresIn == null || isTime(expiresIn), 'expiresIn must be a number of seconds, or absent');
  need(sessionId == null || typeof sessionId === 'string', 'sessionId must be a string, or absent');
  return { ...given, accessToken: accessToken! };
}

export function holdTokens(given: ReturnType<typeof checkTokens>, login = randomText()): HeldTokens {
  const { accessToken, refreshToken = null, sessionId = null, expiresIn } = given;
  return { accessToken, refreshToken, sessionId, login, expiresAt: endOf(expiresIn) };
}

/** Replaces the tokens of a session; fields missing in the response stay. */
export function renewTokens(held: HeldTokens, next: ReturnType<typeof checkTokens>): HeldTokens {
  const { accessToken, refreshToken, expiresIn } = next;
  return { ...held, accessToken, refreshToken: refreshToken ?? held.refreshToken, expiresAt: endOf(expiresIn) };
}

/** Parses untrusted text: another program's, an old version's, a hostile one. Null without tokens. */
export function parseTokens(text: string | null): HeldTokens | null {
  let value: Partial<Record<string, unknown>> | null;
  try {
    value = JSON.parse(text ?? 'null') as typeof value;
  } catch {
    return null;
  }
  const { accessToken, refreshToken, expiresAt, sessionId, login } = value ?? {};
  if (!isToken(accessToken) || typeof login !== 'string' || login === '') return null;
  if (refreshToken !== null && !isToken(refreshToken)) return null;
  return {
    accessToken,
    refreshToken,
    login,
    expiresAt: isTime(expiresAt) ? expiresAt : null,
    sessionId: typeof sessionId === 'string' ? sessionId : null,
  };
}

/** True if a value can be sent in an Authorization header. */
export function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,16384}$/.test(value);
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function endOf(seconds: number | null | undefined): number | null {
  return seconds == null ? null : Date.now() + seconds * 1000;
}

/** No randomUUID, which pages without TLS lack. Need not be secret: React Native has no `crypto` at all. */
function randomText(): string {
  const bytes = new Uint8Array(12);
  if (page.crypto?.getRandomValues) page.crypto.getRandomValues(bytes);
  else bytes.forEach((_, index) => (bytes[index] = Math.random() * 256));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
