import {
  Body,
  type CallHandler,
  Controller,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  UseInterceptors,
  applyDecorators,
} from '@nestjs/common';
import { SessionError } from 'nestjs-latchkey';

/** Handlers that read a body. */
const readers = new WeakSet<object>();

/** The body of a request, as `read` makes it. */
export function BodyInput(read: (body: unknown) => unknown): ParameterDecorator {
  return (target, key, index) => {
    readers.add((target as Record<PropertyKey, object>)[key!]!);
    Body({ transform: (body: unknown) => read(body) })(target, key, index);
  };
}

/** A controller of JSON routes: what they do not read is refused, since the client has meant something by it. */
export function JsonRoutes(path = ''): ClassDecorator {
  return applyDecorators(Controller(path), UseInterceptors(StrictInput));
}

interface IncomingRequest {
  readonly query: unknown;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, unknown>>;
}

/** Refuses a query, which no route of this application has, and a body that the route does not read, or that is no JSON. */
@Injectable()
class StrictInput implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler) {
    const { query, body, headers } = context.switchToHttp().getRequest<IncomingRequest>();
    new Input(query, 'The query').end();
    const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length']) > 0;
    if (hasBody && body === undefined) throw invalid('The body', 'must be sent as application/json');
    if (!readers.has(context.getHandler())) new Input(body).end();
    return next.handle();
  }
}

/** Reads the fields of a body with `read`. @throws SessionError ARGUMENT_INVALID, also for a field that it does not read */
export function readBody<T>(body: unknown, read: (input: Input) => T): T {
  const input = new Input(body);
  const result = read(input);
  input.end();
  return result;
}

/** Fields of a body, as they came. Which ones were asked for is noted, so that the others can be refused. */
export class Input {
  private readonly fields: Readonly<Record<string, unknown>>;
  private readonly known = new Set<string>();

  /** @throws SessionError ARGUMENT_INVALID unless it is a JSON object; a missing body is an empty one */
  constructor(value: unknown, title = 'The body') {
    const fields = value ?? {};
    if (typeof fields !== 'object' || Array.isArray(fields)) throw invalid(title, 'must be a JSON object');
    this.fields = fields as Readonly<Record<string, unknown>>;
  }

  /** @throws SessionError ARGUMENT_INVALID unless it is text of 1 to `max` characters */
  text(name: string, max: number, min = 1): string {
    const value = this.optionalText(name, max);
    if (value === undefined || value.length < min)
      throw invalid(name, `must be a string of ${min} to ${max} characters`);
    return value;
  }

  /**
   * Undefined for a field that is missing, null or empty.
   * @throws SessionError ARGUMENT_INVALID for another type, too much text, or text that is not Unicode
   */
  optionalText(name: string, max: number): string | undefined {
    this.known.add(name);
    const value = Object.hasOwn(this.fields, name) ? this.fields[name] : undefined;
    if (value === undefined || value === null || value === '') return undefined;
    if (typeof value !== 'string') throw invalid(name, 'must be a string, given once');
    if (value.length > max) throw invalid(name, `must be at most ${max} characters long`);
    if (/[\0\p{Surrogate}]/u.test(value)) throw invalid(name, 'must be Unicode text without NUL');
    return value;
  }

  /** The same in one line, such as a name. @throws SessionError ARGUMENT_INVALID */
  optionalLine(name: string, max: number): string | undefined {
    const value = this.optionalText(name, max);
    if (value !== undefined && /[\p{Cc}\u2028\u2029]/u.test(value)) {
      throw invalid(name, 'must not contain control characters');
    }
    return value;
  }

  /** The same of letters, digits, _ and -. @throws SessionError ARGUMENT_INVALID */
  optionalWord(name: string, max: number): string | undefined {
    const value = this.optionalText(name, max);
    if (value !== undefined && !/^[A-Za-z0-9_-]+$/.test(value)) {
      throw invalid(name, 'must consist of letters, digits, _ and -');
    }
    return value;
  }

  /** Undefined for a field that is missing or null. @throws SessionError ARGUMENT_INVALID for what is neither true nor false */
  optionalFlag(name: string): boolean | undefined {
    const value = this.optionalValue(name);
    if (value !== undefined && typeof value !== 'boolean') throw invalid(name, 'must be true or false');
    return value;
  }

  /** Undefined for a field that is missing or null. */
  optionalValue(name: string): unknown {
    this.known.add(name);
    return (Object.hasOwn(this.fields, name) ? this.fields[name] : null) ?? undefined;
  }

  /** Anything that JSON holds. @throws SessionError ARGUMENT_INVALID if it is missing */
  value(name: string): unknown {
    this.known.add(name);
    if (!Object.hasOwn(this.fields, name)) throw invalid(name, 'is missing');
    return this.fields[name];
  }

  /** @throws SessionError ARGUMENT_INVALID for a field that was not asked for */
  end(): void {
    const unknown = Object.keys(this.fields).find((name) => !this.known.has(name));
    if (unknown === undefined) return;
    const known = [...this.known].sort().join(', ');
    // Cut, so that an answer never repeats a token that came in the place of a name.
    throw invalid(
      JSON.stringify(unknown.slice(0, 16)),
      `is unknown; ${known ? `allowed: ${known}` : 'no fields are allowed here'}`,
    );
  }
}

/** The answer to a field that cannot be what it is. */
export function invalid(name: string, problem: string): SessionError {
  return new SessionError('ARGUMENT_INVALID', `${name} ${problem}.`);
}
