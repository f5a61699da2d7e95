import {
  Body,
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  type PipeTransform,
  Query,
  UseInterceptors,
  applyDecorators,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { type Observable, catchError, defer, throwError } from 'rxjs';
import { checkFields } from '../../model/checked-input.js';
import { ArgumentError, SessionError, invalidArgument } from '../../model/session-error.js';
import { setHeaders } from './answers.js';

type Source = 'query' | 'body';

interface IncomingRequest extends Readonly<Record<Source, unknown>> {
  readonly headers: Readonly<Record<string, unknown>>;
}

const DECORATORS = { query: Query, body: Body };

/** Inputs that a route reads, by its handler. */
const reads: Readonly<Record<Source, WeakSet<object>>> = { query: new WeakSet(), body: new WeakSet() };

/** Injects the query or body of a request as `read` parses it; `read` refuses unknown fields. */
export function inputFrom(source: Source, read: (value: unknown) => unknown): ParameterDecorator {
  const pipe: PipeTransform = { transform: (value: unknown) => read(value) };
  return (target, key, index) => {
    reads[source].add((target as Record<PropertyKey, object>)[key!]!);
    DECORATORS[source](pipe)(target, key, index);
  };
}

/** Refuses input that the route does not read, or no parser handled. Clients are told of it, and nothing is logged. */
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

/** Keeps intermediaries from storing answers about sessions (RFC 9111 section 5.2.2.5). */
@Injectable()
export class NoStoreInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    setHeaders(context.switchToHttp().getResponse(), { 'Cache-Control': 'no-store' });
    return next.handle();
  }
}

/** Marks controllers of this library, which documents of an application leave out. */
export const OwnRoutes = Reflector.createDecorator<true, true>({ transform: () => true });

/** Declares JSON routes of this library, which refuse unknown fields and forbid caching. */
export function StrictJson(): ClassDecorator {
  return applyDecorators(OwnRoutes(), UseInterceptors(NoStoreInterceptor, StrictInput));
}

/** Express leaves bodies of unknown types unread, such as that of a fetch without a type. */
function bringsBody({ headers }: IncomingRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length']) > 0;
}
