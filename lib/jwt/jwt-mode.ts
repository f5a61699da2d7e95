import { Controller, Get, Header, type Type, UseInterceptors } from '@nestjs/common';
import { Public } from '../nest/http/route-rules.js';
import { StrictInput } from '../nest/http/route-input.js';
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

/** A path without characters that mean something to Express or Fastify. */
const PATH = /^\/?[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/;

/** Keeps the token of the longest user id below MAX_JWT_LENGTH. */
const MAX_NAMES_BYTES = 2048;

/** Beside the modes and not in them, where keys might be logged with the options. */
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

/**
 * A controller that serves the public keys of a mode, open to everyone. Put it into the `controllers` of a module:
 * `controllers: [jwksController(tokens)]`.
 * @param path default `.well-known/jwks.json`. Two modes in one application need two paths, so that neither's tokens are
 *   accepted where the other's are meant. A global prefix of the application stands before it, as before every route.
 * @throws SessionError ARGUMENT_INVALID for what jwt() did not make, or an invalid path
 */
export function jwksController(mode: TokenMode, path = '.well-known/jwks.json'): Type<object> {
  if (typeof path !== 'string' || !PATH.test(path)) throw invalidArgument('path', 'must be a path without parameters');
  const keySet = jwks(mode);

  @Public()
  @Controller(path)
  @UseInterceptors(StrictInput)
  class JwksController {
    /** RFC 7517 section 5. Cached briefly, so that clients follow a rotation of keys. */
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
