import { type ExecutionContext, createParamDecorator } from '@nestjs/common';
import type { GuardedRequest } from '../nest/current-session.js';
import type { AdminRight, Operator } from './admin-options.js';

/** An operator and what was found out about their rights. */
export interface KnownOperator extends Operator {
  readonly rights: ReadonlySet<AdminRight>;
}

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
