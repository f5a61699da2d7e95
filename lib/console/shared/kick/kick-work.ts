import type { KickLine } from '../../contract.js';

export type KickSelection =
  | { readonly sessionIds: readonly string[] }
  | { readonly filter: Readonly<Record<string, string | true>> };

export type KickTarget = KickSelection & {
  /** Names it: a user and a device, or a filter in words; several parts, one a line. */
  readonly whom: string;
};

/** How soon it is done, and how much room it leaves to requests of others. */
export type KickPace = 'gentle' | 'fast';

/** From how many on the number has to be typed. */
const MANY = 100;

/** Whether so many are ended by what was typed. Separators between digits do not count. */
export const isConfirmed = (n: number, typed: string): boolean =>
  n <= MANY || typed.replace(/[\s.,'’٬]/g, '') === String(n);

/** Sessions that one request may name. */
const MOST = 1000;

/** The bodies of the requests that end the target, in order. */
export function kickBodies(target: KickSelection): KickSelection[] {
  if ('filter' in target) return [{ filter: target.filter }];
  const { sessionIds } = target;
  const parts = Math.ceil(sessionIds.length / MOST);
  return Array.from({ length: parts }, (_, part) => ({
    sessionIds: sessionIds.slice(part * MOST, (part + 1) * MOST),
  }));
}

export interface KickProgress {
  readonly matching: number;
  readonly done: number;
  readonly ended: number;
  readonly pending: number;
  readonly error: string | undefined;
}

export const NOTHING_DONE: KickProgress = { matching: 0, done: 0, ended: 0, pending: 0, error: undefined };

/** What is done after a line of a request, given what the requests before it did. */
export const advance = (before: KickProgress, line: KickLine, now: KickProgress): KickProgress => ({
  matching: line.matching === undefined ? now.matching : before.matching + line.matching,
  done: line.done === undefined ? now.done : before.done + line.done,
  ended: line.ended === undefined ? now.ended : before.ended + line.ended,
  pending: line.pending === undefined ? now.pending : before.pending + line.pending,
  error: line.error ?? now.error,
});
