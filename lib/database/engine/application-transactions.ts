import { AsyncLocalStorage } from 'node:async_hooks';
import type { DataSource, TransactionStartEvent } from 'typeorm';

export interface ApplicationTransactions {
  isOpen(): boolean;
  /** True if the caller is inside of an open one, or may be and has waited for long. @param waitedMs since the call */
  isAround(waitedMs: number): boolean;
  release(): void;
}

/** For the log, like the next one: clients are told less. */
export const INSIDE_TRANSACTION =
  'A change of sessions was asked for inside a transaction of the application on the same SQLite file: each would wait for the other. ' +
  'Commit first, and call this after it. Sessions are no part of the transaction.';

export const LOCKED_FOR_TOO_LONG =
  'another transaction has kept the SQLite file locked for as long as this call may take; a call that is made inside of that transaction ' +
  'belongs behind its COMMIT';

/** How long a call beside a transaction of its own caller waits for it. */
const BESIDE_MS = 500;

/** Marks the async context that asked for a query runner. One transaction may be begun in its name. */
interface RunnerMark {
  isSpent: boolean;
}

/**
 * TypeORM runs an application's work on SQLite through one query runner, and tells subscribers of its transactions in
 * the caller's async context, which is marked. A function that awaits before it begins a transaction marks only itself;
 * its caller is known by having asked for the query runner in the same turn.
 */
export function watchTransactions(source: DataSource): ApplicationTransactions {
  const driver = source.driver as {
    queryRunner?: { readonly isTransactionActive: boolean };
    // It knows of a BEGIN that was sent as text. libsql ends the process when a closed connection is asked.
    databaseConnection?: { readonly open: boolean; readonly inTransaction: boolean };
  };
  const marks = new AsyncLocalStorage<object | RunnerMark>();
  let current: object | null = null;
  let askedFor: object | null = null;
  const subscriber = {
    beforeTransactionStart({ queryRunner }: TransactionStartEvent) {
      // A savepoint belongs to the transaction that it is in.
      if (((queryRunner as { transactionDepth?: number }).transactionDepth ?? 0) > 0) return;
      const asked = marks.getStore();
      askedFor = asked && 'isSpent' in asked && !asked.isSpent ? asked : null;
      if (askedFor) (askedFor as RunnerMark).isSpent = true;
      current = {};
      marks.enterWith(current);
    },
  };
  const isOpen = () => {
    // A data source that is initialized later has forgotten its subscribers.
    if (!source.subscribers.includes(subscriber)) source.subscribers.push(subscriber);
    const { databaseConnection: connection, queryRunner } = driver;
    return queryRunner?.isTransactionActive === true || (connection?.open === true && connection.inTransaction);
  };
  isOpen();
  const { manager } = source;
  // What its caller does beside a transaction that has a function is not inside of it.
  const transaction = manager.transaction.bind(manager) as (...args: unknown[]) => Promise<unknown>;
  const scoped = (...args: unknown[]) => marks.run(marks.getStore() ?? {}, () => transaction(...args));
  Object.defineProperty(manager, 'transaction', { value: scoped, configurable: true, writable: true });
  const isAround = (waitedMs: number) => {
    const mark = marks.getStore();
    return isOpen() && mark !== undefined && (mark === current || (mark === askedFor && waitedMs >= BESIDE_MS));
  };
  const createQueryRunner = source.createQueryRunner.bind(source);
  const marked = (...args: Parameters<typeof createQueryRunner>) => {
    if (!isAround(Infinity)) marks.enterWith({ isSpent: false });
    return createQueryRunner(...args);
  };
  Object.defineProperty(source, 'createQueryRunner', { value: marked, configurable: true, writable: true });
  return {
    isOpen,
    isAround,
    release: () => {
      const index = source.subscribers.indexOf(subscriber);
      if (index >= 0) source.subscribers.splice(index, 1);
      Reflect.deleteProperty(manager, 'transaction');
      Reflect.deleteProperty(source, 'createQueryRunner');
      marks.disable();
    },
  };
}
