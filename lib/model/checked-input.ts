import { invalidArgument, invalidOption } from './session-error.js';

/** Lists the fields of T for `checkFields`; the compiler reports a missing one. */
export type FieldsOf<T> = Readonly<Record<keyof T, true>>;

/** Truncates names, so that no error repeats a token that was passed as one. */
const LONGEST_NAME = 32;

/** @throws SessionError ARGUMENT_INVALID unless `given` is an object with no other fields than `known` */
export function checkFields(given: unknown, name: string, known: object): void {
  if (!isObject(given)) throw invalidArgument(name, `must be an object${listed(' with', known)}`);
  refuseUnknown(given, known, invalidArgument);
}

/** The same of an object in an option, whose name goes before those of its fields. @throws SessionError ARGUMENT_INVALID */
export function checkNested(given: unknown, name: string, known: object): void {
  if (!isObject(given)) throw invalidArgument(name, `must be an object${listed(' with', known)}`);
  refuseUnknown(given, known, (field, problem) => invalidArgument(`${name}.${field}`, problem));
}

/** @param path prefix of the names in errors, such as `timing.` @throws SessionError CONFIGURATION_INVALID */
export function checkOptions(given: unknown, path: string, known: object): void {
  if (!isObject(given)) throw invalidOption(path.replace(/\.$/, ''), `must be an object${listed(' with', known)}`);
  refuseUnknown(given, known, (name, problem) => invalidOption(path + name, problem));
}

/** Enumerates without allocating an array, because every verification passes here. Inherited properties are ignored. */
function refuseUnknown(given: object, known: object, fail: (name: string, problem: string) => Error): void {
  for (const name in given) {
    if (Object.hasOwn(known, name) || !Object.hasOwn(given, name)) continue;
    throw fail(printable(name), `is unknown${listed('; allowed:', known) || '; no fields are allowed here'}`);
  }
}

function listed(before: string, known: object): string {
  const names = Object.keys(known).sort().join(', ');
  return names === '' ? '' : `${before} ${names}`;
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function printable(name: string): string {
  const text = name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME / 2)}...` : name;
  return /^[\w.-]+$/.test(text) ? text : JSON.stringify(text);
}

const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/** Serializes JSON. @throws SessionError ARGUMENT_INVALID for other data, keys that pollute prototypes, excess bytes */
export function jsonText(value: unknown, name: string, maxBytes: number): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value, refuseLoss);
  } catch (cause) {
    throw invalidArgument(name, `must be plain JSON data: ${(cause as Error).message}`);
  }
  if (text === undefined) throw invalidArgument(name, 'must be plain JSON data');
  if (Buffer.byteLength(text) > maxBytes) {
    throw invalidArgument(name, `must be at most ${maxBytes.toLocaleString('en')} bytes as JSON`);
  }
  return text;
}

/** Throws where JSON.stringify silently drops a value or replaces it by null or {}. */
function refuseLoss(this: unknown, key: string, value: unknown): unknown {
  const at = key === '' ? 'it' : key;
  if (FORBIDDEN_KEYS.has(key)) throw new Error(`the key ${key} is not allowed`);
  if (typeof value === 'function' || typeof value === 'symbol') throw new Error(`${at} is a ${typeof value}`);
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error(`${at} is ${value}`);
  if (value === undefined && Array.isArray(this)) throw new Error(`${at} is undefined`);
  // The tag and not the prototype, so that plain objects of another realm of the process pass.
  if (isObject(value) && Object.prototype.toString.call(value) !== '[object Object]') {
    throw new Error(`${at} is neither a plain object nor an array`);
  }
  return value;
}
