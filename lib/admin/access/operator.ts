import { type ExecutionContext, createParamDecorator } from '@nestjs/common';
import type { GuardedRequest } from '../../nest/http/identity.js';
import type { AdminRight, Operator } from './admin-options.js';

/** An operator and what was found out about their rights. */
export interface KnownOperator extends Operator {
  readonly rights: ReadonlySet<AdminRight>;
  /**
   * Judges the request again, for what goes on after it: session, account, and rights as they are now.
   * @throws SessionError with the reason for which the request would be refused now; what guards of the application throw
   */
  readonly judgeAgain: () => Promise<KnownOperator>;
  /**
   * Throws unless the operator may still do what was begun. It judges once in two seconds at most, so that it may be called
   * before every small step.
   * @throws SessionError FORBIDDEN, or as judgeAgain does
   */
  readonly stillAllowed: () => Promise<void>;
}

/** How often what goes on after its request is judged again. */
export const JUDGE_EVERY_MS = 2000;

/** By request: nothing of it is put on the request itself. */
const operators = new WeakMap<object, KnownOperator>();

export function noteOperator(request: GuardedRequest, operator: KnownOperator): void {
  operators.set(request, operator);
}

/** The operator of a request that AdminGuard has let pass. */
export const CurrentOperator = createParamDecorator((_: unknown, context: ExecutionContext): KnownOperator => {
  const operator = operators.get(context.switchToHttp().getRequest<object>());
  if (!operator) throw new Error('CurrentOperator is for routes behind AdminGuard.');
  return operator;
});
