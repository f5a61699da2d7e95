import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import type { SessionModuleOptions } from 'nestjs-latchkey';
import { DataSource } from 'typeorm';
import type { CreateOptions, DatabaseKind, TestDatabase } from './databases.js';
import { type Sessions, startSessions } from './sessions.js';

export interface UsedDatabase extends TestDatabase {
  /** Closes something before the database is dropped, and before all that was given here earlier. */
  atEnd(close: () => unknown): void;
  /** Opens connections beside those of the library. */
  connect(): Promise<DataSource>;
  /** Starts a SessionModule on it; may be closed earlier. */
  start(options?: Partial<SessionModuleOptions>, providers?: Parameters<typeof startSessions>[1]): Promise<Sessions>;
}

interface UseOptions extends CreateOptions {
  /** By all tests of the block. */
  readonly isShared?: boolean;
}

/** Registers hooks that run what was given, the last first. */
export function useEnd(isShared = false): (close: () => unknown) => void {
  const closing: (() => unknown)[] = [];
  (isShared ? afterAll : afterEach)(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  return (close) => void closing.push(close);
}

/** Registers hooks that create a database, and close at the end what uses it. */
export function useDatabase(
  { create }: Pick<DatabaseKind, 'create'>,
  { isShared, ...options }: UseOptions = {},
): UsedDatabase {
  const atEnd = useEnd(isShared);
  const database = {
    atEnd,
    connect: async () => {
      const source = await new DataSource(database.options).initialize();
      atEnd(() => source.destroy());
      return source;
    },
    start: async (more, providers) => {
      const sessions = await startSessions({ database: database.options, ...more }, providers);
      let closed: Promise<void> | undefined;
      const close = () => (closed ??= sessions.close());
      atEnd(close);
      return { ...sessions, close };
    },
  } as UsedDatabase;
  (isShared ? beforeAll : beforeEach)(async () => {
    Object.assign(database, await create(options));
    atEnd(() => database.drop());
  });
  return database;
}
