import { readMethods } from '../../model/authentication-methods.js';
import { checkOptions, isObject } from '../../model/checked-input.js';
import { type SessionErrorCode, invalidOption } from '../../model/session-error.js';

/** Answer to a session that RequireFresh refuses. */
export class StepUpOptions {
  /** HTTP status: 403, or 401 with the challenge of RFC 9470, which clients of OAuth understand. Default 403. */
  status?: 401 | 403 = 403;
  /**
   * Authentication contexts that the challenge asks for, by the methods of the rule: `{ mfa: 'urn:example:aal2' }`. Methods of one rule
   * are separated by spaces, in any order; a list of contexts has the best first, and each of them must do. Only with status 401.
   */
  acrValues?: Readonly<Record<string, string | readonly string[]>> = {};
}

type Details = Readonly<Record<string, unknown>>;

/** StepUpOptions, checked. */
export class StepUp {
  /** @param contexts value of `acr_values` by sorted methods */
  constructor(
    readonly status: 401 | 403,
    private readonly contexts: ReadonlyMap<string, string>,
  ) {}

  /** Adds the parameters of a challenge (RFC 9470 section 3), and to the details what they say beyond them. */
  describe(code: SessionErrorCode, given: Details): { readonly details: Details; readonly parameters: string } {
    if (code !== 'FRESH_LOGIN_REQUIRED' || this.status !== 401) return { details: given, parameters: '' };
    const { maxAge, amr } = given;
    const acrValues = Array.isArray(amr) ? this.contexts.get(keyOf(amr)) : undefined;
    const maxAgeParameter = typeof maxAge === 'number' ? `, max_age="${maxAge}"` : '';
    if (acrValues === undefined) return { details: given, parameters: maxAgeParameter };
    return {
      details: { ...given, acrValues: acrValues.split(' ') },
      parameters: `${maxAgeParameter}, acr_values="${acrValues}"`,
    };
  }
}

/** Characters of a quoted-string without a backslash before them, and no space, which separates contexts. */
const CONTEXT = /^[!#-[\]-~]{1,255}$/;
const MOST_CONTEXTS = 16;

/** @throws SessionError CONFIGURATION_INVALID */
export function resolveStepUp(given: StepUpOptions): StepUp {
  checkOptions(given, 'stepUp.', new StepUpOptions());
  const { status = 403, acrValues = {} } = given;
  if (status !== 401 && status !== 403) throw invalidOption('stepUp.status', 'must be 401 or 403');
  if (!isObject(acrValues)) {
    throw invalidOption('stepUp.acrValues', "must be an object such as { mfa: 'urn:example:aal2' }");
  }
  const contexts = new Map<string, string>();
  for (const [methods, value] of Object.entries(acrValues)) {
    const name = `stepUp.acrValues[${JSON.stringify(methods)}]`;
    const key = keyOf(
      readMethods(methods.split(' '), (problem) => invalidOption(name, `is not understood: its name ${problem}`)),
    );
    const values: unknown[] = [value].flat();
    if (values.length === 0 || values.length > MOST_CONTEXTS || !values.every(isContext)) {
      throw invalidOption(
        name,
        `must be 1 to ${MOST_CONTEXTS} authentication contexts: ASCII text without spaces, quotes and backslashes`,
      );
    }
    if (contexts.has(key)) throw invalidOption(name, 'is there twice: its methods may stand in any order');
    contexts.set(key, values.join(' '));
  }
  if (status === 403 && contexts.size > 0) throw invalidOption('stepUp.acrValues', 'needs stepUp.status to be 401');
  return new StepUp(status, contexts);
}

function isContext(value: unknown): boolean {
  return typeof value === 'string' && CONTEXT.test(value);
}

function keyOf(methods: readonly unknown[]): string {
  return methods.map(String).sort().join(' ');
}
