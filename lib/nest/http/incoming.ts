import type { ExecutionContext } from '@nestjs/common';
import { misused } from '../../model/session-error.js';
import { type GuardedRequest, sockets } from './identity.js';

/** Request behind an execution context, and its response, null where there is none. */
export interface Incoming {
  readonly request: GuardedRequest;
  readonly response: unknown;
}

/** Finds the request of a context. @throws Error for a kind of context that the library does not know */
export function incomingOf(context: ExecutionContext): Incoming {
  const type = context.getType();
  if (type === 'http') return { request: context.getArgByIndex(0), response: context.getArgByIndex(1) };
  if (type === 'ws') {
    const socket = sockets.get(context.getArgByIndex(0));
    if (socket) return { request: socket.request, response: null };
    throw misused(
      'AuthGuard guards messages of sockets only behind an adapter of nestjs-latchkey/websockets: call ' +
        'app.useWebSocketAdapter(new SessionIoAdapter(app)), or SessionWsAdapter',
    );
  }
  throw new Error(`AuthGuard cannot guard a context of type "${type}": override getRequest in a subclass.`);
}
