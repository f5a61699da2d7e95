import type { Duration } from 'nestjs-latchkey';
import { ConfigError } from './config-error.js';

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const LONGEST_MS = 36_525 * UNIT_MS.d;

/** Typed reads of environment variables. An empty variable counts as one that is not set. */
export class Environment {
  constructor(private readonly variables: Readonly<Record<string, string | undefined>>) {}

  text(name: string): string | undefined {
    return this.variables[name]?.trim() || undefined;
  }

  /** @throws ConfigError unless it is not set or one of `allowed` */
  choice<T extends string>(name: string, allowed: readonly T[], fallback: T): T {
    const value = this.text(name);
    if (value === undefined) return fallback;
    const found = allowed.find((one) => one === value);
    if (found === undefined) throw new ConfigError(name, `must be ${listOf(allowed)}.`);
    return found;
  }

  /** @throws ConfigError unless it is not set or a whole number in the range */
  integer(name: string, min: number, max: number, fallback: number): number {
    const value = this.text(name);
    if (value === undefined) return fallback;
    const number = /^\d{1,9}$/.test(value) ? Number(value) : NaN;
    if (!(number >= min && number <= max)) throw new ConfigError(name, `must be a whole number from ${min} to ${max}.`);
    return number;
  }

  /** @throws ConfigError unless it is not set or a duration above zero, at most a hundred years */
  duration(name: string, fallback: Duration): Duration {
    const value = this.text(name);
    if (value === undefined) return fallback;
    const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(value);
    const ms = match ? Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS] : NaN;
    if (!(ms > 0 && ms <= LONGEST_MS)) {
      throw new ConfigError(name, 'must be a duration above zero with a unit: 500ms, 30s, 5m, 2h or 30d.');
    }
    return value as Duration;
  }
}

/** "a", "a or b", "a, b or c" */
export function listOf(values: readonly string[]): string {
  return values.length < 2 ? values.join('') : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
}
