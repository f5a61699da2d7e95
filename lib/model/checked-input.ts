import { invalidArgument, invalidOption } from './session-error.js';

/** The fields of T, for `checkFields`: the compiler says when one is missing. */
export type FieldsOf<T> = Readonly<Record<keyof T, true>>;

/** Longer names are cut, so that an error never repeats a token that came in the place of a name. */
const LONGEST_NAME = 32;

/**
 * Refuses an argument that is no object, or has a field that is not among `known`: a misspelled field would be ignored, and
 * the call do something else than was meant.
 * @throws SessionError ARGUMENT_INVALID naming the field and those that there are
 */
export function checkFields(given: unknown, name: string, known: object): void {
  if (!isObject(given)) throw invalidArgument(name, `must be an object${listed(' with', known)}`);
  refuseUnknown(given, known, invalidArgument);
}

/**
 * The same for options that are read at boot.
 * @param path what the names of the fields begin with in an error, such as `timing.`
 * @throws SessionError CONFIGURATION_INVALID
 */
export function checkOptions(given: unknown, path: string, known: object): void {
  if (!isObject(given)) throw invalidOption(path.replace(/\.$/, ''), `must be an object${listed(' with', known)}`);
  refuseUnknown(given, known, (name, problem) => invalidOption(path + name, problem));
}

/** Enumerates without an array, since tokens are verified with it; what the prototype has is not the caller's. */
function refuseUnknown(given: object, known: object, fail: (name: string, problem: string) => Error): void {
  for (const name in given) {
    if (Object.hasOwn(known, name) || !Object.hasOwn(given, name)) continue;
    throw fail(printable(name), `is not known${listed('; known are', known) || '; there are no fields here'}`);
  }
}

function listed(before: string, known: object): string {
  const names = Object.keys(known).sort().join(', ');
  return names === '' ? '' : `${before} ${names}`;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function printable(name: string): string {
  const text = name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME / 2)}...` : name;
  return /^[\w.-]+$/.test(text) ? text : JSON.stringify(text);
}

const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * The JSON text of plain data. Properties that are undefined are left out, as JSON does.
 * @param name what the value is; named in the error
 * @throws SessionError ARGUMENT_INVALID for what JSON cannot hold, for keys that reach into prototypes when somebody later
 *   merges the value carelessly, and for text of more than `maxBytes`
 */
export function jsonText(value: unknown, name: string, maxBytes: number): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value, refuseLoss);
  } catch (cause) {
    throw invalidArgument(name, `must be plain JSON data (${(cause as Error).message})`);
  }
  if (text === undefined) throw invalidArgument(name, 'must be plain JSON data');
  if (Buffer.byteLength(text) > maxBytes) {
    throw invalidArgument(name, `must be at most ${maxBytes.toLocaleString('en')} bytes as JSON`);
  }
  return text;
}

/** JSON.stringify drops in silence, or replaces by null or {}, what it cannot write; nobody would miss it until it is read. */
function refuseLoss(this: unknown, key: string, value: unknown): unknown {
  const at = key === '' ? 'it' : key;
  if (FORBIDDEN_KEYS.has(key)) throw new Error(`the key ${key} is not allowed`);
  if (typeof value === 'function' || typeof value === 'symbol') throw new Error(`${at} is a ${typeof value}`);
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error(`${at} is ${value}`);
  if (value === undefined && Array.isArray(this)) throw new Error(`${at} is undefined`);
  if (typeof value === 'object' && value !== null && !isPlain(value)) {
    throw new Error(`${at} is neither a plain object nor an array`);
  }
  return value;
}

/** By the tag and not by the prototype: an object of another realm of the same process is as plain. */
function isPlain(value: object): boolean {
  return Array.isArray(value) || Object.prototype.toString.call(value) === '[object Object]';
}
