import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { checkClaims } from '../commands/arguments.js';
import { isObject } from '../model/checked-input.js';
import { misused } from '../model/session-error.js';
import type { Claims, UserSession } from '../model/session.js';
import { type UserId, canonicalUserId } from '../model/user-key.js';
import { userOf } from '../nest/http/fast-path/hidden-classes.js';
import { AuthenticatedSession, type GuardedRequest, setIdentity } from '../nest/http/identity.js';
import { randomId } from '../tokens/token-codec.js';

/** User of every request, with the fields of the session that the controller under test reads. */
export type FakeUser = Partial<Omit<UserSession, 'userId' | 'claims'>> & {
  readonly userId: UserId;
  readonly claims?: Claims;
};

/**
 * Replaces AuthGuard in unit tests of controllers, without SessionModule. Admits every request as one user, so that
 * `@CurrentUser()` and `@CurrentSession()` work. Verifies nothing: no token, no role, no rule of the route.
 * ```ts
 * Test.createTestingModule({ controllers: [OrdersController] })
 *   .overrideGuard(AuthGuard)
 *   .useValue(fakeAuthGuard({ userId: 'alice', claims: { roles: ['admin'] } }));
 * ```
 * @param user null for anonymous: both decorators give null
 * @throws SessionError ARGUMENT_INVALID for an invalid user id or claims
 */
export function fakeAuthGuard(user: FakeUser | null): CanActivate {
  const identity = user === null ? null : identityFor(user);
  return {
    canActivate: (context: ExecutionContext) => {
      setIdentity(context, context.getArgByIndex<GuardedRequest>(0) ?? {}, identity);
      return true;
    },
  };
}

function identityFor(user: FakeUser): AuthenticatedSession {
  if (!isObject(user)) throw misused('fakeAuthGuard needs a user, such as { userId: "alice" }, or null for anonymous');
  const now = user.createdAt ?? Date.now();
  const session: UserSession = {
    id: randomId(),
    userName: null,
    loginMethod: null,
    deviceType: null,
    deviceId: null,
    deviceName: null,
    createdAt: now,
    authenticatedAt: now,
    reauthenticatedAt: null,
    amr: [],
    impersonator: null,
    persistent: false,
    bans: [],
    expiresAt: now + 86_400_000,
    lastSeenAt: now,
    idleMs: null,
    ...user,
    userId: canonicalUserId(user.userId),
    claims: checkClaims(user.claims),
  };
  const proof = { strict: false, renewed: null, by: fakeAuthGuard, byCookie: false };
  return new AuthenticatedSession({ ...proof, user: userOf(session), session });
}
