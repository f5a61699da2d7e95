import { invalidArgument } from '../core/session-error.js';

/** The fields of a query or a body, as they came. Only those that are asked for are read; others are ignored. */
export class RequestInput {
  private readonly fields: Readonly<Record<string, unknown>>;

  /** @throws SessionError ARGUMENT_INVALID unless it is an object; a missing body is an empty one */
  constructor(value: unknown, what = 'The body') {
    const fields = value ?? {};
    if (typeof fields !== 'object' || Array.isArray(fields)) throw invalidArgument(what, 'must be a JSON object');
    this.fields = fields as Readonly<Record<string, unknown>>;
  }

  /** As it came; undefined where it is missing. */
  value(name: string): unknown {
    return Object.hasOwn(this.fields, name) ? this.fields[name] : undefined;
  }

  /** Undefined for a field that is missing, null or empty. @throws SessionError ARGUMENT_INVALID for another type, or too much */
  text(name: string, max: number): string | undefined {
    const value = this.value(name);
    if (value === undefined || value === null || value === '') return undefined;
    if (typeof value !== 'string') throw invalidArgument(name, 'must be a string, given once');
    if (value.length > max) throw invalidArgument(name, `must be at most ${max} characters long`);
    if (/[\0\p{Surrogate}]/u.test(value)) throw invalidArgument(name, 'must be Unicode text without NUL');
    return value;
  }

  /** @throws SessionError ARGUMENT_INVALID unless it is missing or one of `allowed` */
  choice<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const value = this.text(name, 64);
    if (value === undefined) return undefined;
    const found = allowed.find((one) => one === value);
    if (found === undefined) throw invalidArgument(name, `must be one of ${allowed.join(', ')}`);
    return found;
  }

  /** True or false, or the text of one; default false. @throws SessionError ARGUMENT_INVALID */
  flag(name: string): boolean {
    const value = this.value(name);
    if (typeof value === 'boolean') return value;
    return this.choice(name, ['true', 'false']) === 'true';
  }

  /** A whole number, or the text of one. @throws SessionError ARGUMENT_INVALID */
  integer(name: string): number | undefined {
    const value = this.numberOrText(name);
    if (value !== undefined && !/^\d{1,9}$/.test(String(value))) throw invalidArgument(name, 'must be a whole number');
    return value === undefined ? undefined : Number(value);
  }

  /** Milliseconds since the epoch, of an ISO 8601 time or of such a number. @throws SessionError ARGUMENT_INVALID */
  time(name: string): number | undefined {
    const value = this.numberOrText(name);
    if (value === undefined) return undefined;
    const text = String(value);
    const isIso = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/.test(text);
    const time = isIso ? Date.parse(text) : /^\d{1,14}$/.test(text) ? Number(text) : NaN;
    if (!(time >= 0)) throw invalidArgument(name, 'must be a time such as 2026-11-22T12:00:00Z');
    return time;
  }

  /** Bodies have numbers, queries have text. */
  private numberOrText(name: string): number | string | undefined {
    const value = this.value(name);
    return typeof value === 'number' ? value : this.text(name, 64);
  }
}
