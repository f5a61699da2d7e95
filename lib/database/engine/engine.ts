import { withDeadline } from '../../async/deadline.js';
import type { Dialect } from './dialect.js';
import type { QueryResult, Script, Statement } from './sql.js';

/** Each lane has connections of its own, so that none starves another. `control` is for the cluster, `journal` may wait. */
export type LaneName = 'verify' | 'work' | 'control' | 'journal';

export interface RunOptions {
  readonly lane: LaneName;
  /** Until the caller is answered, waiting included. */
  readonly budgetMs: number;
  /** For one frequent statement, whose plan does not depend on the size of tables: prepares it, and may run it again. Default false. */
  readonly isPlannedOnce?: boolean;
  /** Names the rows to lock. Work of one name takes turns, without a connection. Ends have names of their own, so as not to starve. */
  readonly row?: string;
}

/** Options of work that locks one row before anything else. */
export type RowOptions = RunOptions & { readonly row: string };

/** Calls reject with SESSION_STORE_UNAVAILABLE on failures and used up budgets; the outcome of a transaction is unknown then. */
export interface Engine {
  readonly dialect: Dialect;
  /** One reading statement. */
  read(statement: Statement, options: RunOptions): Promise<QueryResult>;
  /** One changing statement, in a transaction of its own. */
  write(statement: Statement, options: RunOptions): Promise<QueryResult>;
  /** A script as one transaction, READ COMMITTED or stricter, run again when it failed because of others. */
  transaction<T>(script: () => Script<T>, options: RunOptions): Promise<T>;
  /** The same, or null and nothing done if it would wait for others. The script must return null where it cannot lock its row. */
  attempt<T>(script: () => Script<T | null>, options: RowOptions): Promise<T | null>;
  /** Housekeeping, to be called every so often. @throws Error saying what is not in order */
  tidy?(): Promise<void>;
  close(): Promise<void>;
}

/** Locks one row first. Where that would wait, asks `beforeWaiting`. @param script without `waits`, returns null if not free */
export async function lockOrLook<T>(
  engine: Engine,
  script: (waits: boolean) => Script<T | null>,
  beforeWaiting: () => Promise<T | null>,
  options: RowOptions,
): Promise<T> {
  const deadline = performance.now() + options.budgetMs;
  const leftMs = () => deadline - performance.now();
  const done = await engine.attempt(() => script(false), options);
  const known = done ?? (await withDeadline(beforeWaiting(), leftMs()));
  return known ?? ((await engine.transaction(() => script(true), { ...options, budgetMs: leftMs() })) as T);
}

/** A short random pause before the next attempt, longer with every one. */
export function pause(attempt: number): Promise<void> {
  const ceiling = Math.min(40, 2 + 2 * attempt);
  return new Promise((resolve) => setTimeout(resolve, 1 + Math.random() * ceiling));
}
