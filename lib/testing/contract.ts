import assert from 'node:assert/strict';

/** One promise of an interface, to be run as one test by any test runner. */
export interface ContractCase {
  /** Completes the sentence that begins with the interface's name. */
  readonly name: string;
  /** @throws AssertionError if the promise is broken */
  readonly run: () => Promise<void>;
}

/** Makes the cases of a contract from functions by name. */
export function casesOf(cases: Readonly<Record<string, () => void | Promise<void>>>): readonly ContractCase[] {
  return Object.entries(cases).map(([name, run]) => ({ name, run: async () => run() }));
}

/** Asserts that an object has these properties; it may have more. */
export function has(actual: unknown, expected: Readonly<Record<string, unknown>>): void {
  const given = Object.keys(expected).map((name) => [name, (actual as Record<string, unknown> | null)?.[name]]);
  assert.deepEqual(Object.fromEntries(given), expected);
}

const PATIENCE_MS = 10_000;

/** Waits for a condition. @throws AssertionError after ten seconds, naming it */
export async function eventually(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `${what}: not within ${PATIENCE_MS / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
