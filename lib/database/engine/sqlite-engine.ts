import { SessionError } from '../../model/session-error.js';
import { type ApplicationTransactions, INSIDE_TRANSACTION, LOCKED_FOR_TOO_LONG } from './application-transactions.js';
import { type Dialect, codesOf } from './dialect.js';
import { type Engine, type RunOptions, pause } from './engine.js';
import { Effect, NO_RESULT, type QueryResult, type Row, type Script, type Statement } from './sql.js';

/** The part of a better-sqlite3 compatible connection that is used here; libsql has the same. */
export interface SqliteConnection {
  prepare(text: string): SqliteStatement;
  exec(text: string): unknown;
}

interface SqliteStatement {
  readonly reader: boolean;
  all(values: readonly unknown[]): Row[];
  run(values: readonly unknown[]): { changes: number };
}

/** A write-ahead log that is longer, because a reader keeps it from being emptied, is reported. */
const MAX_LOG_MB = 64;
const MAX_CLOSING_ATTEMPTS = 20;
/** So much earlier than its caller, who would not hear why. More than the longest pause. */
const SAY_WHY_MS = 50;
/** Longest time that work here goes on before the event loop gets its turn. */
const MAX_TURN_MS = 5;

/**
 * SQLite on a connection of its own, without a busy timeout: waits on timers, since the driver would freeze the event
 * loop. Only BEGIN takes the lock and may be repeated: on libsql, another statement that fails for a lock would block
 * every later COMMIT. A transaction runs to its COMMIT in one go, so an application that shares the file never finds it
 * locked.
 */
export class SqliteEngine implements Engine {
  /** `isReader` is asked for once: libsql looks for it anew each time. */
  private readonly prepared = new Map<string, { readonly statement: SqliteStatement; readonly isReader: boolean }>();
  /** When the first work of the current turn of the event loop began; null before that. */
  private turnStartedAt: number | null = null;
  /** Since when the application was inside a transaction whenever work here looked; null if it was not the last time. */
  private busySince: number | null = null;
  private readonly waiting: (() => void)[] = [];

  /**
   * @param transactions of the application on the same file. SQLite would fail one if we wrote between its first read and its first
   *   write, so our writes wait: for one transaction up to half of their budget, for several that follow one another all of it
   */
  constructor(
    private readonly connection: SqliteConnection,
    readonly dialect: Dialect,
    private readonly transactions: ApplicationTransactions | null,
    private readonly closeConnection: () => Promise<void>,
    private readonly measureClock = () => Promise.resolve(),
  ) {}

  read(statement: Statement, options: RunOptions): Promise<QueryResult> {
    return this.retry(options, () => this.execute(statement));
  }

  write(statement: Statement, options: RunOptions): Promise<QueryResult> {
    return this.transaction(function* (): Script<QueryResult> {
      return yield statement;
    }, options);
  }

  transaction<T>(script: () => Script<T>, options: RunOptions): Promise<T> {
    return this.retry(options, this.attemptOf(script, options));
  }

  /** Others have the whole file here. */
  attempt<T>(script: () => Script<T | null>, options: RunOptions): Promise<T | null> {
    return this.retry<T | null>(options, this.attemptOf(script, options), null);
  }

  private attemptOf<T>(script: () => Script<T>, options: RunOptions): () => T {
    const since = performance.now();
    return () => {
      if (this.transactions?.isAround(performance.now() - since)) {
        throw new SessionError('INSIDE_TRANSACTION', INSIDE_TRANSACTION);
      }
      if (this.mustWait(since, options.budgetMs / 2)) throw new ApplicationBusyError();
      return inTransaction(this.connection, () => this.runScript(script()));
    };
  }

  /** Empties the write-ahead log, which SQLite never shortens. @throws Error if it is long, and what keeps it so */
  async tidy(): Promise<void> {
    const [result] = this.checkpoint('PASSIVE');
    const [page] = this.connection.prepare('PRAGMA page_size').all([]);
    const megabytes = (Number(result?.log ?? 0) * Number(page?.page_size)) / 2 ** 20;
    if (Number(result?.log) > Number(result?.checkpointed) && megabytes > MAX_LOG_MB) {
      throw new Error(
        `the write-ahead log of the SQLite file has grown to ${Math.round(megabytes)} MiB, since a transaction that reads is open in ` +
          'this process or in another one; the log shrinks after its end',
      );
    }
  }

  async close(): Promise<void> {
    // Without it, a copy of the file alone would lack what was committed last.
    for (let attempt = 1; attempt <= MAX_CLOSING_ATTEMPTS; attempt++) {
      if (Number(this.checkpoint('TRUNCATE')[0]?.busy) !== 1) break;
      await pause(attempt);
    }
    this.prepared.clear();
    this.transactions?.release();
    return this.closeConnection();
  }

  private checkpoint(mode: 'PASSIVE' | 'TRUNCATE'): Row[] {
    try {
      return this.connection.prepare(`PRAGMA wal_checkpoint(${mode})`).all([]);
    } catch (error) {
      if (this.dialect.isTransient(error)) return [{ busy: 1 }];
      throw error;
    }
  }

  private mustWait(since: number, longestMs: number): boolean {
    if (!this.transactions?.isOpen()) {
      this.busySince = null;
      return false;
    }
    this.busySince ??= performance.now();
    return performance.now() - Math.max(since, this.busySince) < longestMs;
  }

  private runScript<T>(running: Script<T>): T {
    const last: Effect[] = [];
    let step = running.next();
    while (!step.done) {
      const { value } = step;
      let result = NO_RESULT;
      if (!(value instanceof Effect)) result = this.execute(value);
      else if (value.isLast) last.push(value);
      else value.result = this.execute(value.statement);
      step = running.next(result);
    }
    for (const { statement } of last) this.execute(statement);
    return step.value;
  }

  private execute(statement: Statement): QueryResult {
    const text = statement.render(() => '?');
    let prepared = this.prepared.get(text);
    if (!prepared) {
      const made = this.connection.prepare(text);
      prepared = { statement: made, isReader: made.reader };
      // Statements with lists have as many texts as lengths; the frequent ones are few.
      if (this.prepared.size < 200) this.prepared.set(text, prepared);
    }
    try {
      return prepared.isReader
        ? { rows: prepared.statement.all(statement.values), affected: 0 }
        : { rows: [], affected: prepared.statement.run(statement.values).changes };
    } catch (error) {
      // libsql leaves a statement that failed unfinished, and an unfinished one keeps others from committing.
      this.prepared.delete(text);
      throw error;
    }
  }

  /** Work here is synchronous: after its share of a turn of the event loop, the rest waits for later turns, in order. */
  private async nextTurn(): Promise<void> {
    if (this.waiting.length > 0 || this.isTurnOver()) {
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
    if (this.turnStartedAt !== null) return;
    this.turnStartedAt = performance.now();
    setImmediate(() => {
      this.turnStartedAt = null;
      this.waiting.shift()?.();
    });
  }

  /** Lets the next one go on in this turn; after its end, the beginning of the next turn does that. */
  private passTurn(): void {
    if (!this.isTurnOver()) this.waiting.shift()?.();
  }

  private isTurnOver(): boolean {
    return this.turnStartedAt !== null && performance.now() - this.turnStartedAt > MAX_TURN_MS;
  }

  /** @param instead the result where another attempt would have to be made */
  private async retry<T>(options: RunOptions, attempt: () => T, instead?: T): Promise<T> {
    const deadline = performance.now() + options.budgetMs - SAY_WHY_MS;
    for (let attempts = 1; ; attempts++) {
      let measuring: Promise<void> | undefined;
      await this.nextTurn();
      try {
        return attempt();
      } catch (error) {
        const isLocked = error instanceof ApplicationBusyError || this.dialect.isTransient(error);
        const isLate = this.dialect.isLate(error);
        const again = isLocked || isLate;
        if (again && instead !== undefined) return instead;
        if (!again && !codesOf(error).code.startsWith('SQLITE_')) throw error;
        if (!again || performance.now() >= deadline) {
          const cause = isLocked ? new Error(LOCKED_FOR_TOO_LONG, { cause: error }) : error;
          throw new SessionError('SESSION_STORE_UNAVAILABLE', undefined, { cause });
        }
        if (isLate) measuring = this.measureClock().catch(() => undefined);
      } finally {
        this.passTurn();
      }
      await measuring;
      await pause(attempts);
    }
  }
}

/** Locks at the start, so that no read is outdated. SQLite may have rolled back by itself: its error is the first. */
export function inTransaction<T>(connection: SqliteConnection, work: () => T): T {
  connection.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    connection.exec('COMMIT');
    return result;
  } catch (error) {
    try {
      connection.exec('ROLLBACK');
    } catch {
      // The first error is the one to report.
    }
    throw error;
  }
}

/** The application is inside a transaction of its own; see the constructor. */
class ApplicationBusyError extends Error {}
