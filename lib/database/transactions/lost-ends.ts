import type { SessionRecord } from '../../model/session.js';
import type { EndedSession } from '../../model/session-change.js';
import type { ChangeEnd } from '../../ports/node-registry.js';
import type { RunOptions } from '../engine/engine.js';
import { type Script, sql } from '../engine/sql.js';
import { RealmQueries, type RealmScope } from '../lists/realm-queries.js';
import { isOfRealm } from '../schema/session-rows.js';
import { endSessions } from './end-transaction.js';
import { type Scope, chunksOf, lockRows } from './locks.js';

type KnownEnd = readonly [sessionId: string, end: ChangeEnd];

/** Longest wait before sessions are ended again, so that nodes that all find them do not do it at the same moment. */
const JITTER_MS = 250;

/** The record as it is: ended, if this node knows of an end, whatever its row says. */
export function withKnownEnd(record: SessionRecord, { endOf }: Pick<Scope, 'endOf'>): SessionRecord {
  const known = (!record.end && endOf?.(record.id)) || null;
  return known ? { ...record, end: { ...known, replacedBy: null } } : record;
}

/** Ends again what a database that has lost commits has live after its end. */
export class LostEnds extends RealmQueries {
  private readonly scope: Scope;
  private readonly looking: RunOptions;

  constructor(scope: RealmScope) {
    super(scope);
    this.scope = { ...scope, dialect: scope.engine.dialect };
    this.looking = { ...this.options, lane: 'control' };
  }

  /** Changes only rows that are there and have not ended. @returns the sessions, and how many have no row at all */
  async endAgain(
    ends: readonly KnownEnd[],
  ): Promise<{ readonly rewritten: readonly EndedSession[]; readonly missing: number }> {
    const rewritten: EndedSession[] = [];
    let found = 0;
    for (const chunk of chunksOf(ends)) {
      const ids = chunk.map(([id]) => id);
      const rows = await this.rows(
        sql`SELECT id, status FROM ${this.tables.session} WHERE id ${this.engine.dialect.isOneOf(ids)}
          AND ${isOfRealm(this.realm)}`,
        this.looking,
      );
      found += rows.length;
      const live = new Set(rows.filter(({ status }) => status !== 'ended').map(({ id }) => String(id)));
      if (live.size === 0) continue;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * JITTER_MS));
      const lost = new Map(chunk.filter(([id]) => live.has(id)));
      rewritten.push(...(await this.engine.transaction(() => this.script(lost), this.options)));
    }
    return { rewritten, missing: ends.length - found };
  }

  private *script(lost: ReadonlyMap<string, ChangeEnd>): Script<readonly EndedSession[]> {
    const rows = yield* lockRows(this.scope, [...lost.keys()]);
    return yield* endSessions(this.scope, rows, this.scope.clock.now(), (row) => {
      return { ...lost.get(String(row.id))!, replacedBy: null };
    });
  }
}
