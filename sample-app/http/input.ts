import { SessionError } from 'nestjs-latchkey';

/** Fields of a body or a query, as they came. Only the fields that are asked for are read; others are ignored. */
export class Input {
  private readonly fields: Readonly<Record<string, unknown>>;

  /** @throws SessionError ARGUMENT_INVALID unless it is a JSON object; a missing body is an empty one */
  constructor(value: unknown) {
    const fields = value ?? {};
    if (typeof fields !== 'object' || Array.isArray(fields)) throw invalid('The body', 'must be a JSON object');
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
    const value = Object.hasOwn(this.fields, name) ? this.fields[name] : undefined;
    if (value === undefined || value === null || value === '') return undefined;
    if (typeof value !== 'string') throw invalid(name, 'must be a string, given once');
    if (value.length > max) throw invalid(name, `must be at most ${max} characters long`);
    if (/[\0\p{Surrogate}]/u.test(value)) throw invalid(name, 'must be Unicode text without NUL');
    return value;
  }

  /** @throws SessionError ARGUMENT_INVALID unless it is missing or one of `allowed` */
  optionalChoice<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const value = this.optionalText(name, 64);
    if (value === undefined) return undefined;
    const found = allowed.find((one) => one === value);
    if (found === undefined) throw invalid(name, `must be one of ${allowed.join(', ')}`);
    return found;
  }

  /** Anything that JSON holds. @throws SessionError ARGUMENT_INVALID if it is missing */
  value(name: string): unknown {
    if (!Object.hasOwn(this.fields, name)) throw invalid(name, 'is missing');
    return this.fields[name];
  }

  /** A whole number, or the text of one. @throws SessionError ARGUMENT_INVALID */
  optionalInteger(name: string): number | undefined {
    const value = this.numberOrText(name);
    if (value !== undefined && !/^\d{1,9}$/.test(String(value))) throw invalid(name, 'must be a whole number');
    return value === undefined ? undefined : Number(value);
  }

  /** Milliseconds since the epoch, of an ISO 8601 time or of such a number. @throws SessionError ARGUMENT_INVALID */
  optionalTime(name: string): number | undefined {
    const value = this.numberOrText(name);
    if (value === undefined) return undefined;
    const text = String(value);
    const isIso = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/.test(text);
    const time = isIso ? Date.parse(text) : /^\d{1,14}$/.test(text) ? Number(text) : NaN;
    if (!(time >= 0)) throw invalid(name, 'must be a time such as 2026-11-22T12:00:00Z');
    return time;
  }

  /** Bodies have numbers, queries have text. */
  private numberOrText(name: string): number | string | undefined {
    const value = Object.hasOwn(this.fields, name) ? this.fields[name] : undefined;
    return typeof value === 'number' ? value : this.optionalText(name, 64);
  }
}

/** The answer to a field that cannot be what it is. */
export function invalid(name: string, problem: string): SessionError {
  return new SessionError('ARGUMENT_INVALID', `${name} ${problem}.`);
}
