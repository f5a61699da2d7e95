import type { Claims, Session } from '../../model/session.js';
import type { RenewedToken } from '../../model/verification.js';

/** The user of the current request: the claims of the session, and the user's id. */
export type CurrentSessionUser<C extends Claims = Claims> = Readonly<C & { userId: string }>;

/** Made of entries, so that users with the same claims are of one hidden class (see VerifiedTokens). */
export function userOf({ claims, userId }: Session): CurrentSessionUser {
  return Object.freeze(Object.fromEntries([...Object.entries(claims), ['userId', userId]])) as CurrentSessionUser;
}

/** The identity that a guard verified. Its private name tells it from any object that arrives from outside. */
export class AuthenticatedSession {
  readonly #verified = true;

  constructor(
    /** The claims and the id of the user, or what handleRequest of a subclass made of them. */
    readonly user: unknown,
    /** Null where handleRequest of a subclass returned a user for a request without a good token. */
    readonly session: Session | null,
    /** Whether the database was asked for this request. */
    readonly strict: boolean,
    /** The successor of the token, if the client should use it from now on. */
    readonly renewed: RenewedToken | null,
    /** The module that verified it: several may guard one request. */
    readonly by: object,
  ) {}

  static is(value: unknown): value is AuthenticatedSession {
    return typeof value === 'object' && value !== null && #verified in value && value.#verified;
  }

  withUser(user: unknown): AuthenticatedSession {
    return user === this.user ? this : new AuthenticatedSession(user, this.session, this.strict, this.renewed, this.by);
  }
}

/**
 * A request of Express or Fastify, with what AuthGuard puts on it (see request-properties.ts). `latchkey` is a plain name and not a symbol on purpose: V8
 * turns an object with as many properties as a request of Express has into a slow dictionary when another one is added by
 * anything but a name, which costs several times what the verification does. Only an AuthenticatedSession counts there.
 */
export interface GuardedRequest {
  ip?: unknown;
  headers?: Readonly<Record<string, unknown>>;
  user?: unknown;
  latchkey?: unknown;
}
