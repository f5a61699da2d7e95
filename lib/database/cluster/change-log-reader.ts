import type { SessionChange } from '../../ports/node-registry.js';
import type { Engine, RunOptions } from '../engine/engine.js';
import { type Row, type Statement, list, sql } from '../engine/sql.js';
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
    const recent = sql`realm = ${this.parts.realm} AND at >= ${since}`;
    const rows = known <= FEW ? await this.rowsOf(recent) : await this.rowsOfOthers(recent);
    for (const at of new Set(rows.map(timeOf))) this.read.set(at, 0);
    for (const row of rows) this.read.set(timeOf(row), this.read.get(timeOf(row))! + 1);
    return rows.map((row) => ({ sessionId: String(row.session_id), version: Number(row.version) }));
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
    return this.rows(sql`session_id, version, at`, where);
  }

  private async rows(columns: Statement, where: Statement): Promise<readonly Row[]> {
    const { engine, tables, options } = this.parts;
    return (await engine.read(sql`SELECT ${columns} FROM ${tables.change} WHERE ${where}`, options)).rows;
  }
}

function timeOf(row: Row): number {
  return Number(row.at);
}
