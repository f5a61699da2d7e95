import { Controller, Get, Header, type Type, UseInterceptors } from '@nestjs/common';
import { Public } from '../nest/http/route-decorators.js';
import { StrictInput } from '../nest/http/route-input.js';
import { type FieldsOf, checkOptions } from '../model/checked-input.js';
import { invalidArgument, invalidOption } from '../model/session-error.js';
import { REFRESH_FIELDS, type RefreshOptions, type TokenMode, accessAndRefresh } from '../tokens/token-mode.js';
import { JwtAccessTokens } from './jwt-access-tokens.js';
import { type JsonWebKeySet, type JwtAlgorithm, type JwtKey, JwtKeys } from './jwt-keys.js';

export interface JwtOptions extends RefreshOptions {
  /** The one algorithm that signs and is accepted. Default `EdDSA` (Ed25519). */
  readonly algorithm?: JwtAlgorithm;
  /**
   * The first key signs, all verify. To rotate, append the new key on every node, move it to the front, then remove the
   * old one.
   */
  readonly keys: readonly JwtKey[];
  /** `iss` of every token, usually the URL of the service. */
  readonly issuer: string;
  /** `aud` of every token. */
  readonly audience: string | readonly string[];
}

const KNOWN: FieldsOf<JwtOptions> = { ...REFRESH_FIELDS, algorithm: true, keys: true, issuer: true, audience: true };

/** Excludes characters with a meaning to Express or Fastify. */
const PATH = /^\/?[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/;

/** Keeps the token of the longest user id below MAX_JWT_LENGTH. */
const MAX_NAMES_BYTES = 2048;

/** Kept outside of the modes, so that logged options contain no keys. */
const keysOfMode = new WeakMap<TokenMode, JwtKeys>();

/**
 * Issues JSON Web Tokens (RFC 9068) as access tokens, with refresh tokens beside them as in accessAndRefresh, for other
 * services to read. This library still checks them against the session, so that a kick, a replacement or a logout takes
 * effect at once.
 * @throws SessionError CONFIGURATION_INVALID
 */
export function jwt(options: JwtOptions): TokenMode {
  checkOptions(options, 'tokens.', KNOWN);
  const { algorithm = 'EdDSA', keys, issuer, audience, ...life } = options;
  checkText(issuer, 'tokens.issuer');
  const names: readonly unknown[] = Array.isArray(audience) ? audience : [audience];
  if (names.length === 0 || names.length > 16) throw invalidOption('tokens.audience', 'must list 1 to 16 names');
  names.forEach((one) => checkText(one, 'tokens.audience'));
  if (Buffer.byteLength(JSON.stringify([issuer, audience])) > MAX_NAMES_BYTES) {
    throw invalidOption('tokens.audience', `and tokens.issuer must be at most ${MAX_NAMES_BYTES} bytes together`);
  }
  const loaded = new JwtKeys(algorithm, keys);
  const copy = typeof audience === 'string' ? audience : [...audience];
  const format = new JwtAccessTokens(loaded, { issuer, audience: copy });
  const mode: TokenMode = { ...accessAndRefresh(life), name: 'jwt', accessFormat: () => format };
  keysOfMode.set(mode, loaded);
  return mode;
}

/**
 * Returns the public keys of a mode as a JSON Web Key Set (RFC 7517), for services that verify tokens offline.
 * @throws SessionError ARGUMENT_INVALID unless jwt() made the mode
 */
export function jwks(mode: TokenMode): JsonWebKeySet {
  const keys = keysOfMode.get(mode);
  if (!keys) throw invalidArgument('mode', 'must be made by jwt()');
  return keys.publicKeys();
}

/**
 * Creates a controller that serves the public keys of a mode, open to everyone: `controllers:
 * [jwksController(tokens)]`.
 * @param path default `.well-known/jwks.json`, below the application's global prefix. Two modes in one application need
 *   two paths, so that tokens of one are not accepted for the other
 * @throws SessionError ARGUMENT_INVALID unless jwt() made the mode, and for an invalid path
 */
export function jwksController(mode: TokenMode, path = '.well-known/jwks.json'): Type<object> {
  if (typeof path !== 'string' || !PATH.test(path)) throw invalidArgument('path', 'must be a path without parameters');
  const keySet = jwks(mode);

  @Public()
  @Controller(path)
  @UseInterceptors(StrictInput)
  class JwksController {
    /** RFC 7517 section 5. Cached briefly, so that clients follow key rotation. */
    @Get()
    @Header('Cache-Control', 'public, max-age=300')
    @Header('Content-Type', 'application/json')
    keys(): unknown {
      return keySet;
    }
  }
  return JwksController;
}

function checkText(value: unknown, name: string): void {
  if (typeof value !== 'string' || value === '' || value.length > 256) {
    throw invalidOption(name, 'must be text of 1 to 256 characters');
  }
}
