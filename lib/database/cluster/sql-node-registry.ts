import { readFileSync, readlinkSync } from 'node:fs';
import { SessionError } from '../../model/session-error.js';
import { SynchronizedClock } from '../../ports/clock.js';
import type { LogPosition, NodeList, NodeRegistry, NodeRow, NodeState, PollResult } from '../../ports/node-registry.js';
import { type Row, type Statement, list, sql } from '../engine/sql.js';
import { RealmQueries, type RealmScope } from '../lists/realm-queries.js';
import { ChangeLog } from './change-log.js';

export class SqlNodeRegistry extends RealmQueries implements NodeRegistry {
  private readonly process = processIdentity();
  private readonly changeLog: ChangeLog;

  constructor(scope: RealmScope) {
    super(scope, 'control');
    this.changeLog = ChangeLog.of({ ...scope, options: this.options });
  }

  async poll({ id, ...state }: NodeState, after: LogPosition | null): Promise<PollResult> {
    const renewedAt = this.engine.dialect.now;
    const { poll, polled, protocol, silenceMs, windowMs } = state;
    const [caching, messaging] = [Number(state.caching), Number(state.messaging)];
    const renewed = await this.write(
      sql`UPDATE ${this.tables.node} SET renewed_at = ${renewedAt}, caching = ${caching}, messaging = ${messaging},
        poll = ${poll}, polled = ${polled} WHERE id = ${id} AND poll < ${poll} AND poll >= ${polled}`,
    );
    if (renewed.affected === 0) {
      await this.delete(sql`id = ${id} AND poll < ${polled}`);
      await this.write(
        sql`INSERT INTO ${this.tables.node} (id, realm, process, protocol, silence_ms, window_ms, caching, messaging, poll, polled,
          renewed_at) VALUES (${id}, ${this.realm}, ${this.process}, ${protocol}, ${silenceMs}, ${windowMs}, ${caching}, ${messaging}, ${poll}, ${polled}, ${renewedAt})`,
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
    const databaseTime = Number(own.now_ms);
    // Another clock dates changes as well.
    const now = this.clock instanceof SynchronizedClock ? databaseTime : this.clock.now();
    return {
      ...listOf(present, id),
      databaseTime,
      measuredAt,
      wasRegistered: renewed.affected > 0,
      ...(await this.changeLog.read(after, { now, server: String(own.server) })),
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

  purge(seen: LogPosition): Promise<void> {
    return this.changeLog.purge(seen);
  }

  private readNodes(): Promise<readonly Row[]> {
    return this.rows(
      sql`SELECT id, process, protocol, silence_ms, window_ms, caching, messaging, renewed_at, poll, polled,
          ${this.engine.dialect.now} AS now_ms, ${this.engine.dialect.server} AS server FROM ${this.tables.node} WHERE realm = ${this.realm}`,
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
    protocol: Number(row.protocol),
    caching: Number(row.caching) !== 0,
    messaging: Number(row.messaging) !== 0,
    silenceMs: Number(row.silence_ms),
    windowMs: Number(row.window_ms),
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
