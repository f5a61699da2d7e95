import { readFileSync, readlinkSync } from 'node:fs';
import { SessionError } from '../../model/session-error.js';
import type {
  NodeList,
  NodeRegistry,
  NodeRow,
  NodeState,
  PollResult,
  SessionChange,
} from '../../ports/node-registry.js';
import type { Engine, RunOptions } from '../engine/engine.js';
import { type Row, type Statement, list, sql } from '../engine/sql.js';
import { RealmQueries, type RealmScope } from '../lists/realm-queries.js';
import type { Tables } from '../schema/tables.js';

/** Most changes that are read again rather than counted first, and most moments that one statement names. */
const FEW = 500;

/** Reads the recent change log again and again, since changes may appear late: once it is long, only where counts have changed. */
export class ChangeLogReader {
  /** How many changes of each moment were read last. */
  private readonly read = new Map<number, number>();
  private since = Infinity;

  constructor(
    private readonly parts: {
      readonly engine: Pick<Engine, 'read'>;
      readonly tables: Pick<Tables, 'change'>;
      readonly realm: string;
      readonly options: RunOptions;
    },
  ) {}

  /** Known changes may be left out, unless `since` is earlier than last time. One call at a time. Milliseconds since the epoch. */
  async changesSince(since: number): Promise<readonly SessionChange[]> {
    if (since < this.since) this.read.clear();
    this.since = since;
    let known = 0;
    for (const [at, count] of this.read) {
      if (at < since) this.read.delete(at);
      else known += count;
    }
    const recent = sql`kind = 'session' AND realm = ${this.parts.realm} AND at >= ${since}`;
    const rows = known <= FEW ? await this.rowsOf(recent) : await this.rowsOfOthers(recent);
    for (const at of new Set(rows.map(timeOf))) this.read.set(at, 0);
    for (const row of rows) this.read.set(timeOf(row), this.read.get(timeOf(row))! + 1);
    return rows.map((row) => ({ sessionId: String(row.id), version: Number(row.version) }));
  }

  /** All changes of the moments at which there are not as many as were read. */
  private async rowsOfOthers(recent: Statement): Promise<readonly Row[]> {
    const counts = await this.rows(sql`at, COUNT(*) AS changes`, sql`${recent} GROUP BY at`);
    // Rows of the future are removed where the clock was set back; others may come at the same moments.
    const present = new Set(counts.map(timeOf));
    for (const at of this.read.keys()) if (!present.has(at)) this.read.delete(at);
    const others = counts.filter((row) => this.read.get(timeOf(row)) !== Number(row.changes)).map(timeOf);
    if (others.length === 0) return [];
    const at = others.length <= FEW ? sql`at IN (${list(others)})` : sql`at >= ${Math.min(...others)}`;
    return this.rowsOf(sql`${recent} AND ${at}`);
  }

  private rowsOf(where: Statement): Promise<readonly Row[]> {
    return this.rows(sql`id, version, at`, where);
  }

  private async rows(columns: Statement, where: Statement): Promise<readonly Row[]> {
    const { engine, tables, options } = this.parts;
    return (await engine.read(sql`SELECT ${columns} FROM ${tables.change} WHERE ${where}`, options)).rows;
  }
}

function timeOf(row: Row): number {
  return Number(row.at);
}

export class SqlNodeRegistry extends RealmQueries implements NodeRegistry {
  private readonly process = processIdentity();
  private readonly changeLog: ChangeLogReader;

  constructor(scope: RealmScope) {
    super(scope, 'control');
    this.changeLog = new ChangeLogReader({ ...scope, options: this.options });
  }

  async poll({ id, ...state }: NodeState, changesSince: number | null): Promise<PollResult> {
    const { now } = this.engine.dialect;
    const { poll, polled } = state;
    const [caching, messaging] = [Number(state.caching), Number(state.messaging)];
    const renewed = await this.write(
      sql`UPDATE ${this.tables.node} SET renewed_at = ${now}, caching = ${caching}, messaging = ${messaging},
        poll = ${poll}, polled = ${polled} WHERE id = ${id} AND poll < ${poll}`,
    );
    if (renewed.affected === 0) {
      await this.write(
        sql`INSERT INTO ${this.tables.node} (id, realm, process, silence_ms, caching, messaging, poll, polled, renewed_at)
          VALUES (${id}, ${this.realm}, ${this.process}, ${state.silenceMs}, ${caching}, ${messaging}, ${poll}, ${polled}, ${now})`,
      );
    }
    const askedAt = performance.now();
    const rows = await this.readNodes();
    const measuredAt = (askedAt + performance.now()) / 2;
    const own = rows.find((row) => row.id === id);
    // Another node took this one for gone in between; the next poll puts its row back.
    if (!own) throw new SessionError('SESSION_STORE_UNAVAILABLE', 'The row of this node is missing.');
    // No node need wait for the row of a process that is known to be gone.
    const gone = rows.filter((row) => row !== own && isGone(row.process as string | null));
    if (gone.length > 0) await this.delete(sql`id IN (${list(gone.map((row) => String(row.id)))})`);
    const present = rows.filter((row) => !gone.includes(row));
    return {
      ...listOf(present, id),
      databaseTime: Number(own.now_ms),
      measuredAt,
      wasRegistered: renewed.affected > 0,
      changes: changesSince === null ? [] : await this.changeLog.changesSince(changesSince),
    };
  }

  async list(nodeId: string): Promise<NodeList> {
    return listOf(await this.readNodes(), nodeId);
  }

  async leave(nodeId: string): Promise<void> {
    await this.delete(sql`id = ${nodeId}`);
  }

  async remove(silent: readonly Pick<NodeRow, 'id' | 'poll'>[]): Promise<void> {
    for (const { id, poll } of silent) await this.delete(sql`id = ${id} AND poll = ${poll}`);
  }

  async purge(before: number, after: number): Promise<void> {
    for (const time of [sql`at < ${before}`, sql`at > ${after}`]) {
      await this.write(sql`DELETE FROM ${this.tables.change} WHERE realm = ${this.realm} AND ${time}`);
    }
  }

  private readNodes(): Promise<readonly Row[]> {
    return this.rows(
      sql`SELECT id, process, silence_ms, caching, messaging, renewed_at, poll, polled, ${this.engine.dialect.now} AS now_ms
        FROM ${this.tables.node} WHERE realm = ${this.realm}`,
      { ...this.options, isPlannedOnce: true },
    );
  }

  private async delete(where: Statement): Promise<void> {
    await this.write(sql`DELETE FROM ${this.tables.node} WHERE ${where}`);
  }

  private write(statement: Statement) {
    return this.engine.write(statement, this.options);
  }
}

function listOf(rows: readonly Row[], nodeId: string): NodeList {
  return { others: rows.filter((row) => row.id !== nodeId).map(toNode) };
}

function toNode(row: Row): NodeRow {
  return {
    id: String(row.id),
    caching: Number(row.caching) !== 0,
    messaging: Number(row.messaging) !== 0,
    silenceMs: Number(row.silence_ms),
    renewedAt: Number(row.renewed_at),
    poll: Number(row.poll),
    polled: Number(row.polled),
  };
}

/** Boot id, process namespace, process id and start time, by which others see that it is gone. Null anywhere but on Linux. */
export function processIdentity(): string | null {
  try {
    const startTime = startTimeOf(process.pid);
    return startTime && [host(), process.pid, startTime].join(' ');
  } catch {
    return null;
  }
}

/** True if the identity names a process of this host that no longer exists. */
export function isGone(identity: string | null): boolean {
  if (identity === null) return false;
  const [boot, namespace, pid, startTime] = identity.split(' ');
  try {
    if (`${boot} ${namespace}` !== host()) return false;
    return !exists(Number(pid)) || ![null, startTime].includes(startTimeOf(Number(pid)));
  } catch {
    return false;
  }
}

/** Asked of the kernel itself: /proc may hide the processes of other users. */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

function host(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
}

/** Field 22 of proc(5) stat; '' for a process that has ended and is not collected yet, null where it cannot be read. */
function startTimeOf(pid: number): string | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? '' : (fields[19] ?? null);
}
