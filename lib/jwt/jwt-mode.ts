import { type FieldsOf, checkOptions } from '../model/checked-input.js';
import { invalidArgument, invalidOption } from '../model/session-error.js';
import { REFRESH_FIELDS, type RefreshOptions, type TokenMode, accessAndRefresh } from '../tokens/token-mode.js';
import { JwtAccessTokens } from './jwt-access-tokens.js';
import { type JsonWebKeySet, type JwtAlgorithm, type JwtKey, JwtKeys } from './jwt-keys.js';

export interface JwtOptions extends RefreshOptions {
  /** The one algorithm that is signed with and accepted; default `EdDSA` (Ed25519). */
  readonly algorithm?: JwtAlgorithm;
  /** The first signs, all verify: a new key comes in last on every node, then moves to the front, then the old one goes. */
  readonly keys: readonly JwtKey[];
  /** `iss` of every token: who issues them, usually the URL of the service. */
  readonly issuer: string;
  /** `aud` of every token: who they are meant for. */
  readonly audience: string | readonly string[];
}

const KNOWN: FieldsOf<JwtOptions> = { ...REFRESH_FIELDS, algorithm: true, keys: true, issuer: true, audience: true };

/** So that the token of the longest user id is not above MAX_JWT_LENGTH. */
const MAX_NAMES_BYTES = 2048;

/** Kept beside the modes and not in them, where keys might be logged with the options. */
const keysOfMode = new WeakMap<TokenMode, JwtKeys>();

/**
 * Access tokens that are JSON Web Tokens, with refresh tokens beside them: like accessAndRefresh, and other services can
 * read the access token. Here it is checked against the record of its session like any other, so a kick, a replacement or
 * a logout ends it at once.
 * @throws SessionError CONFIGURATION_INVALID
 */
export function jwt(options: JwtOptions): TokenMode {
  checkOptions(options, 'tokens.', KNOWN);
  const { algorithm = 'EdDSA', keys, issuer, audience, ...life } = options;
  checkText(issuer, 'tokens.issuer');
  if (!Array.isArray(audience)) checkText(audience, 'tokens.audience');
  else if (audience.length === 0 || audience.length > 16)
    throw invalidOption('tokens.audience', 'must list 1 to 16 names');
  else audience.forEach((one: unknown) => checkText(one, 'tokens.audience'));
  if (Buffer.byteLength(JSON.stringify([issuer, audience])) > MAX_NAMES_BYTES) {
    throw invalidOption(
      'tokens.audience',
      `and tokens.issuer must not be longer than ${MAX_NAMES_BYTES} bytes together`,
    );
  }
  const loaded = new JwtKeys(algorithm, keys);
  const format = new JwtAccessTokens(loaded, {
    issuer,
    audience: typeof audience === 'string' ? audience : [...audience],
  });
  const mode: TokenMode = { ...accessAndRefresh(life), name: 'jwt', accessFormat: () => format };
  keysOfMode.set(mode, loaded);
  return mode;
}

/**
 * The public keys of a mode as a JSON Web Key Set (RFC 7517), for services that check tokens themselves.
 * @throws SessionError ARGUMENT_INVALID for what jwt() did not make
 */
export function jwks(mode: TokenMode): JsonWebKeySet {
  const keys = keysOfMode.get(mode);
  if (!keys) throw invalidArgument('mode', 'must be made by jwt()');
  return keys.publicKeys();
}

function checkText(value: unknown, name: string): void {
  if (typeof value !== 'string' || value === '' || value.length > 256) {
    throw invalidOption(name, 'must be text of 1 to 256 characters');
  }
}
