import { isSubscription } from '../graphql/operation.js';
import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { UserSession } from '../../model/session.js';
import type { SessionErrorCode } from '../../model/session-error.js';
import type { HttpAnswer } from './answers.js';
import { AuthenticatedSession, type CurrentSessionUser, setIdentity } from './identity.js';
import { incomingOf } from './incoming.js';
import { needRealm, tokenOfRealm } from './realms.js';
import { RulesOfRoutes } from './route-rules.js';
import { SESSION_MODULE, type SessionAuthenticator } from './session-authenticator.js';

/** Result of SessionVerifier.verify. */
export type SessionCheck =
  | {
      readonly code: null;
      /** As CurrentUser provides it. */
      readonly user: CurrentSessionUser;
      readonly session: UserSession;
    }
  | {
      /** Reason for the refusal; TOKEN_MISSING for a request without a token. */
      readonly code: SessionErrorCode;
      readonly user: null;
      readonly session: null;
    };

/**
 * Judges requests for guards that accept something else as well, such as an API key:
 * ```ts
 * async canActivate(context: ExecutionContext) {
 *   if (await this.keys.accepts(context)) return true;
 *   return this.sessions.admit(context, await this.sessions.verify(context));
 * }
 * ```
 * Provided by SessionModule. For HTTP and GraphQL.
 */
@Injectable()
export class SessionVerifier {
  private readonly rules: RulesOfRoutes;
  /** Identities and refusals by the result that stands for them. */
  private readonly found = new WeakMap<SessionCheck, AuthenticatedSession | HttpAnswer>();

  constructor(
    @Inject(SESSION_MODULE) private readonly authenticator: SessionAuthenticator,
    reflector: Reflector,
  ) {
    this.rules = new RulesOfRoutes(reflector);
  }

  /** Judges the token of a request by the rules of its route, the check of other sites included. Changes no answer. */
  async verify(context: ExecutionContext): Promise<SessionCheck> {
    const rules = this.rules.of(context);
    const outcome = await this.authenticator.authenticateOnce(this.incomingOf(context).request, rules);
    const session = outcome instanceof AuthenticatedSession ? outcome.session! : null;
    const refusal = session ? this.authenticator.refusalBy(rules, session) : (outcome as HttpAnswer);
    const check: SessionCheck = refusal
      ? { code: refusal.exception.code, user: null, session: null }
      : { code: null, user: (outcome as AuthenticatedSession).user as CurrentSessionUser, session: session! };
    this.found.set(check, refusal ?? outcome);
    return check;
  }

  /**
   * Admits a request as AuthGuard does: CurrentUser gets its user, and the client a renewed token.
   * @param check result of `verify` for the same request
   * @returns true, also for a request without a token on a route with OptionalAuth
   * @throws HttpException with the reason. Has no challenge, since the guard accepts more than a session
   */
  admit(context: ExecutionContext, check: SessionCheck): true {
    const { authenticator } = this;
    const found = this.found.get(check);
    if (!found) throw new TypeError('SessionVerifier.admit needs the result of its verify().');
    const { request, response, socket } = this.incomingOf(context);
    const identity = found instanceof AuthenticatedSession ? found : null;
    if (!(found instanceof AuthenticatedSession)) {
      const { exception } = found;
      const reason = { code: exception.code, status: exception.getStatus() };
      if (!authenticator.mayBeAnonymous(this.rules.of(context), reason)) {
        authenticator.protectRefusal(request, response, found);
        throw exception;
      }
    }
    if (!identity || identity.renewed || identity.byCookie) authenticator.passOn(request, response, identity);
    setIdentity(context, request, identity);
    if (identity && socket)
      authenticator.hold(socket, identity, isSubscription(context) ? this.rules.of(context) : null);
    return true;
  }

  private incomingOf(context: ExecutionContext) {
    return incomingOf(context, this.authenticator.findGraphql);
  }
}

/** Injects the SessionVerifier of a realm. */
export const InjectVerifier = (realm: string): PropertyDecorator & ParameterDecorator =>
  Inject(tokenOfRealm(needRealm(realm, 'InjectVerifier'), SessionVerifier));
