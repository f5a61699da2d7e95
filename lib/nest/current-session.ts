import type { Claims, Session } from '../core/session.js';
import type { RenewedToken } from '../core/verification.js';

/** The user of the current request: the claims of the session, and the user's id. */
export type CurrentSessionUser<C extends Claims = Claims> = Readonly<C & { userId: string }>;

/** Made of entries, so that users with the same claims are of one hidden class (see VerifiedTokens). */
export function userOf({ claims, userId }: Session): CurrentSessionUser {
  return Object.freeze(Object.fromEntries([...Object.entries(claims), ['userId', userId]])) as CurrentSessionUser;
}

/** What a verified request is about. */
export interface AuthenticatedSession {
  readonly user: CurrentSessionUser;
  readonly session: Session;
  /** Whether the database was asked for this request. */
  readonly strict: boolean;
  /** The successor of the token, if the client should use it from now on. */
  readonly renewed: RenewedToken | null;
  /** The module that found it out: several may guard one request. */
  readonly by: object;
}

/**
 * A request of Express or Fastify, with what AuthGuard puts on it (see request-properties.ts). `latchkey` is a plain name and not a symbol on purpose: V8
 * turns an object with as many properties as a request of Express has into a slow dictionary when another one is added by
 * anything but a name, which costs several times what the verification does. No part of a request is kept under this name.
 */
export interface GuardedRequest {
  ip?: unknown;
  headers?: Readonly<Record<string, unknown>>;
  user?: unknown;
  latchkey?: AuthenticatedSession;
}
