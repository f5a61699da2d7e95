import type { Duration } from 'nestjs-latchkey';
import { ConfigError } from './config-error.js';
import { millisecondsOf } from './durations.js';

const LONGEST_MS = millisecondsOf('36525d');

/** Typed reads of environment variables. An empty variable counts as one that is not set. */
export class Environment {
  constructor(private readonly variables: Readonly<Record<string, string | undefined>>) {}

  text(name: string): string | undefined {
    return this.variables[name]?.trim() || undefined;
  }

  /** Items between commas. */
  list(name: string): readonly string[] {
    return (this.text(name) ?? '').split(',').flatMap((item) => item.trim() || []);
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

  /**
   * @param least shortest duration that is accepted
   * @param word what may be written for the fallback
   * @throws ConfigError unless it is not set, the word, or a duration from `least` to a hundred years
   */
  duration<T>(name: string, fallback: T, least: Duration = '1ms', word?: string): Duration | T {
    const value = this.text(name);
    if (value === undefined || value === word) return fallback;
    const ms = millisecondsOf(value);
    if (ms >= millisecondsOf(least) && ms <= LONGEST_MS) return value as Duration;
    const range = least === '1ms' ? 'above zero ' : least === '0s' ? '' : `of ${least} or more `;
    const or = word === undefined ? '' : `${word}, or `;
    throw new ConfigError(name, `must be ${or}a duration ${range}with a unit: 500ms, 30s, 5m, 2h or 30d.`);
  }
}

/** "a", "a or b", "a, b or c" */
export function listOf(values: readonly string[]): string {
  return values.length < 2 ? values.join('') : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
}
