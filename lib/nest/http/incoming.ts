import type { ExecutionContext } from '@nestjs/common';
import { misused } from '../../model/session-error.js';
import { type FindGraphqlParts, findOperation, operationOf } from '../graphql/operation.js';
import { type Incoming, sockets } from './identity.js';

/**
 * Finds the request of a context.
 * @param findGraphql option `graphql`
 * @throws Error for a kind of context that the library does not know
 */
export function incomingOf(context: ExecutionContext, findGraphql?: FindGraphqlParts): Incoming {
  const type = context.getType<string>();
  if (type === 'graphql') return operationOf(context, findGraphql);
  const known = answerOf(context);
  if (known) return known;
  if (type === 'ws') {
    throw misused(
      'AuthGuard guards messages of sockets only behind an adapter of nestjs-latchkey/websockets: call ' +
        'app.useWebSocketAdapter(new SessionIoAdapter(app)), or SessionWsAdapter',
    );
  }
  if (type === 'rpc') {
    throw misused(
      'AuthGuard cannot guard a context of type "rpc": use RpcAuthGuard of nestjs-latchkey/microservices, which guards HTTP as well, ' +
        'or override getRequest in a subclass',
    );
  }
  throw new Error(`AuthGuard cannot guard a context of type "${type}": override getRequest in a subclass.`);
}

/** The same, or null for a context without a known request, as subclasses may have that find it themselves. */
export function answerOf(context: ExecutionContext, findGraphql?: FindGraphqlParts): Incoming | null {
  const type = context.getType<string>();
  if (type === 'graphql') return findOperation(context, findGraphql);
  if (type === 'http') return { request: context.getArgByIndex(0), response: context.getArgByIndex(1), socket: null };
  const socket = type === 'ws' ? sockets.get(context.getArgByIndex(0)) : undefined;
  return socket ? { request: socket.request, response: null, socket: null } : null;
}
