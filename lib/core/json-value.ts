import { invalidArgument } from './session-error.js';

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
