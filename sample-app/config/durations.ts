import type { Duration } from 'nestjs-latchkey';

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of a duration such as `500ms`, `30s`, `5m`, `2h` or `30d`; NaN for anything else. */
export function millisecondsOf(value: string): number {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(value);
  return match ? Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS] : NaN;
}

/** The shorter of two durations, the first where they are equal. */
export function shorter(one: Duration, other: Duration): Duration {
  return millisecondsOf(other) < millisecondsOf(one) ? other : one;
}

/** The longer of two durations, the first where they are equal. */
export function longer(one: Duration, other: Duration): Duration {
  return millisecondsOf(other) > millisecondsOf(one) ? other : one;
}

/** A part of a duration, rounded down, and never less than a millisecond. */
export function partOf(duration: Duration, divisor: number): Duration {
  return `${Math.max(1, Math.floor(millisecondsOf(duration) / divisor))}ms`;
}
