import type { ExecutionContext } from '@nestjs/common';
import type { GuardedRequest } from './identity.js';

/** Request behind an execution context, and its response, null where there is none. */
export interface Incoming {
  readonly request: GuardedRequest;
  readonly response: unknown;
}

/** Finds the request of a context. @throws Error for a kind of context that the library does not know */
export function incomingOf(context: ExecutionContext): Incoming {
  const type = context.getType();
  if (type === 'http') return { request: context.getArgByIndex(0), response: context.getArgByIndex(1) };
  throw new Error(`AuthGuard cannot guard a context of type "${type}": override getRequest in a subclass.`);
}
