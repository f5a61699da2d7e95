import { invalidArgument } from './session-error.js';

const MOST = 8;
const METHOD = /^[\w.:-]{1,32}$/;

/**
 * Reads methods of authentication (RFC 8176) in lower case, without duplicates.
 * @param invalid makes the error that is thrown; it gets a predicate, such as `must be a list`
 */
export function readMethods(value: unknown, invalid: (problem: string) => Error): readonly string[] {
  // A copy has no holes, which every() would skip.
  const given: unknown[] = Array.isArray(value) && value.length <= MOST ? Array.from(value as unknown[]) : [];
  if (given.length === 0 || !given.every((one) => typeof one === 'string' && METHOD.test(one))) {
    throw invalid(
      `must be a list of 1 to ${MOST} methods such as ['pwd', 'otp'], each of 1 to 32 letters, digits, '.', ':', '_' and '-'`,
    );
  }
  return [...new Set((given as string[]).map((one) => one.toLowerCase()))];
}

/** Checks the option `amr` of a call. @returns an empty list for undefined @throws SessionError ARGUMENT_INVALID */
export function checkMethods(value: unknown): readonly string[] {
  return value === undefined ? [] : readMethods(value, (problem) => invalidArgument('amr', problem));
}
