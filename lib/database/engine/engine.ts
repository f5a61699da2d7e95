import { withDeadline } from '../../async/deadline.js';
import type { Dialect } from './dialect.js';
import type { QueryResult, Script, Statement } from './sql.js';

/**
 * Who a piece of work is for. Each lane has connections of its own, so that none can starve another.
 * - verify: reading sessions for requests
 * - work: logins, ends, lists
 * - control: nodeRegistry and change log, small and regular
 * - journal: what operators read later; the first to wait
 */
export type LaneName = 'verify' | 'work' | 'control' | 'journal';

export interface RunOptions {
  readonly lane: LaneName;
  /** From now until the caller is answered, waiting included. */
  readonly budgetMs: number;
  /**
   * For one statement: whether it may be planned once for many, since it comes again and again, and its plan does not depend on how
   * large tables are. It may be run again as well. Those of transactions always may. Default false.
   */
  readonly isPlannedOnce?: boolean;
  /**
   * For what locks a row, or many: a name for it. Work of the same name waits for its turn in this process, without a connection.
   * Ends have a name of their own, so that a session that is refreshed without a pause can still be ended.
   */
  readonly row?: string;
}

/** Options of work that locks one row before anything else. */
export interface RowOptions extends RunOptions {
  readonly row: string;
}

/**
 * Runs statements on one database. Every call rejects with SessionError SESSION_STORE_UNAVAILABLE when the database fails or
 * the budget is used up; the outcome of a transaction is not known then. Errors that a script throws come through as they
 * are, after a rollback.
 */
export interface Engine {
  readonly dialect: Dialect;
  /** One reading statement. */
  read(statement: Statement, options: RunOptions): Promise<QueryResult>;
  /** One changing statement, in a transaction of its own. */
  write(statement: Statement, options: RunOptions): Promise<QueryResult>;
  /** A script as one transaction, READ COMMITTED or stricter, run again when it failed because of others. */
  transaction<T>(script: () => Script<T>, options: RunOptions): Promise<T>;
  /**
   * The same, unless it would wait for others: null, and nothing done. A script locks its row without waiting, and returns
   * null where that finds none.
   */
  attempt<T>(script: () => Script<T | null>, options: RowOptions): Promise<T | null>;
  /** What is to be done every so often, where there is something. @throws Error saying what is not in order */
  tidy?(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Runs a transaction that locks one row before anything else. Where others have the row, or wait for it, `beforeWaiting` is asked
 * first: what it knows needs no lock, and no connection of the lane.
 * @param script with `waits` false, it locks the row only if that is free, and returns null where it finds none
 */
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
