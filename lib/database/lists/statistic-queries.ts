import type { EndReason } from '../../model/session.js';
import type { StatisticKind } from '../../ports/journal-repository.js';
import { RealmQueries } from './realm-queries.js';
import { type Row, raw, sql } from '../engine/sql.js';

/** Counts of an hour, or of a day of UTC. */
export interface StatisticPoint {
  /** Beginning, in milliseconds since the epoch. */
  readonly at: number;
  /** Highest number of live sessions, which are counted every five minutes. Null if they were not. */
  readonly online: number | null;
  readonly logins: number;
  /** '' for logins that named no type. */
  readonly loginsByDeviceType: Readonly<Record<string, number>>;
  readonly failedLogins: number;
  /** How many sessions ended, by reason; a reason that did not occur is left out. */
  readonly ends: Readonly<Partial<Record<EndReason, number>>>;
}

export type StatisticRange = '24h' | '30d';

const HOUR_MS = 3_600_000;
const STEPS: Readonly<Record<StatisticRange, { readonly stepMs: number; readonly count: number }>> = {
  '24h': { stepMs: HOUR_MS, count: 24 },
  '30d': { stepMs: 24 * HOUR_MS, count: 30 },
};

export class StatisticQueries extends RealmQueries {
  /** Each of the last 24 hours, or 30 days of UTC, oldest first; the last one up to now. */
  async series(range: StatisticRange): Promise<readonly StatisticPoint[]> {
    const { stepMs, count } = STEPS[range];
    const now = this.clock.now();
    const last = now - (now % stepMs);
    const first = last - (count - 1) * stepMs;
    const rows = await this.rows(
      sql`SELECT hour - hour % ${raw(String(stepMs))} AS step, kind, name, SUM(amount) AS total, MAX(amount) AS highest
        FROM ${this.tables.statistic} WHERE realm = ${this.realm} AND hour >= ${first} GROUP BY step, kind, name`,
    );
    const bySteps = new Map<number, Row[]>();
    for (const row of rows) bySteps.set(Number(row.step), [...(bySteps.get(Number(row.step)) ?? []), row]);
    return Array.from({ length: count }, (_, index) => {
      const at = first + index * stepMs;
      return toPoint(at, bySteps.get(at) ?? []);
    });
  }
}

function toPoint(at: number, rows: readonly Row[]): StatisticPoint {
  const amounts = (kind: StatisticKind) =>
    Object.fromEntries(rows.filter((row) => row.kind === kind).map((row) => [String(row.name), Number(row.total)]));
  const sum = (kind: StatisticKind) => Object.values(amounts(kind)).reduce((total, amount) => total + amount, 0);
  const sampled = rows.find(({ kind }) => kind === 'online');
  return {
    at,
    online: sampled === undefined ? null : Number(sampled.highest),
    logins: sum('login'),
    loginsByDeviceType: amounts('login'),
    failedLogins: sum('failed-login'),
    ends: amounts('end'),
  };
}
