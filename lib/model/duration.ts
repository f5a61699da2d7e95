import { SessionError } from './session-error.js';

/** A length of time with its unit, such as `'500ms'`, `'30s'`, `'5m'`, `'2h'` or `'30d'`. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** The longest duration accepted: one hundred years. */
const MAX_MS = 36_525 * UNIT_MS.d;

/**
 * Reads a duration as whole milliseconds.
 * @param name what the value configures; named in the error
 * @throws SessionError CONFIGURATION_INVALID unless the value is a positive duration with a unit, at most 100 years
 */
export function parseDuration(value: unknown, name: string): number {
  const match = typeof value === 'string' ? /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(value) : null;
  const ms = match ? Math.round(Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS]) : NaN;
  if (!(ms > 0 && ms <= MAX_MS)) {
    throw new SessionError(
      'CONFIGURATION_INVALID',
      `${name} must be a duration above zero with a unit, such as '500ms', '30s', '5m', '2h' or '30d'.`,
    );
  }
  return ms;
}
