import { type ExecutionContext, HttpException } from '@nestjs/common';
import { AuthGuard as PassportAuthGuard, type IAuthGuard } from '@nestjs/passport';
import { type HttpAnswer, setHeaders } from './http-answer.js';
import type { AuthenticationAttempt } from './session-authenticator.js';

const passportGuard = PassportAuthGuard().prototype as IAuthGuard;

/** The guard whose hooks passport's guard calls. */
type Hooks = Required<Pick<IAuthGuard, 'getAuthenticateOptions' | 'handleRequest'>> & {
  getResponse(context: ExecutionContext): unknown;
};

/**
 * Runs passport's guard for an attempt, and returns what handleRequest made of it; null where a strategy let the request
 * pass without a call of it. Passport gets the attempt for its request: what it adds reaches no request and no payload.
 * @param refused the answer to the attempt unless there is a user
 */
export async function runPassport(
  guard: Hooks,
  strategyName: string,
  context: ExecutionContext,
  attempt: AuthenticationAttempt,
  refused: () => HttpAnswer,
): Promise<{ readonly user: unknown } | null> {
  const state: { returned: { readonly user: unknown } | null } = { returned: null };
  const view = {
    // Not those of PassportModule, which are injected into every guard of passport and may name another strategy.
    options: { defaultStrategy: strategyName },
    getRequest: () => attempt,
    getResponse: () => guard.getResponse(context),
    getAuthenticateOptions: () => guard.getAuthenticateOptions(context),
    async handleRequest(error: unknown, _user: unknown, info: unknown, _context: unknown, status: unknown) {
      // A strategy that was replaced may name any user: it is the one that was verified, or none.
      const refusal = error || attempt.result ? null : refused().exception;
      const user = attempt.result ? attempt.result.user : refusal ? false : undefined;
      const returned: unknown = await guard.handleRequest(
        error,
        user,
        refusal ?? info,
        context,
        refusal?.getStatus() ?? status,
      );
      state.returned = { user: returned };
      return returned;
    },
  };
  try {
    await passportGuard.canActivate.call(view as never, context);
  } catch (error) {
    const { exception, headers } = refused();
    // The challenge belongs to the status, whoever words the rest of the answer.
    if (error instanceof HttpException && error.getStatus() === exception.getStatus()) {
      setHeaders(guard.getResponse(context), headers);
    }
    throw error;
  }
  return state.returned;
}
