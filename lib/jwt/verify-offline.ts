import { type JWTVerifyGetKey, createLocalJWKSet, createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { type FieldsOf, checkFields } from '../model/checked-input.js';
import { SessionError, invalidArgument } from '../model/session-error.js';
import { isSessionId } from '../tokens/token-codec.js';
import { MAX_JWT_LENGTH, TYPE, readJws } from './jwt-access-tokens.js';
import { type JsonWebKeySet, type JwtAlgorithm, MIN_SECRET_BYTES } from './jwt-keys.js';

export interface OfflineOptions {
  /** URL of the JWKS route, or the key set itself; for HS256 the bytes of the secret. Determines the algorithm. */
  readonly keys: URL | string | JsonWebKeySet | Uint8Array;
  /** Must equal the issuer of the issuing module. */
  readonly issuer: string;
  /** Must be among the token's audiences. */
  readonly audience: string;
  /** Tolerated clock skew in seconds, 0 to 300. Default 5. */
  readonly clockTolerance?: number;
}

/** Contents of a token. Times are milliseconds since the epoch. */
export interface OfflineToken {
  readonly userId: string;
  readonly sessionId: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

const FIELDS: FieldsOf<OfflineOptions> = { keys: true, issuer: true, audience: true, clockTolerance: true };

const FETCH_MS = 2000;

/** Remote key sets by URL, each with its own cache. */
const remote = new Map<string, JWTVerifyGetKey>();

/**
 * Verifies a JWT by signature and times alone, in a service without access to the sessions. **It does not see ended
 * sessions**: the token of a kicked, replaced or logged-out session passes until it expires. If that is too late, use
 * TokenService.verify or an introspection route.
 * @throws SessionError TOKEN_INVALID, TOKEN_EXPIRED, SESSION_STORE_UNAVAILABLE if the keys cannot be fetched,
 *   ARGUMENT_INVALID for invalid options
 */
export async function verifyOffline(token: unknown, options: OfflineOptions): Promise<OfflineToken> {
  checkFields(options, 'options', FIELDS);
  const { keys, issuer, audience, clockTolerance = 5 } = options;
  for (const [name, value] of Object.entries({ issuer, audience })) {
    if (typeof value !== 'string' || value === '') throw invalidArgument(name, 'is required');
  }
  if (!(Number.isFinite(clockTolerance) && clockTolerance >= 0 && clockTolerance <= 300)) {
    throw invalidArgument('clockTolerance', 'must be 0 to 300 seconds');
  }
  const { key, algorithm } = keyOf(keys);
  if (typeof token !== 'string' || token.length > MAX_JWT_LENGTH || !readJws(token)) {
    throw new SessionError('TOKEN_INVALID');
  }
  const requiredClaims = ['sub', 'sid', 'iat', 'exp', 'jti'];
  const rules = { issuer, audience, clockTolerance, typ: TYPE, algorithms: [algorithm], requiredClaims };
  try {
    const { payload } = await jwtVerify(token, key, rules);
    const { sub, sid, iat, exp } = payload;
    if (typeof sub !== 'string' || !isSessionId(sid)) throw new SessionError('TOKEN_INVALID');
    return { userId: sub, sessionId: sid, issuedAt: iat! * 1000, expiresAt: exp! * 1000 };
  } catch (cause) {
    throw answerTo(cause);
  }
}

/** Picks by the kind of `keys`, never by the token: a public key must not serve as an HMAC secret. */
function keyOf(keys: unknown): { readonly key: JWTVerifyGetKey; readonly algorithm: JwtAlgorithm } {
  if (keys instanceof Uint8Array) {
    if (keys.length < MIN_SECRET_BYTES) throw invalidArgument('keys', `must be at least ${MIN_SECRET_BYTES} bytes`);
    return { key: () => Promise.resolve(keys), algorithm: 'HS256' };
  }
  const isAddress = typeof keys === 'string' || keys instanceof URL;
  return { key: isAddress ? remoteKeySet(keys) : localKeySet(keys), algorithm: 'EdDSA' };
}

function localKeySet(keys: unknown): JWTVerifyGetKey {
  try {
    return createLocalJWKSet(keys as Parameters<typeof createLocalJWKSet>[0]);
  } catch {
    throw invalidArgument('keys', 'must be a URL, a JSON Web Key Set or the bytes of a secret');
  }
}

function remoteKeySet(address: URL | string): JWTVerifyGetKey {
  const href = URL.canParse(String(address)) ? new URL(address).href : '';
  if (!/^https?:/.test(href)) throw invalidArgument('keys', 'must be an https: or http: URL');
  let keySet = remote.get(href);
  if (!keySet) remote.set(href, (keySet = createRemoteJWKSet(new URL(href), { timeoutDuration: FETCH_MS })));
  return keySet;
}

function answerTo(cause: unknown): SessionError {
  if (cause instanceof SessionError) return cause;
  if (cause instanceof errors.JWTExpired) return new SessionError('TOKEN_EXPIRED');
  const aboutKeys = ['ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JOSE_GENERIC'];
  const isAboutToken = cause instanceof errors.JOSEError && !aboutKeys.includes(cause.code);
  return new SessionError(isAboutToken ? 'TOKEN_INVALID' : 'SESSION_STORE_UNAVAILABLE', undefined, { cause });
}
