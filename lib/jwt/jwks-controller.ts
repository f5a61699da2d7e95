import { Controller, Get, Header, type Type, UseInterceptors } from '@nestjs/common';
import { invalidArgument } from '../model/session-error.js';
import type { TokenMode } from '../tokens/token-mode.js';
import { Public } from '../nest/http/route-rules.js';
import { StrictInput } from '../nest/http/route-input.js';
import { jwks } from './jwt-mode.js';

/** What can be a path of both frameworks without a meaning of its own in either. */
const PATH = /^\/?[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/;

/**
 * A controller that serves the public keys of a mode, open to everybody. Put it into the `controllers` of a module:
 * `controllers: [jwksController(tokens)]`.
 * @param path default `.well-known/jwks.json`. Two modes in one application need two paths, so that neither's tokens are
 *   accepted where the other's are meant. A global prefix of the application stands before it, as before every route.
 * @throws SessionError ARGUMENT_INVALID for what jwt() did not make, or a path that is none
 */
export function jwksController(mode: TokenMode, path = '.well-known/jwks.json'): Type<object> {
  if (typeof path !== 'string' || !PATH.test(path)) throw invalidArgument('path', 'must be a path without parameters');
  const keySet = jwks(mode);

  @Public()
  @Controller(path)
  @UseInterceptors(StrictInput)
  class JwksController {
    /** RFC 7517 section 5. Short enough to follow a rotation, long enough to spare us. */
    @Get()
    @Header('Cache-Control', 'public, max-age=300')
    @Header('Content-Type', 'application/json')
    keys(): unknown {
      return keySet;
    }
  }
  return JwksController;
}
