import { AsyncLocalStorage } from 'node:async_hooks';
import type { DataSource, QueryRunner, TransactionStartEvent } from 'typeorm';

/** The application's transactions on the SQLite file that it shares with the library, and which calls are made from inside one. */
export interface ApplicationTransactions {
  /** Whether one is open, whoever opened it. */
  isOpen(): boolean;
  /** Whether one is open that the caller is inside of: it cannot end before the call does. */
  isAround(): boolean;
  /** Watches no longer. */
  release(): void;
}

export const NO_TRANSACTIONS: ApplicationTransactions = {
  isOpen: () => false,
  isAround: () => false,
  release: () => undefined,
};

/**
 * TypeORM runs all of an application's work on SQLite through one query runner, which knows of its transaction, and tells subscribers
 * in the async context of its caller. All that goes on from there inherits a mark, and nothing else has it; the mark of a transaction
 * that is over means nothing.
 */
export function watchTransactions(source: DataSource): ApplicationTransactions {
  const driver = source.driver as { queryRunner?: { readonly isTransactionActive: boolean } };
  const marks = new AsyncLocalStorage<object>();
  let current: object | null = null;
  const subscriber = {
    beforeTransactionStart({ queryRunner }: TransactionStartEvent) {
      // A savepoint belongs to the transaction that it is in.
      if (depthOf(queryRunner) > 0) return;
      current = {};
      marks.enterWith(current);
    },
  };
  const isOpen = () => {
    // A data source that is initialized later has forgotten its subscribers.
    if (!source.subscribers.includes(subscriber)) source.subscribers.push(subscriber);
    return driver.queryRunner?.isTransactionActive === true;
  };
  isOpen();
  const { manager } = source;
  // What its caller does beside a transaction that has a function is not inside of it.
  const transaction = manager.transaction.bind(manager) as (...args: unknown[]) => Promise<unknown>;
  const scoped = (...args: unknown[]) => marks.run(marks.getStore() ?? {}, () => transaction(...args));
  Object.defineProperty(manager, 'transaction', { value: scoped, configurable: true, writable: true });
  return {
    isOpen,
    isAround: () => isOpen() && current !== null && marks.getStore() === current,
    release: () => {
      const index = source.subscribers.indexOf(subscriber);
      if (index >= 0) source.subscribers.splice(index, 1);
      Reflect.deleteProperty(manager, 'transaction');
      marks.disable();
    },
  };
}

function depthOf(queryRunner: QueryRunner): number {
  return (queryRunner as unknown as { transactionDepth?: number }).transactionDepth ?? 0;
}
