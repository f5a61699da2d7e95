import { PassportStrategy } from '@nestjs/passport';
import { Strategy } from 'passport-http-bearer';
import { readBearerCredential } from './bearer-credential.js';
import { type AuthenticationAttempt, RefusedRequest, type SessionAuthenticator } from './session-authenticator.js';

/** A request as the strategy needs it. */
interface BearerRequest {
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly ip?: unknown;
}

/** What passport-http-bearer gets to see: one clean header, and the way back to the real request. */
interface StandIn {
  readonly headers: { readonly authorization: string };
  readonly request: BearerRequest;
  readonly attempt: AuthenticationAttempt;
}

/** What passport puts on the strategy for each request; its types do not say so. */
interface PassportActions {
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
    override authenticate(request: BearerRequest, options?: { readonly attempt?: AuthenticationAttempt }): void {
      const actions = this as unknown as PassportActions;
      const attempt = options?.attempt;
      if (!attempt) {
        actions.error(new Error('getAuthenticateOptions of a subclass of AuthGuard must add to what super returns.'));
        return;
      }
      const credential = readBearerCredential(request.headers?.authorization);
      if (credential.kind === 'token') {
        const standIn: StandIn = { headers: { authorization: `Bearer ${credential.token}` }, request, attempt };
        super.authenticate(standIn as never);
      } else {
        const code = credential.kind === 'missing' ? 'TOKEN_MISSING' : 'TOKEN_MALFORMED';
        actions.error(new RefusedRequest(authenticator.answer(code)));
      }
    }

    async validate({ request, attempt }: StandIn, token: string): Promise<unknown> {
      return (attempt.result = await authenticator.authenticate(request, token, attempt));
    }
  }
  return new SessionBearerStrategy();
}
