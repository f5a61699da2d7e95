import type { RealmScope } from '../lists/realm-queries.js';
import type { NodeList, NodeRow, NodeState, NodeRegistry, PollResult } from '../../ports/node-registry.js';
import { SessionError } from '../../model/session-error.js';
import { ChangeLogReader } from './change-log-reader.js';
import type { RunOptions } from '../engine/engine.js';
import { type Row, type Statement, list, sql } from '../engine/sql.js';
import { readFileSync, readlinkSync } from 'node:fs';

/** Nodes and change log in the tables of a realm. */
export class SqlNodeRegistry implements NodeRegistry {
  private readonly process = processIdentity();
  private readonly options: RunOptions;
  private readonly changeLog: ChangeLogReader;

  /** @param budgetMs time that each call may take */
  constructor(private readonly parts: Omit<RealmScope, 'clock'>) {
    this.options = { lane: 'control', budgetMs: parts.budgetMs };
    this.changeLog = new ChangeLogReader({ ...parts, options: this.options });
  }

  async poll({ id, ...state }: NodeState, changesSince: number | null): Promise<PollResult> {
    const { engine, tables, realm } = this.parts;
    const { now } = engine.dialect;
    const { poll, polled } = state;
    const [caching, messaging] = [Number(state.caching), Number(state.messaging)];
    const renewed = await engine.write(
      sql`UPDATE ${tables.node} SET renewed_at = ${now}, caching = ${caching}, messaging = ${messaging},
        poll = ${poll}, polled = ${polled} WHERE id = ${id} AND poll < ${poll}`,
      this.options,
    );
    if (renewed.affected === 0) {
      await engine.write(
        sql`INSERT INTO ${tables.node} (id, realm, process, silence_ms, caching, messaging, poll, polled, renewed_at)
          VALUES (${id}, ${realm}, ${this.process}, ${state.silenceMs}, ${caching}, ${messaging}, ${poll}, ${polled}, ${now})`,
        this.options,
      );
    }
    const askedAt = performance.now();
    const rows = await this.readNodes();
    const measuredAt = (askedAt + performance.now()) / 2;
    const own = rows.find((row) => row.id === id);
    // Somebody took this node for gone in between; the next poll puts its row back.
    if (!own) throw new SessionError('SESSION_STORE_UNAVAILABLE', 'The row of this node is missing.');
    // Nobody need wait for the row of a process that is known to be gone.
    const gone = rows.filter((row) => row !== own && isGone(row.process as string | null));
    if (gone.length > 0) await this.delete(sql`id IN (${list(gone.map((row) => String(row.id)))})`);
    return {
      ...listOf(
        rows.filter((row) => !gone.includes(row)),
        id,
      ),
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
    const { engine, tables, realm } = this.parts;
    for (const time of [sql`at < ${before}`, sql`at > ${after}`]) {
      await engine.write(sql`DELETE FROM ${tables.change} WHERE realm = ${realm} AND ${time}`, this.options);
    }
  }

  private async readNodes(): Promise<readonly Row[]> {
    const { engine, tables, realm } = this.parts;
    const { rows } = await engine.read(
      sql`SELECT id, process, silence_ms, caching, messaging, renewed_at, poll, polled, ${engine.dialect.now} AS now_ms
        FROM ${tables.node} WHERE realm = ${realm}`,
      { ...this.options, isPlannedOnce: true },
    );
    return rows;
  }

  private async delete(where: Statement): Promise<void> {
    await this.parts.engine.write(sql`DELETE FROM ${this.parts.tables.node} WHERE ${where}`, this.options);
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

/**
 * Which process of which host this is: boot id, process namespace, process id and start time. Null where the platform
 * does not tell (anything but Linux). A node that restarts after a crash can so tell that the row of its predecessor
 * belongs to nobody, instead of waiting until it has been silent for long enough.
 */
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
