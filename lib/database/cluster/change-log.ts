import type { ScopeChange } from '../../model/mass-end.js';
import type { ChangeEnd, LogPosition, PollResult, SessionChange } from '../../ports/node-registry.js';
import { CHANGE_TOLERANCE_MS, LONGEST_LOCK_WAIT_MS } from '../engine/dialect.js';
import type { Engine, RunOptions } from '../engine/engine.js';
import { type QueryResult, type Row, type Script, type Statement, list, raw, sql } from '../engine/sql.js';
import { isEndReason } from '../../model/session.js';
import { optional } from '../schema/session-rows.js';
import type { Tables } from '../schema/tables.js';

export interface LogReading<Position extends LogPosition = LogPosition> extends LoggedChanges {
  readonly position: Position;
  readonly oldestWriteMs: number | null;
}

/** Time and server of a poll, read before the log is. */
export interface PollMoment {
  /** Milliseconds since the epoch by the database's clock. */
  readonly now: number;
  readonly server: string;
}

interface LogParts {
  readonly engine: Pick<Engine, 'dialect' | 'read' | 'write' | 'transaction'>;
  readonly tables: Pick<Tables, 'change'>;
  readonly realm: string;
  readonly options: RunOptions;
}

/** Most rows that a purge deletes at a time. */
const BATCH = 500;
const COLUMNS = raw('kind, id, version, at, reason, actor');

type LoggedChanges = Pick<PollResult, 'changes' | 'scopes'>;

/**
 * Reads what was committed since an earlier read, however long it took to become visible. Callers keep positions, so
 * that a reading that they never received is made again.
 */
export abstract class ChangeLog<Position extends LogPosition = LogPosition> {
  constructor(protected readonly parts: LogParts) {}

  static of(parts: LogParts): ChangeLog {
    return parts.engine.dialect.engine === 'postgres' ? new SnapshotLog(parts) : new LockedLog(parts);
  }

  /** Reads the whole log for null. */
  async read(after: LogPosition | null, moment: PollMoment): Promise<LogReading> {
    return this.readFrom(after as Position | null, moment);
  }

  /** Deletes what was visible at a position. */
  async purge(seen: LogPosition): Promise<void> {
    for (const where of this.seenAt(seen as Position)) await this.deleteAll(where);
  }

  protected abstract readFrom(after: Position | null, moment: PollMoment): Promise<LogReading<Position>>;

  protected abstract seenAt(position: Position): readonly Statement[];

  protected get ofRealm(): Statement {
    return sql`realm = ${this.parts.realm}`;
  }

  protected run<T>(script: () => Script<T>): Promise<T> {
    return this.parts.engine.transaction(script, this.parts.options);
  }

  /** Keys first, and then by key, so that nodes that purge at the same time do not wait long. */
  private async deleteAll(where: Statement): Promise<void> {
    const { engine, options, tables } = this.parts;
    const keys = sql`SELECT kind, id FROM ${tables.change} WHERE ${this.ofRealm} AND ${where} LIMIT ${BATCH}`;
    for (let isMore = true; isMore;) {
      const { rows } = await engine.read(keys, options);
      const valuesOf = (column: 'kind' | 'id') => list([...new Set(rows.map((row) => String(row[column])))].sort());
      isMore = rows.length === BATCH;
      if (rows.length === 0) return;
      await engine.write(
        sql`DELETE FROM ${tables.change} WHERE kind IN (${valuesOf('kind')}) AND id IN (${valuesOf('id')})
          AND ${this.ofRealm} AND ${where}`,
        options,
      );
    }
  }
}

interface SnapshotPosition extends LogPosition {
  readonly xmax: string;
  /** Transactions that were under way, of those below xmax. */
  readonly underWay: readonly string[];
  /** Monotonic time since when polls have seen the oldest of them. */
  readonly oldestSince: number;
}

/** PostgreSQL. Rows name their transaction, and a snapshot of the server says which of those were visible: exact. */
class SnapshotLog extends ChangeLog<SnapshotPosition> {
  protected async readFrom(after: SnapshotPosition | null): Promise<LogReading<SnapshotPosition>> {
    const { rows } = await this.run(() => this.script(after));
    const position = positionOf(
      rows.find(({ kind }) => kind === 'snapshot')!,
      after,
    );
    // Another server may use numbers again that this one has used for commits which the other one has lost.
    if (after && (position.server !== after.server || BigInt(position.xmax) < BigInt(after.xmax))) {
      return this.readFrom(null);
    }
    const oldestWriteMs = position.underWay.length > 0 ? performance.now() - position.oldestSince : 0;
    return { ...changesOf(rows), position, oldestWriteMs };
  }

  protected seenAt({ xmax, underWay }: SnapshotPosition): readonly Statement[] {
    const visible = sql`xid < CAST(${xmax} AS xid8) AND NOT xid = ANY(${xidsOf(underWay)})`;
    // Visible rows of transactions that this server has yet to begin come from another one, as by a dump.
    return [visible, raw('xid >= pg_snapshot_xmax(pg_current_snapshot())')];
  }

  /** One statement, and so one snapshot. An old transaction that is still open costs nothing: it is looked up by number. */
  private *script(after: SnapshotPosition | null): Script<QueryResult> {
    const { engine, tables } = this.parts;
    const snapshot = sql`SELECT 'snapshot' AS kind, CAST(pg_current_snapshot() AS TEXT) AS id, 0 AS version, 0 AS at,
      ${engine.dialect.server} AS reason, '' AS actor`;
    const rowsOf = (where: Statement) =>
      sql`SELECT ${COLUMNS} FROM ${tables.change} WHERE ${this.ofRealm} AND ${where}`;
    const begun = rowsOf(sql`xid >= CAST(${after?.xmax ?? '0'} AS xid8)`);
    const underWay = rowsOf(sql`xid = ANY(${xidsOf(after?.underWay ?? [])})`);
    return yield sql`${snapshot} UNION ALL ${begun} UNION ALL ${underWay}`;
  }
}

function xidsOf(xids: readonly string[]): Statement {
  return sql`CAST(${`{${xids.join()}}`} AS xid8[])`;
}

function positionOf({ id, reason: server }: Row, before: SnapshotPosition | null): SnapshotPosition {
  const [, xmax, listed] = String(id).split(':') as [string, string, string];
  const underWay = listed === '' ? [] : listed.split(',');
  const isSameOldest = before !== null && underWay.length > 0 && underWay[0] === before.underWay[0];
  const oldestSince = isSameOldest ? before.oldestSince : performance.now();
  return { server: String(server), xmax, underWay, oldestSince };
}

interface LockedPosition extends LogPosition {
  /** Time of the poll, by the clock of the database. */
  readonly at: number;
  /** How many changes of each recent second were read, by its beginning. */
  readonly read: ReadonlyMap<number, number>;
}

/** Most recent changes that are read again with every poll; of more, those of the seconds that have other counts. */
const FEW = 500;
const SECOND_MS = 1000;
/**
 * How far back a read goes behind the one before it. A change bears a time that is close to the clock when its
 * statement begins, which may then wait for a lock; the rest is for what nodes read wrong of the clock.
 */
const REACH_MS = CHANGE_TOLERANCE_MS + LONGEST_LOCK_WAIT_MS + 10_000;

/** MariaDB, MySQL and SQLite. A locking read waits for the rows of transactions under way, or fails. */
class LockedLog extends ChangeLog<LockedPosition> {
  protected async readFrom(
    after: LockedPosition | null,
    { now, server }: PollMoment,
  ): Promise<LogReading<LockedPosition>> {
    const since = secondOf((after?.at ?? now) - REACH_MS);
    const { rows, counts } = await this.run(() => this.script(since, after));
    const read = counts ?? countsOf(rows, since);
    return { ...changesOf(rows), position: { server, at: now, read }, oldestWriteMs: null };
  }

  /** Rows of a time that no clock says any more come from before one was set back. */
  protected seenAt({ at }: LockedPosition): readonly Statement[] {
    return [sql`at < ${at - REACH_MS}`, sql`at > ${this.parts.engine.dialect.now} + ${raw(String(REACH_MS))}`];
  }

  private *script(since: number, after: LockedPosition | null): Script<LockedRows> {
    if (after === null) return { rows: (yield this.rowsOf(COLUMNS, this.ofRealm)).rows, counts: null };
    const recent = sql`${this.ofRealm} AND at >= ${since}`;
    const known = [...after.read].filter(([second]) => second >= since);
    if (known.reduce((sum, [, count]) => sum + count, 0) <= FEW) {
      return { rows: (yield this.rowsOf(COLUMNS, recent)).rows, counts: null };
    }
    const second = raw(`at - at % ${SECOND_MS}`);
    const grouped = yield this.rowsOf(sql`${second} AS second, COUNT(*) AS changes`, recent, sql` GROUP BY ${second}`);
    const counts = new Map(grouped.rows.map((row) => [Number(row.second), Number(row.changes)]));
    const others = [...counts.keys()].filter((one) => counts.get(one) !== after.read.get(one));
    if (others.length === 0) return { rows: [], counts };
    const ofOthers = sql`${this.ofRealm} AND at >= ${Math.min(...others)} AND ${second} IN (${list(others)})`;
    return { rows: (yield this.rowsOf(COLUMNS, ofOthers)).rows, counts };
  }

  private rowsOf(columns: Statement, where: Statement, group = raw('')): Statement {
    const { engine, tables } = this.parts;
    const from = sql`${tables.change}${engine.dialect.through('idx_latchkey_change_at')}`;
    return sql`SELECT ${columns} FROM ${from} WHERE ${where}${group}${engine.dialect.forShare}`;
  }
}

interface LockedRows {
  readonly rows: readonly Row[];
  /** Null if all recent rows were read. */
  readonly counts: ReadonlyMap<number, number> | null;
}

function countsOf(rows: readonly Row[], since: number): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (const { at } of rows) {
    const second = secondOf(Number(at));
    if (second >= since) counts.set(second, (counts.get(second) ?? 0) + 1);
  }
  return counts;
}

function secondOf(time: number): number {
  return time - (time % SECOND_MS);
}

function changesOf(rows: readonly Row[]): LoggedChanges {
  const changes: SessionChange[] = [];
  const scopes: ScopeChange[] = [];
  for (const row of rows) {
    const { kind } = row;
    const [id, version, end] = [String(row.id), Number(row.version), endOf(row)];
    if (kind === 'session') changes.push({ sessionId: id, version, end });
    if (kind === 'account' || kind === 'realm')
      scopes.push({ kind, id, version, end: end && { ...end, replacedBy: null } });
  }
  return { changes, scopes };
}

function endOf({ reason, at, actor }: Row): ChangeEnd | null {
  return isEndReason(reason) ? { reason, at: Number(at), by: optional(actor) ?? 'system' } : null;
}
