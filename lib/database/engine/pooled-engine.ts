import { createHash } from 'node:crypto';
import type { Writable } from 'node:stream';
import type { DataSource, QueryRunner } from 'typeorm';
import { withDeadline } from '../../async/deadline.js';
import { SessionError } from '../../model/session-error.js';
import type { Dialect, TransactionLimits } from './dialect.js';
import { type DriverConnection, cutConnection } from './driver-pools.js';
import { type Engine, type LaneName, type RowOptions, type RunOptions, pause } from './engine.js';
import { Lane, RowQueues } from './lane.js';
import { Effect, NO_RESULT, type QueryResult, type Row, type Script, type Statement, raw } from './sql.js';

/** Most runs of a transaction that keeps failing because of others. */
const MAX_ATTEMPTS = 50;

const COMMIT = raw('COMMIT');
const ROLLBACK = raw('ROLLBACK');

type Work<T> = (runner: QueryRunner) => Promise<T>;

/** Connections of each lane. Their sum is the size of the pool. */
export type LaneWidths = Readonly<Record<LaneName, number>>;

/** PostgreSQL, MySQL and MariaDB on a pool of the library's own. */
export class PooledEngine implements Engine {
  private readonly lanes: Readonly<Record<LaneName, Lane>>;
  private readonly rows = new RowQueues();
  /** Null without support, and once a name failed: behind a pooler, a server may not know it, or from another client. */
  private names: StatementNames | null;
  private readonly begin: readonly Statement[];

  constructor(
    private readonly dataSource: DataSource,
    readonly dialect: Dialect,
    widths: LaneWidths,
    limits: TransactionLimits,
    private readonly measureClock = () => Promise.resolve(),
  ) {
    this.begin = dialect.begin(limits);
    this.names = dialect.keepsStatements ? new StatementNames() : null;
    const lanes = Object.entries(widths).map(([name, width]) => [name, new Lane(width)]);
    this.lanes = Object.fromEntries(lanes) as PooledEngine['lanes'];
  }

  read(statement: Statement, options: RunOptions): Promise<QueryResult> {
    if (options.isPlannedOnce) return this.write(statement, options);
    return this.withConnection(options, (runner) => this.execute(runner, statement));
  }

  write(statement: Statement, options: RunOptions): Promise<QueryResult> {
    return this.repeat(options, (runner) => this.execute(runner, statement, options.isPlannedOnce ? this.names : null));
  }

  transaction<T>(script: () => Script<T>, options: RunOptions): Promise<T> {
    return this.repeat(options, (runner) => this.runTransaction(runner, script));
  }

  async attempt<T>(script: () => Script<T | null>, options: RowOptions): Promise<T | null> {
    return this.rows.isFree(options.row) ? this.transaction(script, options) : null;
  }

  async close(): Promise<void> {
    await this.dataSource.destroy();
  }

  private repeat<T>(options: RunOptions, work: Work<T>): Promise<T> {
    const deadline = performance.now() + options.budgetMs;
    const run = () => this.repeatUntil(deadline, options, work);
    return options.row === undefined ? run() : this.rows.run(options.row, run, options.budgetMs);
  }

  private async repeatUntil<T>(deadline: number, options: RunOptions, work: Work<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const { names } = this;
      try {
        return await this.withConnection({ ...options, budgetMs: deadline - performance.now() }, work);
      } catch (error) {
        const cause = error instanceof SessionError ? error.cause : undefined;
        const hasLostNames = names !== null && this.dialect.isNameProblem(cause);
        if (hasLostNames) this.names = null;
        const again = hasLostNames || (this.dialect.isTransient(cause) && attempt < MAX_ATTEMPTS);
        const isLate = this.dialect.isLate(cause);
        if (!(again || isLate) || performance.now() >= deadline) throw error;
        if (isLate) await withDeadline(this.measureClock(), deadline - performance.now()).catch(() => undefined);
      }
      await pause(attempt);
    }
  }

  /**
   * With a driver that pipelines (`pipeline` of `pg`), effects and COMMIT share a round trip. Until the transaction is
   * known to be open, only effects that do nothing outside of it are sent ahead.
   */
  private async runTransaction<T>(runner: QueryRunner, script: () => Script<T>): Promise<T> {
    const { pipeline, connection } = (await this.guard(runner.connect())) as DriverConnection;
    const { names } = this;
    const unanswered: Promise<QueryResult>[] = [];
    const last: Effect[] = [];
    let isOpen = false;
    const send = (step: Statement | Effect) => {
      if (pipeline) writeInOneGo(connection?.stream);
      const isEffect = step instanceof Effect;
      const answer = this.execute(runner, isEffect ? step.statement : step, names).then((result) =>
        isEffect ? (step.result = result) : result,
      );
      // It is looked at later, perhaps after it has failed.
      answer.catch(() => undefined);
      unanswered.push(answer);
    };
    const answers = async () => {
      const results = await Promise.all(unanswered.splice(0));
      isOpen = true;
      return results.at(-1)!;
    };
    const mayWait = (step: Statement | Effect) => pipeline && step instanceof Effect && (isOpen || step.isGuarded);
    try {
      for (const statement of this.begin) {
        send(statement);
        if (!pipeline) await answers();
      }
      const running = script();
      let step = running.next();
      while (!step.done) {
        const { value } = step;
        const isLast = value instanceof Effect && value.isLast;
        if (isLast) last.push(value);
        else send(value);
        step = running.next(isLast || mayWait(value) ? NO_RESULT : await answers());
      }
      for (const value of last) {
        send(value);
        if (!mayWait(value)) await answers();
      }
      send(COMMIT);
      await answers();
      return step.value;
    } catch (error) {
      await Promise.allSettled(unanswered);
      await this.execute(runner, ROLLBACK).catch(() => undefined);
      throw error;
    }
  }

  private async execute(
    runner: QueryRunner,
    statement: Statement,
    names: StatementNames | null = null,
  ): Promise<QueryResult> {
    const { values } = statement;
    const text = statement.render((position) => this.dialect.placeholder(position));
    const name = values.length > 0 ? names?.nameOf(text) : undefined;
    // TypeORM hands on to the driver what it is given; `pg` takes an object as well.
    const query = name === undefined ? text : ({ name, text } as unknown as string);
    const result = await this.guard(runner.query(query, [...values], true));
    return { rows: (result.records ?? []) as Row[], affected: result.affected ?? 0 };
  }

  private guard<T>(call: Promise<T>): Promise<T> {
    return call.catch((cause: unknown) => {
      throw new SessionError('SESSION_STORE_UNAVAILABLE', undefined, { cause });
    });
  }

  /** Cuts the connection once the budget is used up: a hung server would hold it for ever. */
  private withConnection<T>(options: RunOptions, work: Work<T>): Promise<T> {
    const deadline = performance.now() + options.budgetMs;
    const attempt = async () => {
      const runner = this.dataSource.createQueryRunner('master');
      const cut = setTimeout(() => cutConnection(connectionOf(runner)), Math.max(0, deadline - performance.now()));
      try {
        await this.guard(runner.connect());
        return await work(runner);
      } finally {
        clearTimeout(cut);
        await runner.release().catch(() => undefined);
      }
    };
    return withDeadline(this.lanes[options.lane].run(attempt, options.budgetMs), options.budgetMs);
  }
}

/** The driver's own: TypeORM has no call that ends one. */
function connectionOf(runner: QueryRunner): DriverConnection | undefined {
  return (runner as { databaseConnection?: DriverConnection }).databaseConnection;
}

/** Writes the statements of one turn together: a write for each would double the cost of sending. */
function writeInOneGo(stream: Partial<Pick<Writable, 'cork' | 'uncork'>> | undefined): void {
  if (!stream?.cork) return;
  stream.cork();
  process.nextTick(() => stream.uncork?.());
}

/** A text gets a name when it comes for this time, so that rare ones do not fill the server's memory. */
const NAMED_FROM = 3;
/** Most names, each of which every connection keeps a plan for. */
const MOST_NAMES = 100;
const MOST_COUNTED = 1000;
/** A list of several values, or several rows: there are as many texts as lengths. */
const SEVERAL = /\bIN \(\$\d+, |\), \(\$/;

/** Names under which PostgreSQL keeps prepared statements: to parse and plan one takes longer than to carry out a login or an end. */
export class StatementNames {
  private readonly names = new Map<string, string>();
  private readonly counts = new Map<string, number>();

  /** @returns undefined for a statement that is to be sent without a name */
  nameOf(text: string): string | undefined {
    const known = this.names.get(text);
    if (known !== undefined || this.names.size >= MOST_NAMES || SEVERAL.test(text)) return known;
    const count = (this.counts.get(text) ?? 0) + 1;
    if (count < NAMED_FROM) {
      if (this.counts.size >= MOST_COUNTED) this.counts.clear();
      this.counts.set(text, count);
      return undefined;
    }
    this.counts.delete(text);
    // A digest, so that two processes behind a pooler mean the same by it.
    const name = `latchkey_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`;
    this.names.set(text, name);
    return name;
  }
}
