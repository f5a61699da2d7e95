import { checkFields, isObject } from '../../model/checked-input.js';
import { invalidArgument } from '../../model/session-error.js';
import { inputFrom } from './route-input.js';

/** Queries are text. Bodies have JSON types, with null for missing. A `filter` has no null: a lost condition widens it. */
const TITLES = { query: 'The query', body: 'The body', filter: 'filter' };
type InputSource = keyof typeof TITLES;

/** @throws SessionError ARGUMENT_INVALID unless `value` is an object, and for fields that `read` did not request */
export function readInput<T>(value: unknown, source: InputSource, read: (input: RequestInput) => T): T {
  const fields = value ?? {};
  const known: Record<string, true> = {};
  const input = new RequestInput(fields, source, known);
  const result = read(input);
  checkFields(fields, TITLES[source], known);
  return result;
}

/** Raw fields of a query or body. Tracks the requested ones, so that the rest can be refused. */
export class RequestInput {
  private readonly fields: Readonly<Record<string, unknown>>;

  constructor(
    fields: object,
    private readonly source: InputSource,
    private readonly known: Record<string, true>,
  ) {
    if (!isObject(fields)) throw invalidArgument(TITLES[source], 'must be a JSON object');
    this.fields = fields as Readonly<Record<string, unknown>>;
  }

  /** Raw value; undefined if missing, or null in a body. */
  value(name: string): unknown {
    this.known[name] = true;
    const value = Object.hasOwn(this.fields, name) ? this.fields[name] : undefined;
    return value === null && this.source === 'body' ? undefined : value;
  }

  /** @throws SessionError ARGUMENT_INVALID for another type, empty text, or more than `max` characters */
  text(name: string, max: number): string | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'string') throw invalidArgument(name, 'must be a string, given once');
    if (value === '') throw invalidArgument(name, 'must not be empty: omit it');
    if (value.length > max) throw invalidArgument(name, `must be at most ${max} characters long`);
    if (/[\0\p{Surrogate}]/u.test(value)) throw invalidArgument(name, 'must be Unicode text without NUL');
    return value;
  }

  /** Reads text that may be empty, where that adds no condition. */
  textOrEmpty(name: string, max: number): string | undefined {
    return this.value(name) === '' ? undefined : this.text(name, max);
  }

  /** @throws SessionError ARGUMENT_INVALID unless missing or one of `allowed` */
  choice<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const value = this.text(name, 64);
    const found = allowed.find((one) => one === value);
    if (found !== value) throw invalidArgument(name, `must be one of ${allowed.join(', ')}`);
    return found;
  }

  /** Boolean, as text in a query; default false. @throws SessionError ARGUMENT_INVALID */
  flag(name: string): boolean {
    if (this.source === 'query') return this.choice(name, ['true', 'false']) === 'true';
    const value = this.value(name) ?? false;
    if (typeof value !== 'boolean') throw invalidArgument(name, 'must be true or false');
    return value;
  }

  /** Whole number, as text in a query. @throws SessionError ARGUMENT_INVALID */
  integer(name: string): number | undefined {
    const value = this.numberOrText(name);
    if (value === undefined) return undefined;
    if (!/^\d{1,9}$/.test(value) || (this.source !== 'query' && typeof this.fields[name] === 'string'))
      throw invalidArgument(name, 'must be a whole number');
    return Number(value);
  }

  /** Milliseconds since the epoch, from ISO 8601 or from such a number. @throws SessionError ARGUMENT_INVALID */
  time(name: string): number | undefined {
    const value = this.numberOrText(name);
    if (value === undefined) return undefined;
    const time = /^\d{1,14}$/.test(value) ? Number(value) : timeOf(value);
    if (!(time >= 0)) throw invalidArgument(name, 'must be a valid time, such as 2026-11-22T12:00:00Z');
    return time;
  }

  private numberOrText(name: string): string | undefined {
    const value = this.value(name);
    return typeof value === 'number' ? String(value) : this.text(name, 64);
  }
}

const ISO_TIME =
  /^(\d{4}-\d\d-\d\d)(?:T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d))?$/;

/** Milliseconds since the epoch; NaN for an invalid time. Date.parse reads 30 February as 2 March. */
function timeOf(text: string): number {
  const [, day] = ISO_TIME.exec(text) ?? [];
  const midnight = new Date(day ?? NaN);
  return Number.isNaN(midnight.getTime()) || midnight.toISOString().slice(0, 10) !== day ? NaN : Date.parse(text);
}

type Read = (input: RequestInput) => unknown;

/** Parsers by handler, for documents of its routes. */
const readers = { query: new WeakMap<object, Read>(), body: new WeakMap<object, Read>() };

export const readerOf = (source: keyof typeof readers, handler: object): Read | undefined =>
  readers[source].get(handler);

const fieldsFrom =
  (source: keyof typeof readers) =>
  (read: Read): ParameterDecorator =>
  (target, key, index) => {
    readers[source].set((target as Record<PropertyKey, object>)[key!]!, read);
    inputFrom(source, (value) => readInput(value, source, read))(target, key, index);
  };

export const QueryFields = fieldsFrom('query');
export const BodyFields = fieldsFrom('body');

export const MAX_PAGE = 200;

/** Reads a page size: 1 to 200, default 50. @throws SessionError ARGUMENT_INVALID */
export function pageLimit(limit: unknown): number {
  if (limit === undefined || limit === null) return 50;
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE) {
    throw invalidArgument('limit', `must be a whole number from 1 to ${MAX_PAGE}`);
  }
  return limit;
}
