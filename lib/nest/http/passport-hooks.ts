import { type ExecutionContext, HttpException } from '@nestjs/common';
import { AuthGuard as PassportAuthGuard, type IAuthGuard, PassportStrategy } from '@nestjs/passport';
import { Strategy } from 'passport-http-bearer';
import type { HttpAnswer } from './answers.js';
import { AuthenticatedSession, type GuardedRequest } from './identity.js';
import { addRefusalHeaders } from './response-head.js';
import type { RouteRules } from './route-rules.js';
import type { Credential, SessionAuthenticator } from './session-authenticator.js';

/** Passport sees it as the request, so that nothing passport adds reaches a real request or payload. */
export class PassportRun {
  /** Set by the strategy, like the credential. */
  refused: HttpAnswer | null = null;
  credential: Credential | undefined;

  /** @param identity set by the strategy, unless another guard has verified it already */
  constructor(
    readonly authenticator: SessionAuthenticator,
    readonly request: GuardedRequest,
    readonly rules: RouteRules,
    public identity: AuthenticatedSession | null,
  ) {}

  get refusal(): HttpAnswer {
    return this.refused ?? this.authenticator.answers.to('TOKEN_MISSING');
  }
}

/** The request that passport-http-bearer sees: one clean header, and a reference to the run. */
interface StandIn {
  readonly headers: { readonly authorization: string };
  readonly run: PassportRun;
}

/** Methods that passport adds to the strategy for each request, missing in its types. */
interface PassportActions {
  success(user: unknown): void;
  fail(challenge: unknown, status: number): void;
  error(error: Error): void;
}

/** Registers the strategy of one SessionModule with passport, under the module's own name. */
export function registerStrategy(authenticator: SessionAuthenticator): void {
  class SessionBearerStrategy extends PassportStrategy(Strategy, authenticator.strategyName) {
    constructor() {
      super({ passReqToCallback: true });
    }

    /** Reads the token itself: passport-http-bearer also accepts query and body, and throws on non-text headers. */
    override authenticate(run: unknown): void {
      const actions = this as unknown as PassportActions;
      if (!(run instanceof PassportRun)) {
        const { strategyName } = authenticator;
        actions.error(new Error(`The strategy ${strategyName} serves AuthGuard of nestjs-latchkey only.`));
        return;
      }
      if (run.identity) {
        actions.success(run.identity.user);
        return;
      }
      const credential = authenticator.credentialOf(run.request, run.rules);
      const { token, refusal } = credential;
      run.credential = credential;
      if (token !== null) {
        const standIn: StandIn = { headers: { authorization: `Bearer ${token}` }, run };
        super.authenticate(standIn as never);
        return;
      }
      run.refused = authenticator.answers.to(refusal);
      actions.fail(undefined, run.refused.exception.getStatus());
    }

    async validate({ run }: StandIn): Promise<unknown> {
      const outcome = await authenticator.authenticateOnce(run.request, run.rules, run.credential);
      if (outcome instanceof AuthenticatedSession) {
        run.identity = outcome;
        return outcome.user;
      }
      run.refused = outcome;
      // An error for passport instead of a refusal: the token could not be judged.
      if (outcome.exception.getStatus() >= 500) throw outcome.exception;
      return false;
    }
  }
  new SessionBearerStrategy();
}

const passportGuard = PassportAuthGuard().prototype as IAuthGuard;

type Hooks = Required<Pick<IAuthGuard, 'getAuthenticateOptions' | 'handleRequest'>> & {
  getResponse(context: ExecutionContext): unknown;
};

/** Returns handleRequest's user; null if a strategy let the request pass without calling it. */
export async function runPassport(
  guard: Hooks,
  context: ExecutionContext,
  run: PassportRun,
): Promise<{ readonly user: unknown } | null> {
  const state: { returned: { readonly user: unknown } | null } = { returned: null };
  const view = {
    // Not PassportModule's options, which are injected into every passport guard and may name another strategy.
    options: { defaultStrategy: run.authenticator.strategyName },
    getRequest: () => run,
    getResponse: () => guard.getResponse(context),
    getAuthenticateOptions: () => guard.getAuthenticateOptions(context),
    async handleRequest(error: unknown, _user: unknown, info: unknown, _context: unknown, status: unknown) {
      // A replaced strategy may name any user: only the verified one counts.
      const refusal = error || run.identity ? null : run.refusal.exception;
      const user = run.identity ? run.identity.user : refusal ? false : undefined;
      const reason = refusal ?? info;
      const returned: unknown = await guard.handleRequest(error, user, reason, context, refusal?.getStatus() ?? status);
      state.returned = { user: returned };
      return returned;
    },
  };
  try {
    await passportGuard.canActivate.call(view as never, context);
  } catch (error) {
    const { exception, headers } = run.refusal;
    // The challenge belongs to the status, whatever the rest of the response says. GraphQL has no status.
    const isAnswer = context.getType<string>() !== 'graphql' && error instanceof HttpException;
    if (isAnswer) addRefusalHeaders(guard.getResponse(context), exception.getStatus(), headers);
    throw error;
  }
  return state.returned;
}
