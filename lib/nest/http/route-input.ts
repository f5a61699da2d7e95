import {
  Body,
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  type PipeTransform,
  Query,
} from '@nestjs/common';
import { type Observable, catchError, defer, throwError } from 'rxjs';
import { checkFields } from '../../model/checked-input.js';
import { ArgumentError, SessionError, invalidArgument } from '../../model/session-error.js';

type Source = 'query' | 'body';

interface IncomingRequest extends Readonly<Record<Source, unknown>> {
  readonly headers: Readonly<Record<string, unknown>>;
}

const DECORATORS = { query: Query, body: Body };

/** Which of them a route reads, by its handler. */
const reads: Readonly<Record<Source, WeakSet<object>>> = { query: new WeakSet(), body: new WeakSet() };

/** The query of a request, as `read` makes it: that refuses what it does not know. */
export function QueryInput(read: (query: unknown) => unknown): ParameterDecorator {
  return inputFrom('query', read);
}

/** The body of a request, likewise. */
export function BodyInput(read: (body: unknown) => unknown): ParameterDecorator {
  return inputFrom('body', read);
}

function inputFrom(source: Source, read: (value: unknown) => unknown): ParameterDecorator {
  const pipe: PipeTransform = { transform: (value: unknown) => read(value) };
  return (target, key, index) => {
    reads[source].add((target as Record<PropertyKey, object>)[key!]!);
    DECORATORS[source](pipe)(target, key, index);
  };
}

/**
 * Refuses a query or a body that the route does not read, or that no parser did: what it was meant to say would be ignored. What is wrong with an
 * argument came with the request: the client is told, and there is nothing to log.
 */
@Injectable()
export class StrictInput implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return defer(() => {
      const request = context.switchToHttp().getRequest<IncomingRequest>();
      if (request.body === undefined && bringsBody(request)) {
        throw invalidArgument('The body', 'must be JSON, sent with the header "Content-Type: application/json"');
      }
      for (const source of ['query', 'body'] as const) {
        if (!reads[source].has(context.getHandler())) checkFields(request[source] ?? {}, `The ${source}`, {});
      }
      return next.handle();
    }).pipe(
      catchError((error: unknown) =>
        throwError(() => (error instanceof ArgumentError ? new SessionError(error.code, error.message) : error)),
      ),
    );
  }
}

/** Express leaves a body of another type than it knows unread, as that of a fetch that names no type. */
function bringsBody({ headers }: IncomingRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length']) > 0;
}
