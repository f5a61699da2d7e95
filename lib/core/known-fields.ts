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
