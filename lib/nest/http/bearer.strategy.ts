import { PassportStrategy } from '@nestjs/passport';
import { Strategy } from 'passport-http-bearer';
import { readBearerCredential } from './bearer-credential.js';
import { AuthenticatedSession } from './current-session.js';
import { AuthenticationAttempt, type SessionAuthenticator } from './session-authenticator.js';

/** What passport-http-bearer gets to see: one clean header, and the way back to the attempt. */
interface StandIn {
  readonly headers: { readonly authorization: string };
  readonly attempt: AuthenticationAttempt;
}

/** What passport puts on the strategy for each request; its types do not say so. */
interface PassportActions {
  success(user: unknown): void;
  fail(challenge: unknown, status: number): void;
  error(error: Error): void;
}

/** The strategy of one SessionModule, registered with passport under the module's own name. */
export function createBearerStrategy(authenticator: SessionAuthenticator) {
  class SessionBearerStrategy extends PassportStrategy(Strategy, authenticator.strategyName) {
    constructor() {
      super({ passReqToCallback: true });
    }

    /**
     * passport-http-bearer also takes tokens from query and body, with no option to stop it, and throws on a header that
     * is not text. So the header is read here, and the strategy sees nothing but a token of the right form.
     */
    override authenticate(attempt: unknown): void {
      const actions = this as unknown as PassportActions;
      if (!(attempt instanceof AuthenticationAttempt)) {
        actions.error(
          new Error(`The strategy ${authenticator.strategyName} serves AuthGuard of nestjs-latchkey only.`),
        );
        return;
      }
      if (attempt.result) {
        actions.success(attempt.result.user);
        return;
      }
      const credential = readBearerCredential(attempt.request.headers?.authorization);
      if (credential.kind === 'token') {
        const standIn: StandIn = { headers: { authorization: `Bearer ${credential.token}` }, attempt };
        super.authenticate(standIn as never);
      } else {
        const code = credential.kind === 'missing' ? 'TOKEN_MISSING' : 'TOKEN_MALFORMED';
        attempt.refused = authenticator.answer(code);
        actions.fail(undefined, attempt.refused.exception.getStatus());
      }
    }

    async validate({ attempt }: StandIn, token: string): Promise<unknown> {
      const outcome = await authenticator.authenticate(token, attempt);
      if (outcome instanceof AuthenticatedSession) {
        attempt.result = outcome;
        return outcome.user;
      }
      attempt.refused = outcome;
      // What cannot be judged is an error, as passport has it, and no refusal.
      if (outcome.exception.getStatus() >= 500) throw outcome.exception;
      return false;
    }
  }
  return new SessionBearerStrategy();
}
