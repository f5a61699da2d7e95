import { page } from './page.js';

/** Answer of a login; further fields are ignored. */
export interface SessionTokens {
  readonly accessToken: string;
  /** Absent where the server renews the access token by itself. */
  readonly refreshToken?: string | null;
  /** Seconds that the access token lives. */
  readonly expiresIn?: number | null;
  /** Seconds that the refresh token lives; the server judges that. */
  readonly refreshExpiresIn?: number | null;
  readonly sessionId?: string | null;
}

/** The tokens as they are kept. */
export interface HeldTokens {
  readonly accessToken: string;
  readonly refreshToken: string | null;
  /** Milliseconds since the epoch by the clock of this machine; null if nothing is known. */
  readonly expiresAt: number | null;
  readonly sessionId: string | null;
  /** Made up at the login and kept by every renewal, so it tells the tokens of one session from those of the next. */
  readonly login: string;
}

/** @throws TypeError for what is not the answer of a login */
export function checkTokens(given: SessionTokens, name: string): SessionTokens {
  if (typeof given !== 'object' || given === null) throw new TypeError(`${name} must be an object.`);
  const { accessToken, refreshToken, expiresIn, sessionId } = given;
  if (!isToken(accessToken)) throw new TypeError(`${name}.accessToken must be a token.`);
  if (refreshToken != null && !isToken(refreshToken)) {
    throw new TypeError(`${name}.refreshToken must be a token, or absent.`);
  }
  if (expiresIn != null && !isTime(expiresIn)) {
    throw new TypeError(`${name}.expiresIn must be a number of seconds, or absent.`);
  }
  if (sessionId != null && typeof sessionId !== 'string') {
    throw new TypeError(`${name}.sessionId must be a string, or absent.`);
  }
  return given;
}

/** The tokens of a login to keep. */
export function holdTokens(given: SessionTokens, login = newLogin()): HeldTokens {
  const { accessToken, refreshToken = null, sessionId = null, expiresIn } = given;
  return { accessToken, refreshToken, sessionId, login, expiresAt: endOf(expiresIn) };
}

/** Replaces the tokens of a session; fields that the answer lacks stay. */
export function renewTokens(held: HeldTokens, next: SessionTokens): HeldTokens {
  const { accessToken, refreshToken, expiresIn } = next;
  return { ...held, accessToken, refreshToken: refreshToken ?? held.refreshToken, expiresAt: endOf(expiresIn) };
}

/** Parses tokens from text of any origin: another program's, an old version's, a hostile one. Null if it has none. */
export function parseTokens(text: string | null): HeldTokens | null {
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { accessToken, refreshToken, expiresAt, sessionId, login } = value as Partial<Record<string, unknown>>;
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

/** True if a value can stand in an Authorization header. */
export function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,16384}$/.test(value);
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function endOf(seconds: number | null | undefined): number | null {
  return seconds == null ? null : Date.now() + seconds * 1000;
}

/** Not randomUUID, which pages without TLS do not have. It need not be a secret: React Native has no `crypto` at all. */
function newLogin(): string {
  const bytes = new Uint8Array(12);
  if (page.crypto?.getRandomValues) page.crypto.getRandomValues(bytes);
  else bytes.forEach((_, index) => (bytes[index] = Math.random() * 256));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
